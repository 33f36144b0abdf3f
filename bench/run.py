"""What the rows of one run share: its sizes and its folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pointsman.app import publishing, releases
from pointsman.app.application import Application, Caller
from pointsman.app.publishing import Publish
from pointsman.core.access import Actor
from pointsman.core.vocabulary import Target
from pointsman.server import collect_less_often
from pointsman.storage.sqlite import SqliteStore

LETTERS = "The quick brown fox jumps over the lazy dog and asks for nothing in return. "


@dataclass(frozen=True)
class Run:
    """A run of one topic. `quick` cuts sizes down: then the verdicts mean little."""

    folder: Path
    quick: bool = False

    @property
    def artifacts(self) -> int:
        """How many artifacts the large store has."""
        given = os.environ.get("BENCH_ARTIFACTS")
        return int(given) if given else self.size(1_000_000, 2_000)

    def rounds(self, many: int) -> int:
        """How many rounds contenders run."""
        return self.size(many, 2)

    def size(self, full: int, cut: int) -> int:
        """A size: `full`, or `cut` in a quick run."""
        return cut if self.quick else full


class Registry:
    """The use cases over a SQLite store in a folder, called by an admin in this process.

    The garbage collector is set as a server sets it, also for whatever is measured beside it.
    """

    def __init__(self, folder: Path) -> None:
        collect_less_often()
        self.store = SqliteStore(folder)
        self.app = Application(self.store)
        actor = Actor("local:bench", "bench", "admin", "embedded")
        self.caller = Caller(actor, self.app.project("default"))
        self._moves = 0

    def publish(self, items: list[Publish]) -> None:
        """Publish up to 1,000 versions in one transaction."""
        self.app.write(self.caller, lambda work: publishing.publish_many(work, items))

    def move(self, name: str, alias: str, version: int) -> None:
        """Point an alias to a version, durably."""
        wish = releases.Wish("prompt", name, alias, Target(version=version))
        self.app.write(self.caller, lambda work: releases.release(work, [wish], "measuring"))

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()


def text(length: int, head: str = "") -> str:
    """A text of so many characters that begins with `head`."""
    return (head + LETTERS * (length // len(LETTERS) + 1))[:length]
