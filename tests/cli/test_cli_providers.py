"""`pointsman provider`, as a person would use it, over a folder and over a server."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from cli.commands import Cli, Ran
from pointsman import Registry
from pointsman.app.providers import open_providers
from serving import ServerProcess

SECRET = "sk-very-secret-1234567890"
URL = "http://127.0.0.1:8000/v1"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    Registry.open(tmp_path / "data").close()
    return Cli(POINTSMAN_DATA=str(tmp_path / "data"))


def key_of(folder: Path, name: str) -> str:
    with Registry.open(folder) as registry:
        app = registry._app
        return open_providers(app, app.project("default"))[name].key


def quiet(ran: Ran) -> Ran:
    assert SECRET not in ran.out + ran.err
    return ran


def test_the_life_of_a_provider(cli: Cli, tmp_path: Path) -> None:
    made = quiet(
        cli.run(
            *("provider", "set", "openai", "--key-from-env", "MY_KEY", "--timeout", 30),
            *("--price", "small=0.25/2.00", "--price", "a=b=1/2", "--per-minute", 60),
            MY_KEY=SECRET,
        )
    )
    assert made.code == 0, made.err
    assert "Its key is set." in made.out
    assert key_of(tmp_path / "data", "openai") == SECRET
    changed = cli.json("provider", "set", "openai", "--concurrency", 2, "--price", "small=")
    assert changed["key_was"] == "kept"
    one = changed["provider"]
    assert (one["concurrency"], one["timeout"], one["per_minute"]) == (2, 30, 60)
    assert one["prices"] == {"a=b": {"input": "1", "output": "2"}}
    assert (
        cli.json("provider", "set", "openai", "--per-minute", 0)["provider"]["per_minute"] is None
    )
    shown = quiet(cli("provider", "show", "openai")).out
    assert "a=b: 1 in, 2 out" in shown
    assert "no limit" in shown
    cli("provider", "set", "local", "--base-url", URL)
    listed = quiet(cli("provider", "list")).out
    assert [line.split()[:4] for line in listed.splitlines()[1:]] == [
        ["local", "openai", URL, "none"],
        ["openai", "openai", "public", "set"],
    ]
    moved = cli("provider", "set", "openai", "--base-url", URL)
    assert "Its key is forgotten." in moved.out
    assert "Set it anew" in moved.err
    cli("provider", "set", "openai", "--base-url", "", "--key-from-stdin", stdin=SECRET + "\n")
    assert key_of(tmp_path / "data", "openai") == SECRET
    assert "removed" in cli("provider", "set", "openai", "--no-key").out
    told = cli("history", "--type", "provider.set").out
    assert "provider openai set" in told
    assert SECRET not in told
    assert "deleted" in cli("provider", "delete", "openai").out
    assert cli.run("provider", "show", "openai").code == 4
    assert cli.run("provider", "delete", "openai", "--json").error["code"] == "provider_not_found"


def test_a_key_is_asked_for_without_showing_it(cli: Cli, tmp_path: Path) -> None:
    asked = quiet(cli.run("provider", "set", "openai", "--ask-key", stdin=SECRET + "\n"))
    assert asked.code == 0, asked.err
    assert "Key:" in asked.err
    assert key_of(tmp_path / "data", "openai") == SECRET


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--key-from-env", "NOT_SET"), "The variable NOT_SET holds no key"),
        (("--key-from-stdin",), "stdin holds no key"),
        (("--key-from-stdin", "--no-key"), "once"),
        (("--price", "small"), "'small' is no price"),
        (("--price", "small=1"), "MODEL=IN/OUT"),
        (("--price", "=1/2"), "MODEL=IN/OUT"),
        (("--price", "small=1/x"), "no price"),
        (("--base-url", "nowhere"), "no base address"),
        (("--concurrency", "1001"), "from 1 to 1,000"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_set(
    cli: Cli, options: tuple[str, ...], said: str
) -> None:
    ran = cli.run("provider", "set", "openai", *options)
    assert ran.code == 2, ran
    assert said in ran.err
    assert cli.json("provider", "list") == {"providers": []}


def test_a_provider_on_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    master = base64.b64encode(bytes(32)).decode()
    monkeypatch.setenv("POINTSMAN_SECRET_KEY", master)
    with ServerProcess(data=tmp_path) as server:
        cli = Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.own_key)
        quiet(cli("provider", "set", "openai", "--key-from-stdin", stdin=SECRET))
        stale = cli.run("provider", "set", "openai", "--timeout", 5, "--if-revision", 7)
        assert stale.code == 3
        cli("provider", "set", "openai", "--timeout", 5, "--if-revision", 1)
        _, viewer = server.make_key("viewer")
        refused = cli.run("provider", "set", "openai", "--no-key", POINTSMAN_API_KEY=viewer)
        assert refused.code == 3
        (one,) = cli.json("provider", "list")["providers"]
        assert (one["has_key"], one["timeout"]) == (True, 5)
        assert SECRET not in server.log()
