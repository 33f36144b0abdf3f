"""What the use cases need of a store for evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from pointsman.app.ports import ArtifactRow


class EvaluationRow(NamedTuple):
    """An evaluation that was asked for. `orders` is JSON; see `app.evaluating.orders`."""

    number: int
    seal: str
    artifact_id: int
    version: int
    against: int | None
    suite_id: int
    suite_version: int
    alias: str
    orders: str
    subject: str
    by_name: str
    at: int
    change_number: int | None
    fresh: int


class WorkRow(NamedTuple):
    """Who works on an evaluation, and how far it is. `attempt` counts who took it up.

    `calls` and `spent` (in 10^-12 of the currency's unit) are what all of them used.
    """

    number: int
    worker: str
    attempt: int
    lease_until: int
    done: int = 0
    total: int = 0
    reused: int = 0
    calls: int = 0
    spent: int = 0


class EvaluationEndRow(NamedTuple):
    """How an evaluation ended: passed, failed, inconclusive or cancelled. `report` is JSON."""

    number: int
    state: str
    at: int
    by_name: str
    summary: str
    report: str | None


class CaseRow(NamedTuple):
    """What both sides gave on a row, as JSON. `worse` is in millionths of a score."""

    position: int
    worse: int
    body: str


class DroppedRow(NamedTuple):
    """When the rows of an evaluation were dropped, and the removed version that they went with.

    `label` is empty where they were only old.
    """

    number: int
    at: int
    label: str


class EvaluationReader(Protocol):
    """What is read of evaluations."""

    def any_evaluation(self, project_id: int) -> bool:
        """Whether anything was ever evaluated."""
        ...

    def artifacts_by_alias(self, project_id: int, kind: str, alias: str) -> list[ArtifactRow]:
        """The artifacts of a kind that have an alias, by name."""
        ...

    def evaluation(self, project_id: int, number: int) -> EvaluationRow | None: ...
    def evaluations(
        self, project_id: int, before: int | None, limit: int, *, artifact_id: int | None = None
    ) -> list[EvaluationRow]:
        """Evaluations, of an artifact or all, newest first, below a number."""
        ...

    def evaluations_sealed(self, project_id: int, seal: str) -> list[EvaluationRow]:
        """The last evaluations of exactly this, newest first."""
        ...

    def open_evaluations(self, project_id: int, limit: int) -> list[EvaluationRow]:
        """Those that have not ended, oldest first."""
        ...

    def evaluation_work(self, project_id: int, number: int) -> WorkRow | None: ...
    def evaluation_end(self, project_id: int, number: int) -> EvaluationEndRow | None: ...
    def evaluation_cases(
        self, project_id: int, number: int, after: int, limit: int
    ) -> list[CaseRow]:
        """Cases in the order of their rows, after a position (-1: from the first)."""
        ...

    def worst_cases(
        self, project_id: int, number: int, after: tuple[int, int] | None, limit: int
    ) -> list[CaseRow]:
        """Cases, those that got worse first, after one's (worse, position)."""
        ...

    def evaluations_naming(self, project_id: int, label: str) -> list[EvaluationRow]:
        """Evaluations whose orders have this text in them; capitals may be taken for small."""
        ...

    def evaluation_dropped(self, project_id: int, number: int) -> DroppedRow | None: ...
    def evaluations_with_old_cases(self, project_id: int, before: int, limit: int) -> list[int]:
        """The numbers of evaluations that ended before a moment and still have cases."""
        ...

    def made(self, project_id: int, key: str, since: int) -> str | None:
        """An output or a score by the digest of all that made it, if made since a moment."""
        ...


class EvaluationTransaction(EvaluationReader, Protocol):
    """What is written of evaluations."""

    def add_evaluation(self, project_id: int, row: EvaluationRow) -> None: ...
    def put_evaluation_work(self, project_id: int, row: WorkRow) -> None: ...
    def add_evaluation_end(self, project_id: int, row: EvaluationEndRow) -> None: ...
    def put_evaluation_cases(
        self, project_id: int, number: int, rows: Sequence[CaseRow]
    ) -> None: ...
    def put_evaluation_report(self, project_id: int, number: int, report: str) -> None: ...
    def drop_evaluation_cases(self, project_id: int, row: DroppedRow) -> None:
        """Drop all cases of an evaluation, and note that."""
        ...

    def keep_made(
        self, project_id: int, rows: Sequence[tuple[str, str]], at: int, number: int = 0
    ) -> None:
        """Keep outputs and scores, each with its digest, made for an evaluation."""
        ...

    def forget_made_for(self, project_id: int, number: int) -> None:
        """Drop outputs and scores that were made for an evaluation."""
        ...

    def forget_made(self, project_id: int, before: int) -> None:
        """Drop outputs and scores that were made before a moment."""
        ...
