"""The cache against a model of the world: nodes that lag, streams that break, lost answers.

The invariants are those of the design: a reader who has something keeps it until the journal
has taken it away, and never goes back unless the journal did; and once the noise has died
down, what is held is what is true.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pointsman.core.selectors import parse_selector
from pointsman.errors import NotFound, Unavailable
from pointsman.sdk.cache import Cache
from pointsman.sdk.knowledge import Answer, Fact
from sdk.making import answer, resolution

REPLY = "support/reply@deployment"


@dataclass(frozen=True)
class Line:
    """A journal entry: a move of our alias to a version, its deletion, or something else."""

    ours: bool
    version: int | None
    revision: int


@dataclass(frozen=True)
class InFlight:
    """A reply on its way: an answer, or the word that there is none."""

    answer: Answer | None
    seq: int | None
    epoch: str
    asked_at: float


class World(RuleBasedStateMachine):
    """One registry with several nodes, one client, one alias."""

    @initialize(labelled=st.booleans(), numbered=st.booleans())
    def begin(self, labelled: bool, numbered: bool) -> None:
        self.now = 0.0
        self.cache = Cache(lambda: self.now, lambda: 0.5)
        self.cache.track(parse_selector(REPLY))
        self.labelled, self.numbered = labelled, numbered
        self.epoch = 1
        self.journal = [Line(ours=True, version=1, revision=1)]
        self.told = 0
        self.flying: list[InFlight] = []
        self.ever_removed = False
        self.best: tuple[int, int] | None = None  # (epoch, revision) of what was held

    @rule(version=st.integers(1, 5))
    def move(self, version: int) -> None:
        self.journal.append(Line(ours=True, version=version, revision=self._revision() + 1))

    @rule()
    def delete(self) -> None:
        self.journal.append(Line(ours=True, version=None, revision=self._revision() + 1))
        self.ever_removed = True

    @rule()
    def something_else_happens(self) -> None:
        self.journal.append(Line(ours=False, version=None, revision=0))

    @precondition(lambda self: len(self.journal) > 2)
    @rule(data=st.data())
    def restore_a_backup(self, data: st.DataObject) -> None:
        keep = data.draw(st.integers(1, len(self.journal) - 1))
        self.journal = self.journal[:keep]
        self.epoch += 1
        self.cache.hung_up()
        # Nodes start anew: what they had under way is lost, except what is on the network.

    @precondition(lambda self: not self.cache.connected)
    @rule()
    def connect(self) -> None:
        after = self.cache.position
        label = f"s.{self.epoch}"
        if not self.cache.hello(len(self.journal), label, after):
            self.cache.hello(len(self.journal), label, None)
            after = None
        self.told = len(self.journal) if after is None else after

    @precondition(lambda self: self.cache.connected and self.told < len(self.journal))
    @rule(number=st.integers(1, 5))
    def tell(self, number: int) -> None:
        for _ in range(min(number, len(self.journal) - self.told)):
            line = self.journal[self.told]
            self.told += 1
            name = "support/reply" if line.ours else "other"
            self.cache.heard(Fact(self.told, "alias.moved", "prompt", name, "deployment"))

    @rule()
    def lose_the_stream(self) -> None:
        self.cache.hung_up(Unavailable("gone"))

    @precondition(lambda self: self.cache.connected)
    @rule()
    def start_over(self) -> None:
        self.cache.resync(len(self.journal))
        self.told = len(self.journal)

    @rule(lag=st.integers(0, 4))
    def ask(self, lag: int) -> None:
        if len(self.flying) < 3:
            self.flying.append(self._reply(max(1, len(self.journal) - lag)))

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def land(self, data: st.DataObject) -> None:
        self._land(self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1))))

    @rule()
    def fail(self) -> None:
        self.cache.fail(REPLY, Unavailable("down"))

    @rule()
    def change_something_oneself(self) -> None:
        self.cache.doubt([("prompt", "support/reply")])

    @rule(seconds=st.sampled_from([0.001, 0.3, 5.0, 40.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def what_is_held_stays_held(self) -> None:
        held = self.cache.answer(REPLY)
        assert held is not None or self.best is None or self.ever_removed

    @invariant()
    def never_backwards_within_a_journal(self) -> None:
        held = self.cache.answer(REPLY)
        if held is None or not self.labelled:
            return
        revision = held.resolution.why.revision
        assert revision is not None
        here = (int(held.epoch.removeprefix("s.")), revision)
        assert self.best is None or here >= self.best
        self.best = here

    def teardown(self) -> None:
        """The noise dies down: before long the client knows the truth."""
        while self.flying:
            self._land(self.flying.pop())
        self.now += 1000.0
        self.cache.hung_up()
        self.connect()
        self.tell(len(self.journal))
        for _ in range(20):
            if self.cache.due():
                self._land(self._reply(len(self.journal)))
            self.now += 61.0
        version, revision = self._state(len(self.journal))
        held = self.cache.answer(REPLY)
        if version is None:
            assert held is None or not self.numbered or held.epoch != f"s.{self.epoch}"
        else:
            assert held is not None
            assert held.resolution.version == version
            assert held.resolution.why.revision == revision
            assert not self.cache.status(REPLY).stale

    def _revision(self) -> int:
        return max(line.revision for line in self.journal)

    def _state(self, seq: int) -> tuple[int | None, int]:
        ours = [line for line in self.journal[:seq] if line.ours]
        return ours[-1].version, ours[-1].revision

    def _reply(self, seq: int) -> InFlight:
        """What a node says that has seen the journal up to `seq`."""
        version, revision = self._state(seq)
        label = f"s.{self.epoch}" if self.labelled else ""
        number = seq if self.numbered else None
        if version is None:
            return InFlight(None, number, label, self.now)
        found = resolution(REPLY, version, revision=revision)
        made = answer(found, seq=number, epoch=label, asked_at=self.now)
        return InFlight(made, number, label, self.now)

    def _land(self, reply: InFlight) -> None:
        if reply.answer is not None:
            self.cache.settle(REPLY, reply.answer)
        else:
            self.cache.refuse(REPLY, NotFound("none"), reply.seq, reply.epoch, reply.asked_at)


World.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestWorld = World.TestCase
