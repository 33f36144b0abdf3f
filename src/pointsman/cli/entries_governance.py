"""Journal entries about policies, changes, checks and broken glass, as sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pointsman.core.vocabulary import Entry

Fact = Mapping[str, Any]


def told_governance(entry: Entry) -> str:
    """What happened, in one line; empty if the entry is about something else."""
    tell = _SENTENCES.get(entry.type)
    return "" if tell is None else tell(entry.data)


def _ended(how: str) -> Callable[[Fact], str]:
    def told(fact: Fact) -> str:
        release = f" as release {fact['release']}" if "release" in fact else ""
        return f"change {fact['change']} {how}{release}{_because(fact.get('note'))}"

    return told


def _voiced(fact: Fact) -> str:
    return f"change {fact['change']} {_VOICED[fact['said']]}{_because(fact.get('note'))}"


def _reported(fact: Fact) -> str:
    told = f"check {fact['check']} {fact['state']} on {fact['digest'][:12]}"
    return told + _because(fact.get("summary"))


def _because(text: str | None) -> str:
    return f": {text}" if text else ""


_VOICED: Final = {
    "approved": "approved",
    "objected": "objected to",
    "taken back": "no longer approved or objected to",
}
_SENTENCES: Final[dict[str, Callable[[Fact], str]]] = {
    "policy.set": lambda fact: f"policy {fact['policy']} set{_because(fact.get('reason'))}",
    "policy.deleted": lambda fact: f"policy {fact['policy']} deleted{_because(fact.get('reason'))}",
    "change.proposed": lambda fact: (
        f"change {fact['change']} proposed{_because(fact.get('title'))}"
    ),
    "change.edited": lambda fact: f"change {fact['change']} edited{_because(fact.get('title'))}",
    "change.withdrawn": _ended("withdrawn"),
    "change.applied": _ended("applied"),
    "change.superseded": _ended("superseded"),
    "change.expired": _ended("expired"),
    "change.voiced": _voiced,
    "change.commented": lambda fact: f"change {fact['change']} commented on: {fact['text']}",
    "check.reported": _reported,
    "glass.broken": lambda fact: f"glass broken by release {fact['release']}: {fact['reason']}",
    "glass.reviewed": lambda fact: (
        f"release {fact['release']} reviewed{_because(fact.get('note'))}"
    ),
}
