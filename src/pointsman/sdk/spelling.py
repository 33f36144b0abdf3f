"""How requests spell what callers say: paths, parameters, targets, times."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from pointsman.core.plain import to_plain
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import Target
from pointsman.errors import InvalidInput, InvalidName


def artifact_path(*parts: str | int | None) -> str:
    """The path of an artifact (kind, name), or of what lies below it."""
    return "/artifacts/" + "/".join([quote(str(part), safe="") for part in parts])


def alias_path(selector: str) -> str:
    """The path of an alias, from a selector that must name one."""
    place = alias_place(selector)
    return artifact_path(place.kind, place.name, "aliases", place.alias)


def alias_place(selector: str) -> Selector:
    """A selector that must name an alias. Raises `InvalidName`."""
    place = parse_selector(selector)
    if place.alias is None:
        raise InvalidName(
            f"{selector!r} does not name an alias.",
            code="invalid_selector",
            hint="Write it as name@alias, for example support/reply@production.",
            field="selector",
        )
    return place


def version_place(selector: str, *, required: bool = False) -> Selector:
    """A selector that must name an artifact or one of its versions. Raises `InvalidName`."""
    place = parse_selector(selector)
    if place.alias is not None or (required and place.version is None):
        raise InvalidName(
            f"{selector!r} does not name {'a version' if required else 'an artifact or version'}.",
            code="invalid_selector",
            hint="Write it as name:7" + ("." if required else ", or as the name alone."),
            field="selector",
        )
    return place


def parameters(**values: Any) -> tuple[tuple[str, str], ...]:
    """Query parameters: None is left out, a sequence repeats the parameter."""
    pairs = []
    for name, value in values.items():
        several = value if isinstance(value, list | tuple) else (value,)
        pairs += [(name, _text(one)) for one in several if one is not None]
    return tuple(pairs)


def time_text(at: datetime | None) -> str | None:
    """A time as RFC 3339 text. Raises `InvalidInput` if it has no zone."""
    if at is not None and at.tzinfo is None:
        raise InvalidInput(
            f"The time {at.isoformat()} has no zone.",
            code="invalid_time",
            hint="Pass an aware datetime, for example datetime.now(UTC).",
        )
    text: str | None = to_plain(at)
    return text


def target_fields(target: Target) -> dict[str, Any]:
    """The fields of a move that say where to."""
    if target.version is not None:
        return {"version": target.version}
    return {"split": {str(arm.version): arm.weight for arm in target.split}}


def move_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """A move of a release, as the caller gave it, as JSON."""
    move = dict(given)
    if isinstance(move.get("split"), Mapping):
        move["split"] = {str(number): weight for number, weight in move["split"].items()}
    return move


def version_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """A version to publish, as the caller gave it, as JSON."""
    item = dict(given)
    if "dependencies" in item:
        item["dependencies"] = to_plain(tuple(item["dependencies"]))
    return item


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return time_text(value) or ""
    return str(value).lower() if isinstance(value, bool) else str(value)
