"""The providers of a project against its journal."""

from __future__ import annotations

from pointsman.app.application import View
from pointsman.app.doctor_findings import Facts, Told
from pointsman.app.ports.providers import ProviderRow
from pointsman.app.providers import fact_of
from pointsman.core.journal import Line
from pointsman.errors import IntegrityError

TYPES = ("provider.set", "provider.deleted")


def apply(told: Told, line: Line, fact: Facts) -> None:
    """Let an entry take effect on what was told so far. Raises `LookupError` if it can't."""
    shown = {name: value for name, value in fact.items() if name != "key_was"}
    told[f"provider {fact['provider_name']}"] = _facts(shown, line.at, line.by)


def stored(view: View) -> Told:
    """The providers as they stand in the store, in the same words."""
    return {
        f"provider {row.name}": _facts(_fact(row), row.updated_at, row.updated_by)
        for row in view.reader.every_provider(view.project.id)
    }


def _fact(row: ProviderRow) -> Facts:
    try:
        return fact_of(row)
    except IntegrityError:
        return {"unreadable body": row.body}


def _facts(fact: Facts, at: int, by: str) -> Facts:
    worded = {name.replace("_", " "): value for name, value in fact.items()}
    return {**worded, "time": at, "maker": by}
