"""Large stores for `scale`: built by bulk publish like anybody would, kept below `.bench/`.

Each artifact has five versions and the alias `production`. Names look like people's: folders by
team, then a few words and a number. Tags: one artifact in five is `stage = live` (a common
match); one in ten has an owner, of whom each has ten artifacts (a rare one).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench import machine
from bench.run import Registry, text
from pointsman import storage
from pointsman.app import releases, tagging
from pointsman.app.application import Work
from pointsman.app.publishing import MAX_BULK, Publish
from pointsman.core.vocabulary import Target

VERSIONS = 5
_FILLING = b"1"
"""To be changed along with what is put in."""
_TEAMS = 40
_PER_OWNER = 10
_TOPICS = ("reply", "summary", "triage", "refund", "welcome", "translate", "classify", "extract")
_ALIASES_AT_ONCE = 500
_TAGS_AT_ONCE = 2_000


def name_of(number: int) -> str:
    """The name of an artifact. One in 10,000 is an oddity: a word that a search finds rarely."""
    topic = "hapax" if number % 10_000 == 77 else _TOPICS[number % 7919 % len(_TOPICS)]
    return f"team-{number % _TEAMS:02}/{topic}/prompt-{number:07}"


def owner_of(number: int) -> str | None:
    """The owner of an artifact, if it has one."""
    return f"owner-{number // (10 * _PER_OWNER)}" if number % 10 == 3 else None


@dataclass
class Built:
    """An open store of known size, and how fast its versions went in (0: by another program)."""

    registry: Registry
    artifacts: int
    rate: float
    seconds: float
    bytes: int
    turn: random.Random
    moved: dict[int, int] = field(default_factory=dict)

    def any_name(self) -> str:
        """The name of some artifact, a different one nearly every time."""
        return name_of(self.turn.randrange(self.artifacts))

    def any_move(self) -> tuple[str, int]:
        """The name of some artifact, and a version that its alias does not point to yet."""
        number = self.turn.randrange(self.artifacts)
        version = 1 + self.moved.get(number, VERSIONS) % VERSIONS
        self.moved[number] = version
        return name_of(number), version


@contextlib.contextmanager
def store_of(artifacts: int, folder: Path | None = None) -> Iterator[Built]:
    """The store with so many artifacts: built in `folder`, or kept for the next run."""
    home = folder or machine.FOLDER / f"store-{artifacts}-{_fingerprint()}"
    facts = home / "built.json"
    if not facts.exists():
        shutil.rmtree(home, ignore_errors=True)
        rate, seconds = _build(home, artifacts, quiet=folder is not None)
        facts.write_text(json.dumps({"rate": rate, "seconds": seconds}))
    told = json.loads(facts.read_text())
    registry = Registry(home)
    try:
        size = (home / "registry.db").stat().st_size
        _warm(home / "registry.db")
        seed = random.Random(time.time_ns())
        yield Built(registry, artifacts, told["rate"], told["seconds"], size, seed)
    finally:
        registry.close()


def _build(home: Path, artifacts: int, *, quiet: bool) -> tuple[float, float]:
    registry = Registry(home)
    progress = Progress(quiet=quiet)
    at_once = MAX_BULK // VERSIONS
    began = time.perf_counter()
    publishing = 0.0
    for start in range(0, artifacts, at_once):
        items = batch(range(start, min(start + at_once, artifacts)))
        before = time.perf_counter()
        registry.publish(items)
        publishing += time.perf_counter() - before
        progress.tell("versions", min(start + at_once, artifacts) * VERSIONS)
    for start in range(0, artifacts, _ALIASES_AT_ONCE):
        some = range(start, min(start + _ALIASES_AT_ONCE, artifacts))
        registry.app.write(registry.caller, partial(_promote, numbers=some))
        progress.tell("aliases", some[-1] + 1)
    for start in range(0, artifacts, _TAGS_AT_ONCE):
        some = range(start, min(start + _TAGS_AT_ONCE, artifacts))
        registry.app.write(registry.caller, partial(_tag, numbers=some))
        progress.tell("artifacts tagged", some[-1] + 1)
    registry.close()
    progress.end()
    return artifacts * VERSIONS / publishing, time.perf_counter() - began


def batch(numbers: range) -> list[Publish]:
    """The versions of these artifacts, with short prompts."""
    return [
        Publish(
            name_of(number),
            text(200, f"Version {version} of {number} for {{{{ customer }}}}. "),
            message="measuring",
        )
        for number in numbers
        for version in range(1, VERSIONS + 1)
    ]


def _promote(work: Work, numbers: range) -> None:
    to = Target(version=VERSIONS)
    wishes = [releases.Wish("prompt", name_of(number), "production", to) for number in numbers]
    releases.release(work, wishes, "first")


def _tag(work: Work, numbers: range) -> None:
    for number in numbers:
        if number % 5 == 0:
            tagging.set_tag(work, "prompt", name_of(number), None, "stage", "live")
        owner = owner_of(number)
        if owner is not None:
            tagging.set_tag(work, "prompt", name_of(number), None, "owner", owner)


class Progress:
    """Says on one line of the terminal how far it has got, now and then."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._said = time.monotonic()

    def tell(self, what: str, count: int) -> None:
        """So many of these are done."""
        if not self._quiet and time.monotonic() - self._said > 1:
            self._said = time.monotonic()
            print(f"\r{count:,} {what} …        ", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """All is done."""
        if not self._quiet:
            print("\r", end="", file=sys.stderr, flush=True)


def _fingerprint() -> str:
    """Changes with the schema and with what is put in: another store is built then."""
    hashed = hashlib.sha256(_FILLING)
    for file in sorted((Path(storage.__file__).parent / "migrations").glob("*.sql")):
        hashed.update(file.read_bytes())
    return hashed.hexdigest()[:8]


def _warm(file: Path) -> None:
    """Have the operating system hold the file in memory, as a server's does that has run a while.

    How fast a disk reads is not what is asked.
    """
    with file.open("rb", buffering=0) as opened:
        while opened.read(1 << 24):
            pass
