"""The providers of a project against its journal."""

from __future__ import annotations

from typing import Any

from pointsman.app.application import View
from pointsman.app.ports.providers import ProviderRow
from pointsman.app.providers import fact_of
from pointsman.core.journal import Line
from pointsman.errors import IntegrityError

TYPES = ("provider.set", "provider.deleted")
Told = dict[str, dict[str, Any]]
"""Providers by their names, as the journal tells them."""


def apply(told: Told, line: Line, fact: dict[str, Any]) -> None:
    """Let an entry take effect on what was told so far. Raises `LookupError` if it can't."""
    shown = {name: value for name, value in fact.items() if name != "key_was"}
    told[fact["provider_name"]] = {**shown, "set": [line.at, line.by]}


def stored(view: View) -> Told:
    """The providers as they stand in the store, in the same words."""
    return {
        row.name: {**_fact(row), "set": [row.updated_at, row.updated_by]}
        for row in view.reader.every_provider(view.project.id)
    }


def _fact(row: ProviderRow) -> dict[str, Any]:
    try:
        return fact_of(row)
    except IntegrityError:
        return {"unreadable": row.body}
