"""Webhooks with MLflow's client: made, tried, told in MLflow's words, and ours all the same."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import mlflow
from mlflow.entities.webhook import VALID_ENTITY_ACTIONS, Webhook, WebhookEvent
from mlflow.webhooks.types import get_example_payload_for_event

from hooks import Received, Receiver, answer
from wire.mlflow.scenarios.told import acting, behaviour, client, native, publish, refused, run

register = mlflow.genai.register_prompt
MOVED = "prompt_alias.created"
EVERY_EVENT = [
    f"{entity}.{action}"
    for entity, actions in VALID_ENTITY_ACTIONS.items()
    for action in sorted(actions)
    if str(entity) != "budget_policy"
]


@contextmanager
def _receiver(*events: str, **more: Any) -> Iterator[tuple[Receiver, Webhook]]:
    """A receiver, and a webhook that tells it; without the webhook in the end."""
    with Receiver() as receiver:
        made = client().create_webhook("a receiver", receiver.url, list(events), **more)
        try:
            yield receiver, made
        finally:
            client().delete_webhook(made.webhook_id)


def _prompt(name: str, *texts: str) -> str:
    for text in texts or ("one",):
        register(name, text)
    return name


def _is_genuine(secret: str, got: Received) -> bool:
    """As MLflow's documentation verifies a delivery."""
    signed = f"{got.headers['x-mlflow-delivery-id']}.{got.headers['x-mlflow-timestamp']}."
    wanted = hmac.new(secret.encode(), signed.encode() + got.body, hashlib.sha256).digest()
    version, _, said = got.headers["x-mlflow-signature"].partition(",")
    fresh = abs(time.time() - int(got.headers["x-mlflow-timestamp"])) < 300
    return version == "v1" and fresh and hmac.compare_digest(wanted, base64.b64decode(said))


def _name(got: Received) -> str:
    return f"{got.json['entity']}.{got.json['action']}"


def _deliveries(made: Webhook) -> list[dict[str, Any]]:
    return list(native("GET", f"/webhooks/{made.webhook_id}/deliveries?limit=100")["items"])


@behaviour
def a_webhook_is_made_listed_changed_and_deleted() -> None:
    made = client().create_webhook(
        "ops", "https://hooks.example.org/x", [MOVED], description="for ops", secret="s3cret"
    )
    assert (made.name, made.description, str(made.status)) == ("ops", "for ops", "ACTIVE")
    assert [str(one) for one in made.events] == [MOVED]
    assert made.secret is None
    found = client().get_webhook(made.webhook_id)
    assert (found.url, found.creation_timestamp) == (made.url, made.creation_timestamp)
    assert [one.webhook_id for one in client().list_webhooks()] == [made.webhook_id]
    changed = client().update_webhook(
        made.webhook_id,
        name="people",
        description="",
        url="https://hooks.example.org/y",
        events=["prompt.created", MOVED],
    )
    assert (changed.name, changed.url) == ("people", "https://hooks.example.org/y")
    assert not changed.description
    assert [str(one) for one in changed.events] == ["prompt.created", MOVED]
    assert changed.last_updated_timestamp >= made.last_updated_timestamp
    client().delete_webhook(made.webhook_id)
    assert list(client().list_webhooks()) == []
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client().get_webhook(made.webhook_id)


@behaviour
def what_is_left_out_of_a_change_stays() -> None:
    with _receiver(MOVED, description="kept", secret="s") as (receiver, made):
        changed = client().update_webhook(made.webhook_id, name="other")
        assert (changed.description, changed.url) == ("kept", receiver.url)
        assert [str(one) for one in changed.events] == [MOVED]
        mlflow.genai.set_prompt_alias(_prompt("left-out"), "live", 1)
        receiver.wait(lambda got: len(got) == 1)
        assert _is_genuine("s", receiver.received[0])


