"""How a use case runs: who asks, in which project, in one transaction, once.

A use case is a function of a `View` (it only reads) or a `Work` (it also writes). It reads,
lets `core` decide, writes the rows that change and records one journal entry for each fact.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from pointsman.app.passwords import Attempts
from pointsman.app.ports import ArtifactRow, ProjectRow, Reader, Store, Transaction
from pointsman.core.access import Actor, may, refuse_narrow
from pointsman.core.journal import Line, follow
from pointsman.core.names import check_kind, check_name
from pointsman.core.plain import from_plain, to_plain
from pointsman.core.policy import Policy
from pointsman.core.vocabulary import Verb
from pointsman.errors import Conflict, InvalidInput, NotFound

T = TypeVar("T")

# Facts are our own: text, whole numbers, lists, None, keys in ASCII. For those, and without
# looking first, this is the canonical form.
_fact = msgspec.json.Encoder(order="sorted").encode

DEFAULT_PROJECT = "default"
MAX_IDEMPOTENCY_KEY = 255
KEPT = 48 * 3600 * 1_000_000
"""Microseconds for which the answer to an idempotency key is remembered at least."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and in which project."""

    actor: Actor
    project: ProjectRow


class View:
    """A consistent look at one project, on behalf of a caller."""

    def __init__(self, reader: Reader, caller: Caller, now: int | None = None) -> None:
        self._clock = time.time_ns() // 1000 if now is None else now
        self.worked_out: dict[Hashable, object] = {}
        """What use cases have worked out and will look up again."""
        self.policies: list[Policy] | None = None
        """The policies in force, once `app.policies` has read them."""
        self.reader = reader
        self.actor = caller.actor
        self.project = caller.project

    @property
    def clock_now(self) -> int:
        """The time by the clock, in microseconds."""
        return self._clock

    def require(self, verb: Verb, kind: str = "", artifact: str = "", alias: str = "") -> None:
        """Raise `Refused` unless the caller may do this, to this artifact and alias of it.

        Without an artifact: to any at all; then each has to be asked about when it is known.
        """
        may(self.actor, verb, kind, artifact, alias).enforce()

    def require_all(self, verb: Verb) -> None:
        """Raise `Refused` unless the caller may do this to the project as a whole."""
        self.require(verb)
        refuse_narrow(self.actor, verb).enforce()

    def artifact(self, kind: str, name: str) -> ArtifactRow:
        """The artifact of this kind and name.

        Raises `NotFound`, `InvalidName`, or `Refused` if the caller may not read it.
        """
        kind, name = check_kind(kind), check_name(name)
        if self.actor.narrow:
            self.require("read", kind, name)
        row = self.reader.artifact(self.project.id, kind, name)
        if row is None:
            raise NotFound(
                f"There is no {kind} {name!r} in the project {self.project.name!r}.",
                code="artifact_not_found",
                hint="Check the spelling; names mind upper and lower case.",
                field="name",
            )
        return row


class Work(View):
    """A view that may also write, and that keeps the record of what it does."""

    def __init__(self, transaction: Transaction, caller: Caller, now: int) -> None:
        super().__init__(transaction, caller, now)
        self.tx = transaction

    @property
    def now(self) -> int:
        """The time of the next journal entry: state that changes with it carries this time."""
        return max(self._clock, self.tx.head(self.project.id).at + 1)

    @property
    def next_seq(self) -> int:
        """The sequence number that the next journal entry will have."""
        return self.tx.head(self.project.id).seq + 1

    def record(
        self,
        type: str,  # noqa: A002 - the field's own name
        data: Mapping[str, Any],
        *,
        artifact: int | None = None,
        alias: str | None = None,
    ) -> Line:
        """Add a fact to the project's journal."""
        actor = self.actor
        line, head = follow(
            self.tx.head(self.project.id),
            self._clock,
            type=type,
            actor=actor.id,
            by=actor.name,
            via=actor.via,
            data=_fact(data).decode(),
            artifact=artifact,
            alias=alias,
        )
        self.tx.append(self.project.id, line, head)
        return line


@dataclass(frozen=True, slots=True)
class Once:
    """A request that must take effect once: its idempotency key and its own digest."""

    key: str
    request: str


class Application:
    """Runs use cases against a store. Safe to use from any thread."""

    def __init__(
        self, store: Store, clock: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        self.store = store
        self.clock = clock
        self.attempts = Attempts()
        self._projects: dict[str, ProjectRow] = {}

    def project(self, name: str) -> ProjectRow:
        """The project of this name. Raises `NotFound`."""
        row = self._projects.get(name)
        if row is None:
            with self.store.read() as reader:
                row = reader.project(name)
            if row is None:
                raise NotFound(f"There is no project {name!r}.", code="project_not_found")
            self._projects[name] = row
        return row

    def read(self, caller: Caller, use_case: Callable[[View], T]) -> T:
        """Run a use case that only reads, on one consistent view."""
        with self.store.read() as reader:
            return use_case(View(reader, caller, self.clock()))

    def write(
        self,
        caller: Caller,
        use_case: Callable[[Work], T],
        once: Once | None = None,
        answer: type[T] | None = None,
    ) -> T:
        """Run a use case in a transaction; its result is returned once it is durable.

        With `once`, a repeated request gets the first one's answer, of the type `answer`.
        """
        return self.store.write(caller.project.id, self._change(caller, use_case, once, answer))

    def submit(
        self,
        caller: Caller,
        use_case: Callable[[Work], T],
        done: Callable[[T | None, BaseException | None], None],
        once: Once | None = None,
        answer: type[T] | None = None,
    ) -> None:
        """`write` without waiting: `done(result, error)` is called on the writer's thread."""
        change = self._change(caller, use_case, once, answer)
        self.store.submit(caller.project.id, change, done)

    def _change(
        self,
        caller: Caller,
        use_case: Callable[[Work], T],
        once: Once | None,
        answer: type[T] | None,
    ) -> Callable[[Transaction], T]:
        def change(transaction: Transaction) -> T:
            work = Work(transaction, caller, self.clock())
            if once is None or answer is None:
                return use_case(work)
            return _once(work, use_case, once, answer)

        return change


def _once(work: Work, use_case: Callable[[Work], T], once: Once, answer: type[T]) -> T:
    if not 1 <= len(once.key) <= MAX_IDEMPOTENCY_KEY or not once.key.isprintable():
        raise InvalidInput(
            "The idempotency key is empty, too long or not printable.",
            code="invalid_idempotency_key",
            hint=f"Use 1 to {MAX_IDEMPOTENCY_KEY} printable characters, such as a UUID.",
            field="Idempotency-Key",
        )
    # A key belongs to who sent it: another caller can neither read its answer nor block it.
    key = f"{work.actor.id}\n{once.key}"
    earlier = work.tx.remembered(work.project.id, key)
    if earlier is not None:
        if earlier.request != once.request:
            raise Conflict(
                "This idempotency key was used for another request.",
                code="idempotency_key_reused",
                hint="Use a new key for each request, and the same one only to repeat it.",
                field="Idempotency-Key",
            )
        return from_plain(answer, json.loads(earlier.answer))
    result = use_case(work)
    text = json.dumps(to_plain(result), ensure_ascii=False)
    work.tx.remember(work.project.id, key, once.request, text, work.now)
    return result
