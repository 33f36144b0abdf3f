"""Which entries make which of MLflow's webhook events."""

from __future__ import annotations

from typing import Any

import pytest

from pointsman.core.events import TYPES, check_events
from pointsman.core.mlflow_events import EVENTS, event_of, types_of
from pointsman.errors import InvalidInput

TO: dict[str, Any] = {"alias": "live", "to": {"version": 2}}
GONE: dict[str, Any] = {"alias": "live", "to": None}


@pytest.mark.parametrize(
    ("type_", "kind", "facts", "event"),
    [
        ("artifact.created", "prompt", {}, "prompt.created"),
        ("artifact.restored", "prompt", {}, "prompt.created"),
        ("artifact.created", "model", {}, "registered_model.created"),
        ("artifact.restored", "model", {}, "registered_model.created"),
        ("artifact.archived", "model", {}, ""),
        ("version.published", "prompt", {"version": 1}, "prompt_version.created"),
        ("version.published", "model", {"version": 1}, "model_version.created"),
        ("version.published", "suite", {"version": 1}, ""),
        ("version.tombstoned", "model", {"version": 1}, ""),
        ("alias.moved", "prompt", TO, "prompt_alias.created"),
        ("alias.moved", "prompt", {**TO, "before": {"version": 1}}, "prompt_alias.created"),
        ("alias.moved", "prompt", {**TO, "undoes": 3}, "prompt_alias.created"),
        ("alias.moved", "prompt", GONE, "prompt_alias.deleted"),
        ("alias.moved", "model", TO, "model_version_alias.created"),
        ("alias.moved", "model", GONE, "model_version_alias.deleted"),
        ("alias.moved", "dataset", TO, ""),
        ("tag.set", "prompt", {"key": "k"}, "prompt_tag.set"),
        ("tag.set", "prompt", {"key": "k", "version": 1}, "prompt_version_tag.set"),
        ("tag.set", "model", {"key": "k"}, ""),
        ("tag.set", "model", {"key": "k", "version": 1}, "model_version_tag.set"),
        ("tag.deleted", "prompt", {"key": "k"}, "prompt_tag.deleted"),
        ("tag.deleted", "prompt", {"key": "k", "version": 1}, "prompt_version_tag.deleted"),
        ("tag.deleted", "model", {"key": "k"}, ""),
        ("tag.deleted", "model", {"key": "k", "version": 1}, "model_version_tag.deleted"),
        ("tag.set", "prompt", {"key": "mlflow.description"}, ""),
        ("tag.set", "model", {"key": "mlflow.stage", "version": 1}, ""),
        ("change.proposed", "", {}, ""),
    ],
)
def test_an_entry_makes_at_most_one_event(
    type_: str, kind: str, facts: dict[str, Any], event: str
) -> None:
    found = {"kind": kind, "name": "x", **facts}
    assert event_of(type_, found) == event
    fitting = [
        name
        for name, source in EVENTS.items()
        if type_ in source.types and kind == source.kind and source.also(found)
    ]
    assert fitting == ([event] if event else [])


def test_events_are_made_of_entries_that_there_are() -> None:
    assert types_of() <= set(TYPES)


def test_patterns_are_checked_by_the_format() -> None:
    check_events(["*", "prompt*", "*_alias.created"], "mlflow")
    check_events(["alias.*"])
    with pytest.raises(InvalidInput) as caught:
        check_events(["prompt_alias.create"], "mlflow")
    assert "prompt_alias.created" in caught.value.hint
