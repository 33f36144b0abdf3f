"""What an output is made of, and what an evaluation is of: exact versions, by their digests.

In a world (which version of each artifact an alias means) everything that a version includes,
consumes and uses is resolved once, when an evaluation is asked for. From then on nothing is
looked up: the orders say which versions to run, and their digest, the seal, is what the
result is evidence for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pointsman.core.canonical import canonical_json, digest
from pointsman.core.plain import to_plain
from pointsman.core.suites import MAX_DEPTH, Maker
from pointsman.core.vocabulary import Relation

_EVERYTHING: Final = ("command", "http")


@dataclass(frozen=True, slots=True)
class Need:
    """A dependency, resolved. `part` is empty where the selector means nothing (a dead end)."""

    relation: Relation
    selector: str
    part: str
    variable: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A version that takes part: its digest, and what it depends on."""

    digest: str
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True)
class Making:
    """A version and all that its outputs are made of, by labels (``prompt:support/reply:8``)."""

    root: str
    parts: Mapping[str, Part]

    def within(self, maker: Maker) -> Making:
        """Only what takes part in an output that is made this way.

        A prompt by itself is made of what it includes, a chain of what its variables consume as
        well, as far up as the suite says; a command or a service is told of everything. Of a
        split that is not moving, its first version takes part.
        """
        everything = maker.by in _EVERYTHING
        deepest = MAX_DEPTH if everything else maker.depth
        kept: dict[str, Part] = {}
        waiting = deque([(self.root, 0)])
        while waiting:
            label, depth = waiting.popleft()
            if label in kept or label not in self.parts:
                continue
            part = self.parts[label]
            if not everything:
                part = replace(part, needs=_used(part.needs, consuming=depth < deepest))
            kept[label] = part
            for need in part.needs:
                waiting.append((need.part, depth + (need.relation == "consumes")))
        return Making(self.root, kept)

    @property
    def dead_ends(self) -> tuple[str, ...]:
        """What is needed and means nothing now, each with who needs it."""
        return tuple(
            f"{label} {need.relation} {need.selector}, which means nothing"
            for label, part in self.parts.items()
            for need in part.needs
            if not need.part
        )

    @property
    def cycle(self) -> tuple[str, ...]:
        """A way on which a version consumes its own output; empty if there is none."""
        done: set[str] = set()
        for start in self.parts:
            path: list[str] = []
            stack = [(start, False)]
            while stack:
                label, leaving = stack.pop()
                if leaving:
                    done.add(path.pop())
                    continue
                if label in path:
                    return (*path[path.index(label) :], label)
                if label in done or label not in self.parts:
                    continue
                path.append(label)
                stack.append((label, True))
                stack += [
                    (need.part, False)
                    for need in self.parts[label].needs
                    if need.relation == "consumes"
                ]
        return ()


def _used(needs: Sequence[Need], *, consuming: bool) -> tuple[Need, ...]:
    """What rendering takes: one part for each include, and for each variable that consumes."""
    used: dict[tuple[str, str], Need] = {}
    for need in needs:
        if need.relation == "includes":
            used.setdefault(("", need.selector), need)
        elif need.relation == "consumes" and need.variable and consuming:
            used.setdefault((need.variable, ""), need)
    return tuple(used.values())


@dataclass(frozen=True, slots=True)
class Orders:
    """What an evaluation is of. `judges` are the prompts that scorers go by, by selector.

    `budget_calls` and `budget_money` cap what it may spend; they are no part of the seal.
    """

    suite: str
    suite_digest: str
    dataset: str
    dataset_digest: str
    candidate: Making
    baseline: Making | None = None
    judges: Mapping[str, Making] = field(default_factory=dict)
    budget_calls: int | None = None
    budget_money: float | None = None

    @property
    def seal(self) -> str:
        """The digest of all that the result depends on."""
        plain = to_plain(replace(self, budget_calls=None, budget_money=None))
        return digest(canonical_json(plain))

    @property
    def labels(self) -> tuple[str, ...]:
        """Every version that takes part in the outputs of either side, or in their judgement."""
        makings = [self.candidate, *([self.baseline] if self.baseline else [])]
        makings += self.judges.values()
        parts = (label for making in makings for label in making.parts)
        return tuple(dict.fromkeys((self.suite, self.dataset, *parts)))

    @property
    def is_blind(self) -> bool:
        """Whether both sides are made of the same, so that nothing could differ."""
        return self.baseline is not None and self.baseline == self.candidate


def full_label(label: str) -> str:
    """A version's label with its kind, which is left out of those of prompts for people."""
    return label if label.count(":") > 1 else f"prompt:{label}"


def split_label(label: str) -> tuple[str, str, int]:
    """Kind, name and number of a version's label. Neither kind nor number has a colon."""
    kind, _, rest = label.partition(":")
    name, _, number = rest.rpartition(":")
    return kind, name, int(number)


def label_of(kind: str, name: str, number: int) -> str:
    """A version's full name, its kind always said."""
    return f"{kind}:{name}:{number}"
