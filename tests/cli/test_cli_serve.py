"""`pointsman serve` and `pointsman key`: real processes on loopback."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from cli.commands import PATIENCE, Cli
from pointsman.cli.connect import told_database
from pointsman.cli.serve import _is_loopback

KEY = re.compile(r"pm_[a-z2-7]{10}_[A-Za-z0-9_-]{43}")


LINK = re.compile(r"http://\S+/welcome\?token=pi_[a-z2-7]{10}_[A-Za-z0-9_-]{43}")


class Served:
    """A server that `pointsman serve` runs, and what it has printed up to its address."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""
        assert process.stdout is not None
        for line in process.stdout:
            self.said += line
            if found := re.search(r"http://\S+?:\d+(?= )|http://[^\"\s]+(?=\",)", line):
                self.url = found[0]
                if "Serving" in line or line.startswith("{"):
                    return
        raise AssertionError(f"it ended with {process.wait()}: {process.stderr.read()}")  # type: ignore[union-attr]

    def cli(self, key: str) -> Cli:
        """The command line, talking to this server."""
        return Cli(POINTSMAN_URL=self.url, POINTSMAN_API_KEY=key)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Its exit status and the rest of what it printed."""
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


Start = Callable[..., Served]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `pointsman serve` on a free port of loopback; stops all at the end."""
    started: list[subprocess.Popen[str]] = []

    def serve(*options: object, data: Path | None = None, **environment: str) -> Served:
        place = () if "--database" in options else ("--data", data or tmp_path / "data")
        process = Cli(**environment).start("serve", "--port", "0", *place, *options)
        started.append(process)
        return Served(process)

    yield serve
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_first_start_shows_the_key_once(start: Start, how: signal.Signals) -> None:
    first = start()
    (key,) = set(KEY.findall(first.said))
    assert f"export POINTSMAN_URL={first.url}" in first.said
    assert first.cli(key)("publish", "-", "--name", "x", stdin="hi").code == 0
    code, out, err = first.stop(how)
    assert (code, err) == (0, "")
    assert not KEY.search(out)

    second = start()
    assert not KEY.search(second.said)
    assert second.cli(key)("show", "x", "--raw").out == "hi"
    assert second.stop(how) == (0, "", "")


def test_key_for_automation_is_not_printed(start: Start) -> None:
    key = Cli()("key", "generate").out.strip()
    assert KEY.fullmatch(key)
    served = start(POINTSMAN_BOOTSTRAP_KEY=key)
    served.cli(key)("list")
    code, out, err = served.stop()
    assert code == 0
    assert key not in served.said + out + err
    assert not LINK.search(served.said + out + err)
    # It counts for an empty registry only.
    other = Cli()("key", "generate").out.strip()
    again = start(POINTSMAN_BOOTSTRAP_KEY=other)
    assert again.cli(other).run("list").code == 3
    again.cli(key)("list")


def test_json(start: Start) -> None:
    first = start("--json")
    ready = json.loads(first.said)
    assert ready["url"] == first.url
    first.cli(ready["admin_key"])("list")
    first.stop()
    assert ready["admin_link"].startswith(f"{first.url}/welcome?token=pi_")
    assert set(json.loads(start("--json").said)) == {"url", "place"}


def test_the_link_of_the_first_admin(start: Start, tmp_path: Path) -> None:
    first = start()
    (link,) = LINK.findall(first.said)
    assert b"Welcome" in urlopen(link).read()
    local = Cli()
    place = ("--data", tmp_path / "data")
    other = local("user", "welcome", *place, "--url", first.url).out.strip()
    assert LINK.fullmatch(other)
    assert b"Welcome" in urlopen(other).read()
    with pytest.raises(HTTPError):
        urlopen(link)
    first.stop()
    assert not LINK.search(start().said)


def test_two_servers_share_a_folder(start: Start) -> None:
    key = Cli()("key", "generate").out.strip()
    one = start(POINTSMAN_BOOTSTRAP_KEY=key).cli(key)
    two = start(POINTSMAN_BOOTSTRAP_KEY=key).cli(key)
    one.publish("x", "from one")
    two.publish("x", "from two")
    assert one("show", "x:1", "--raw").out == "from one"
    assert one("show", "x:2", "--raw").out == "from two"