@behaviour
def one_and_the_same_webhook_is_seen_natively() -> None:
    with _receiver(MOVED, description="seen", secret="hidden") as (receiver, made):
        found = native("GET", f"/webhooks/{made.webhook_id}")
        assert (found["format"], found["events"]) == ("mlflow", [MOVED])
        assert (found["url"], found["description"]) == (receiver.url, "seen")
        assert "hidden" not in str(found)
        (entry,) = native("GET", "/journal?type=webhook.created&limit=1")["items"]
        assert (entry["via"], entry["data"]["webhook"]) == ("mlflow", made.webhook_id)
        assert "hidden" not in str(entry)
        native("PUT", f"/webhooks/{made.webhook_id}", {"name": "renamed natively"})
        assert client().get_webhook(made.webhook_id).name == "renamed natively"


@behaviour
def a_moved_alias_is_told_and_signed() -> None:
    name = _prompt("moving", "one", "two")
    with _receiver(MOVED, secret="Grüße ✓") as (receiver, _):
        for number in (1, 2):
            mlflow.genai.set_prompt_alias(name, "live", number)
        receiver.wait(lambda got: len(got) == 2)
        for number, got in enumerate(receiver.received, 1):
            assert _name(got) == MOVED
            assert got.json["data"] == {"name": name, "alias": "live", "version": str(number)}
            assert _is_genuine("Grüße ✓", got)
            assert not _is_genuine("other", got)
            assert got.json["timestamp"].endswith("+00:00")
            assert got.headers["content-type"] == "application/json"


@behaviour
def without_a_secret_nothing_is_signed() -> None:
    name = _prompt("unsigned", "one", "two")
    with _receiver(MOVED) as (receiver, made):
        mlflow.genai.set_prompt_alias(name, "live", 1)
        receiver.wait(lambda got: len(got) == 1)
        assert "x-mlflow-signature" not in receiver.received[0].headers
        client().update_webhook(made.webhook_id, secret="given later")
        mlflow.genai.set_prompt_alias(name, "live", 2)
        receiver.wait(lambda got: len(got) == 2)
        assert _is_genuine("given later", receiver.received[1])


@behaviour
def every_event_is_told_in_mlflows_shape() -> None:
    assert len(EVERY_EVENT) == 14
    with _receiver(*EVERY_EVENT) as (receiver, made):
        assert sorted(map(str, made.events)) == sorted(EVERY_EVENT)
        client().create_prompt("p", description="d", tags={"a": "1"})
        client().create_prompt_version("p", "Hi {{ x }}", description="m", tags={"b": "2"})
        mlflow.genai.set_prompt_alias("p", "live", 1)
        mlflow.genai.delete_prompt_alias("p", "live")
        mlflow.genai.delete_prompt_tag("p", "a")
        client().delete_prompt_version_tag("p", "1", "b")
        client().create_registered_model("m", tags={"a": "1"}, description="d")
        client().create_model_version("m", "s3://b/m", run_id="r", description="v")
        client().set_registered_model_alias("m", "best", "1")
        client().delete_registered_model_alias("m", "best")
        client().set_model_version_tag("m", "1", "k", "v")
        client().delete_model_version_tag("m", "1", "k")
        receiver.wait(lambda got: set(map(_name, got)) == set(EVERY_EVENT))
        told = {_name(got): got.json["data"] for got in receiver.received}
        for name, data in told.items():
            example = get_example_payload_for_event(WebhookEvent.from_str(name))
            assert data.keys() == example.keys(), (name, data)
        assert told["prompt_version.created"]["template"] == "Hi {{ x }}"
        assert told["prompt_version.created"]["description"] == "m"
        assert told["prompt.created"]["description"] == "d"
        assert told["model_version.created"]["source"] == "s3://b/m"
        assert told["model_version.created"]["run_id"] == "r"
        assert told["model_version_tag.set"] == {"name": "m", "version": "1"} | {
            "key": "k",
            "value": "v",
        }


