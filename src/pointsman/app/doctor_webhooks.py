"""The webhooks of a project against its journal."""

from __future__ import annotations

import json
from typing import Any

from pointsman.app.application import View
from pointsman.app.webhooks import fingerprint
from pointsman.core.journal import Line
from pointsman.core.webhooks import origin

Told = dict[str, dict[str, Any]]
"""Webhooks by their ids, as the journal tells them."""


def apply(told: Told, line: Line, fact: dict[str, Any]) -> None:
    """Let an entry take effect on what was told so far. Raises `LookupError` if it can't."""
    identity = fact["webhook"]
    if line.type == "webhook.created":
        told[identity] = {"made": [line.at, line.by], "disabled": None} | _terms(fact)
    elif line.type == "webhook.changed":
        told[identity] |= _terms(fact)
    elif line.type == "webhook.deleted":
        del told[identity]
    elif line.type == "webhook.disabled":
        told[identity]["disabled"] = [line.at, fact["reason"]]
    elif line.type == "webhook.enabled":
        told[identity]["disabled"] = None


def stored(view: View) -> Told:
    """The webhooks as they stand in the store, in the same words."""
    return {
        row.id: {
            "made": [row.created_at, row.created_by],
            "disabled": None if row.disabled_at is None else [row.disabled_at, row.disabled_why],
            "webhook_name": row.name,
            "address": origin(row.url),
            "events": json.loads(row.events),
            "artifacts": row.artifacts,
            "aliases": row.aliases,
            "format": row.format,
            "fingerprint": fingerprint(row),
        }
        for row in view.reader.webhooks(view.project.id)
    }


def _terms(fact: dict[str, Any]) -> dict[str, Any]:
    names = ("webhook_name", "address", "events", "artifacts", "aliases", "format", "fingerprint")
    return {name: fact[name] for name in names}
