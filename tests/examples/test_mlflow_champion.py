"""examples/mlflow_champion.py works, as a user runs it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from serving import ServerProcess
from wire.published import PYTHON, ROOT, require_clients

_PATIENCE = 400.0


def test_a_champion_is_followed_there_and_back(tmp_path: Path) -> None:
    require_clients()
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    with ServerProcess(data=tmp_path / "data") as server:
        ran = subprocess.run(
            [PYTHON, ROOT / "examples" / "mlflow_champion.py"],
            cwd=tmp_path,
            env={
                **ours,
                "HOME": str(tmp_path),
                "PYTHONPATH": str(ROOT / "src"),
                "PYTHONDONTWRITEBYTECODE": "1",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "POINTSMAN_URL": server.url,
                "POINTSMAN_API_KEY": server.own_key,
            },
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr[-8_000:]
        assert server.get("/doctor").json["findings"] == []
    told = [line.partition(" answers")[0] for line in ran.stdout.splitlines()]
    served = [line for line in told if line.startswith("serving: ")]
    assert served == [f"serving: version {number}" for number in (1, 2, 1)], ran.stdout
    assert any(line.startswith("refused before it is approved: ") for line in told)
    assert sum(line.startswith("on record: release ") for line in told) == 3
