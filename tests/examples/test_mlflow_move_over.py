"""examples/mlflow_move_over.py copies a registry, and goes on where it broke off."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from serving import ServerProcess, place
from wire.published import PYTHON, ROOT, require_clients

_PATIENCE = 300.0
CHAT = {"template": [{"role": "user", "content": "Hello {{ who }}"}]}


def _fill(old: ServerProcess) -> None:
    """A server that speaks MLflow's protocol, with prompts and models."""
    for number in (1, 2, 3):
        old.publish("reply", f"Version {number} for {{{{ who }}}}", message=f"the {number}.")
    old.move("reply", "production", 2, reason="x")
    old.move("reply", "canary", 3, reason="x")
    assert old.post("/versions", {"name": "chat", "content": CHAT}).status == 201
    for number in (1, 2):
        body = {"kind": "model", "name": "churn", "content": {"uri": f"s3://models/churn/{number}"}}
        assert old.post("/versions", body).status == 201
    champion = place("churn", "aliases", "champion", kind="model")
    assert old.put(champion, {"version": 2, "reason": "x"}).status == 200


def _move_over(old: ServerProcess, new: ServerProcess, folder: Path) -> str:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    ran = subprocess.run(
        [PYTHON, ROOT / "examples" / "mlflow_move_over.py"],
        cwd=folder,
        env={
            **ours,
            "HOME": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "FROM_URL": old.url,
            "FROM_TOKEN": old.own_key,
            "POINTSMAN_URL": new.url,
            "POINTSMAN_API_KEY": new.own_key,
        },
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-8_000:]
    return ran.stdout


def test_a_registry_moves_over_and_again(tmp_path: Path) -> None:
    require_clients()
    with ServerProcess(data=tmp_path / "old") as old, ServerProcess(data=tmp_path / "new") as new:
        _fill(old)
        assert "2 prompts and 1 models are at" in _move_over(old, new, tmp_path)
        old.publish("reply", "Version 4 for {{ who }}")
        old.move("reply", "production", 4, reason="later")
        _move_over(old, new, tmp_path)
        assert new.get(place("reply")).json["newest"] == 4
        for name, version in (("reply@production", 4), ("reply@canary", 3), ("chat", 1)):
            theirs, ours = (one.get(f"/resolve/{name}").json for one in (old, new))
            assert ours["version"] == theirs["version"] == version
            assert ours["content"]["template"] == theirs["content"]["template"]
        assert new.get("/resolve/reply:1").json["message"] == "the 1."
        champion = new.get(place("churn", "aliases", "champion", kind="model")).json
        assert champion["target"]["version"] == 2
        assert new.get("/doctor").json["findings"] == []
