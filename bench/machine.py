"""What a run does to the machine: cores, processes, folders. Everything is put back.

A server and what loads it are kept on different cores, so that they don't share one. Every
process is stopped by its id.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.harness import NotMeasuredError

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bench"
"""Everything a run writes: the same file system for us and for the yardsticks."""

_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = _CORES[0]
LOAD_CORE = _CORES[-1]
_PATIENCE = 120.0


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """Keep this thread on one core, and what is started meanwhile for good."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="run-") as folder:
        yield Path(folder)


def many_files() -> int:
    """Allow as many open files as the system lets us; how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def program(name: str) -> str:
    """The path of a program of the system. Raises `NotMeasuredError`."""
    path = os.environ.get("PATH", os.defpath)
    found = shutil.which(name, path=f"{path}:/usr/local/sbin:/usr/sbin")
    if found is None:
        raise NotMeasuredError(f"{name} is not installed")
    return found


@dataclass
class Child:
    """A process that was started here, with all that it started itself."""

    process: subprocess.Popen[str]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def tree(self) -> list[psutil.Process]:
        """The process and its descendants."""
        try:
            top = psutil.Process(self.pid)
            return [top, *top.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def cpu_seconds(self) -> float:
        """The processor time that it has used so far."""
        spent = 0.0
        for one in self.tree():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                spent += times.user + times.system
        return spent

    def memory(self) -> int:
        """Resident bytes; memory that several of its processes share counts once."""
        tree = self.tree()
        if len(tree) == 1:
            return tree[0].memory_info().rss
        return sum(one.memory_full_info().pss for one in tree)

    def stop(self) -> None:
        """Ask all of it to end, by id; insist after a while."""
        tree = self.tree()
        for one in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.terminate()
        _, left = psutil.wait_procs(tree, timeout=20)
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def start(
    command: Sequence[str],
    *,
    core: int,
    log: Path,
    environment: Mapping[str, str] | None = None,
    heard: bool = False,
) -> Child:
    """Start a program on one core. What it says goes to `log`, or if `heard` to a pipe."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("POINTSMAN_")}
    with pinned(core), log.open("a") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE if heard else errors,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**inherited, **(environment or {})},
        )
    return Child(process, log)


@dataclass
class Server:
    """A running `pointsman serve` and its first admin's key."""

    child: Child
    url: str
    key: str
    started: float
    """`time.perf_counter()` when the process was started."""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@contextlib.contextmanager
def pointsman(data: Path) -> Iterator[Server]:
    """`python -m pointsman serve` over a folder, on the server's core."""
    from pointsman.app.keys import new_secret

    kept = data.with_name(f"{data.name}.key")
    if not kept.exists():
        kept.write_text(new_secret())
    key = kept.read_text()
    began = time.perf_counter()
    child = start(
        [sys.executable, "-m", "pointsman", "serve", "--data", str(data), "--port", "0"],
        core=SERVER_CORE,
        log=data.with_name(f"{data.name}.log"),
        environment={"POINTSMAN_BOOTSTRAP_KEY": key},
        heard=True,
    )
    try:
        assert child.process.stdout is not None
        for line in child.process.stdout:
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            if found:
                yield Server(child, found[0], key, began)
                return
        raise RuntimeError(f"The server did not start:\n{child.log.read_text()[-2_000:]}")
    finally:
        child.stop()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(child: Child, port: int, path: str, *, pause: float = 0.002) -> None:
    """Wait until a server answers a request with success."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            try:
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    return
            finally:
                connection.close()
        if child.process.poll() is not None:
            break
        time.sleep(pause)
    raise RuntimeError(f"A server did not start:\n{child.log.read_text()[-2_000:]}")
