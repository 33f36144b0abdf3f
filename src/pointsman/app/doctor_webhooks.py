"""The webhooks of a project against its journal."""

from __future__ import annotations

import json

from pointsman.app.application import View
from pointsman.app.doctor_findings import Facts, Told
from pointsman.app.webhooks import fingerprint
from pointsman.core.journal import Line
from pointsman.core.webhooks import origin

TYPES = tuple(
    f"webhook.{done}" for done in ("created", "changed", "deleted", "disabled", "enabled")
)


def apply(told: Told, line: Line, fact: Facts) -> None:
    """Let an entry take effect on what was told so far. Raises `LookupError` if it can't."""
    hook = f"webhook {fact['webhook']}"
    if line.type == "webhook.created":
        told[hook] = {**_made(line.at, line.by), "pause": None, **_terms(fact)}
    elif line.type == "webhook.changed":
        told[hook] |= _terms(fact)
    elif line.type == "webhook.deleted":
        del told[hook]
    elif line.type == "webhook.disabled":
        told[hook]["pause"] = _pause(line.at, fact["reason"])
    elif line.type == "webhook.enabled":
        told[hook]["pause"] = None


def stored(view: View) -> Told:
    """The webhooks as they stand in the store, in the same words."""
    return {
        f"webhook {row.id}": {
            **_made(row.created_at, row.created_by),
            "pause": None if row.disabled_at is None else _pause(row.disabled_at, row.disabled_why),
            "name": row.name,
            "address": origin(row.url),
            "events": json.loads(row.events),
            "artifacts": row.artifacts,
            "aliases": row.aliases,
            "format": row.format,
            "fingerprint": fingerprint(row),
            "description": row.description,
        }
        for row in view.reader.webhooks(view.project.id)
    }


def _made(at: int, by: str) -> Facts:
    return {"time of creation": at, "maker": by}


def _pause(at: int, why: str | None) -> Facts:
    return {"time": at, "why": why}


def _terms(fact: Facts) -> Facts:
    names = ("webhook_name", "address", "events", "artifacts", "aliases", "format", "fingerprint")
    terms = {name.removeprefix("webhook_"): fact[name] for name in names}
    return {**terms, "description": fact.get("description", "")}
