"""Verifying a journal from its export alone: no database, no rights, no trust in who made it.

An export is a header and then one line an entry, each line being exactly what the entry's hash
is made of (`core.journal.chained`): the hash of the entry before it, and its own fields. So the
SHA-256 of each line stands in the next line, and that of the last one in the header.

A chain shows that nothing was changed *within* it; whoever can rewrite all of it can make
another. That it is still the same one is shown by checkpoints that were kept elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from pointsman.core.canonical import canonical_json, digest, quoted
from pointsman.core.checkpoints import Checkpoint
from pointsman.core.journal import genesis
from pointsman.errors import InvalidInput

FORMAT = "pointsman journal 1"
MAX_FINDINGS = 1_000
MAX_HEADER = 64 << 10
_decode = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of an export: whose journal it is, and where it ends.

    `after` is the number of the entry before the first; `filters` are the conditions that
    entries had to meet, if not all are there.
    """

    project: str
    uid: str
    store: str
    epoch: str
    entries: int
    head: str
    after: int = 0
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """What checkpoints of this journal begin with."""
        return f"pointsman/{self.store}/{self.uid}"

    @property
    def text(self) -> str:
        """The line, with a sum over itself."""
        facts = self._facts()
        return canonical_json({**facts, "sum": digest(canonical_json(facts))})

    def _facts(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "project": self.project,
            "uid": self.uid,
            "store": self.store,
            "epoch": self.epoch,
            "after": self.after,
            "entries": self.entries,
            "head": self.head,
            "filters": dict(self.filters),
        }


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong: with which entry (None: with the whole), and what to do."""

    check: str
    seq: int | None
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was looked at and what was found. `seq` and `hash` are the last entry's."""

    header: Header
    checked: Mapping[str, int]
    findings: tuple[Trouble, ...]
    seq: int
    hash: str

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def read_header(line: bytes) -> Header:
    """The header of an export. Raises `InvalidInput` if it is none, or was changed."""
    try:
        text = line.removesuffix(b"\n").decode()
        facts = json.loads(text)
        header = Header(
            project=_typed(facts["project"], str),
            uid=_typed(facts["uid"], str),
            store=_typed(facts["store"], str),
            epoch=_typed(facts["epoch"], str),
            entries=_typed(facts["entries"], int),
            head=_typed(facts["head"], str),
            after=_typed(facts["after"], int),
            filters=_typed(facts["filters"], dict),
        )
        whole = facts["format"] == FORMAT and line == header.text.encode() + b"\n"
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            "This is not an exported journal: its first line is no header.",
            code="invalid_export",
            hint="Make one with `pointsman journal -o FILE`.",
        ) from error
    if not whole:
        raise InvalidInput(
            "The header of this export was changed.",
            code="invalid_export",
            hint="Don't trust this file; export the journal again.",
        )
    return header


def verify(
    header: Header, lines: Iterable[bytes], checkpoints: Sequence[Checkpoint] = ()
) -> Report:
    """Check the lines that follow a header, each with its line end, and the checkpoints.

    Needs memory for what the journal tells, not for its entries.
    """
    found = _Verification(header, checkpoints)
    found.read(lines)
    found.end()
    return Report(header, found.checked, tuple(found.findings), found.seq, found.hash)


