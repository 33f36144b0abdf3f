"""wrk, the load generator, and nginx, the yardstick for answers over HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import re
import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.machine import LOAD_CORE, SERVER_CORE, Child, free_port, pinned, program, start, wait_for

CONNECTIONS = 64
"""Over which a server is loaded, unless told otherwise."""
_SCRIPTS = Path(__file__).with_name("wrk")
_CONFIGURATION = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    server_tokens off;
    default_type application/json;
    sendfile {sendfile};
    tcp_nopush {sendfile};
    tcp_nodelay on;
    keepalive_timeout 75;
    keepalive_requests 1000000000;
    open_file_cache max=10000 inactive=600s;
    open_file_cache_valid 600s;
    open_file_cache_min_uses 1;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port} backlog=4096; root {root}; }}
}}
"""


@dataclass(frozen=True)
class Load:
    """What a load generator saw."""

    requests: int
    rate: float


@dataclass(frozen=True)
class Wrk:
    """A load: a script of `bench/wrk`, its arguments, and what every request carries."""

    script: str
    arguments: Sequence[str] = ()
    path: str = "/"
    headers: Mapping[str, str] = field(default_factory=dict)

    def run(self, port: int, seconds: int, *, connections: int, threads: int = 1) -> Load:
        """Load a server from the load generator's core. Raises if any request failed."""
        command = [
            program("wrk"),
            f"-t{threads}",
            f"-c{connections}",
            f"-d{seconds}s",
            "--timeout=30s",
            f"-s{_SCRIPTS / self.script}",
            *(f"-H{name}: {value}" for name, value in self.headers.items()),
            f"http://127.0.0.1:{port}{self.path}",
            "--",
            *self.arguments,
        ]
        scripts = {**os.environ, "LUA_PATH": f"{_SCRIPTS}/?.lua;;"}
        with pinned(LOAD_CORE):
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=scripts)
        told = re.search(r"^SUMMARY (.*)$", done.stdout, re.MULTILINE)
        assert told, done.stdout + done.stderr
        summary = json.loads(told[1])
        failed = {name: count for name, count in summary["errors"].items() if count}
        if failed:
            raise RuntimeError(f"Requests failed: {failed}\n{done.stdout[-1_000:]}")
        return Load(summary["requests"], summary["requests"] / summary["seconds"])


class Loaded:
    """A server under load; what its core did meanwhile is added up."""

    def __init__(
        self,
        child: Child,
        port: int,
        load: Wrk,
        *,
        connections: int = CONNECTIONS,
        threads: int = 1,
        seconds: int = 1,
    ) -> None:
        self._child = child
        self._run = partial(load.run, port, seconds, connections=connections, threads=threads)
        self._rates: list[float] = []
        self.requests = 0
        self._cpu = 0.0
        self._seconds = 0.0

    def by_clock(self) -> float:
        """A round that gives requests a second."""
        return self._round()[0]

    def by_core(self) -> float:
        """A round that gives requests for each second of the server's processor time.

        This is what a core gives that the server has for itself. Where others use the core as
        well, or the load generator's, it tells the same, and the clock does not.
        """
        return self._round()[1]

    @property
    def busy(self) -> float:
        """The share of its core that the server had, over all rounds."""
        return self._cpu / self._seconds

    @property
    def cost(self) -> float:
        """Seconds of processor time that a request takes, over all rounds."""
        return self._cpu / self.requests

    @property
    def rate(self) -> float:
        """Requests a second by the clock: the median of all rounds."""
        return statistics.median(self._rates)

    def _round(self) -> tuple[float, float]:
        before = self._child.cpu_seconds()
        done = self._run()
        cpu = self._child.cpu_seconds() - before
        self._cpu += cpu
        self._seconds += done.requests / done.rate
        self._rates.append(done.rate)
        self.requests += done.requests
        return done.rate, done.requests / cpu


@dataclass
class Nginx:
    """A running nginx."""

    child: Child
    port: int


@contextlib.contextmanager
def nginx(folder: Path, root: Path, *, sendfile: bool = True) -> Iterator[Nginx]:
    """nginx with one worker on the server's core, serving the files below `root`."""
    binary, port = program("nginx"), free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    folder = folder / f"nginx-{port}"
    folder.mkdir()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            user=user,
            folder=folder,
            root=root,
            port=port,
            sendfile="on" if sendfile else "off",
        )
    )
    child = start(
        [binary, "-e", "stderr", "-p", str(folder), "-c", str(configuration)],
        core=SERVER_CORE,
        log=folder / "nginx.log",
    )
    try:
        (root / "ready").write_text("yes")
        wait_for(child, port, "/ready")
        yield Nginx(child, port)
    finally:
        child.stop()
