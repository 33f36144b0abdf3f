"""What webhooks in MLflow's format are sent: one of its events, signed as it signs.

`core.mlflow_events` says which of our entries make which event; the bodies are those of
MLflow's own webhooks. Unlike there, the id of a delivery is the same at every attempt.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from pointsman.app.deliveries import Form, Occasion
from pointsman.app.ports import Reader
from pointsman.core.events import PING, Message
from pointsman.core.journal import Line
from pointsman.core.mlflow_events import EVENTS, event_of
from pointsman.core.patterns import matches
from pointsman.core.releases import target_from_plain
from pointsman.core.vocabulary import moment
from pointsman.wire.mlflow import shapes
from pointsman.wire.mlflow.filters import IS_PROMPT
from pointsman.wire.mlflow.prompts import TEXT, TYPE, tags_of

_Facts = Mapping[str, Any]


def written(reader: Reader, occasion: Occasion) -> Message:
    """The message for an occasion, as MLflow's server would send it."""
    event = occasion.event
    if event.type == PING:
        name = str(event.facts.get("plays") or first_wanted(json.loads(occasion.webhook.events)))
        data = _SAMPLES[name]
    else:
        assert occasion.line is not None, "every event but a ping is of an entry"
        name = event_of(event.type, event.facts)
        data = _DATA[name](reader, occasion.line, event.facts)
    entity, _, action = name.partition(".")
    shown = {
        "entity": entity,
        "action": action,
        "timestamp": moment(event.at).isoformat(),
        "data": data,
        "workspace": event.project,
    }
    body = json.dumps(shown).encode()
    headers = {
        "content-type": "application/json",
        "user-agent": "pointsman",
        "x-mlflow-delivery-id": event.id,
        "x-mlflow-timestamp": str(occasion.now),
    }
    if occasion.secret:
        headers["x-mlflow-signature"] = signature(occasion.secret, event.id, occasion.now, body)
    token = occasion.webhook.token
    return Message(body, headers, {"authorization": f"Bearer {token}"} if token else {})


FORMS: Final[Mapping[str, Form]] = {"mlflow": written}
"""The formats that are written here, for what delivers."""


def signature(secret: str, identity: str, at: int, body: bytes) -> str:
    """MLflow's signature over id, time and body: as Standard Webhooks, but the key is the text."""
    signed = f"{identity}.{at}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret.encode(), signed, "sha256")).decode()


def first_wanted(patterns: list[str]) -> str:
    """The first event that one of these patterns means."""
    return next(name for name in EVENTS if any(matches(one, name) for one in patterns))


# -- what is told of each event


def _made(reader: Reader, line: Line, facts: _Facts) -> dict[str, Any]:
    tags = reader.tags(line.artifact or 0, 0)
    return {
        "name": facts["name"],
        "tags": {key: value for key, value in tags.items() if key not in shapes.HIDDEN},
        "description": tags.get(shapes.DESCRIPTION),
    }


def _published_prompt(reader: Reader, line: Line, facts: _Facts) -> dict[str, Any]:
    told, content = _published(reader, line, facts)
    own = tags_of(content) if content else {}
    told["template"] = own.get(TEXT, "")
    kept = {key: value for key, value in own.items() if key not in (IS_PROMPT, TYPE, TEXT)}
    return {**told, "tags": {**told["tags"], **kept}}


def _published_model(reader: Reader, line: Line, facts: _Facts) -> dict[str, Any]:
    told, content = _published(reader, line, facts)
    uri = content.get("uri", "")
    return {**told, "source": uri, "run_id": shapes.run_of(content) or None}


def _published(
    reader: Reader, line: Line, facts: _Facts
) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """What is told of every version, and its content; none where that was removed since."""
    artifact, number = line.artifact or 0, int(facts["version"])
    row, body = reader.version(artifact, number), reader.content(artifact, number)
    tags = reader.tags(artifact, number)
    told = {
        "name": facts["name"],
        "version": str(number),
        "tags": {key: value for key, value in tags.items() if key not in shapes.HIDDEN},
        "description": tags.get(shapes.DESCRIPTION, row.message if row else "") or None,
    }
    return told, {} if body is None else json.loads(body)


def _pointed(reader: Reader, line: Line, facts: _Facts) -> dict[str, Any]:
    target = target_from_plain(facts["to"])
    assert target is not None, "an alias that points nowhere was deleted"
    told = {"name": facts["name"], "alias": facts["alias"]}
    return {**told, "version": str(shapes.first_of(target))}


def _unpointed(reader: Reader, line: Line, facts: _Facts) -> dict[str, Any]:
    return {"name": facts["name"], "alias": facts["alias"]}


def _tagged(reader: Reader, line: Line, facts: _Facts) -> dict[str, Any]:
    return {**_untagged(reader, line, facts), "value": facts["value"]}


def _untagged(reader: Reader, line: Line, facts: _Facts) -> dict[str, Any]:
    where = {"version": str(facts["version"])} if "version" in facts else {}
    return {"name": facts["name"], **where, "key": facts["key"]}


_DATA: Final[Mapping[str, Callable[[Reader, Line, _Facts], dict[str, Any]]]] = {
    "model_version.created": _published_model,
    "model_version_alias.created": _pointed,
    "model_version_alias.deleted": _unpointed,
    "model_version_tag.deleted": _untagged,
    "model_version_tag.set": _tagged,
    "prompt.created": _made,
    "prompt_alias.created": _pointed,
    "prompt_alias.deleted": _unpointed,
    "prompt_tag.deleted": _untagged,
    "prompt_tag.set": _tagged,
    "prompt_version.created": _published_prompt,
    "prompt_version_tag.deleted": _untagged,
    "prompt_version_tag.set": _tagged,
    "registered_model.created": _made,
}

_NAME: Final = {"name": "an-example"}
_ABOUT: Final = {"tags": {"team": "ops"}, "description": "Sent to try a webhook."}
_ONE: Final = {**_NAME, "version": "1"}
_KEY: Final = {"key": "team"}
_SAMPLES: Final[Mapping[str, _Facts]] = {
    "model_version.created": {**_ONE, **_ABOUT, "source": "s3://bucket/model", "run_id": None},
    "model_version_alias.created": {**_ONE, "alias": "champion"},
    "model_version_alias.deleted": {**_NAME, "alias": "champion"},
    "model_version_tag.deleted": {**_ONE, **_KEY},
    "model_version_tag.set": {**_ONE, **_KEY, "value": "ops"},
    "prompt.created": {**_NAME, **_ABOUT},
    "prompt_alias.created": {**_ONE, "alias": "production"},
    "prompt_alias.deleted": {**_NAME, "alias": "production"},
    "prompt_tag.deleted": {**_NAME, **_KEY},
    "prompt_tag.set": {**_NAME, **_KEY, "value": "ops"},
    "prompt_version.created": {**_ONE, **_ABOUT, "template": "Hello {{ name }}"},
    "prompt_version_tag.deleted": {**_ONE, **_KEY},
    "prompt_version_tag.set": {**_ONE, **_KEY, "value": "ops"},
    "registered_model.created": {**_NAME, **_ABOUT},
}
"""What is told of each event when a webhook is tried."""
