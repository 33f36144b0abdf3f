"""What a client knows of the registry, as values: answers and facts, and how they compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import Resolution
from pointsman.errors import InvalidName, PointsmanError

Source = Literal["network", "disk", "bundle", "fallback"]
Subject = tuple[str, str]
"""Kind and name of an artifact."""

REFRESH = 30.0
RETRY = 0.5
SOURCES: tuple[Source, ...] = ("network", "disk", "bundle", "fallback")


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the registry is asked, in seconds."""

    refresh: float = REFRESH
    """Between two questions about a selector while no stream is followed."""
    sweep: float = 600.0
    """The same while one is: nothing should have been missed, but who knows."""
    retry: float = RETRY
    """Before the first repetition of what failed; doubles with each failure."""
    retry_most: float = 60.0
    missing: float = 1.0
    """For how long "there is none" is believed without asking again, if nothing is followed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the registry said of a selector, with all that is needed to repeat it offline.

    `arms` has every version that a split may give. `seq` is the journal's head when it was
    made (the lowest, if it took several requests), `epoch` the journal that is meant, and
    `asked_at` the clock when it was last asked for.
    """

    resolution: Resolution
    arms: Mapping[int, Resolution]
    etags: Mapping[str, str]
    seq: int | None
    epoch: str
    asked_at: float
    source: Source

    @property
    def versions(self) -> Mapping[int, Resolution]:
        """Every version that a reader may be given."""
        return self.arms or {self.resolution.version: self.resolution}

    def says_the_same_as(self, other: Answer) -> bool:
        """Whether readers would get the same from both."""
        return self.resolution == other.resolution and self.arms == other.arms


@dataclass(frozen=True, slots=True)
class Fact:
    """A journal entry as the stream tells it: what it says of which artifact."""

    seq: int
    type: str
    kind: str = ""
    name: str = ""
    alias: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """What is held for a selector has been replaced, or removed (`after` is None)."""

    selector: str
    before: Answer | None
    after: Answer | None


@dataclass(frozen=True, slots=True)
class Status:
    """How well a client knows the registry; of one selector, or the worst of all.

    `connected`: the journal is being followed, changes arrive by themselves. `stale`: what is
    held may be out of date. `age`: seconds since the registry last confirmed it. `source`:
    where it came from. `seq`: up to which journal entry it is known to be right.
    """

    connected: bool
    stale: bool
    age: float | None
    source: Source | None
    last_error: PointsmanError | None
    seq: int | None
    held: int


def goes_back(held: Answer, new: Answer) -> bool:
    """Whether a new answer is older than the one that is held."""
    if held.epoch != new.epoch:
        return False
    if held.seq is not None and new.seq is not None and new.seq < held.seq:
        return True
    before, after = held.resolution.why, new.resolution.why
    return (
        before.revision is not None
        and after.revision is not None
        and after.revision < before.revision
    )


def concerns(fact: Fact, selector: Selector, answer: Answer | None) -> bool:
    """Whether a journal entry can change what a selector means. If in doubt, it does.

    `answer` is what it meant before the entry.
    """
    if answer is None:
        return not fact.type.startswith("tag.")
    subject = (fact.kind, fact.name)
    own = subject == (selector.kind, selector.name)
    parts = [one for arm in answer.versions.values() for one in arm.why.includes]
    match fact.type:
        case "alias.moved":
            return (own and fact.alias == selector.alias) or any(
                fact.name == one.name and fact.alias == one.alias for one in parts
            )
        case "version.published":
            newest = own and selector.alias is None and selector.version is None
            return newest or any(
                fact.name == one.name and one.alias is None and _asks_for_newest(one.selector)
                for one in parts
            )
        case "version.tombstoned":
            return (own and fact.version in answer.versions) or any(
                fact.name == one.name and fact.version == one.version for one in parts
            )
        case "tag.set" | "tag.deleted":
            return own and (fact.version is None or fact.version in answer.versions)
        case _:
            return True


def subjects(selector: Selector, answer: Answer | None) -> frozenset[Subject]:
    """The artifacts whose journal entries can concern a selector."""
    found = {(selector.kind, selector.name)}
    for resolution in answer.versions.values() if answer else ():
        found |= {("prompt", one.name) for one in resolution.why.includes}
    return frozenset(found)


def _asks_for_newest(text: str) -> bool:
    try:
        return parse_selector(text).version is None
    except InvalidName:
        return True
