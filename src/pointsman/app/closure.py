"""What a version is made of: all that it includes or uses, at any depth, and its seal.

Content says what it includes by selectors; what they mean can change without it. So whatever
is said of a version's behaviour (an approval, a check) is said of its closure as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pointsman.app.application import View
from pointsman.app.ports import DependencyRow
from pointsman.core.canonical import canonical_json, digest
from pointsman.core.vocabulary import Target

MAX_CLOSURE = 5_000
World = Mapping[tuple[int, str], Target | None]
"""Aliases (artifact's id, alias) that are looked at as if they pointed elsewhere."""
NOW: World = {}


@dataclass(slots=True)
class Closure:
    """All that a target depends on, in a world.

    `digests` has the digests that each selector means, `members` the versions met (artifact's
    id and number), `included` the dependencies by which prompts are composed in, `consumed`
    those by which they take outputs.
    """

    digests: dict[str, str] = field(default_factory=dict)
    members: set[tuple[int, int]] = field(default_factory=set)
    included: list[DependencyRow] = field(default_factory=list)
    consumed: list[DependencyRow] = field(default_factory=list)


def closure_of(view: View, artifact_id: int, to: Target | None, world: World = NOW) -> Closure:
    """What the versions that a target means are made of."""
    closure = Closure()
    waiting = [(artifact_id, number) for number in (to.versions if to else ())]
    seen = set(waiting)
    while waiting and len(seen) < MAX_CLOSURE:
        for row in view.reader.dependencies(*waiting.pop()):
            if row.relation == "includes":
                closure.included.append(row)
            elif row.relation == "consumes":
                closure.consumed.append(row)
            found = []
            for number in _numbers(view, row, world):
                standing = view.reader.standing(row.target_id, number)
                if standing is None:
                    continue
                found.append(standing.digest)
                place = row.target_id, number
                if place not in seen:
                    seen.add(place)
                    closure.members.add(place)
                    waiting.append(place)
            closure.digests[row.selector] = ",".join(found) or "missing"
    return closure


def seal_of(view: View, artifact_id: int, number: int) -> str:
    """The digest of a version together with all that it is made of now.

    Its own digest where it is made of nothing else. Reports of checks are for this.
    """
    standing = view.reader.standing(artifact_id, number)
    if standing is None:
        return ""
    made_of = closure_of(view, artifact_id, Target(version=number)).digests
    if not made_of:
        return standing.digest
    return digest(canonical_json({"digest": standing.digest, "closure": made_of}))


def _numbers(view: View, row: DependencyRow, world: World) -> Iterator[int]:
    """The versions that a dependency means in a world."""
    if row.target_version is not None:
        yield row.target_version
    elif row.target_alias is not None:
        key = row.target_id, row.target_alias
        target = world[key] if key in world else _target(view, *key)
        yield from target.versions if target else ()
    else:
        artifact = view.reader.artifact_by_id(row.target_id)
        if artifact is not None and artifact.newest:
            yield artifact.newest


def _target(view: View, artifact_id: int, alias: str) -> Target | None:
    row = view.reader.alias(artifact_id, alias)
    return row.target if row else None
