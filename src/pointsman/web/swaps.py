"""What would replace what: an alias's move with its track, its difference, and who it affects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import gcd

from pointsman.app import reading
from pointsman.app.application import View
from pointsman.core.diff import ContentDiff
from pointsman.core.names import check_kind
from pointsman.core.releases import MAX_WEIGHT, split
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import Alias, Artifact, Target
from pointsman.errors import InvalidInput, NotFound
from pointsman.web.track import Shift, Track, track_of
from pointsman.web.words import listed

COMPARED = 20
"""Moves of one page whose contents are compared; beyond that, each is a page of its own."""
DRAWN = 8


@dataclass(frozen=True, slots=True)
class Swap:
    """One alias, from what it points to (or pointed to) to another target."""

    artifact: Artifact
    alias: str
    before: Target | None
    to: Target | None
    track: Track
    diff: ContentDiff | None

    @property
    def current(self) -> Alias | None:
        """The alias as it is now, if it points anywhere."""
        return next((one for one in self.artifact.aliases if one.name == self.alias), None)

    @property
    def effect(self) -> str:
        """What the move does, as a button says it: "Move production to version 7"."""
        return effect_of_move(self.alias, self.before, self.to)


Ends = tuple[str, str, str, Target | None, Target | None]
"""Kind, name and alias of a move, what it replaces, and what it moves to."""


def swaps_of(view: View, moves: Iterable[Ends], *, proposed: bool) -> list[Swap]:
    """The swaps that moves make, each artifact read once."""
    known: dict[tuple[str, str], Artifact] = {}
    found = []
    for count, (kind, name, alias, before, to) in enumerate(moves):
        if (kind, name) not in known:
            known[kind, name] = reading.show_artifact(view, kind, name)
        artifact = known[kind, name]
        shift = Shift(alias, before, to, proposed)
        track = track_of(artifact.newest, artifact.aliases, [shift], most=DRAWN)
        diff = _difference(view, artifact, before, to) if count < COMPARED else None
        found.append(Swap(artifact, alias, before, to, track, diff))
    return found


def effect_of(swaps: Sequence[Swap]) -> str:
    """What moves do that are made together, as a button says it."""
    return swaps[0].effect if len(swaps) == 1 else f"Move {len(swaps)} aliases together"


def effect_of_move(what: str, before: Target | None, to: Target | None) -> str:
    """What moving an alias does: of a split, who gets more readers than before."""
    if to is None:
        return f"Delete {what}"
    if to.version is not None:
        return f"Move {what} to version {to.version}"
    old, new = _weights(before), _weights(to)
    had, have = sum(old.values()) or 1, sum(new.values())
    grown = [one for one in new if new[one] * had > old.get(one, 0) * have] or list(new)
    shares = [f"{round(100 * new[one] / have)} % of readers to version {one}" for one in grown]
    return f"Send {listed(shares)}" + (f" by {what}" if " " in what else "")


def read_target(text: str, newest: int) -> tuple[Target | None, str]:
    """A target as people type it, and the alias that it is taken from, if it names one.

    ``7``, ``newest``, ``@staging``, ``7=90, 8=10`` (a split by weights), ``nothing`` (the alias
    is deleted). Raises `InvalidInput`.
    """
    said = text.strip().lower()
    if said == "nothing":
        return None, ""
    if said == "newest":
        return Target(version=newest), ""
    if said.startswith("@"):
        return None, text.strip()[1:]
    said = said.removeprefix("version").strip()
    try:
        if "=" not in said:
            return Target(version=_whole(said)), ""
        weights: dict[int, int] = {}
        for arm in said.replace("%", "").split(","):
            version, _, weight = arm.partition("=")
            weights[_whole(version)] = _whole(weight)
    except ValueError:
        raise InvalidInput(
            f"{text.strip()[:60]!r} is no target.",
            code="invalid_target",
            hint="Write a version (7), newest, an alias to copy (@staging), shares (7=90, 8=10), "
            "or nothing to delete the alias.",
            field="to",
        ) from None
    return split(weights), ""


def write_target(target: Target | None, source: str = "") -> str:
    """The inverse of `read_target`."""
    if source:
        return f"@{source}"
    if target is None:
        return "nothing"
    if target.version is not None:
        return str(target.version)
    return ", ".join(f"{arm.version}={arm.weight}" for arm in target.split)


def read_place(text: str) -> tuple[str, str]:
    """Kind and name of an artifact as people type it. Raises `InvalidInput`."""
    selector = parse_selector(text.strip())
    if selector.version is not None or selector.alias is not None:
        raise InvalidInput(
            f"{text.strip()[:80]!r} names more than an artifact.",
            code="invalid_name",
            hint="Write its name alone; alias and version have fields of their own.",
            field="name",
        )
    return selector.kind, selector.name


def shared(current: Target | None, version: int, share: int) -> Target:
    """The target that sends a share of readers (1 to 100 %) to a version, and leaves the rest.

    What the rest gets stays in proportion. Raises `InvalidInput` where nothing is there to
    share with.
    """
    if share == 100:
        return Target(version=version)
    if not 1 <= share <= 100:
        raise InvalidInput(
            f"{share} % of readers can't be sent anywhere.",
            code="invalid_share",
            hint="Choose between 1 and 100 %.",
            field="share",
        )
    rest = _weights(current)
    rest.pop(version, None)
    if not rest:
        raise InvalidInput(
            f"There is no other version that the remaining {100 - share} % of readers could get.",
            code="invalid_share",
            hint="Send all readers there first, and share them out with the next version.",
            field="share",
        )
    total = sum(rest.values())
    weights = {one: weight * (100 - share) for one, weight in rest.items()}
    weights[version] = share * total
    shrink = reduce(gcd, weights.values())
    weights = {one: weight // shrink for one, weight in weights.items()}
    most = max(weights.values())
    if most > MAX_WEIGHT:
        weights = {one: max(1, weight * MAX_WEIGHT // most) for one, weight in weights.items()}
    return split(weights)


def _weights(target: Target | None) -> dict[int, int]:
    if target is None:
        return {}
    if target.version is not None:
        return {target.version: 1}
    return {arm.version: arm.weight for arm in target.split}


def _whole(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise ValueError(text)
    return int(text)


def _difference(
    view: View, artifact: Artifact, before: Target | None, to: Target | None
) -> ContentDiff | None:
    """What the main version of one target changes against the other's; None if unreadable."""
    if before is None or to is None:
        return None
    kind, name = check_kind(artifact.kind), artifact.name
    was, new = before.versions[0], _newcomer(before, to)
    try:
        return reading.compare(
            view, Selector(kind, name, version=was), Selector(kind, name, version=new)
        )
    except NotFound:
        return None


def _newcomer(before: Target, to: Target) -> int:
    """The version of a target that is new to its readers, or its first."""
    return next((one for one in to.versions if one not in before.versions), to.versions[0])