@behaviour
def what_mlflow_has_no_event_for_is_not_told() -> None:
    with _receiver(*EVERY_EVENT) as (receiver, _):
        publish("rows", {"rows": [{"input": {"x": "1"}}]}, kind="dataset", aliases=["live"])
        client().create_registered_model("quiet")
        client().update_registered_model("quiet", "a new description")
        client().set_registered_model_tag("quiet", "k", "v")
        client().delete_registered_model("quiet")
        client().create_registered_model("last")
        receiver.wait(lambda got: len(got) >= 2)
        names = [got.json["data"]["name"] for got in receiver.received]
        assert sorted(names) == ["last", "quiet"]


@behaviour
def a_move_that_was_made_natively_is_told_too() -> None:
    publish("by-hand", "one")
    with _receiver(MOVED, secret="s") as (receiver, _):
        path = "/artifacts/prompt/by-hand/aliases/canary"
        publish("by-hand", "two")
        native("PUT", path, {"split": {"1": 90, "2": 10}, "reason": "try"})
        receiver.wait(lambda got: len(got) == 1)
        data = receiver.received[0].json["data"]
        assert data == {"name": "by-hand", "alias": "canary", "version": "1"}


@behaviour
def what_fails_is_tried_again_under_its_id_and_logged() -> None:
    name = _prompt("failing")
    with _receiver(MOVED, secret="s") as (receiver, made):

        def fail_once(_: Received, handler: BaseHTTPRequestHandler) -> None:
            answer(handler, 500 if len(receiver.received) == 1 else 204)

        receiver.behave = fail_once
        mlflow.genai.set_prompt_alias(name, "live", 1)
        receiver.wait(lambda got: len(got) == 2)
        first, second = receiver.received
        assert first.headers["x-mlflow-delivery-id"] == second.headers["x-mlflow-delivery-id"]
        assert first.body == second.body
        assert all(_is_genuine("s", got) for got in (first, second))
        for _ in range(600):
            (told,) = _deliveries(made)
            if told["state"] == "delivered":
                break
            time.sleep(0.05)
        assert (told["state"], told["attempts"], told["type"]) == ("delivered", 2, "alias.moved")


@behaviour
def a_webhook_is_tried() -> None:
    with _receiver("model_version.created", MOVED, secret="s") as (receiver, made):
        result = client().test_webhook(made.webhook_id)
        assert (result.success, result.response_status) == (True, 204)
        assert _name(receiver.received[0]) == "model_version.created"
        assert _is_genuine("s", receiver.received[0])
        result = client().test_webhook(made.webhook_id, MOVED)
        assert result.success
        assert _name(receiver.received[1]) == MOVED
        assert receiver.received[1].json["data"].keys() == {"name", "alias", "version"}
        assert [one["type"] for one in _deliveries(made)] == ["pointsman.ping"] * 2


@behaviour
def every_event_can_be_tried() -> None:
    with _receiver(MOVED) as (receiver, made):
        for number, name in enumerate(EVERY_EVENT):
            assert client().test_webhook(made.webhook_id, name).success
            example = get_example_payload_for_event(WebhookEvent.from_str(name))
            assert receiver.received[number].json["data"].keys() == example.keys()


@behaviour
def a_receiver_that_fails_its_trial_is_told_of() -> None:
    with _receiver(MOVED) as (receiver, made):
        receiver.behave = lambda got, handler: answer(handler, 500)
        result = client().test_webhook(made.webhook_id)
        assert (result.success, result.response_status) == (False, 500)
    gone = client().create_webhook("gone", receiver.url, [MOVED])
    result = client().test_webhook(gone.webhook_id)
    assert not result.success
    assert "can't be reached" in result.error_message
    client().delete_webhook(gone.webhook_id)


