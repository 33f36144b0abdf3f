"""MLflow's published client in an environment of its own, and what it says of this server."""

from __future__ import annotations

import json
from pathlib import Path

from serving import Api, ServerProcess, ask
from wire import published

HERE = Path(__file__).parent
PASSWORD = "a long password of hers"


def behaviours(scenario: str) -> tuple[str, ...]:
    """The names of a scenario's behaviours, in order, without running it."""
    return published.behaviours(HERE / "scenarios" / f"{scenario}.py")


def keys_for(server: ServerProcess) -> dict[str, str]:
    """A key for each role, and the password of a person who may edit."""
    keys = {role: server.make_key(role)[1] for role in ("viewer", "editor", "releaser")}
    invited = server.post("/invitations", {"email": "ana@example.com", "role": "editor"})
    assert invited.status == 201, invited
    token, answer = invited.json["token"], None
    with server.connect() as connection:
        body = {"token": token, "name": "Ana", "password": PASSWORD}
        answer = ask(connection, "POST", "/invitations/accept", body, key=None)
    assert answer.status in (200, 201), answer
    return {**keys, "admin": server.own_key, "password": PASSWORD}


def run(server: Api, scenario: str, keys: dict[str, str], folder: Path) -> dict[str, str | None]:
    """Run a scenario with MLflow's client and return what became of each behaviour."""
    environment = {
        "MLFLOW_TRACKING_URI": server.url,
        "MLFLOW_REGISTRY_URI": server.url,
        "MLFLOW_TRACKING_TOKEN": keys["admin"],
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "POINTSMAN_TEST_URL": server.url,
        "POINTSMAN_TEST_KEYS": json.dumps(keys),
    }
    return published.run(f"wire.mlflow.scenarios.{scenario}", environment, folder)
