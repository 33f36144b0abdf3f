"""Entries of the journal as sentences: who did what to which thing, and why.

A sentence is a row of pieces: plain text, or text that leads somewhere, or an alias, which has
its colour. Templates set each as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pointsman.core.releases import target_from_plain
from pointsman.core.vocabulary import Entry, Target
from pointsman.web.words import address, listed, told_target

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sentence. `href` is where it leads, `alias` the alias that it names."""

    text: str
    href: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What an entry says. `why` is the reason that was given, in its author's own words."""

    pieces: tuple[Piece, ...]
    why: str = ""

    @property
    def text(self) -> str:
        """The whole of it as plain text."""
        said = "".join(piece.text for piece in self.pieces)
        return f"{said}: {self.why}" if self.why else f"{said}."


class Teller:
    """Tells the entries of a project. `names` has what subjects (``person:3``) are called."""

    def __init__(self, project: str, names: Mapping[str, str] | None = None) -> None:
        self._project = project
        self._names = names or {}

    def sentence(self, entry: Entry) -> Sentence:
        """What an entry says; of a type that is not known, its name."""
        tell = TELLERS.get(entry.type, _unknown)
        pieces = [Piece(entry.by), Piece(" ")]
        pieces += [one if isinstance(one, Piece) else Piece(one) for one in tell(self, entry)]
        return Sentence(tuple(pieces), _why(entry))

    def artifact(self, facts: Facts) -> Piece:
        """The artifact that a fact is about."""
        kind = "" if facts["kind"] == "prompt" else f"{facts['kind']} "
        return Piece(kind + facts["name"], address(self._project, facts["kind"], facts["name"]))

    def version(self, facts: Facts, word: str = "version ") -> Piece:
        """A version of the artifact that a fact is about."""
        number = facts["version"]
        there = address(self._project, facts["kind"], facts["name"], number)
        return Piece(f"{word}{number}", there)

    def target(self, facts: Facts, target: Target | None) -> Piece:
        """Where an alias points: a link if it is one version."""
        if target is not None and target.version is not None:
            return self.version({**facts, "version": target.version})
        return Piece(told_target(target))

    def change(self, facts: Facts) -> Piece:
        """A change."""
        number = facts["change"]
        return Piece(f"change {number}", f"/projects/{self._project}/changes/{number}")

    def release(self, number: int) -> Piece:
        """A release."""
        return Piece(f"release {number}", f"/projects/{self._project}/releases/{number}")

    def evaluation(self, number: int) -> Piece:
        """An evaluation."""
        return Piece(f"evaluation {number}", f"/projects/{self._project}/evaluations/{number}")

    def somebody(self, facts: Facts) -> str:
        """Whom a fact is about: a person by e-mail address, or a group."""
        subject = str(facts.get("subject", ""))
        return str(facts.get("who") or self._names.get(subject) or subject)


Told = Iterator[str | Piece]
Tell = Callable[[Teller, Entry], Told]


def _why(entry: Entry) -> str:
    """The reason, note or summary that somebody gave."""
    for field in ("reason", "note", "message", "text", "summary"):
        given = entry.data.get(field)
        if isinstance(given, str) and given.strip() and entry.type not in _SAYS_IT_ITSELF:
            return given.strip()
    return ""


_SAYS_IT_ITSELF: Final = {"change.proposed", "change.edited"}
"""Types whose reason stands on the page of what they made."""


def _moved(teller: Teller, entry: Entry) -> Told:
    facts = entry.data
    alias, artifact = Piece(facts["alias"], alias=facts["alias"]), teller.artifact(facts)
    before, to = target_from_plain(facts.get("before")), target_from_plain(facts.get("to"))
    if to is None:
        yield from ("deleted ", alias, " of ", artifact)
        if before is not None:
            yield from (", which was at ", teller.target(facts, before))
    elif before is None:
        yield from ("let ", alias, " of ", artifact, " point to ", teller.target(facts, to))
    else:
        way = (" of ", artifact, " back from " if "undoes" in facts else " from ")
        yield from ("moved ", alias, *way, teller.target(facts, before))
        yield from (" to ", teller.target(facts, to))
    if facts.get("change") is not None:
        yield from (", by ", teller.change(facts))
    if facts.get("undoes") is not None:
        yield from (", undoing ", teller.release(facts["undoes"]))


def _archived(teller: Teller, entry: Entry) -> Told:
    yield from ("archived ", teller.artifact(entry.data))


def _restored(teller: Teller, entry: Entry) -> Told:
    yield from ("took ", teller.artifact(entry.data), " out of the archive")


