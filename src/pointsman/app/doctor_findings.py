"""What the doctor found: where the store and the journal differ, told fact by fact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pointsman.core.vocabulary import Diagnosis, Finding, moment

MAX_FINDINGS = 1_000

Facts = dict[str, Any]
"""What is so of one thing, by names that can follow ``its``: ``revision``, ``tag 'team'``.

``time``, also at the beginning of a name, means a moment in microseconds.
"""
Told = dict[str, Facts]
"""The facts of many things, by what each of them is called in a finding."""
_ABSENT: Final = object()


class Findings:
    """Collects what was looked at and what was wrong."""

    def __init__(self) -> None:
        self.checked: Counter[str] = Counter()
        self._findings: list[Finding] = []

    @property
    def diagnosis(self) -> Diagnosis:
        """All that was found so far."""
        return Diagnosis(dict(self.checked), tuple(self._findings))

    def wrong(self, check: str, subject: str, message: str) -> None:
        """Something is wrong; after so many findings, more are not kept."""
        if len(self._findings) < MAX_FINDINGS:
            self._findings.append(Finding(check, subject, message))

    def same(self, check: str, subject: str, stored: Facts | None, told: Facts | None) -> None:
        """Something is wrong unless the store has of a thing what the journal tells of it."""
        if stored != told:
            self.wrong(check, subject, "; ".join(_differences(stored, told)))

    def all_same(self, check: str, stored: Told, told: Told, *, of: str = "") -> None:
        """`same` for all that is in the store or told of; `of` goes before what it is called."""
        for name in sorted(stored.keys() | told.keys()):
            self.same(check, f"{of}{name}", stored.get(name), told.get(name))


def _differences(stored: Facts | None, told: Facts | None) -> Iterator[str]:
    """Each fact that differs, with both its values."""
    if stored is None:
        yield "it is in the journal but not in the store"
    elif told is None:
        yield "it is in the store but not in the journal"
    else:
        for name in stored | told:
            here, there = (side.get(name, _ABSENT) for side in (stored, told))
            if here != there:
                here, there = _value(name, here), _value(name, there)
                yield f"its {name} is {here} in the store, but {there} by the journal"


def _value(name: str, value: Any, *, inner: bool = False) -> str:
    """A value as people read it, whatever it is: damage may have put anything there."""
    if value in (_ABSENT, None, [], {}):
        return "nothing"
    if isinstance(value, str):
        return f"“{value}”"
    if name.partition(" ")[0] == "time" and isinstance(value, int):
        try:
            return str(moment(value))
        except OverflowError:
            return str(value)
    if isinstance(value, Mapping):
        parts = [f"{key} {_value(key, one, inner=True)}" for key, one in value.items()]
    elif isinstance(value, list):
        parts = [_value("", one, inner=True) for one in value]
    else:
        return str(value)
    return f"({', '.join(parts)})" if inner else ", ".join(parts)
