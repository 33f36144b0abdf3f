"""The rows of evaluations."""

from __future__ import annotations

from collections.abc import Sequence

from pointsman.app.ports import ArtifactRow
from pointsman.app.ports.evaluation import (
    CaseRow,
    DroppedRow,
    EvaluationEndRow,
    EvaluationRow,
    WorkRow,
)
from pointsman.storage.statements import Connected, Statements, first_of

_LAST = 2**62


class EvaluationRecords(Statements):
    """Reads and writes of evaluations; see `app.ports.evaluation`.

    Each move asks whether there are any, so the answer is kept until one is added.
    """

    def __init__(self, connected: Connected) -> None:
        super().__init__(connected)
        self._any: dict[int, bool] = {}

    def _forget_rows(self) -> None:
        super()._forget_rows()
        self._any.clear()

    def any_evaluation(self, project_id: int) -> bool:
        found = self._any.get(project_id)
        if found is None:
            found = bool(self._run("any_evaluation", project_id=project_id))
            self._any[project_id] = found
        return found

    def artifacts_by_alias(self, project_id: int, kind: str, alias: str) -> list[ArtifactRow]:
        rows = self._run("artifacts_by_alias", project_id=project_id, kind=kind, alias=alias)
        return [ArtifactRow(*row) for row in rows]

    def evaluation(self, project_id: int, number: int) -> EvaluationRow | None:
        rows = self._run("evaluation", project_id=project_id, number=number)
        return first_of(EvaluationRow, rows)

    def evaluations(
        self, project_id: int, before: int | None, limit: int, *, artifact_id: int | None = None
    ) -> list[EvaluationRow]:
        last = _LAST if before is None else before
        if artifact_id is None:
            rows = self._run("evaluations", project_id=project_id, before=last, limit=limit)
        else:
            rows = self._run("evaluations_of", artifact_id=artifact_id, before=last, limit=limit)
        return [EvaluationRow(*row) for row in rows]

    def evaluations_sealed(self, project_id: int, seal: str) -> list[EvaluationRow]:
        rows = self._run("evaluations_sealed", project_id=project_id, seal=seal)
        return [EvaluationRow(*row) for row in rows]

    def open_evaluations(self, project_id: int, limit: int) -> list[EvaluationRow]:
        rows = self._run("open_evaluations", project_id=project_id, limit=limit)
        return [EvaluationRow(*row) for row in rows]

    def evaluation_work(self, project_id: int, number: int) -> WorkRow | None:
        rows = self._run("evaluation_work", project_id=project_id, number=number)
        return first_of(WorkRow, rows)

    def evaluation_end(self, project_id: int, number: int) -> EvaluationEndRow | None:
        rows = self._run("evaluation_end", project_id=project_id, number=number)
        return first_of(EvaluationEndRow, rows)

    def evaluation_cases(
        self, project_id: int, number: int, after: int, limit: int
    ) -> list[CaseRow]:
        rows = self._run(
            "evaluation_cases", project_id=project_id, number=number, after=after, limit=limit
        )
        return [CaseRow(*row) for row in rows]

    def worst_cases(
        self, project_id: int, number: int, after: tuple[int, int] | None, limit: int
    ) -> list[CaseRow]:
        worse, position = after or (_LAST, -1)
        rows = self._run(
            "worst_cases",
            project_id=project_id,
            number=number,
            worse=worse,
            after=position,
            limit=limit,
        )
        return [CaseRow(*row) for row in rows]

    def evaluations_naming(self, project_id: int, label: str) -> list[EvaluationRow]:
        within = "".join(f"!{sign}" if sign in "!%_" else sign for sign in label)
        rows = self._run("evaluations_naming", project_id=project_id, pattern=f"%{within}%")
        return [EvaluationRow(*row) for row in rows]

    def evaluation_dropped(self, project_id: int, number: int) -> DroppedRow | None:
        rows = self._run("evaluation_dropped", project_id=project_id, number=number)
        return first_of(DroppedRow, rows)

    def evaluations_with_old_cases(self, project_id: int, before: int, limit: int) -> list[int]:
        rows = self._run(
            "evaluations_with_old_cases", project_id=project_id, before=before, limit=limit
        )
        return [number for (number,) in rows]

    def made(self, project_id: int, key: str, since: int) -> str | None:
        body: str | None = self._value("made", project_id=project_id, key=key, since=since)
        return body

    def add_evaluation(self, project_id: int, row: EvaluationRow) -> None:
        self._run("add_evaluation", project_id=project_id, **row._asdict())
        self._run("open_evaluation", project_id=project_id, number=row.number)
        self._any.pop(project_id, None)

    def put_evaluation_work(self, project_id: int, row: WorkRow) -> None:
        self._run("put_evaluation_work", project_id=project_id, **row._asdict())

    def add_evaluation_end(self, project_id: int, row: EvaluationEndRow) -> None:
        self._run("add_evaluation_end", project_id=project_id, **row._asdict())
        self._run("close_evaluation", project_id=project_id, number=row.number)

    def put_evaluation_cases(self, project_id: int, number: int, rows: Sequence[CaseRow]) -> None:
        for row in rows:
            self._keep("put_evaluation_case", project_id=project_id, number=number, **row._asdict())

    def put_evaluation_report(self, project_id: int, number: int, report: str) -> None:
        self._run("put_evaluation_report", project_id=project_id, number=number, report=report)

    def drop_evaluation_cases(self, project_id: int, row: DroppedRow) -> None:
        self._run("drop_evaluation_cases", project_id=project_id, number=row.number)
        self._run("put_evaluation_dropped", project_id=project_id, **row._asdict())

    def keep_made(
        self, project_id: int, rows: Sequence[tuple[str, str]], at: int, number: int = 0
    ) -> None:
        for key, body in rows:
            self._keep("keep_made", project_id=project_id, key=key, body=body, at=at, number=number)

    def forget_made_for(self, project_id: int, number: int) -> None:
        self._run("forget_made_for", project_id=project_id, number=number)

    def forget_made(self, project_id: int, before: int) -> None:
        self._run("forget_made", project_id=project_id, before=before)
