"""`pointsman watch`: every entry once and in order, whatever happens to the server."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.commands import PATIENCE, Cli
from conftest import RunningServer

Watch = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Starts `pointsman watch`, and ends it when the test does."""
    started: list[subprocess.Popen[str]] = []

    def start(cli: Cli, *arguments: object) -> subprocess.Popen[str]:
        started.append(cli.start("watch", *arguments))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def read(process: subprocess.Popen[str], count: int) -> list[str]:
    """The next lines that a process prints."""
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(count)]


@pytest.mark.parametrize("place", ["folder", "server"])
def test_what_happens_is_told(
    request: pytest.FixtureRequest, place: str, tmp_path: Path, watch: Watch
) -> None:
    cli = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    if place == "server":
        server: RunningServer = request.getfixturevalue("server")
        cli = Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.key)
    cli.publish("x", "one")
    everything = watch(cli, "--json", "--after", "0")
    moves = watch(cli, "x@deployment", "--type", "alias.moved", "--after", "0")
    head = len(cli("export").out.splitlines())
    assert [json.loads(line)["seq"] for line in read(everything, head)] == [*range(1, head + 1)]

    cli.publish("y", "other", "--alias", "deployment")
    cli("promote", "x:1", "deployment", "-m", "go")
    entries: list[Any] = [json.loads(line) for line in read(everything, 4)]
    assert [one["seq"] for one in entries] == [*range(head + 1, head + 5)]
    assert entries[-1]["data"]["reason"] == "go"
    (line,) = read(moves, 1)
    assert "x@deployment: nothing → 1: go" in line
    assert line.startswith(str(head + 4))


def test_it_goes_on_where_it_was_when_the_server_comes_back(
    server: RunningServer, watch: Watch
) -> None:
    cli = Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.key)
    process = watch(cli, "--json", "--after", "0")
    cli.publish("x", "one")
    before = [json.loads(line)["seq"] for line in read(process, 4)]
    server.stop()
    server.restart()
    cli.publish("x", "two")
    assert [*before, json.loads(read(process, 1)[0])["seq"]] == [1, 2, 3, 4, 5]


def test_what_is_not_there_yet_is_told(tmp_path: Path, watch: Watch) -> None:
    cli = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    cli.publish("x", "one")
    nothing, alias = watch(cli, "y"), watch(cli, "x@deployment")
    assert nothing.stderr is not None
    assert alias.stderr is not None
    assert nothing.stderr.readline() == "There is no prompt 'y' yet; waiting for it.\n"
    assert alias.stderr.readline() == "x has no alias 'deployment' yet; waiting for it.\n"
    cli.publish("y", "one")
    assert "y created" in read(nothing, 1)[0]


def test_a_server_that_is_gone_is_told_once(server: RunningServer, watch: Watch) -> None:
    cli = Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.key)
    process = watch(cli, "x", "--json", "--after", "0")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("There is no prompt 'x' yet")
    cli.publish("x", "one")
    read(process, 2)
    server.stop()
    assert process.stderr.readline().endswith("Trying again.\n")
    time.sleep(2.5)  # several attempts
    server.restart()
    cli.publish("x", "two")
    assert json.loads(read(process, 1)[0])["data"]["version"] == 2
    process.terminate()
    _, rest = process.communicate(timeout=PATIENCE)
    assert rest == ""


def test_a_key_that_is_none_ends_it(server: RunningServer) -> None:
    cli = Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.key[:-1] + "_")
    assert cli.process("watch").code == 3
    good = Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.key)
    secret = good("key", "create", "app").out.strip()
    process = Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=secret).start("watch", "--after", "0")
    read(process, 1)
    good("key", "revoke", secret)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 3
    assert "revoked" in err
