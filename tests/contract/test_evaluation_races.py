"""What moved had been evaluated, just as it then went live, whoever did what at the same time.

Threads publish, propose, evaluate, work (also when their lease has long run out), move what
evaluations depend on, and apply, at random. Then the journal is read a second time, by rules
of its own; see `contract.evaluation_auditor`.
"""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from typing import Any

import pytest

from changes import in_threads
from contract.evaluating import ROWS, SECOND, Lab
from contract.evaluation_auditor import Auditor
from contract.test_use_cases_evaluating import wish
from pointsman.app import changes, doctor, releases
from pointsman.app.changes import Proposal, Wanted
from pointsman.app.evaluating import asking, runs
from pointsman.app.evaluating.runs import Lost, Taken
from pointsman.app.ports import Store
from pointsman.core.evaluation import Outcome
from pointsman.core.vocabulary import Arm, Dependency, Target
from pointsman.errors import PointsmanError
from scale import SCALE

_THREADS = 4
_DEEDS = int(100 * SCALE)
_RACES = int(50 * SCALE)
_WHY = "whatever happens, happens"
_CHAIN = ("summarise", "classify", "reply")
_UPSTREAM = {"classify": "summarise", "reply": "classify"}


@pytest.fixture
def lab(store: Store) -> Lab:
    made = Lab(store)
    made.publish("tone", "Be kind")
    made.publish("tone", "Be brief")
    made.live("prompt", "tone")
    made.suite("tone-suite", "tone")
    made.policy(evaluate="affected", rollback="governed")
    return made


def audit(lab: Lab) -> Auditor:
    """Read all that happened; fails where something moved that should not have."""
    with lab.app.store.read() as reader:
        lines = reader.lines(lab.project.id, 0, 1_000_000)
        auditor = Auditor(reader, lab.project.id)
        auditor.read(lines)
    findings = lab.sees("ada", doctor.examine).findings
    assert [one for one in findings if "person" not in one.subject] == []
    return auditor


class Actions:
    """Random deeds of random people and workers; what is refused is no concern here."""

    def __init__(self, lab: Lab, seed: int, taken: list[Taken]) -> None:
        self.lab = lab
        self.random = random.Random(seed)
        self.taken = taken
        """What workers have taken up, whether or not it still is theirs."""

    def run(self, deeds: int) -> None:
        often = [self.drive, self.drive, self.work, self.apply, self.move]
        seldom = [self.glass, self.suite, self.dataset, self.pause, self.cancel]
        chosen = [*often * 3, *seldom, self.publish, self.propose, self.evaluate, self.start]
        for _ in range(deeds):
            with suppress(PointsmanError, Lost):
                self.random.choice(chosen)()

    # -- what is shipped

    def name(self) -> str:
        return self.random.choice([*_CHAIN, "tone"])

    def target(self, name: str) -> Target:
        """A version, one of the newest more often than not; now and then a split."""
        with self.lab.app.store.read() as reader:
            row = reader.artifact(self.lab.project.id, "prompt", name)
        assert row is not None
        numbers = range(max(1, row.newest - 2), row.newest + 1)
        if self.random.random() < 0.1 and len(numbers) > 1:
            first, second = self.random.sample(numbers, 2)
            return Target(split=(Arm(first, 3), Arm(second, self.random.choice([1, 3, 9]))))
        return Target(version=self.random.choice(numbers))

    def numbers(self) -> list[int]:
        """The open changes."""
        with self.lab.app.store.read() as reader:
            rows = reader.changes(self.lab.project.id, None, 10, only_open=True)
        return [row.number for row in rows]

    def number(self) -> int:
        return self.random.choice(self.numbers() or [0])

    def publish(self) -> None:
        name = self.name()
        if name == "tone":
            self.lab.publish("tone", f"Be {self.random.random()}")
            return
        text = self.random.choice(["{{> tone@production }} ", ""]) + f"{self.random.random()} "
        upstream = _UPSTREAM.get(name)
        if upstream is None:
            self.lab.publish(name, text + "{{ message }}")
            return
        selector = self.random.choice([f"{upstream}@production"] * 4 + [f"{upstream}:1"])
        takes = [Dependency("consumes", selector, "given")]
        self.lab.publish(name, text + "{{ given }}", dependencies=takes)

    def propose(self) -> int:
        if len(self.numbers()) > 2:
            self.lab.does("ada", lambda w: changes.withdraw(w, self.number()))
        names = self.random.sample([*_CHAIN, "tone"], self.random.choice([1, 1, 2]))
        moves = [Wanted("prompt", name, "production", self.target(name)) for name in names]
        proposal = Proposal("ship", moves, "better")
        return self.lab.does("eva", lambda w: changes.propose(w, proposal)).number

    def apply(self) -> None:
        self.lab.apply("rui", self.number())

    def move(self) -> None:
        name = self.name()
        self.released([releases.Wish("prompt", name, "production", self.target(name))])

    def drive(self) -> None:
        """Have a change evaluated and applied, as its author does who does nothing else."""
        number = self.propose()
        self.start()
        with suppress(Lost):
            while (taken := self.lab.take("driver")) is not None:
                self.lab.end(taken)
        self.lab.apply("rui", number)

    def released(self, wishes: list[releases.Wish], by: str = "rui") -> None:
        glass = by == "ada"
        self.lab.does(by, lambda w: releases.release(w, wishes, _WHY, break_glass=glass))

    # -- evaluations and who works on them

    def start(self) -> None:
        self.lab.start()

    def evaluate(self) -> None:
        name = self.name()
        more: dict[str, Any] = {"affected": self.random.random() < 0.7}
        if self.random.random() < 0.2:
            more["against"] = 1
        if self.random.random() < 0.2:
            more["again"] = True
        version = self.target(name).versions[0]
        self.lab.does("eva", lambda w: asking.evaluate(w, wish(f"{name}:{version}", **more)))

    def work(self) -> None:
        """Take something up, or end something that was taken up at some time."""
        taken = self.lab.take(f"w{self.random.random()}")
        if taken is not None:
            self.taken.append(taken)
        late = self.random.random() < 0.2
        if not self.taken or (taken is not None and late):
            return
        mine = taken if taken is not None else self.random.choice(self.taken)
        other: list[Outcome] = ["failed", "inconclusive"]
        fails = self.random.random() < 0.3
        self.lab.end(mine, self.random.choice(other) if fails else "passed")

    def cancel(self) -> None:
        with self.lab.app.store.read() as reader:
            rows = reader.open_evaluations(self.lab.project.id, 20)
        if rows:
            number = self.random.choice(rows).number
            self.lab.does("eva", lambda w: runs.cancel(w, number))

    def pause(self) -> None:
        """So long that every lease runs out."""
        self.lab.now += 2 * SECOND

    # -- what evaluations depend on

    def glass(self) -> None:
        name = self.name()
        to = None if name == "reply" and self.random.random() < 0.2 else self.target(name)
        self.released([releases.Wish("prompt", name, "production", to)], by="ada")

    def suite(self) -> None:
        name = self.name()
        maker = self.random.choice(["chain", "chain", "prompt"])
        trials = self.random.choice([1, 2])
        self.lab.suite(f"{name}-suite", name, output={"by": maker}, trials=trials)

    def dataset(self) -> None:
        row = {"input": {"message": str(self.random.random())}}
        self.lab.live("dataset", "rows", self.lab.publish("rows", [*ROWS, row], kind="dataset"))