class _Verification:
    """Goes through the entries once."""

    def __init__(self, header: Header, checkpoints: Sequence[Checkpoint]) -> None:
        self.header = header
        self.seq = header.after
        self.hash = "" if header.after else genesis(header.uid).hash
        self.checked: dict[str, int] = {}
        self.findings: list[Trouble] = []
        self._marks: dict[int, list[Checkpoint]] = {}
        self._met = 0
        for one in checkpoints:
            if one.origin == header.origin:
                self._marks.setdefault(one.size, []).append(one)
                continue
            self.wrong(
                "checkpoints",
                None,
                f"a checkpoint is of {quoted(one.origin, max_chars=160)}, "
                f"but this journal is {header.origin}",
                "Give checkpoints of this registry and project. If it is, the journal was "
                "replaced by another.",
            )

    def wrong(self, check: str, seq: int | None, message: str, hint: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Trouble(check, seq, message, hint))

    def read(self, lines: Iterable[bytes]) -> None:
        """Check every entry: that it can be read, follows the one before, and makes sense."""
        filtered = bool(self.header.filters)
        replay = _Replay(self.wrong)
        steps = {} if filtered or self.header.after else _STEPS
        marks = self._marks
        previous, seq, at, count = self.hash, self.seq, 0, 0
        if marks and previous:
            self._meet(seq, previous)
        for line in lines:
            count += 1
            try:
                before, number, time, kind, fact = _read(line)
            except (ValueError, TypeError, RecursionError):
                seq += 1
                self.wrong("entries", seq, "the entry can't be read", _CHANGED)
                previous = sha256(line[:-1]).hexdigest()
                continue
            if filtered and number > seq + 1:
                seq, previous = number - 1, ""
            if before != previous:
                if previous:
                    self.wrong("chain", number, f"it does not follow from entry {seq}", _BROKEN)
                elif marks:
                    self._meet(seq, before)
            if number != seq + 1:
                self.wrong("order", number, f"entry {seq + 1} should be here", _LOST)
            if time <= at:
                why = "its time is not after the time of the entry before it"
                self.wrong("times", number, why, _CHANGED)
            seq, at = number, time
            step = steps.get(kind)
            if step is not None:
                try:
                    step(replay, seq, fact)
                except (AttributeError, LookupError, TypeError, ValueError) as error:
                    self.wrong("replay", seq, f"what it tells is broken: {error!r}", _CHANGED)
            previous = sha256(line[:-1]).hexdigest()
            if seq in marks:
                self._meet(seq, previous)
        self.seq, self.hash = seq, previous
        self.checked = {"entries": count} | (replay.counts() if steps else {})

    def end(self) -> None:
        """Check that the entries end where the header and the checkpoints say."""
        header = self.header
        ends = self.seq, self.hash or header.head
        if not header.filters and ends != (header.entries, header.head):
            why = f"the journal ends here, but by its header at {header.entries}"
            if self.seq == header.entries:
                why = "this is the last entry, but its hash is not the one in the header"
            self.wrong("end", self.seq, why, _ENDED)
        for size in sorted(self._marks):
            why = f"a checkpoint was made of {size} entries"
            if not header.filters and size > self.seq:
                why += f", but the journal ends at {self.seq}"
                self.wrong("checkpoints", self.seq, why, _CUT)
            elif not header.filters and size >= header.after:
                self.wrong("checkpoints", size, why + ", which are not all here", _LOST)
            else:
                self.wrong(
                    "checkpoints",
                    size,
                    why + ", and this export leaves that entry out",
                    "Export the whole journal: `pointsman journal -o FILE`, without conditions.",
                )
        if self._met:
            self.checked["checkpoints"] = self._met

    def _meet(self, seq: int, now: str) -> None:
        """Compare the checkpoints made at this entry."""
        for one in self._marks.pop(seq, ()):
            self._met += 1
            if one.hash != now:
                why = f"a checkpoint of {seq} entries has another hash for the last of them"
                self.wrong("checkpoints", seq, why, _REWRITTEN)


def _read(line: bytes) -> tuple[str, int, int, str, dict[str, Any]]:
    """An entry's predecessor's hash, number, time, type and fact. Raises if it is none."""
    text = line.decode()
    entry, end = _decode(text)
    before, number, time, kind, actor, by, via, fact = entry
    if (
        text[end:] != "\n"
        or type(number) is not int
        or type(time) is not int
        or not type(before) is type(kind) is type(actor) is type(by) is type(via) is str
        or type(fact) is not dict
    ):
        raise ValueError(kind)
    return before, number, time, kind, fact


class _Told:
    """One artifact as the journal tells it."""

    __slots__ = ("aliases", "digests", "removed")

    def __init__(self) -> None:
        self.digests: list[str] = []
        self.removed: set[int] = set()
        self.aliases: dict[str, tuple[object, int]] = {}
        """Target and revision."""


