"""Webhooks over both databases: what is kept of them, who delivers, when they give up."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler

import pytest

from hooks import Received, Receiver, answer
from pointsman.app import deliveries, webhooks
from pointsman.app.addresses import SafeUrl
from pointsman.app.application import Application, Caller
from pointsman.app.deliveries import LEASE, Courier
from pointsman.app.ports import ProjectRow, Store
from pointsman.app.ports.webhooks import Outcome
from pointsman.app.tail import Tail
from pointsman.app.webhooks import Terms
from pointsman.compose import Registry
from pointsman.core import deliveries as core_deliveries
from pointsman.core.deliveries import PATIENCE, SECOND
from pointsman.core.events import Message, event_id
from pointsman.core.vocabulary import Role
from pointsman.errors import Conflict, InvalidInput, NotFound, PointsmanError, Refused
from pointsman.wire.hooks.sender import HttpSender
from pointsman.wire.mlflow.hooks import FORMS, signature
from stores import Place

Make = Callable[..., Caller]
MASTER = base64.b64encode(bytes(range(32))).decode()


class Clock:
    """The time of an application, as the test says."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000 + self.ahead

    def forward(self, micros: int) -> None:
        self.ahead += micros


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_WEBHOOK_PRIVATE", "1")


@pytest.fixture(autouse=True)
def healthy(registry: Registry) -> Iterator[None]:
    yield
    assert registry.doctor().findings == ()


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


def new_courier(store: Store, clock: Clock) -> Courier:
    """A courier whose threads were not started: it serves when told."""
    return Courier(Application(store, clock), Tail(store), HttpSender(), FORMS, chance=lambda: 0.0)


class DyingSender(HttpSender):
    """Sends a message, and then its process is out of memory."""

    def send(self, url: str, message: Message) -> Outcome:
        super().send(url, message)
        raise MemoryError


def refused(kind: type[PointsmanError], code: str, act: Callable[[], object]) -> None:
    with pytest.raises(kind) as caught:
        act()
    assert caught.value.code == code, caught.value


def failing(got: Received, handler: BaseHTTPRequestHandler) -> None:
    answer(handler, 500)


def subjects(receiver: Receiver) -> list[str]:
    return [got.subject.removeprefix("prompt:") for got in receiver.received]


# What is kept


def test_a_webhook_is_made_changed_and_deleted(registry: Registry, receiver: Receiver) -> None:
    made = registry.create_webhook("  ops  ", receiver.url, events=["alias.*", "alias.*"])
    assert made.secret.startswith("whsec_")
    hook = made.webhook
    assert (hook.name, hook.events, hook.format) == ("ops", ("alias.*",), "cloudevents")
    assert registry.webhooks() == (hook,)
    assert registry.webhook(hook.id) == hook
    changed = registry.change_webhook(hook.id, name="people", events=[], format="slack")
    assert (changed.name, changed.events, changed.format) == ("people", ("*",), "slack")
    assert changed.url == hook.url
    before = registry.history(limit=1).items[0].seq
    registry.change_webhook(hook.id, name="people")
    assert registry.history(limit=1).items[0].seq == before, "nothing changed"
    registry.delete_webhook(hook.id)
    assert registry.webhooks() == ()
    refused(NotFound, "webhook_not_found", lambda: registry.webhook(hook.id))
    refused(NotFound, "webhook_not_found", lambda: registry.delete_webhook(hook.id))


