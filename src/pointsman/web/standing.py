"""How a change stands, in a word and a shape, and what it waits for, each with its way out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pointsman.app.deciding import Ask
from pointsman.core.changes import Change, Missing, Opinion
from pointsman.web.words import listed

NOT_A_MOVER: Final = ("not_a_mover", "role_too_low", "scope_too_narrow")
"""What stands against who looks, and not against the change."""
_NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six")


@dataclass(frozen=True, slots=True)
class Standing:
    """A word, its colour's class, a shape, and what is waited for in a few words."""

    word: str
    look: str
    shape: str
    waits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that is missing: what, and the way out. `deed` is a button that helps, `note`
    what somebody said about it."""

    code: str
    what: str
    way: str = ""
    note: str = ""
    deed: str = ""
    look: str = "wait"


def standing_of(change: Change) -> Standing:
    """How a change stands, whoever looks."""
    if change.state not in ("open", "ready"):
        return _ENDED[change.state]
    missing = lacking(change)
    codes = {one.code for one in missing}
    waits = tuple(dict.fromkeys(_WAITS.get(one.code, "something") for one in missing))
    if "change_conflict" in codes:
        return Standing("conflict", "bad", "✕", waits)
    if "objection" in codes:
        return Standing("objected", "bad", "✕", waits)
    if codes & _FAILED:
        return Standing("failed", "bad", "✕", waits)
    if codes:
        return Standing("waits", "wait", "◷", waits)
    return Standing("ready", "good", "✓")


def lacking(change: Change) -> list[Missing]:
    """What a change is missing, whoever would apply it."""
    if change.state not in ("open", "ready"):
        return []
    return [one for one in change.missing if one.code not in NOT_A_MOVER]


def lacks_of(change: Change, asks: Sequence[Ask], objector: str = "") -> list[Lack]:
    """Everything that a change is missing, with the way out for each.

    `objector` is the name of who looks, if they object to it.
    """
    found = [
        _lack(one, change, objector) for one in lacking(change) if one.code != "approvals_missing"
    ]
    asked = [index for index, one in enumerate(found) if one.deed == "evaluate"]
    for index in asked[:-1]:
        found[index] = replace(found[index], deed="")  # one button asks for all of them
    return [*_asked(asks, alone=len(change.moves) == 1), *found]


def people_who(ask: Ask, last: str = "or") -> str:
    """From whom an approval may come: "Rosa, Ada or 3 more"."""
    names = [*ask.who, *([f"{ask.others} more"] if ask.others else [])]
    return listed(names, last)


def counted(number: int, thing: str, more: bool = False) -> str:
    """ "one approval", "two more approvals"."""
    word = _NUMBERS[number] if number < len(_NUMBERS) else str(number)
    return f"{word}{' more' if more else ''} {thing}{'' if number == 1 else 's'}"


def _asked(asks: Sequence[Ask], *, alone: bool) -> Iterator[Lack]:
    """The approvals that are missing; those that the same people can give are told together."""
    alike: dict[Ask, list[str]] = {}
    for ask in asks:
        alike.setdefault(replace(ask, kind="", name=""), []).append(ask.name)
    for ask, names in alike.items():
        alias = ask.alias[:1].upper() + ask.alias[1:]
        where = alias if alone else f"{alias} of {listed(names)}"
        what = f"{where} needs {counted(ask.missing, 'approval', ask.given > 0)}."
        yield Lack("approvals_missing", what, _way_to_approval(ask))


def _way_to_approval(ask: Ask) -> str:
    people = people_who(ask)
    if ask.own and people:
        return f"You wrote this or proposed it, so it has to come from someone else: {people}."
    if ask.own:
        return "You wrote this or proposed it, and nobody else may approve: ask an admin."
    if ask.yours and people:
        return f"You can approve; so can {people_who(ask, 'and')}."
    if ask.yours:
        return "You can approve."
    if people:
        return f"Ask {people}."
    return f"Nobody can give it now; the policy {ask.policy} wants it from {ask.approvers}."


def _lack(one: Missing, change: Change, objector: str) -> Lack:
    if one.code == "change_conflict":
        return Lack(one.code, one.message, one.hint, deed="rebase", look="bad")
    if one.code == "objection":
        note = next((say.note for say in _objections(change) if _is_by(one, say)), "")
        if objector and one.message.startswith(f"{objector} objects "):
            told = f"You object{one.message.removeprefix(f'{objector} objects')}"
            return Lack(one.code, told, "You can take it back.", note, look="bad")
        return Lack(one.code, one.message, one.hint, note, look="bad")
    if one.code == "evaluation_missing":
        return Lack(one.code, one.message, _without_command(one.hint), deed="evaluate")
    if one.code in ("reason_required", "reason_too_short"):
        return Lack(one.code, one.message, one.hint, deed="edit")
    if one.code == "evaluation_not_passed":
        return Lack(one.code, one.message, _MEND, look="bad")
    look = "bad" if one.code in _FAILED else "wait"
    return Lack(one.code, one.message, _without_command(one.hint), look=look)


def _is_by(one: Missing, said: Opinion) -> bool:
    return one.message.startswith(f"{said.by} objects ")


def _objections(change: Change) -> Iterator[Opinion]:
    return (one for one in change.opinions if one.said == "objected" and one.note)


def _without_command(hint: str) -> str:
    """A hint without the command to type, for which a page has a button or a link."""
    return "" if "pointsman eval" in hint else hint


_MEND: Final = (
    "See its figures under Evidence; publish a version that does better, then edit the change."
)
_ENDED: Final = {
    "applied": Standing("applied", "good", "✓"),
    "withdrawn": Standing("withdrawn", "", "–"),
    "superseded": Standing("superseded", "", "–"),
    "expired": Standing("expired", "", "–"),
}
_FAILED: Final = frozenset({"check_not_passed", "evaluation_not_passed"})
_WAITS: Final = {
    "approvals_missing": "an approval",
    "objection": "an objection to be settled",
    "check_missing": "a check",
    "check_not_passed": "a check that passes",
    "evaluation_missing": "an evaluation",
    "evaluation_not_passed": "an evaluation that passes",
    "no_suite": "a suite",
    "frozen": "the end of a freeze",
    "cooling_down": "the alias to have rested",
    "change_conflict": "a rebase",
    "reason_required": "a reason",
    "reason_too_short": "a longer reason",
    "loose_include": "pinned includes",
    "loose_suite": "a pinned suite",
    "tombstoned": "a version that has its content",
    "archived": "an artifact that is not archived",
}