def _created(teller: Teller, entry: Entry) -> Told:
    yield from ("began ", teller.artifact(entry.data))


def _proposed(teller: Teller, entry: Entry) -> Told:
    yield from ("proposed ", teller.change(entry.data), f", “{entry.data.get('title', '')}”")


def _edited(teller: Teller, entry: Entry) -> Told:
    yield from ("edited ", teller.change(entry.data), f", “{entry.data.get('title', '')}”")


def _applied(teller: Teller, entry: Entry) -> Told:
    yield from ("applied ", teller.change(entry.data))
    if entry.data.get("release") is not None:
        yield from (" with ", teller.release(entry.data["release"]))


def _commented(teller: Teller, entry: Entry) -> Told:
    yield from ("commented on ", teller.change(entry.data))


def _expired(teller: Teller, entry: Entry) -> Told:
    yield from ("closed ", teller.change(entry.data), ", whose time was up")


def _superseded(teller: Teller, entry: Entry) -> Told:
    yield from ("replaced ", teller.change(entry.data), " with another")


def _voiced(teller: Teller, entry: Entry) -> Told:
    said = {"approved": "approved ", "objected": "objected to "}
    start = said.get(entry.data.get("said", ""), "took back what they had said to ")
    yield from (start, teller.change(entry.data))


def _withdrawn(teller: Teller, entry: Entry) -> Told:
    yield from ("withdrew ", teller.change(entry.data))


def _checked(teller: Teller, entry: Entry) -> Told:
    facts = entry.data
    on = f" for what has the digest {str(facts.get('digest', ''))[:8]}"
    yield f"reported the check {facts.get('check')} as {facts.get('state')}{on}"


def _requested(teller: Teller, entry: Entry) -> Told:
    facts = entry.data
    yield from ("asked for ", teller.evaluation(entry.seq), " of ", teller.artifact(facts), " ")
    yield teller.version(facts)
    if facts.get("against") is not None:
        yield from (" against ", teller.version({**facts, "version": facts["against"]}))
    yield f", by {str(facts.get('suite', '')).removeprefix('suite:')}"
    if facts.get("change") is not None:
        yield from (", for ", teller.change(facts))


def _finished(teller: Teller, entry: Entry) -> Told:
    facts = entry.data
    yield from ("ended ", teller.evaluation(facts["evaluation"]), " of ", teller.artifact(facts))
    outcome = str(facts.get("outcome"))
    yield from (" ", teller.version(facts), ", which ")
    yield outcome if outcome in ("passed", "failed") else f"is {outcome}"


def _cancelled(teller: Teller, entry: Entry) -> Told:
    facts = entry.data
    done = "dropped " if facts.get("state") == "superseded" else "cancelled "
    yield from (done, teller.evaluation(facts["evaluation"]), " of ", teller.artifact(facts))
    yield from (" ", teller.version(facts))


def _stale(teller: Teller, entry: Entry) -> Told:
    facts = entry.data
    because = [str(one).removeprefix("prompt:") for one in facts.get("because", ())]
    yield from ("made the evidence for ", teller.artifact(facts), " ")
    yield Piece(str(facts.get("alias")), alias=str(facts.get("alias")))
    yield f" stale, by moving {listed(because)}"
    if facts.get("release") is not None:
        yield from (" in ", teller.release(facts["release"]))


def _broken(teller: Teller, entry: Entry) -> Told:
    yield from ("broke the glass with ", teller.release(entry.data["release"]))
    passed = [str(one).rstrip(".") for one in entry.data.get("passed", ())]
    if passed:
        yield f", past what was asked ({'; '.join(passed)})"


def _reviewed(teller: Teller, entry: Entry) -> Told:
    yield from ("looked at the broken glass of ", teller.release(entry.data["release"]))


def _named(start: str, field: str, end: str = "") -> Tell:
    """Tells what was done to something that only has a name."""

    def tell(teller: Teller, entry: Entry) -> Told:
        yield f"{start} {entry.data.get(field, '')}{end}"

    return tell


def _key_created(teller: Teller, entry: Entry) -> Told:
    facts = entry.data
    yield f"made the key {facts.get('key_name')}, with the role {facts.get('role')}"
    if facts.get("artifacts"):
        yield f", for {facts['artifacts']}"


def _owner_set(teller: Teller, entry: Entry) -> Told:
    yield from (f"made {teller.somebody(entry.data)} an owner of ", teller.artifact(entry.data))


def _owner_removed(teller: Teller, entry: Entry) -> Told:
    text = f"took {teller.somebody(entry.data)} from the owners of "
    yield from (text, teller.artifact(entry.data))