@pytest.mark.parametrize("role", ["viewer", "editor", "reviewer", "releaser"])
def test_webhooks_are_for_admins(
    role: Role, app: Application, caller: Make, registry: Registry, receiver: Receiver
) -> None:
    hook = registry.create_webhook("ops", receiver.url).webhook
    who = caller(role)
    for read in (
        webhooks.list_webhooks,
        lambda v: webhooks.show_webhook(v, hook.id),
        lambda v: webhooks.list_deliveries(v, hook.id),
    ):
        refused(Refused, "role_too_low", lambda read=read: app.read(who, read))  # type: ignore[misc]
    terms = Terms("x", SafeUrl(receiver.url))
    for write in (
        lambda w: webhooks.create_webhook(w, terms),
        lambda w: webhooks.change_webhook(w, hook.id, webhooks.Amendment(name="x")),
        lambda w: webhooks.delete_webhook(w, hook.id),
        lambda w: webhooks.enable_webhook(w, hook.id),
        lambda w: webhooks.disable_webhook(w, hook.id),
        lambda w: webhooks.test_webhook(w, hook.id),
        lambda w: webhooks.redeliver(w, hook.id, 1),
    ):
        refused(Refused, "role_too_low", lambda write=write: app.write(who, write))  # type: ignore[misc]


def test_another_project_sees_nothing_of_it(
    app: Application, caller: Make, registry: Registry, receiver: Receiver
) -> None:
    hook = registry.create_webhook("ops", receiver.url).webhook
    other = ProjectRow(2, "other", "uid", 0)
    who = Caller(caller("admin").actor, other)
    assert app.read(who, webhooks.list_webhooks) == ()
    refused(
        NotFound,
        "webhook_not_found",
        lambda: app.read(who, lambda v: webhooks.show_webhook(v, hook.id)),
    )