@behaviour
def a_disabled_webhook_is_told_when_it_is_enabled() -> None:
    name = _prompt("paused")
    with _receiver(MOVED, status="DISABLED") as (receiver, made):
        assert str(made.status) == "DISABLED"
        mlflow.genai.set_prompt_alias(name, "live", 1)
        with refused("RESOURCE_CONFLICT", "disabled"):
            client().test_webhook(made.webhook_id)
        assert receiver.received == []
        enabled = client().update_webhook(made.webhook_id, status="ACTIVE")
        assert str(enabled.status) == "ACTIVE"
        receiver.wait(lambda got: len(got) == 1)
        disabled = client().update_webhook(made.webhook_id, status="DISABLED")
        assert str(disabled.status) == "DISABLED"
        told = native("GET", f"/webhooks/{made.webhook_id}")["disabled_why"]
        assert told == "disabled by MLflow's client"


@behaviour
def webhooks_that_make_no_sense_are_refused() -> None:
    url = "https://hooks.example.org/x"
    with refused("INVALID_PARAMETER_VALUE", "no budgets"):
        client().create_webhook("x", url, ["budget_policy.exceeded"])
    with refused("INVALID_PARAMETER_VALUE", "name"):
        client().create_webhook("", url, [MOVED])
    for wrong in ("ftp://example.org/x", "https://user:pw@example.org/", "nonsense", "x" * 3_000):
        with refused("INVALID_PARAMETER_VALUE"):
            client().create_webhook("x", wrong, [MOVED])
    with refused("INVALID_PARAMETER_VALUE"):
        client().create_webhook("x", url, [MOVED], secret="s" * 2_000)
    with refused("RESOURCE_DOES_NOT_EXIST", "wh_nothing"):
        client().update_webhook("wh_nothing", name="x")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client().delete_webhook("wh_nothing")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client().test_webhook("wh_nothing")


@behaviour
def webhooks_come_in_pages_newest_first() -> None:
    made = [
        client().create_webhook(f"page {number}", "https://hooks.example.org/x", [MOVED])
        for number in range(3)
    ]
    first = client().list_webhooks(max_results=2)
    assert [one.name for one in first] == ["page 2", "page 1"]
    (last,) = client().list_webhooks(max_results=2, page_token=first.token)
    assert last.name == "page 0"
    with refused("INVALID_PARAMETER_VALUE", "max_results"):
        client().list_webhooks(max_results=1_001)
    for one in made:
        client().delete_webhook(one.webhook_id)


@behaviour
def native_webhooks_are_seen_by_the_events_they_tell() -> None:
    url = "https://hooks.example.org/x"
    made = native("POST", "/webhooks", {"name": "natively", "url": url, "events": ["tag.*"]})
    other = native("POST", "/webhooks", {"name": "of keys", "url": url, "events": ["key.*"]})
    (found,) = client().list_webhooks()
    assert found.name == "natively"
    assert [str(one) for one in found.events] == [
        "model_version_tag.deleted",
        "model_version_tag.set",
        "prompt_tag.deleted",
        "prompt_tag.set",
        "prompt_version_tag.deleted",
        "prompt_version_tag.set",
    ]
    assert client().update_webhook(found.webhook_id, description="d").description == "d"
    client().update_webhook(found.webhook_id, events=list(found.events))
    with refused("INVALID_PARAMETER_VALUE", "cloudevents"):
        client().update_webhook(found.webhook_id, events=[MOVED])
    with refused("INVALID_PARAMETER_VALUE", "secret"):
        client().update_webhook(found.webhook_id, secret="mine")
    with refused("RESOURCE_DOES_NOT_EXIST", "natively"):
        client().get_webhook(other["webhook"]["id"])
    for one in (made, other):
        native("DELETE", f"/webhooks/{one['webhook']['id']}")


@behaviour
def only_admins_see_and_make_webhooks() -> None:
    for role in ("viewer", "editor", "releaser"):
        with acting(role):
            with refused("PERMISSION_DENIED", "admin"):
                client().list_webhooks()
            with refused("PERMISSION_DENIED"):
                client().create_webhook("x", "https://hooks.example.org/x", [MOVED])


if __name__ == "__main__":
    run()
