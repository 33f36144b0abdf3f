"""`pointsman webhook`, as a person would use it, over a folder and over a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.commands import Cli
from hooks import Receiver
from pointsman import Registry
from serving import ServerProcess


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_WEBHOOK_PRIVATE", "1")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


def test_the_life_of_a_webhook_over_a_server(tmp_path: Path, receiver: Receiver) -> None:
    with ServerProcess(data=tmp_path) as server:
        cli = Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.own_key)
        token = tmp_path / "token"
        token.write_text("secret-token\n")
        made = cli.run(
            *("webhook", "create", "ops", receiver.url, "--event", "artifact.*"),
            *("--event", "alias.*", "--artifacts", "a*", "--aliases", "*"),
            *("--format", "github", "--token-file", token),
        )
        assert made.code == 0, made.err
        assert made.out.startswith("whsec_")
        (hook,) = cli.run("webhook", "list", "--json").json["webhooks"]
        assert hook["events"] == ["artifact.*", "alias.*"]
        listed = cli.run("webhook", "list").out
        assert hook["id"] in listed
        assert "enabled" in listed
        server.publish("a")
        receiver.wait(lambda got: len(got) == 1)
        assert receiver.received[0].headers["authorization"] == "Bearer secret-token"
        tested = cli.run("webhook", "test", hook["id"])
        assert "on its way" in tested.out
        receiver.wait(lambda got: len(got) == 2)
        shown = cli.run("webhook", "deliveries", hook["id"], "--limit", "5")
        assert "artifact.created" in shown.out
        assert "pointsman.ping" in shown.out
        again = cli.run("webhook", "redeliver", hook["id"], 1)
        assert again.code == 0, again.err
        receiver.wait(lambda got: len(got) == 3)
        assert receiver.received[2].id == receiver.received[0].id
        changed = cli.run("webhook", "change", hook["id"], "--name", "people", "--json").json
        assert (changed["name"], changed["url"]) == ("people", receiver.url)
        assert changed["has_token"] is True
        disabled = cli.run("webhook", "disable", hook["id"], "-m", "tidying up")
        assert "tidying up" in disabled.out
        assert cli.run("webhook", "test", hook["id"]).code == 3
        assert "enabled" in cli.run("webhook", "enable", hook["id"]).out
        assert "people" in cli.run("webhook", "show", hook["id"]).out
        assert cli.run("webhook", "delete", hook["id"]).code == 0
        assert cli.run("webhook", "show", hook["id"]).code == 4


def test_a_webhook_is_made_in_a_folder_as_well(tmp_path: Path, receiver: Receiver) -> None:
    cli = Cli(POINTSMAN_DATA=str(tmp_path), POINTSMAN_WEBHOOK_PRIVATE="1")
    Registry.open(tmp_path).close()
    made = cli.run("webhook", "create", "ops", receiver.url, "--json")
    assert made.code == 0, made.err
    hook = made.json["webhook"]
    assert cli.run("webhook", "show", hook["id"], "--json").json == hook
    refused = cli.run("webhook", "create", "ops", receiver.url, POINTSMAN_WEBHOOK_PRIVATE="")
    assert refused.code == 2
    assert "inside a network" in refused.err
