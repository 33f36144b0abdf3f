"""The dependency graph: what a move would affect, and what a version is made of.

The rows are put in by plain SQL: what is measured reads them only. Artifacts come in
neighbourhoods of a thousand, each depending on some of those before it there, so that moving
the first of a neighbourhood affects nearly all of it. Each has an old version as well, whose
dependencies are met on the way and lead nowhere.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw

from bench import harness
from bench.harness import Result, Spread, at_most
from bench.run import Registry, Run
from pointsman.app.application import View, Work
from pointsman.app.graph import affected_by, made_of
from pointsman.app.places import Place
from pointsman.core.graph import World
from pointsman.core.vocabulary import Target
from pointsman.storage.search import ARTIFACT_BITS
from pointsman.storage.sqlite import FILE

_NEIGHBOURS = 1_000
_OLD, _LIVE = 3, 7
"""How many dependencies each artifact's old and live version have."""
_FIRST = 1 << ARTIFACT_BITS
_SELECTORS: tuple[tuple[str, str | None, int | None], ...] = (
    ("consumes", "production", None),
    ("consumes", None, None),
    ("uses", None, None),
    ("includes", "production", None),
    ("includes", None, 1),
)


def graph(run: Run) -> Iterator[Result]:
    """The rows of the dependency graph."""
    artifacts = run.size(100_000, 2_000)
    Registry(run.folder).close()
    edges = _fill(run.folder / FILE, artifacts)
    with contextlib.closing(Registry(run.folder)) as registry:
        where = f"among {artifacts:,} artifacts and {edges:,} dependencies"
        counts: list[int] = []
        yield _timed(
            run, f"what a move affects, {where}", 50, _affecting(registry, artifacts, counts),
            lambda: f"it affects {min(counts):,} to {max(counts):,} nodes",
        )  # fmt: skip
        parts: list[int] = []
        yield _timed(
            run, f"what a version is made of, {where}", 50, _made_of(registry, artifacts, parts),
            lambda: f"it is made of {min(parts):,} to {max(parts):,} versions",
        )  # fmt: skip


def _affecting(registry: Registry, artifacts: int, counts: list[int]) -> Callable[[], float]:
    chance = random.Random(7)

    def ask(work: Work) -> float:
        first = _FIRST + chance.randrange(0, artifacts, _NEIGHBOURS)
        artifact = work.tx.artifact_by_id(first)
        assert artifact is not None
        place = Place(artifact, "production", work.tx.alias(first, "production"))
        began = time.perf_counter()
        found = affected_by(work, [(place, Target(version=1))])
        spent = time.perf_counter() - began
        counts.append(len(found.affected))
        return spent

    return lambda: registry.app.write(registry.caller, ask)


def _made_of(registry: Registry, artifacts: int, parts: list[int]) -> Callable[[], float]:
    chance = random.Random(11)

    def ask(view: View) -> float:
        last = _FIRST + chance.randrange(0, artifacts, _NEIGHBOURS) + _NEIGHBOURS - 1
        began = time.perf_counter()
        found = made_of(view, last, 2, World("production"))
        spent = time.perf_counter() - began
        parts.append(len(found.parts))
        return spent

    return lambda: registry.app.read(registry.caller, ask)


def _timed(
    run: Run, row: str, most: float, deed: Callable[[], float], note: Callable[[], str]
) -> Result:
    deed()
    spent = Spread.of([deed() * 1e3 for _ in range(run.size(50, 5))])
    return Result(
        row, at_most(most, "ms"), harness.duration(spent.middle / 1e3), "", spent, [note()]
    )


def _fill(file: Path, artifacts: int) -> int:
    """Put artifacts, versions, aliases and dependencies in; how many dependencies."""
    connection = apsw.Connection(str(file))
    connection.execute("PRAGMA synchronous = OFF")
    with connection:
        connection.executemany(
            "INSERT INTO artifact (id, project_id, kind, name, skeleton, newest, created_at, "
            "created_by, updated_at) VALUES (?, 1, 'prompt', ?, ?, 2, 1, 'bench', 1)",
            ((_FIRST + n, f"team/prompt-{n:07}", f"team/prompt-{n:07}") for n in range(artifacts)),
        )
        connection.executemany(
            "INSERT INTO version (artifact_id, number, entry_id, digest, message, author, "
            "created_at) VALUES (?, ?, 0, ?, '', 'bench', 1)",
            ((_FIRST + n, v, f"{n:060}{v:04}") for n in range(artifacts) for v in (1, 2)),
        )
        connection.executemany(
            "INSERT INTO alias (artifact_id, name, version, revision, release, moved_at, moved_by, "
            "reason) VALUES (?, 'production', 2, 1, 1, 1, 'bench', '')",
            ((_FIRST + n,) for n in range(artifacts)),
        )
        connection.executemany(
            "INSERT INTO dependency (artifact_id, number, position, relation, selector, target_id, "
            "target_alias, target_version) VALUES (?, ?, ?, ?, '', ?, ?, ?)",
            _dependencies(artifacts),
        )
    edges = connection.execute("SELECT COUNT(*) FROM dependency").fetchall()[0][0]
    connection.close()
    assert isinstance(edges, int)
    return edges


def _dependencies(artifacts: int) -> Iterator[tuple[object, ...]]:
    chance = random.Random(1)
    for n in range(artifacts):
        start = n - n % _NEIGHBOURS
        if n == start:
            continue
        for version, count in ((1, _OLD), (2, _LIVE)):
            for position in range(count):
                relation, alias, pinned = chance.choice(_SELECTORS)
                target = _FIRST + chance.randrange(start, n)
                yield _FIRST + n, version, position, relation, target, alias, pinned
