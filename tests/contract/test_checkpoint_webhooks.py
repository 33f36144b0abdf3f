"""Webhooks that are told of checkpoints, which are no entries: made with them, told like others."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.test_use_cases_webhooks import Clock, DyingSender, failing, new_courier
from hooks import Receiver, answer
from pointsman.app import checkpoints
from pointsman.app.application import Application
from pointsman.app.deliveries import LEASE, Courier
from pointsman.app.ports import Store
from pointsman.app.tail import Tail
from pointsman.compose import Registry
from pointsman.core.deliveries import PATIENCE, SECOND, WINDOW
from pointsman.embedded.record import read_checkpoint
from pointsman.wire.mlflow.hooks import FORMS
from serving import ServerProcess

SEED = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def signed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("POINTSMAN_WEBHOOK_PRIVATE", "1")
    monkeypatch.setenv("POINTSMAN_SIGNING_KEY", SEED)
    monkeypatch.setenv("POINTSMAN_CHECKPOINT_DIR", str(tmp_path / "kept"))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def courier(store: Store, clock: Clock) -> Courier:
    return new_courier(store, clock)


def told(receiver: Receiver) -> list[int]:
    return [got.json["data"]["facts"]["entries"] for got in receiver.of_type("checkpoint.signed")]


def test_who_asked_for_it_is_told_of_each_checkpoint_with_its_note(
    registry: Registry, receiver: Receiver, courier: Courier
) -> None:
    hook = registry.create_webhook("witness", receiver.url, events=["checkpoint.signed"]).webhook
    registry.publish("a", {"template": "x"})
    made = registry.checkpoint()
    head = registry.journal_head()
    assert registry.checkpoint() == made
    courier.serve(hook.id)
    (got,) = receiver.received
    assert got.json["type"] == "pointsman.checkpoint.signed"
    assert got.json["data"]["seq"] == made.seq == head.seq
    facts = got.json["data"]["facts"]
    assert facts == {"entries": made.seq, "hash": made.hash, "key": made.key, "note": made.note}
    assert read_checkpoint(facts["note"], made.key).hash == head.hash
    assert registry.journal_head() == head, "neither it nor telling of it is an entry"
    (one,) = registry.deliveries(hook.id).items
    assert (one.type, one.seq, one.state) == ("checkpoint.signed", made.seq, "delivered")


def test_the_clock_s_checkpoints_are_told_as_well(
    registry: Registry, store: Store, receiver: Receiver, courier: Courier
) -> None:
    hook = registry.create_webhook("witness", receiver.url, events=["checkpoint.*"]).webhook
    checkpoints.Keeper(Application(store), every=60).tend()
    courier.serve(hook.id)
    assert told(receiver) == [registry.journal_head().seq]


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"events": ["*"]},
        {"events": ["alias.*", "key.*"]},
        {"events": ["checkpoint.signed"], "artifacts": "support/*"},
        {"events": ["checkpoint.signed"], "aliases": "prod-*"},
    ],
)
def test_who_did_not_ask_for_it_is_not_told(
    registry: Registry, receiver: Receiver, courier: Courier, terms: dict[str, object]
) -> None:
    hook = registry.create_webhook("others", receiver.url, **terms).webhook  # type: ignore[arg-type]
    registry.checkpoint()
    courier.serve(hook.id)
    assert receiver.received == []


def test_entries_are_told_beside_them(
    registry: Registry, receiver: Receiver, courier: Courier
) -> None:
    events = ["artifact.created", "checkpoint.signed"]
    hook = registry.create_webhook("both", receiver.url, events=events).webhook
    for number in range(3):
        registry.publish(f"a{number}", {"template": "x"})
        registry.checkpoint()
        courier.serve(hook.id)
    types = [got.json["type"] for got in receiver.received]
    assert sorted(types) == ["pointsman.artifact.created"] * 3 + ["pointsman.checkpoint.signed"] * 3
    assert len({got.id for got in receiver.received}) == 6


def test_a_crash_after_it_was_sent_tells_it_again_under_one_id(
    registry: Registry, store: Store, clock: Clock, receiver: Receiver
) -> None:
    hook = registry.create_webhook("witness", receiver.url, events=["checkpoint.signed"]).webhook
    registry.checkpoint()
    first = Courier(Application(store, clock), Tail(store), DyingSender(), FORMS)
    with pytest.raises(MemoryError):
        first.serve(hook.id)
    clock.forward(int(LEASE * SECOND) + SECOND)
    new_courier(store, clock).serve(hook.id)
    assert len(receiver.received) == 2
    assert len({got.id for got in receiver.received}) == 1


def test_what_fails_is_tried_again_and_disables_in_the_end(
    registry: Registry, receiver: Receiver, courier: Courier, clock: Clock
) -> None:
    hook = registry.create_webhook("witness", receiver.url, events=["checkpoint.signed"]).webhook
    registry.checkpoint()
    receiver.behave = failing
    courier.serve(hook.id)
    clock.forward(10 * SECOND)
    courier.serve(hook.id)
    assert len({got.id for got in receiver.received}) == 1
    assert [one.attempts for one in registry.deliveries(hook.id).items] == [2]
    clock.forward(PATIENCE + SECOND)
    courier.serve(hook.id)
    assert "3 days" in registry.webhook(hook.id).disabled_why


def test_who_was_disabled_is_told_of_the_newest_when_enabled(
    registry: Registry, receiver: Receiver, courier: Courier
) -> None:
    hook = registry.create_webhook("witness", receiver.url, events=["checkpoint.signed"]).webhook
    registry.checkpoint()
    courier.serve(hook.id)
    registry.disable_webhook(hook.id)
    for text in ("x", "y"):
        registry.publish("a", {"template": text})
        newest = registry.checkpoint()
    registry.enable_webhook(hook.id)
    courier.serve(hook.id)
    assert told(receiver)[1:] == [newest.seq]
    registry.disable_webhook(hook.id)
    registry.enable_webhook(hook.id)
    courier.serve(hook.id)
    assert len(receiver.received) == 2, "none was signed meanwhile"


def test_who_takes_nothing_has_no_more_waiting_than_a_window(
    registry: Registry, store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pointsman.app.webhooks.WINDOW", 3)
    assert WINDOW > 3
    hook = registry.create_webhook("witness", receiver.url, events=["checkpoint.signed"]).webhook
    for text in "abcde":
        registry.publish("a", {"template": text})
        registry.checkpoint()
    assert len(registry.deliveries(hook.id).items) == 3


def test_it_is_looked_for_without_news_of_the_journal_but_not_behind_one_that_fails(
    registry: Registry, store: Store, receiver: Receiver, courier: Courier
) -> None:
    def hurried() -> bool:
        with store.read() as reader:
            ((_, _, found),) = reader.enabled_webhooks()
        return found

    hook = registry.create_webhook("witness", receiver.url, events=["checkpoint.signed"]).webhook
    assert not hurried()
    registry.checkpoint()
    assert hurried()
    receiver.behave = failing
    courier.serve(hook.id)
    assert not hurried()
    registry.publish("a", {"template": "x"})
    registry.checkpoint()
    assert not hurried(), "it waits for the one before it"
    receiver.behave = lambda got, handler: answer(handler)
    registry.redeliver(hook.id, 1)
    courier.serve(hook.id)
    assert len(told(receiver)) == 3
    assert not hurried()


def test_a_checkpoint_is_delivered_again_by_hand(
    registry: Registry, receiver: Receiver, courier: Courier
) -> None:
    hook = registry.create_webhook("witness", receiver.url, events=["checkpoint.signed"]).webhook
    registry.checkpoint()
    courier.serve(hook.id)
    registry.redeliver(hook.id, 1)
    courier.serve(hook.id)
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)


def test_each_key_s_checkpoint_of_one_entry_is_told(
    registry: Registry, receiver: Receiver, courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = registry.create_webhook("witness", receiver.url, events=["checkpoint.signed"]).webhook
    made = [registry.checkpoint()]
    for number in range(2):
        seed = base64.b64encode(bytes([number] * 32)).decode()
        monkeypatch.setenv("POINTSMAN_SIGNING_KEY", seed)
        made.append(registry.checkpoint())
    courier.serve(hook.id)
    assert [got.json["data"]["facts"]["key"] for got in receiver.received] == [
        one.key for one in made
    ]


def test_a_server_tells_of_them_by_itself_and_what_it_left_is_told_after_a_kill(
    tmp_path: Path,
    receiver: Receiver,
    eventually: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POINTSMAN_CHECKPOINTS", "0")
    settings = {
        "pointsman.app.deliveries.LEASE": 1.0,
        "pointsman.core.deliveries.FIRST_WAIT": 50_000,
        "pointsman.core.deliveries.LONGEST_WAIT": 300_000,
        "pointsman.core.deliveries.LONGEST_PAUSE": 300_000,
    }
    receiver.behave = failing
    with ServerProcess(data=tmp_path / "data", settings=settings) as server:
        terms = {"name": "witness", "url": receiver.url, "events": ["checkpoint.signed"]}
        hook = server.post("/webhooks", terms).json["webhook"]
        made = server.post("/checkpoints", {}).json
        receiver.wait(lambda got: len(got) > 0)
        server.kill()
    failed = len(receiver.received)
    receiver.behave = lambda got, handler: answer(handler)
    with ServerProcess(data=tmp_path / "data", settings=settings) as server:
        receiver.wait(lambda got: len(got) > failed)
        path = f"/webhooks/{hook['id']}/deliveries"
        eventually(lambda: server.get(path).json["items"][0]["state"] == "delivered")
    assert {got.json["data"]["facts"]["note"] for got in receiver.received} == {made["note"]}
    assert len({got.id for got in receiver.received}) == 1