def test_what_moved_had_passed_just_as_it_went_live(lab: Lab) -> None:
    lab.publish("summarise", "Briefly {{ message }}")
    lab.does("eva", lambda w: asking.evaluate(w, wish("summarise:2", affected=True)))
    lab.settle()
    lab.move("rui", "summarise", 2)
    taken: list[Taken] = []
    in_threads(_THREADS, lambda n: Actions(lab, n, taken).run(_DEEDS))
    auditor = audit(lab)
    assert auditor.audited > 1, "the deeds must lead somewhere"
    assert auditor.downstream > 1
    with lab.app.store.read() as reader:
        for number, one in auditor.asked.items():
            end = reader.evaluation_end(lab.project.id, number)
            assert (end.state if end else "open") == one.state


@pytest.mark.parametrize("rival", ["reply", "classify"])
def test_the_baseline_moves_while_it_is_evaluated(lab: Lab, rival: str) -> None:
    """`reply` is evaluated and moved, and at the same time it or what it takes moves by glass."""
    chance = random.Random(rival)
    moved = []
    for race in range(_RACES // 2):
        wanted = lab.consuming("reply", "classify", f"{race} {{{{ given }}}}")
        other = lab.consuming(rival, _UPSTREAM[rival], f"Rival {race} {{{{ given }}}}")
        lab.does("eva", lambda w, v=wanted: asking.evaluate(w, wish(f"reply:{v}")))  # type: ignore[misc]
        moved.append(_race(lab, rival, (wanted, other), chance.random()))
    auditor = audit(lab)
    assert auditor.audited == sum(moved)
    assert 0 < sum(moved) < len(moved), "each of the two has to come first now and then"


def _race(lab: Lab, rival: str, versions: tuple[int, int], head_start: float) -> bool:
    """Whether `reply` moved, though the other did as well."""
    wanted, other = versions
    ended = threading.Event()

    def ship() -> bool:
        lab.settle()
        if head_start < 0.5:
            ended.set()
        try:
            lab.move("rui", "reply", wanted)
        except PointsmanError:
            return False
        finally:
            ended.set()
        return True

    def move() -> bool:
        if head_start > 0.2:
            ended.wait(20)
        lab.move("ada", rival, other, glass=True, reason=_WHY)
        return True

    return bool(in_threads(2, lambda n: (ship, move)[n]())[0])
