"""The rows of experiments, runs, logged models and their files."""

from __future__ import annotations

from collections.abc import Iterable

from pointsman.app.ports.tracking import (
    ExperimentRow,
    LoggedModelRow,
    NoteKind,
    NoteRow,
    PointRow,
    RunFileRow,
    RunRow,
    TraceRow,
)
from pointsman.storage.statements import Statements, first_of

_LAST = 2**62
_NEXT_SIGN = "0"
"""The sign after the slash: what is below a folder lies between the two."""
_BEHIND_ALL = "\U0010ffff"


class TrackingRecords(Statements):
    """Reads and writes of tracking; see `app.ports.tracking`."""

    def experiment(self, project_id: int, number: int) -> ExperimentRow | None:
        """See `app.ports.tracking`."""
        rows = self._run("experiment", project_id=project_id, number=number)
        return first_of(ExperimentRow, rows)

    def experiment_by_name(self, project_id: int, name: str) -> ExperimentRow | None:
        """See `app.ports.tracking`."""
        rows = self._run("experiment_by_name", project_id=project_id, name=name)
        return first_of(ExperimentRow, rows)

    def experiments(self, project_id: int, before: int | None, limit: int) -> list[ExperimentRow]:
        """See `app.ports.tracking`."""
        below = _LAST if before is None else before
        rows = self._run("experiments", project_id=project_id, before=below, limit=limit)
        return [ExperimentRow(*row) for row in rows]

    def put_experiment(self, project_id: int, row: ExperimentRow) -> None:
        """See `app.ports.tracking`."""
        self._run("put_experiment", project_id=project_id, **row._asdict())

    def run(self, project_id: int, run_id: str) -> RunRow | None:
        """See `app.ports.tracking`."""
        return first_of(RunRow, self._run("run", project_id=project_id, id=run_id))

    def runs(
        self, project_id: int, experiment: int, before: tuple[int, str] | None, limit: int
    ) -> list[RunRow]:
        """See `app.ports.tracking`."""
        at, run_id = before or (_LAST, "")
        rows = self._run(
            "runs",
            project_id=project_id,
            experiment=experiment,
            before=at,
            before_id=run_id,
            limit=limit,
        )
        return [RunRow(*row) for row in rows]

    def put_run(self, project_id: int, row: RunRow) -> None:
        """See `app.ports.tracking`."""
        self._run("put_run", project_id=project_id, **row._asdict())

    def logged_model(self, project_id: int, model_id: str) -> LoggedModelRow | None:
        """See `app.ports.tracking`."""
        rows = self._run("logged_model", project_id=project_id, id=model_id)
        return first_of(LoggedModelRow, rows)

    def logged_models(
        self, project_id: int, experiment: int, before: tuple[int, str] | None, limit: int
    ) -> list[LoggedModelRow]:
        """See `app.ports.tracking`."""
        at, model_id = before or (_LAST, "")
        rows = self._run(
            "logged_models",
            project_id=project_id,
            experiment=experiment,
            before=at,
            before_id=model_id,
            limit=limit,
        )
        return [LoggedModelRow(*row) for row in rows]

    def put_logged_model(self, project_id: int, row: LoggedModelRow) -> None:
        """See `app.ports.tracking`."""
        self._run("put_logged_model", project_id=project_id, **row._asdict())

    def tracked_notes(self, project_id: int, subject: str) -> list[NoteRow]:
        """See `app.ports.tracking`."""
        rows = self._run("tracked_notes", project_id=project_id, subject=subject)
        return [NoteRow(*row) for row in rows]

    def put_tracked_note(self, project_id: int, subject: str, row: NoteRow) -> None:
        """See `app.ports.tracking`."""
        self._run("put_tracked_note", project_id=project_id, subject=subject, **row._asdict())

    def drop_tracked_note(self, project_id: int, subject: str, kind: NoteKind, key: str) -> None:
        """See `app.ports.tracking`."""
        self._run("drop_tracked_note", project_id=project_id, subject=subject, kind=kind, key=key)

    def last_metrics(self, project_id: int, subject: str) -> list[PointRow]:
        """See `app.ports.tracking`."""
        rows = self._run("last_metrics", project_id=project_id, subject=subject)
        return [PointRow(*row) for row in rows]

    def metric_points(
        self, project_id: int, subject: str, key: str, after: PointRow | None, limit: int
    ) -> list[PointRow]:
        """See `app.ports.tracking`."""
        _, step, at, value = after or PointRow(key, -_LAST, 0, "")
        rows = self._run(
            "metric_points",
            project_id=project_id,
            subject=subject,
            key=key,
            step=step,
            at=at,
            value=value,
            limit=limit,
        )
        return [PointRow(*row) for row in rows]

    def add_metric_points(self, project_id: int, subject: str, rows: Iterable[PointRow]) -> None:
        """See `app.ports.tracking`."""
        last: dict[str, PointRow] = {}
        for row in rows:
            self._keep("add_metric_point", project_id=project_id, subject=subject, **row._asdict())
            known = last.get(row.key)
            if known is None or (row.step, row.at) >= (known.step, known.at):
                last[row.key] = row
        for row in last.values():
            self._run("put_last_metric", project_id=project_id, subject=subject, **row._asdict())

    def run_file(self, project_id: int, path: str) -> RunFileRow | None:
        """See `app.ports.tracking`."""
        return first_of(RunFileRow, self._run("run_file", project_id=project_id, path=path))

    def run_files(
        self, project_id: int, folder: str, after: str | None, limit: int
    ) -> list[RunFileRow]:
        """See `app.ports.tracking`."""
        rows = self._run(
            "run_files",
            project_id=project_id,
            after=(f"{folder}/" if folder else "") if after is None else after,
            before=folder + _NEXT_SIGN if folder else _BEHIND_ALL,
            limit=limit,
        )
        return [RunFileRow(*row) for row in rows]

    def run_file_named(self, project_id: int, sha256: str) -> str | None:
        """See `app.ports.tracking`."""
        found: str | None = self._value("run_file_named", project_id=project_id, blob=sha256)
        return found

    def put_run_file(self, project_id: int, row: RunFileRow) -> None:
        """See `app.ports.tracking`."""
        path, size, sha256, at = row
        self._run("put_run_file", project_id=project_id, path=path, size=size, blob=sha256, at=at)

    def drop_run_files(self, project_id: int, path: str) -> None:
        """See `app.ports.tracking`."""
        self._run(
            "drop_run_files",
            project_id=project_id,
            path=path,
            after=f"{path}/",
            before=path + _NEXT_SIGN,
        )

    def trace(self, project_id: int, trace_id: str) -> TraceRow | None:
        """See `app.ports.tracking`."""
        return first_of(TraceRow, self._run("trace", project_id=project_id, id=trace_id))

    def put_trace(self, project_id: int, row: TraceRow) -> None:
        """See `app.ports.tracking`."""
        self._run("put_trace", project_id=project_id, **row._asdict())
