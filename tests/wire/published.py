"""Published clients of other systems in an environment of their own, and what they say of this
server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from compatibility import functions_of

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-mlflow" / "bin" / "python"
_PATIENCE = 300.0


@cache
def behaviours(scenario: Path) -> tuple[str, ...]:
    """The names of a scenario's behaviours, in order, without running it."""
    return tuple(functions_of(scenario, marked="behaviour"))


def require_clients() -> None:
    """Skip where the clients aren't installed; fail where everything must run."""
    if PYTHON.exists():
        return
    told = "The published clients are not installed: `make test` makes .venv-mlflow for them."
    if os.environ.get("CI"):
        pytest.fail(told)
    pytest.skip(told)


def run(module: str, environment: Mapping[str, str], folder: Path) -> dict[str, str | None]:
    """Run a scenario where the clients are and return what became of each behaviour."""
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLFLOW_", "HF_", "HUGGINGFACE_"))
    }
    ran = subprocess.run(
        [PYTHON, "-m", module],
        cwd=folder,
        env={
            **ours,
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT / "tests"),
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
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