def test_on_postgres_the_password_is_not_told(start: Start, empty_postgres_url: str) -> None:
    served = start("--database", empty_postgres_url)
    (key,) = set(KEY.findall(served.said))
    served.cli(key)("list")
    assert f"Serving {told_database(empty_postgres_url)} at" in served.said
    assert "@" not in served.said


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://ana:secret@db.example.org/pm", "postgresql://db.example.org/pm"),
        ("postgres://db:5433/pm?password=secret", "postgres://db:5433/pm"),
        ("postgresql://[bad", "the database"),
    ],
)
def test_told_database(url: str, told: str) -> None:
    assert told_database(url) == told


@pytest.mark.parametrize(
    ("options", "environment", "code", "told"),
    [
        (["--port", "{taken}"], {}, 5, "Can't listen on 127.0.0.1:{taken}"),
        (["--port", "70000"], {}, 2, "70000 is not in the range"),
        (["--host", "nowhere.invalid"], {}, 5, "Can't listen on nowhere.invalid"),
        ([], {"POINTSMAN_BOOTSTRAP_KEY": "secret"}, 1, "not of a key's form"),
        (["--database", "mysql://ana:secret@db/x"], {}, 2, "name different registries"),
    ],
)
def test_a_start_that_fails(
    tmp_path: Path, options: list[str], environment: dict[str, str], code: int, told: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = Cli(**environment).process(
            "serve",
            *("--data", tmp_path / "data"),
            *(["--port", "0"] if "--port" not in options else []),
            *[option.format(taken=port) for option in options],
        )
    assert ran.code == code
    assert told.format(taken=port) in ran.err
    assert "Traceback" not in ran.err
    assert "secret" not in ran.out + ran.err
    assert not KEY.search(ran.out)


@pytest.mark.parametrize("url", ["postgresql://ana:secret@127.0.0.1:1/x", "mysql://a:secret@b/x"])
def test_a_database_that_cannot_be_opened(url: str) -> None:
    ran = Cli().process("serve", "--port", "0", "--database", url)
    assert ran.code in (2, 5)
    assert ran.err.startswith("Error: ")
    assert "Traceback" not in ran.err
    assert "secret" not in ran.out + ran.err


def test_a_start_that_failed_does_not_use_up_the_first_key(start: Start, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert Cli().process("serve", "--data", tmp_path / "data", "--port", port).code == 5
    assert not (tmp_path / "data").exists()
    assert KEY.search(start().said)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("db.example.org", False),
    ],
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert _is_loopback(host) is loopback


def test_keys(start: Start) -> None:
    first = start()
    (admin,) = set(KEY.findall(first.said))
    cli = first.cli(admin)
    secret = cli("key", "create", "my app", "--role", "viewer", "--expires", "90d").out.strip()
    viewer = first.cli(secret)
    viewer("list")
    refused = viewer.run("publish", "-", "--name", "x", stdin="hi")
    assert refused.code == 3
    assert "publish" in refused.err
    assert viewer.run("key", "list").code == 3

    listed = cli.json("key", "list")["keys"]
    assert [key["name"] for key in listed] == ["first admin", "my app"]
    assert listed[1]["expires_at"] > listed[1]["created_at"]
    table = cli("key", "list").out
    first_admin = next(line for line in table.splitlines() if "first admin" in line)
    cells = re.split(r"\s{2,}", first_admin)
    assert (len(cells), cells[4]) == (7, "never")
    assert "my app" in table
    assert secret not in table

    # Whoever pastes the whole key has revoked it all the same.
    assert "revoked" in cli("key", "revoke", secret).out
    assert viewer.run("list").code == 3
    made = cli.json("key", "create", "ci", "--role", "editor")
    assert KEY.fullmatch(made["secret"])
    assert made["key"]["role"] == "editor"
    assert cli.run("key", "revoke", "nothing").code == 4


@pytest.mark.parametrize("when", ["2h ago", "yesterday x", "soon"])
def test_an_expiry_that_is_none(tmp_path: Path, when: str) -> None:
    cli = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    ran = cli.run("key", "create", "x", "--expires", when)
    assert ran.code == 2
    assert "moment to come" in ran.err


def test_a_lost_key_is_replaced_on_the_machine(start: Start, tmp_path: Path) -> None:
    served = start(data=tmp_path / "data")
    local = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    secret = local("key", "create", "me again", "--role", "admin").out.strip()
    served.cli(secret)("key", "list")
