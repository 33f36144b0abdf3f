"""Processes of the command line that run until they are stopped or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, Self

import pytest

PATIENCE = 120.0
"""Seconds after which a process that gets nothing done is taken for dead. Never asserted on."""
SECRET_KEY = "A" * 43 + "="
"""The master key of the registries whose processes are started here."""


class Process:
    """`pointsman` with these arguments, until the end of a ``with`` block at the latest."""

    def __init__(self, *arguments: str) -> None:
        kept = {name: text for name, text in os.environ.items() if name[:10] != "POINTSMAN_"}
        self._said = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pointsman", *arguments],
            stdout=self._said,
            stderr=self._said,
            env={**kept, "POINTSMAN_SECRET_KEY": SECRET_KEY},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._said.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def log(self) -> str:
        """What it has said so far."""
        self._said.seek(0)
        return self._said.read().decode(errors="replace")

    def kill(self) -> None:
        """End it at once, with nothing tidied up."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if not self.is_running:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


def wait(condition: Callable[[], Any], *needed: Process) -> None:
    """Wait until a condition holds; fail if one of the processes dies before."""
    end = time.monotonic() + PATIENCE
    while not condition():
        for process in needed:
            if not process.is_running:
                pytest.fail(f"the process has ended:\n{process.log()}")
        if time.monotonic() > end:
            pytest.fail("nothing goes on:\n" + "\n".join(one.log() for one in needed))
        time.sleep(0.02)
