"""MLflow's published client in an environment of its own, and what it says of this server."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from compatibility import functions_of
from serving import Api, ServerProcess, ask

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PYTHON = ROOT / ".venv-mlflow" / "bin" / "python"
PASSWORD = "a long password of hers"
_PATIENCE = 300.0


@cache
def behaviours(scenario: str) -> tuple[str, ...]:
    """The names of a scenario's behaviours, in order, without running it."""
    path = HERE / "scenarios" / f"{scenario}.py"
    return tuple(functions_of(path, marked="behaviour"))


def require_client() -> None:
    """Skip where MLflow's client isn't installed; fail where everything must run."""
    if PYTHON.exists():
        return
    told = "MLflow's client is not installed: `make test` makes its environment, .venv-mlflow."
    if os.environ.get("CI"):
        pytest.fail(told)
    pytest.skip(told)


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
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    ran = subprocess.run(
        [PYTHON, "-m", f"wire.mlflow.scenarios.{scenario}"],
        cwd=folder,
        env={
            **ours,
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT / "tests"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MLFLOW_TRACKING_URI": server.url,
            "MLFLOW_REGISTRY_URI": server.url,
            "MLFLOW_TRACKING_TOKEN": keys["admin"],
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "POINTSMAN_TEST_KEYS": json.dumps(keys),
        },
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    lines = ran.stdout.strip().splitlines()
    assert ran.returncode == 0, ran.stderr[-8_000:]
    found: dict[str, str | None] = json.loads(lines[-1])
    return found
