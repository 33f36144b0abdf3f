"""What `pointsman doctor` found, as sentences.

A finding that the store and the journal differ holds both sides as Python writes them. Here
they are read back, and told apart fact by fact; what can't be read is shown as it came.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pointsman.cli.moving import place_of, short_target
from pointsman.cli.times import exactly

if TYPE_CHECKING:
    from pointsman.core.vocabulary import Finding

_MIDDLE: Final = " in the store, "
_END: Final = " by the journal"
_FACTS: Final[Mapping[str, tuple[str, ...]]] = {
    "the alias": ("target", "revision", "release", "time", "mover", "reason"),
    "the version": ("digest", "message", "author", "time", "form"),
    "its creation": ("time", "author"),
}
"""What the values are called that are compared together."""
_TIMES: Final = frozenset(
    ("time", "created at", "expires at", "revoked at", "its archiving", "its last update")
)


def told_finding(finding: Finding) -> str:
    """What is wrong with what, in one sentence."""
    subject = _subject(finding.subject)
    compared = _compared(finding.message)
    if compared is None:
        return f"{subject}: {finding.message.rstrip('.')}."
    what, stored, told = compared
    differences = "; ".join(_differences(what, stored, told))
    return f"{subject}: {differences or finding.message}."


def counted(number: int, things: str) -> str:
    """``1 alias``, ``2 aliases``: `things` is the plural."""
    if number != 1:
        return f"{number:,} {things}"
    return f"1 {_SINGULAR.get(things) or things.removesuffix('s')}"


_SINGULAR: Final = {"aliases": "alias", "entries": "entry"}


def _subject(text: str) -> str:
    """A prompt goes by its name alone, as everywhere."""
    kind, colon, rest = text.partition(":")
    return place_of(kind, rest) if colon else text


def _compared(message: str) -> tuple[str, Any, Any] | None:
    """What differs, and the value of each side; None if the message says something else."""
    what, _, rest = message.partition(" is ")
    if not rest.endswith(_END):
        return None
    rest = rest.removesuffix(_END)
    at = rest.find(_MIDDLE)
    while at >= 0:  # a text that somebody wrote may hold these words as well
        try:
            return what, _value(rest[:at]), _value(rest[at + len(_MIDDLE) :])
        except (SyntaxError, ValueError):
            at = rest.find(_MIDDLE, at + 1)
    return None


def _value(text: str) -> Any:
    """The value that Python wrote so; a named tuple as a dict."""
    expression = ast.parse(text, mode="eval").body
    if isinstance(expression, ast.Call):
        return {one.arg: ast.literal_eval(one.value) for one in expression.keywords}
    return ast.literal_eval(expression)


def _differences(what: str, stored: Any, told: Any) -> Iterator[str]:
    """Each fact that differs, with both its values."""
    sides = [_facts(what, stored), _facts(what, told)]
    if None in (stored, told) and any(sides):
        known, unknown = ("journal", "store") if stored is None else ("store", "journal")
        yield f"{what} is in the {known} but not in the {unknown}"
        return
    if not any(sides):
        yield _difference(what, what, stored, told)
        return
    names = dict.fromkeys(name for side in sides for name in side)
    for name in names:
        here, there = (side.get(name) for side in sides)
        if here != there:
            its = f"{what}: {name}" if what in _PLURAL else f"the {name} of {what}"
            yield _difference(its, name, here, there)


_PLURAL: Final = ("its tags", "what was removed of it")


def _facts(what: str, value: Any) -> dict[str, Any]:
    """The facts that a value is made of, by name; none if it is a fact itself."""
    if isinstance(value, dict):
        return {_name(what, key): fact for key, fact in value.items()}
    if isinstance(value, tuple) and len(value) == len(_FACTS.get(what, ())):
        return dict(zip(_FACTS[what], value, strict=True))
    return {}


def _name(what: str, key: Any) -> str:
    if what == "its tags" and isinstance(key, tuple):
        number, tag = key
        return f"{tag!r} of version {number}" if number else repr(tag)
    if isinstance(key, int):
        return f"version {key}"
    return str(key).replace("_", " ")


def _difference(its: str, name: str, stored: Any, told: Any) -> str:
    return f"{its} is {_told(name, stored)} in the store, but {_told(name, told)} by the journal"


def _told(name: str, value: Any) -> str:
    """A value as people read it."""
    if value is None or value in ([], {}):
        return "nothing"
    if name in _TIMES and isinstance(value, int):
        return exactly(datetime.fromtimestamp(value / 1e6, UTC))
    if name == "target" and isinstance(value, dict):
        from pointsman.core.releases import target_from_plain

        return f"version {short_target(target_from_plain(value))}"
    if isinstance(value, tuple) and len(value) == 3 and isinstance(value[0], int):
        at, by, reason = value
        return f"removed {_told('time', at)} by {by} (“{reason}”)"
    if isinstance(value, list | tuple):
        return ", ".join(" ".join(map(str, _flat(one))) for one in value)
    return f"“{value}”" if isinstance(value, str) else str(value)


def _flat(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