class _Replay:
    """What the entries tell, and whether each fits what was told before."""

    def __init__(self, wrong: Callable[[str, int | None, str, str], None]) -> None:
        self._wrong = wrong
        self._artifacts: dict[tuple[str, str], _Told] = {}
        self._release = 0
        self._reason = ""
        self._last_move = 0
        self._moved: set[tuple[str, str, str]] = set()
        self._versions = self._moves = self._releases = 0
        self._evaluations: dict[int, tuple[str, str]] = {}
        """The seal and the outcome of each; empty until it has ended."""

    def counts(self) -> dict[str, int]:
        """How much of what was told."""
        return {
            "artifacts": len(self._artifacts),
            "versions": self._versions,
            "moves": self._moves,
            "releases": self._releases,
        }

    def created(self, seq: int, fact: dict[str, Any]) -> None:
        place = fact["kind"], fact["name"]
        if place in self._artifacts:
            self._strange("artifacts", seq, f"it creates {_name(fact)}, which is there already")
        self._artifacts[place] = _Told()

    def published(self, seq: int, fact: dict[str, Any]) -> None:
        digests = self._about(fact).digests
        number = fact["version"]
        if number != len(digests) + 1:
            why = f"it publishes {_name(fact)}:{number} after version {len(digests)}"
            self._strange("versions", seq, why)
        digests.append(_typed(fact["digest"], str))
        self._versions += 1

    def tombstoned(self, seq: int, fact: dict[str, Any]) -> None:
        told = self._about(fact)
        number = _typed(fact["version"], int)
        if not 1 <= number <= len(told.digests) or number in told.removed:
            why = f"it removes {_name(fact)}:{number}, which is not there"
            self._strange("versions", seq, why)
        told.removed.add(number)

    def moved(self, seq: int, fact: dict[str, Any]) -> None:
        told = self._about(fact)
        alias, to = fact["alias"], fact["to"]
        before, revision = told.aliases.get(alias, (None, 0))
        if fact["revision"] != revision + 1:
            why = f"revision {fact['revision']} of {_name(fact)}@{alias} follows {revision}"
            self._strange("aliases", seq, why)
        if fact["before"] != before:
            self._strange("aliases", seq, f"it moves {_name(fact)}@{alias} from where it was not")
        if to is not None:
            numbers = [arm["version"] for arm in to.get("split") or (to,)]
            digests = told.digests
            if not all(1 <= number <= len(digests) for number in numbers):
                why = f"it moves {_name(fact)}@{alias} to a version that is not there"
                self._strange("aliases", seq, why)
            elif fact["digests"] != [digests[number - 1] for number in numbers]:
                why = f"it moves {_name(fact)}@{alias} to other digests than were published"
                self._strange("aliases", seq, why)
        told.aliases[alias] = to, fact["revision"]
        self._belongs(seq, fact)
        self._rests(seq, fact)
        self._moves += 1

    def requested(self, seq: int, fact: dict[str, Any]) -> None:
        self._evaluations[seq] = _typed(fact["seal"], str), ""

    def ended(self, seq: int, fact: dict[str, Any]) -> None:
        number = fact["evaluation"]
        seal, outcome = self._evaluations.get(number, ("", ""))
        if not seal or outcome:
            why = "had ended before" if seal else "nobody asked for"
            self._strange("evaluations", seq, f"it ends evaluation {number}, which {why}")
        if fact.get("seal", seal) != seal:
            self._strange("evaluations", seq, f"it ends evaluation {number} under another seal")
        self._evaluations[number] = seal, fact.get("outcome", "cancelled")

    def _belongs(self, seq: int, fact: dict[str, Any]) -> None:
        """A release is a run of moves; its number is that of the first one's entry."""
        release, undoes = fact["release"], fact.get("undoes")
        move = fact["kind"], fact["name"], fact["alias"]
        if release == seq:
            self._releases += 1
            self._reason = fact["reason"]
            self._moved = set()
        elif release != self._release or self._last_move != seq - 1:
            why = f"it belongs to release {release}, whose moves are elsewhere"
            self._strange("releases", seq, why)
        elif fact["reason"] != self._reason or move in self._moved:
            why = f"it can't be of release {release}: another reason, or the same alias again"
            self._strange("releases", seq, why)
        if undoes is not None and not 0 < undoes < release:
            self._strange("releases", seq, f"it undoes release {undoes}, which was not before it")
        self._moved.add(move)
        self._release, self._last_move = release, seq

    def _rests(self, seq: int, fact: dict[str, Any]) -> None:
        """The evaluations on which something moved passed before, on what the move says."""
        for one in fact.get("evaluations", ()):
            told = self._evaluations.get(one["evaluation"])
            if one["state"] == "passed" and told != (one["seal"], "passed"):
                what = f"{_name(fact)} on evaluation {one['evaluation']}"
                self._strange("evaluations", seq, f"it moves {what}, which did not pass before")

    def _about(self, fact: dict[str, Any]) -> _Told:
        told = self._artifacts.get((fact["kind"], fact["name"]))
        if told is None:
            raise LookupError(f"there is no {_name(fact)} yet")
        return told

    def _strange(self, check: str, seq: int, message: str) -> None:
        self._wrong(check, seq, message, _SELF)


_STEPS: dict[str, Callable[[_Replay, int, dict[str, Any]], None]] = {
    "artifact.created": _Replay.created,
    "version.published": _Replay.published,
    "version.tombstoned": _Replay.tombstoned,
    "alias.moved": _Replay.moved,
    "evaluation.requested": _Replay.requested,
    "evaluation.finished": _Replay.ended,
    "evaluation.cancelled": _Replay.ended,
}

_CHANGED = "Its bytes were changed. Restore the journal from a backup that verifies."
_BROKEN = (
    "This entry or the one before it was changed, put in, left out or put elsewhere. Compare "
    "with an earlier export, and restore from a backup that verifies."
)
_LOST = "Entries were left out, put in or put elsewhere. Restore from a backup that verifies."
_ENDED = "The end was cut off or changed after the export. Export the journal again."
_CUT = (
    "The end of the journal was cut off, or this is an earlier export. Export it again; if the "
    "entries are gone, restore from a backup that has them."
)
_REWRITTEN = (
    "The journal was rewritten after the checkpoint was signed. Believe the checkpoint, and "
    "restore from a backup that continues it."
)
_SELF = "The journal contradicts itself: whoever wrote this entry was not this registry."


def _name(fact: Mapping[str, Any]) -> str:
    return f"{fact['kind']}:{fact['name']}"


def _typed(value: Any, wanted: type) -> Any:
    if type(value) is not wanted:
        raise TypeError(f"{value!r} is not {wanted.__name__}")
    return value
