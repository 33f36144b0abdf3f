"""MLflow's webhook events: which entries of the journal make which of them. Pure.

MLflow has no event for what it does not do (a release, a policy), nor for changes of names,
descriptions and stages, nor for deleting; a moved alias is `created` once more. What is sent
of an event is `wire.mlflow.hooks`'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

DESCRIPTION: Final = "mlflow.description"
STAGE: Final = "mlflow.stage"
HIDDEN: Final = frozenset({DESCRIPTION, STAGE})
"""Tags that hold what is no tag for MLflow's client, so that they make no event."""

Facts = Mapping[str, Any]


class Source(NamedTuple):
    """What an entry has to be, so that MLflow would tell an event of it."""

    types: tuple[str, ...]
    kind: str
    also: Callable[[Facts], bool] = lambda facts: True


def _pointing(facts: Facts) -> bool:
    return facts.get("to") is not None


def _gone(facts: Facts) -> bool:
    return facts.get("to") is None


def _of_version(facts: Facts) -> bool:
    return "version" in facts and facts.get("key") not in HIDDEN


def _of_artifact(facts: Facts) -> bool:
    return "version" not in facts and facts.get("key") not in HIDDEN


_MADE: Final = ("artifact.created", "artifact.restored")

EVENTS: Final[Mapping[str, Source]] = {
    "model_version.created": Source(("version.published",), "model"),
    "model_version_alias.created": Source(("alias.moved",), "model", _pointing),
    "model_version_alias.deleted": Source(("alias.moved",), "model", _gone),
    "model_version_tag.deleted": Source(("tag.deleted",), "model", _of_version),
    "model_version_tag.set": Source(("tag.set",), "model", _of_version),
    "prompt.created": Source(_MADE, "prompt"),
    "prompt_alias.created": Source(("alias.moved",), "prompt", _pointing),
    "prompt_alias.deleted": Source(("alias.moved",), "prompt", _gone),
    "prompt_tag.deleted": Source(("tag.deleted",), "prompt", _of_artifact),
    "prompt_tag.set": Source(("tag.set",), "prompt", _of_artifact),
    "prompt_version.created": Source(("version.published",), "prompt"),
    "prompt_version_tag.deleted": Source(("tag.deleted",), "prompt", _of_version),
    "prompt_version_tag.set": Source(("tag.set",), "prompt", _of_version),
    "registered_model.created": Source(_MADE, "model"),
}
"""Every event that MLflow's client knows and that can happen here, by its name."""


def event_of(type_: str, facts: Facts) -> str:
    """The event that MLflow would tell of an entry; empty if it would tell of none."""
    for name, source in EVENTS.items():
        if type_ in source.types and facts.get("kind") == source.kind and source.also(facts):
            return name
    return ""


def types_of(events: Mapping[str, Source] = EVENTS) -> frozenset[str]:
    """The types of entries that can make one of these events."""
    return frozenset(type_ for source in events.values() for type_ in source.types)
