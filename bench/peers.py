"""The peers: Langfuse's and MLflow's own programs, in an environment of their own.

Only with `PEERS=1`: they are a few hundred megabytes. Their versions are in `peers.txt`; the
environment is made below `.bench/` and made anew when that file changes.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import load
from bench.harness import NotMeasuredError
from bench.machine import FOLDER, LOAD_CORE, SERVER_CORE, Child, free_port, pinned, start, wait_for

WANTED = os.environ.get("PEERS") == "1"
_PINS = Path(__file__).with_name("peers.txt")
_HOME = FOLDER / "peers"
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Nothing leaves the machine, and nothing runs beside what is measured."""


def environment() -> Path:
    """The folder of the programs of the peers' environment. Raises `NotMeasuredError`."""
    if not WANTED:
        raise NotMeasuredError("PEERS=1")
    stamp = _HOME / "installed.txt"
    wanted = _PINS.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        print("Installing the peers…", file=sys.stderr)
        venv.create(_HOME, with_pip=True, clear=True)
        pip = [str(_HOME / "bin" / "python"), "-m", "pip", "install", "-q", "-r", str(_PINS)]
        if subprocess.run(pip, stdout=sys.stderr, check=False).returncode:
            raise NotMeasuredError("the peers can't be installed")
        stamp.write_text(wanted)
    return _HOME / "bin"


class Probe:
    """One peer's client in a process of its own, which times what it is told to do."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def seconds(self, do: str, times: int) -> float:
        """Seconds that it takes to do something once, on average."""
        answer = self._ask({"do": do, "times": times})
        return float(str(answer["seconds"])) / times

    def _ask(self, question: Mapping[str, object]) -> dict[str, object]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("A peer's probe ended; its log is in the run's folder.")
        answer: dict[str, object] = json.loads(line)
        return answer


@contextlib.contextmanager
def probe(
    folder: Path, peer: str, *arguments: str, template: str, values: Mapping[str, str], text: str
) -> Iterator[Probe]:
    """A peer's client that has `template` as its prompt; with `values` it must give `text`."""
    python = environment() / "python"
    script = Path(__file__).with_name("peer_probe.py")
    log = folder / f"{peer}.log"
    with pinned(LOAD_CORE), log.open("a") as errors:
        process = subprocess.Popen(
            [str(python), str(script), peer, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **_QUIET},
        )
    with process:
        made = Probe(process)
        try:
            made._ask({"template": template, "values": dict(values), "expected": text})
            yield made
        except RuntimeError as error:
            raise RuntimeError(f"{error}\n{log.read_text()[-2_000:]}") from error
        finally:
            assert process.stdin is not None
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()


@dataclass
class Mlflow:
    """A running `mlflow server` on SQLite."""

    child: Child
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str, body: Mapping[str, object]) -> None:
        """Send a request of its protocol. Raises `RuntimeError` unless it succeeds."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", API + path, json.dumps(body), headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 200:
                raise RuntimeError(f"MLflow answered {answer.status}: {said[:500]!r}")
        finally:
            connection.close()

    def publish(self, name: str, texts: Sequence[str], alias: str) -> None:
        """A prompt with these versions, its alias on the first, as MLflow's client makes it."""
        is_prompt = {"key": "mlflow.prompt.is_prompt", "value": "true"}
        self.post("registered-models/create", {"name": name, "tags": [is_prompt]})
        for text in texts:
            tags = [is_prompt, {"key": "mlflow.prompt.text", "value": text}]
            wanted = {"name": name, "source": "prompt-template", "tags": tags}
            self.post("model-versions/create", wanted)
        self.post("registered-models/alias", {"name": name, "alias": alias, "version": "1"})


API = "/api/2.0/mlflow/"
WORKERS = (1, 2, 4)
"""The settings that are tried: MLflow's own default is 4."""


@contextlib.contextmanager
def mlflow_server(folder: Path, workers: int | None = None) -> Iterator[Mlflow]:
    """`mlflow server` over a database in `folder`, on the server's core."""
    command = [
        str(environment() / "mlflow"),
        "server",
        "--backend-store-uri",
        f"sqlite:///{folder / 'mlflow.db'}",
        "--default-artifact-root",
        str(folder / "artifacts"),
        "--host",
        "127.0.0.1",
        "--port",
        str(port := free_port()),
    ]
    if workers is not None:
        command += ["--workers", str(workers)]
    path = f"{environment()}{os.pathsep}{os.environ['PATH']}"
    child = start(
        command, core=SERVER_CORE, log=folder / "mlflow.log", environment={**_QUIET, "PATH": path}
    )
    try:
        wait_for(child, port, "/health", pause=0.02)
        yield Mlflow(child, port)
    finally:
        child.stop()


def best_workers(folder: Path, ask: load.Wrk, connections: int, *, threads: int = 1) -> int:
    """The number of workers with which `mlflow server` answers most requests."""
    rates = {}
    for workers in WORKERS:
        with mlflow_server(folder, workers) as server:
            ask.run(server.port, 1, connections=connections, threads=threads)
            done = ask.run(server.port, 3, connections=connections, threads=threads)
            rates[workers] = done.rate
    return max(rates, key=lambda one: rates[one])
