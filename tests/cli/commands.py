"""Running the command line in tests: in this process, or as a process of its own."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from pointsman.cli.program import pointsman

PATIENCE = 60.0
"""Seconds after which a process counts as hung. Never asserted on."""


@dataclass(frozen=True)
class Ran:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error that was told as JSON."""
        return json.loads(self.err)["error"]


class Cli:
    """Runs `pointsman` with an environment that names one registry and nothing else."""

    def __init__(self, **environment: str) -> None:
        self.environment = environment
        self.folder = f"t{secrets.token_hex(6)}"
        """A folder in the registry that no other test uses."""

    def name(self, rest: str) -> str:
        """A name that no other test uses."""
        return f"{self.folder}/{rest}"

    def run(self, *arguments: object, stdin: str | bytes = "", **environment: str) -> Ran:
        """Run the command in this process, whatever its exit status."""
        done = CliRunner().invoke(
            pointsman,
            [str(one) for one in arguments],
            input=stdin,
            env=self._cleared() | self.environment | environment,
        )
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ran(done.exit_code, done.stdout, done.stderr)

    def __call__(self, *arguments: object, stdin: str | bytes = "") -> Ran:
        """Run the command, which must do well."""
        ran = self.run(*arguments, stdin=stdin)
        assert ran.code == 0, ran
        return ran

    def json(self, *arguments: object, stdin: str | bytes = "") -> Any:
        """What the command answers to `--json`."""
        return self(*arguments, "--json", stdin=stdin).json

    def publish(self, name: str, template: str, *options: object) -> int:
        """Publish a template as the newest version of `name`, and return its number."""
        published = self.json("publish", "-", "--name", name, *options, stdin=template)
        return int(published["version"]["number"])

    def start(self, *arguments: object, **more: Any) -> subprocess.Popen[str]:
        """Start the command as a process of its own, its output in pipes."""
        settings: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
            "env": clean_environment(self.environment),
            **more,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "pointsman", *[str(one) for one in arguments]], **settings
        )

    def process(self, *arguments: object, stdin: str | None = None) -> Ran:
        """Run the command as a process of its own, whatever its exit status."""
        with self.start(*arguments, stdin=subprocess.PIPE) as started:
            out, err = started.communicate(stdin, PATIENCE)
        return Ran(started.returncode, out, err)

    @staticmethod
    def _cleared() -> dict[str, Any]:
        return {name: None for name in os.environ if name.startswith("POINTSMAN_")}


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process without what concerns the command, and with `more`."""
    unwanted = ("POINTSMAN_", "NO_COLOR", "PYTHONWARNINGS")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(unwanted)}
    return {**kept, "PYTHONWARNINGS": "error", **more}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write these files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    return folder