def _policy_set(teller: Teller, entry: Entry) -> Told:
    done = "changed" if "before" in entry.data else "set"
    yield f"{done} the policy {entry.data.get('policy')}"


def _granted(teller: Teller, entry: Entry) -> Told:
    yield f"gave {teller.somebody(entry.data)} the role {entry.data.get('role')}"
    yield _part(entry.data)


def _ungranted(teller: Teller, entry: Entry) -> Told:
    yield f"took the role {entry.data.get('role')} from {teller.somebody(entry.data)}"
    yield _part(entry.data)


def _part(facts: Facts) -> str:
    kind, artifacts = facts.get("kind") or "", facts.get("artifacts") or "*"
    if artifacts == "*":
        return f", for every {kind}" if kind else ""
    return f", for {kind or 'what is called'} {artifacts}"


def _tag_set(teller: Teller, entry: Entry) -> Told:
    facts = entry.data
    yield f"set the tag {facts.get('key')} to {str(facts.get('value', ''))[:200]!r} on "
    yield from _tagged(teller, facts)


def _tag_deleted(teller: Teller, entry: Entry) -> Told:
    yield f"deleted the tag {entry.data.get('key')} of "
    yield from _tagged(teller, entry.data)


def _tagged(teller: Teller, facts: Facts) -> Told:
    yield teller.artifact(facts)
    if facts.get("version"):
        yield from (" ", teller.version(facts))


def _published(teller: Teller, entry: Entry) -> Told:
    yield from ("published ", teller.version(entry.data), " of ", teller.artifact(entry.data))


def _tombstoned(teller: Teller, entry: Entry) -> Told:
    yield from ("removed the content of ", teller.version(entry.data), " of ")
    yield teller.artifact(entry.data)


def _webhook_created(teller: Teller, entry: Entry) -> Told:
    yield f"made the webhook {entry.data.get('webhook_name')}, which tells "
    yield str(entry.data.get("address"))


def _unknown(teller: Teller, entry: Entry) -> Told:
    yield f"recorded {entry.type}"


TELLERS: Final[Mapping[str, Tell]] = {
    "alias.moved": _moved,
    "artifact.archived": _archived,
    "artifact.created": _created,
    "artifact.restored": _restored,
    "change.applied": _applied,
    "change.commented": _commented,
    "change.edited": _edited,
    "change.expired": _expired,
    "change.proposed": _proposed,
    "change.superseded": _superseded,
    "change.voiced": _voiced,
    "change.withdrawn": _withdrawn,
    "check.reported": _checked,
    "evaluation.cancelled": _cancelled,
    "evaluation.finished": _finished,
    "evaluation.requested": _requested,
    "evidence.stale": _stale,
    "glass.broken": _broken,
    "glass.reviewed": _reviewed,
    "key.created": _key_created,
    "key.revoked": _named("revoked the key", "key_name"),
    "owner.removed": _owner_removed,
    "owner.set": _owner_set,
    "policy.deleted": _named("deleted the policy", "policy"),
    "policy.set": _policy_set,
    "project.created": _named("made the project", "project"),
    "provider.deleted": _named("took away the provider", "provider_name"),
    "provider.set": _named("set up the provider", "provider_name"),
    "role.granted": _granted,
    "role.withdrawn": _ungranted,
    "tag.deleted": _tag_deleted,
    "tag.set": _tag_set,
    "version.published": _published,
    "version.tombstoned": _tombstoned,
    "webhook.changed": _named("changed the webhook", "webhook_name"),
    "webhook.created": _webhook_created,
    "webhook.deleted": _named("deleted the webhook", "webhook_name"),
    "webhook.disabled": _named("disabled the webhook", "webhook_name"),
    "webhook.enabled": _named("enabled the webhook", "webhook_name"),
}
"""How each type of entry is told."""

GROUPS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "moves": ("Moves", ("alias",)),
    "versions": ("Versions", ("version", "artifact")),
    "changes": ("Changes and approvals", ("change", "glass")),
    "evidence": ("Checks and evaluations", ("check", "evaluation", "evidence")),
    "rules": ("Policies, people and keys", ("policy", "role", "owner", "key", "project")),
    "around": ("Tags, webhooks and providers", ("tag", "webhook", "provider")),
}
"""What people filter the history by: a word for it, and what the types in it begin with."""


def types_of(group: str) -> tuple[str, ...]:
    """The types of entries in a group; none for a group that is not one."""
    _, starts = GROUPS.get(group, ("", ()))
    return tuple(one for one in TELLERS if one.partition(".")[0] in starts)