def test_private_addresses_are_refused(
    registry: Registry, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = registry.create_webhook("ops", receiver.url).webhook
    monkeypatch.delenv("POINTSMAN_WEBHOOK_PRIVATE")
    for url in (receiver.url, f"http://localhost:{receiver.port}/"):
        refused(
            InvalidInput,
            "private_address",
            lambda url=url: registry.create_webhook("x", url),  # type: ignore[misc]
        )
        refused(
            InvalidInput,
            "private_address",
            lambda url=url: registry.change_webhook(hook.id, url=url),  # type: ignore[misc]
        )


def test_the_doctor_notices_a_webhook_that_was_changed_behind_its_back(
    place: Place, registry: Registry, receiver: Receiver
) -> None:
    hook = registry.create_webhook("ops", receiver.url).webhook
    for column, value in (("url", "http://evil.example/"), ("events", '["a.b"]')):
        with place.raw() as raw:
            ((was,),) = raw.execute(f"SELECT {column} FROM webhook")
            raw.execute(f"UPDATE webhook SET {column} = ?", (value,))
        found = registry.doctor().findings
        assert [(one.check, one.subject) for one in found] == [("webhooks", f"webhook {hook.id}")]
        with place.raw() as raw:
            raw.execute(f"UPDATE webhook SET {column} = ?", (was,))


# What is told


def test_it_is_told_of_what_happens_from_then_on_in_order(
    registry: Registry, receiver: Receiver, courier: Courier
) -> None:
    registry.publish("before", "x")
    hook = registry.create_webhook("ops", receiver.url, events=["artifact.created"]).webhook
    for number in range(5):
        registry.publish(f"a{number}", "x")
    courier.serve(hook.id)
    assert subjects(receiver) == [f"a{number}" for number in range(5)]
    courier.serve(hook.id)
    assert len(receiver.received) == 5, "once each"
    log = registry.deliveries(hook.id, limit=2)
    assert [(one.number, one.state, one.status) for one in log.items] == [
        (5, "delivered", 204),
        (4, "delivered", 204),
    ]
    rest = registry.deliveries(hook.id, limit=10, cursor=log.cursor)
    assert [one.number for one in rest.items] == [3, 2, 1]
    assert rest.cursor is None


def test_the_id_of_an_event_follows_from_what_it_is(
    registry: Registry, store: Store, receiver: Receiver, courier: Courier
) -> None:
    hook = registry.create_webhook("ops", receiver.url, events=["artifact.created"]).webhook
    registry.publish("a", "x")
    courier.serve(hook.id)
    (got,) = receiver.received
    with store.read() as reader:
        project = reader.project("default")
        assert project is not None
        journal = reader.meta("store"), reader.meta("epoch")
    assert got.id == event_id(*journal, project.uid, got.seq, hook.id)


def test_a_change_counts_from_when_it_was_made(
    registry: Registry, receiver: Receiver, courier: Courier
) -> None:
    hook = registry.create_webhook("ops", receiver.url, events=["artifact.created"]).webhook
    registry.publish("a", "x")
    registry.set_tag("a", "k", "early")
    courier.serve(hook.id)
    registry.publish("b", "x")
    registry.set_tag("a", "k", "earlier")
    registry.change_webhook(hook.id, events=["tag.set"])
    registry.set_tag("a", "k", "late")
    registry.publish("c", "x")
    courier.serve(hook.id)
    told = [(got.json["type"], got.json["data"]["facts"].get("value")) for got in receiver.received]
    assert told == [
        ("pointsman.artifact.created", None),
        ("pointsman.artifact.created", None),
        ("pointsman.tag.set", "late"),
    ]


def test_ids_outlive_a_crash_before_the_outcome_is_written_down(
    registry: Registry, store: Store, clock: Clock, receiver: Receiver
) -> None:
    hook = registry.create_webhook("ops", receiver.url, events=["artifact.created"]).webhook
    registry.publish("a", "x")
    first = Courier(Application(store, clock), Tail(store), DyingSender(), FORMS)
    with pytest.raises(MemoryError):
        first.serve(hook.id)
    second = new_courier(store, clock)
    until = second.serve(hook.id)
    assert len(receiver.received) == 1, "the dead one's lease holds"
    assert until is not None
    assert until > clock()
    clock.forward(int(LEASE * SECOND) + SECOND)
    second.serve(hook.id)
    assert len(receiver.received) == 2
    assert len({got.id for got in receiver.received}) == 1
    assert registry.deliveries(hook.id).items[0].state == "delivered"


def test_one_of_several_servers_delivers(
    registry: Registry, place: Place, store: Store, clock: Clock, receiver: Receiver
) -> None:
    hook = registry.create_webhook("ops", receiver.url, events=["artifact.created"]).webhook
    first = new_courier(store, clock)
    with closing(place.open()) as elsewhere:
        second = new_courier(elsewhere, clock)
        for number in range(3):
            registry.publish(f"a{number}", "x")
            first.serve(hook.id)
            second.serve(hook.id)
        assert subjects(receiver) == ["a0", "a1", "a2"]
        registry.publish("b", "x")
        second.serve(hook.id)
        assert len(receiver.received) == 3, "it is the first one's"
        first.stop()
        second.serve(hook.id)
        assert subjects(receiver)[3:] == ["b"], "it was let go"
        second.stop()


def test_no_more_than_a_window_is_held_back(
    registry: Registry,
    receiver: Receiver,
    courier: Courier,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def behave(got: Received, handler: BaseHTTPRequestHandler) -> None:
        answer(handler, 500 if got.subject.startswith("prompt:bad") and held else 200)

    monkeypatch.setattr(core_deliveries, "WINDOW", 10)
    held = True
    receiver.behave = behave
    registry.publish("good", "x")
    hook = registry.create_webhook("ops", receiver.url, events=["alias.moved"]).webhook
    aliases = [f"a{number:02}" for number in range(12)]
    registry.publish("bad", "x", aliases=aliases)
    registry.promote("good:1", "late")
    for _ in range(4):
        courier.serve(hook.id)
    assert subjects(receiver) == ["bad@a00"], "the good one lies beyond the window"
    assert len(registry.deliveries(hook.id).items) == 10
    held = False
    clock.forward(60 * SECOND)
    for _ in range(4):
        courier.serve(hook.id)
    told = list(dict.fromkeys(subjects(receiver)))
    assert [one for one in told if one != "good@late"] == [f"bad@{alias}" for alias in aliases]
    assert "good@late" in told


def test_what_is_not_wanted_is_passed_and_that_is_written_down_now_and_then(
    registry: Registry, receiver: Receiver, courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "STEP", 20)
    hook = registry.create_webhook("ops", receiver.url, events=["key.*"]).webhook
    registry.publish("a", "x")
    courier.serve(hook.id)
    assert registry.webhook(hook.id).position == hook.position, "not worth a commit"
    registry.publish("a", "y", aliases=[f"a{number}" for number in range(30)])
    for _ in range(3):
        courier.serve(hook.id)
    assert registry.webhook(hook.id).position >= hook.position + 20
    registry.create_key("told", "viewer")
    courier.serve(hook.id)
    assert [got.json["type"] for got in receiver.received] == ["pointsman.key.created"]


# Failing


def test_a_webhook_that_fails_for_long_is_disabled_and_goes_on_when_enabled(
    registry: Registry, receiver: Receiver, courier: Courier, clock: Clock
) -> None:
    receiver.behave = failing
    hook = registry.create_webhook("ops", receiver.url, events=["artifact.created"]).webhook
    registry.publish("a", "x")
    registry.publish("b", "x")
    began = clock()
    while registry.webhook(hook.id).disabled_at is None:
        again = courier.serve(hook.id)
        if again is not None:
            clock.forward(max(0, again - clock()) + 1)
        assert clock() < began + 2 * PATIENCE
    assert clock() > began + PATIENCE - SECOND
    disabled = registry.webhook(hook.id)
    assert "3 days" in disabled.disabled_why
    assert "it answered 500" in disabled.disabled_why
    entry = registry.history(types=["webhook.disabled"]).items[0]
    assert entry.data["reason"] == disabled.disabled_why
    assert entry.actor == "system"
    assert {one.state for one in registry.deliveries(hook.id).items} == {"pending"}
    refused(Conflict, "webhook_disabled", lambda: registry.test_webhook(hook.id))
    count = len(receiver.received)
    courier.serve(hook.id)
    assert len(receiver.received) == count, "it is left alone"
    registry.publish("c", "x")
    receiver.behave = lambda got, handler: answer(handler)
    assert registry.enable_webhook(hook.id).disabled_at is None
    courier.serve(hook.id)
    assert subjects(receiver)[count:] == ["a", "b", "c"]


def test_a_receiver_that_is_gone_is_believed(
    registry: Registry, receiver: Receiver, courier: Courier
) -> None:
    receiver.behave = lambda got, handler: answer(handler, 410)
    hook = registry.create_webhook("ops", receiver.url, events=["artifact.created"]).webhook
    registry.publish("a", "x")
    courier.serve(hook.id)
    assert "410" in registry.webhook(hook.id).disabled_why


def test_a_receiver_that_is_down_gets_a_rest(
    registry: Registry, receiver: Receiver, courier: Courier, clock: Clock
) -> None:
    receiver.behave = failing
    hook = registry.create_webhook("ops", receiver.url, events=["artifact.created"]).webhook
    for number in range(20):
        registry.publish(f"a{number}", "x")
    again = courier.serve(hook.id)
    assert len(receiver.received) == 3, "not each artifact is tried in vain"
    assert again is not None
    assert again > clock()


def test_redelivering_what_waits_tries_it_at_once(
    registry: Registry, receiver: Receiver, courier: Courier
) -> None:
    receiver.behave = failing
    hook = registry.create_webhook("ops", receiver.url, events=["alias.moved"]).webhook
    registry.publish("a", "x", aliases=["one", "two"])
    courier.serve(hook.id)
    courier.serve(hook.id)
    assert subjects(receiver) == ["a@one"], "it waits for its next attempt"
    receiver.behave = lambda got, handler: answer(handler)
    registry.redeliver(hook.id, 2)
    courier.serve(hook.id)
    assert subjects(receiver) == ["a@one", "a@one", "a@two"], "in order all the same"
    refused(NotFound, "delivery_not_found", lambda: registry.redeliver(hook.id, 3))


def test_a_webhook_deleted_while_it_is_told_stays_deleted(
    registry: Registry, receiver: Receiver, courier: Courier
) -> None:
    def behave(got: Received, handler: BaseHTTPRequestHandler) -> None:
        registry.delete_webhook(hook.id)
        answer(handler)

    receiver.behave = behave
    hook = registry.create_webhook("ops", receiver.url, events=["artifact.created"]).webhook
    registry.publish("a", "x")
    registry.publish("b", "x")
    courier.serve(hook.id)
    assert subjects(receiver) == ["a"]
    assert registry.webhooks() == ()
    assert courier.serve(hook.id) is None


def test_done_deliveries_are_kept_for_a_while_only(
    registry: Registry, receiver: Receiver, courier: Courier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "KEPT", 3)
    hook = registry.create_webhook("ops", receiver.url, events=["artifact.created"]).webhook
    for number in range(6):
        registry.publish(f"a{number}", "x")
        courier.serve(hook.id)
    assert [one.number for one in registry.deliveries(hook.id).items] == [6, 5, 4]


# Threads


def test_the_threads_deliver_by_themselves_and_stop(
    app: Application, store: Store, registry: Registry, receiver: Receiver
) -> None:
    tail = Tail(store)
    courier = Courier(app, tail, HttpSender(), FORMS)
    tail.start()
    courier.start()
    try:
        hook = registry.create_webhook("ops", receiver.url, events=["artifact.created"]).webhook
        for number in range(3):
            registry.publish(f"a{number}", "x")
        receiver.wait(lambda got: len(got) == 3)
        registry.test_webhook(hook.id)
        receiver.wait(lambda got: len(got) == 4)
        receiver.behave = lambda got, handler: (receiver.ending.wait(20), None)[1]
        registry.publish("slow", "x")
        receiver.wait(lambda got: len(got) == 5)
    finally:
        courier.stop()
        tail.stop()
    assert registry.deliveries(hook.id).items[0].attempts == 0, "it was us who ended it"
    with store.read() as reader:
        row = reader.webhook(hook.id)
    assert row is not None
    assert row.lease_owner == "", "others may go on at once"


def test_a_lease_outlasts_a_message() -> None:
    from pointsman.wire.hooks import sender

    assert deliveries.LEASE > 2 * sender.DEADLINE


# In MLflow's format


def _mlflow_hook(app: Application, who: Caller, receiver: Receiver, secret: str = "given") -> str:
    terms = Terms(
        "theirs",
        SafeUrl(receiver.url),
        ["prompt*"],
        format="mlflow",
        secret=secret,
        description="d",
    )
    made = app.write(who, lambda w: webhooks.create_webhook(w, terms))
    assert made.secret == ""
    return made.webhook.id


def test_a_given_secret_is_sealed_for_its_webhook(
    app: Application,
    caller: Make,
    registry: Registry,
    receiver: Receiver,
    store: Store,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POINTSMAN_SECRET_KEY", MASTER)
    hook = _mlflow_hook(app, caller("admin"), receiver)
    other = _mlflow_hook(app, caller("admin"), receiver, "another")
    with store.read() as reader:
        row, foreign = reader.webhook(hook), reader.webhook(other)
        assert row is not None
        assert foreign is not None
        assert "given" not in row.secret
        assert webhooks.secret_of(reader, row) == "given"
        stolen = row._replace(secret=foreign.secret)
        refused(Conflict, "webhook_secret_unreadable", lambda: webhooks.secret_of(reader, stolen))
    assert "given" not in str(registry.history(limit=10))


def test_a_secret_that_can_not_be_opened_holds_deliveries_back(
    app: Application,
    caller: Make,
    registry: Registry,
    receiver: Receiver,
    store: Store,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POINTSMAN_SECRET_KEY", MASTER)
    hook = _mlflow_hook(app, caller("admin"), receiver)
    registry.publish("x", "one")
    courier = new_courier(store, clock)
    monkeypatch.setenv("POINTSMAN_SECRET_KEY", MASTER[::-1].removeprefix("=") + "=")
    courier.serve(hook)
    (first,) = [one for one in registry.deliveries(hook).items if one.attempts]
    assert (first.state, first.status) == ("pending", None)
    assert "can't be opened" in first.error
    assert receiver.received == []
    monkeypatch.setenv("POINTSMAN_SECRET_KEY", MASTER)
    clock.forward(PATIENCE // 2)
    courier.serve(hook)
    courier.serve(hook)
    assert {got.json["entity"] for got in receiver.received} == {"prompt", "prompt_version"}


def test_without_a_master_key_no_secret_is_taken(
    app: Application, caller: Make, receiver: Receiver, place: Place
) -> None:
    if place.dialect == "sqlite":
        assert _mlflow_hook(app, caller("admin"), receiver)
        return
    refused(Conflict, "no_secret_key", lambda: _mlflow_hook(app, caller("admin"), receiver))
    assert _mlflow_hook(app, caller("admin"), receiver, "")


def test_the_formats_are_not_mixed(registry: Registry, receiver: Receiver) -> None:
    ours = registry.create_webhook("ours", receiver.url).webhook
    theirs = registry.create_webhook("theirs", receiver.url, format="mlflow")
    assert theirs.secret.startswith("whsec_")
    assert theirs.webhook.events == ("*",)
    for hook, form in ((ours, "mlflow"), (theirs.webhook, "slack")):
        refused(
            InvalidInput,
            "invalid_webhook",
            lambda hook=hook, form=form: registry.change_webhook(hook.id, format=form),  # type: ignore[misc]
        )
    for form, event in (("mlflow", "alias.moved"), ("cloudevents", "prompt_alias.created")):
        refused(
            InvalidInput,
            "unknown_event",
            lambda form=form, event=event: registry.create_webhook(  # type: ignore[misc]
                "x", receiver.url, events=[event], format=form
            ),
        )


def test_the_patterns_of_artifacts_and_aliases_hold_in_mlflows_format(
    registry: Registry, receiver: Receiver, store: Store, clock: Clock
) -> None:
    made = registry.create_webhook(
        "theirs", receiver.url, events=["*_alias.*"], artifacts="a*", aliases="b*", format="mlflow"
    )
    for name in ("a", "other"):
        registry.publish(name, "one", aliases=["b", "c"])
    courier = new_courier(store, clock)
    courier.serve(made.webhook.id)
    (got,) = receiver.received
    assert got.json["data"] == {"name": "a", "alias": "b", "version": "1"}
    assert got.headers["x-mlflow-signature"] == signature(
        made.secret, got.headers["x-mlflow-delivery-id"], int(got.headers["x-mlflow-timestamp"]),
        got.body,
    )  # fmt: skip


def test_all_of_mlflows_events_are_not_all_entries(
    registry: Registry,
    receiver: Receiver,
    store: Store,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POINTSMAN_SIGNING_KEY", MASTER)
    terms = {"events": ["*.*", "*"], "format": "mlflow"}
    hook = registry.create_webhook("theirs", receiver.url, **terms).webhook  # type: ignore[arg-type]
    registry.publish("rows", {"rows": [{"input": {"x": "1"}}]}, kind="dataset", aliases=["a"])
    registry.publish("x", "one")
    registry.set_tag("x", "mlflow.description", "no tag to MLflow's client")
    registry.set_tag("x", "k", "v")
    registry.checkpoint()
    courier = new_courier(store, clock)
    courier.serve(hook.id)
    told = [f"{got.json['entity']}.{got.json['action']}" for got in receiver.received]
    assert told == ["prompt.created", "prompt_version.created", "prompt_tag.set"]
