"""What receivers of webhooks are sent: an entry of the journal as a CloudEvent or a sentence.

The forms are CloudEvents 1.0 (structured JSON), Slack's incoming webhooks, and GitHub's
`repository_dispatch`. Every message is signed as Standard Webhooks has it. A fourth form,
that of MLflow's own webhooks, is written by its adapter.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from pointsman.core.mlflow_events import EVENTS
from pointsman.core.patterns import matches
from pointsman.core.plain import to_plain
from pointsman.core.vocabulary import moment
from pointsman.core.webhooks import Format
from pointsman.errors import InvalidInput

PING = "pointsman.ping"
SIGNED = "checkpoint.signed"
"""A checkpoint of the journal was signed: no entry of it, and told to those who ask for it."""
TYPES: Final = (
    "alias.moved",
    "artifact.archived",
    "artifact.created",
    "artifact.restored",
    "change.applied",
    "change.commented",
    "change.edited",
    "change.expired",
    "change.proposed",
    "change.superseded",
    "change.voiced",
    "change.withdrawn",
    "check.reported",
    "evaluation.cancelled",
    "evaluation.finished",
    "evaluation.requested",
    "evidence.stale",
    "glass.broken",
    "glass.reviewed",
    "key.created",
    "key.revoked",
    "owner.removed",
    "owner.set",
    "policy.deleted",
    "policy.set",
    "project.created",
    "provider.deleted",
    "provider.set",
    "role.granted",
    "role.withdrawn",
    "tag.deleted",
    "tag.set",
    "version.published",
    "version.tombstoned",
    "webhook.changed",
    "webhook.created",
    "webhook.deleted",
    "webhook.disabled",
    "webhook.enabled",
)
"""Every type of entry that a project's journal can hold."""
TYPES_OF_INSTALLATION: Final = ("group.*", "person.*", "project.added", "session.*")
"""The types of entries that stand in the installation's journal alone, of which none is told."""
PREFIX = "pointsman."
SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell. `id` is the same however often it is told; `at` in microseconds."""

    id: str
    source: str
    type: str
    at: int
    by: str
    via: str
    seq: int
    project: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why it was done, if that was said."""
        reason = self.facts.get("reason", "")
        return reason if isinstance(reason, str) else ""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. `private` are headers for the first address alone, not where it redirects."""

    body: bytes
    headers: Mapping[str, str]
    private: Mapping[str, str] = field(default_factory=dict)


def check_events(patterns: Iterable[str], form: Format = "cloudevents") -> None:
    """Raise `InvalidInput` for a pattern that fits no event that there is, in this format."""
    known = tuple(EVENTS) if form == "mlflow" else (*TYPES, SIGNED)
    for pattern in patterns:
        if any(matches(pattern, one) for one in known):
            continue
        close = ", ".join(_close(pattern.removeprefix(PREFIX), known))
        words = ", ".join(dict.fromkeys(one.partition(".")[0] for one in known))
        hint = f"Perhaps one of these is meant: {close}." if close else f"They begin with {words}."
        if any(matches(one, pattern.removeprefix(PREFIX)) for one in TYPES_OF_INSTALLATION):
            hint = "That is recorded for the whole installation, in a journal of its own."
        raise InvalidInput(
            f"No event is of the type {pattern!r}.",
            code="unknown_event",
            hint=hint,
            field="events",
        )


def _close(pattern: str, known: Sequence[str]) -> list[str]:
    """The types that somebody who wrote this may have meant: of that word, or spelt like it."""
    word = pattern.partition(".")[0]
    alike = get_close_matches(pattern, known, n=5, cutoff=0.6)
    words = dict.fromkeys(one.partition(".")[0] for one in known)
    for near in get_close_matches(word, words, n=1, cutoff=0.7):
        alike += [one for one in known if one.startswith(f"{near}.")]
    return list(dict.fromkeys(alike))


def event_id(*parts: object) -> str:
    """The id of an event, made of what it is: the same parts, the same id."""
    text = "\n".join(map(str, parts))
    return "evt_" + hashlib.sha256(f"pointsman event {text}".encode()).hexdigest()[:32]


def subject(facts: Mapping[str, Any]) -> str:
    """What an entry is about, as a selector with its kind; empty if about no artifact."""
    if not isinstance(facts.get("kind"), str) or not isinstance(facts.get("name"), str):
        return ""
    text = f"{facts['kind']}:{facts['name']}"
    if isinstance(facts.get("alias"), str):
        return f"{text}@{facts['alias']}"
    return f"{text}:{facts['version']}" if isinstance(facts.get("version"), int) else text


def message(event: Event, form: Format, secret: str, token: str, now: int) -> Message:
    """The event as it is sent at the moment `now` (seconds since the epoch), signed."""
    content = "application/json"
    private = {"authorization": f"Bearer {token}"} if token else {}
    if form == "slack":
        shown: dict[str, Any] = {"text": sentence(event)}
    elif form == "github":
        whole = cloud_event(event)
        told = ("id", "source", "subject", "time", "data")
        payload = {name: whole[name] for name in told if name in whole}
        shown = {"event_type": _type(event), "client_payload": payload}
        private["accept"] = "application/vnd.github+json"
        private["x-github-api-version"] = "2022-11-28"
    else:
        shown = cloud_event(event)
        content = "application/cloudevents+json; charset=utf-8"
    body = json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "content-type": content,
        "user-agent": "pointsman",
        "webhook-id": event.id,
        "webhook-timestamp": str(now),
        "webhook-signature": signature(secret, event.id, now, body),
    }
    return Message(body, headers, private)


def cloud_event(event: Event) -> dict[str, Any]:
    """The event as CloudEvents 1.0 has it."""
    about = subject(event.facts)
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": _type(event),
        **({"subject": about} if about else {}),
        "time": to_plain(moment(event.at)),
        "datacontenttype": "application/json",
        "data": {
            "project": event.project,
            "seq": event.seq,
            "by": event.by,
            "via": event.via,
            "reason": event.reason,
            "facts": dict(event.facts),
        },
    }


def signature(secret: str, identity: str, at: int, body: bytes) -> str:
    """The signature of Standard Webhooks over id, time and body."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{identity}.{at}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def sentence(event: Event) -> str:
    """The event in one sentence, for people, as Slack wants its text."""
    facts, about = event.facts, subject(event.facts).removeprefix("prompt:")
    if event.type == PING:
        text = f"{event.by} tests whether this place is told of what happens in {event.project}."
    elif event.type == "alias.moved" and facts.get("to") is None:
        text = f"{event.by} deleted {about}"
    elif event.type == "alias.moved":
        before = f" from {_target(facts['before'])}" if facts.get("before") else ""
        undone = " back" if "undoes" in facts else ""
        text = f"{event.by} moved {about}{undone}{before} to {_target(facts['to'])}"
    elif event.type == SIGNED:
        text = f"{event.by} signed a checkpoint of {facts.get('entries')} entries"
        text += f", the last with the hash {facts.get('hash')}"
    elif event.type == "glass.broken":
        text = f"{event.by} broke the glass with release {facts.get('release')}"
    else:
        thing, _, done = event.type.replace("_", " ").rpartition(".")
        what = about or next(
            (str(value) for key, value in facts.items() if key.endswith("_name")), ""
        )
        text = f"{event.by}: {thing} {done}" + (f", {what}" if what else "")
    reason = " ".join(event.reason.split())
    if reason:
        text += f": {reason[:500]}"
    if event.type == "glass.broken" and (passed := facts.get("passed")):
        text += f" (past what was asked: {'; '.join(map(str, passed))[:500]})"
    if affects := facts.get("affects"):
        text += f" (affects {', '.join(map(str, affects))[:200]})"
    if concerns := facts.get("concerns"):
        text += f" (for {', '.join(map(str, concerns))[:200]} to know)"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _type(event: Event) -> str:
    return event.type if event.type.startswith(PREFIX) else PREFIX + event.type


def _target(target: Any) -> str:
    if isinstance(target, Mapping) and target.get("split"):
        arms = [f"{arm['version']} ({arm['weight']})" for arm in target["split"]]
        return "a split of versions " + ", ".join(arms)
    return f"version {target['version']}" if isinstance(target, Mapping) else "nothing"
