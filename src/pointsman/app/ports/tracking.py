"""What the use cases need of a store for tracking: experiments, runs, logged models, files.

All of it belongs to a project. A *subject* is what something was said of: `core.tracking`
spells those of experiments, runs, logged models and traces.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, Protocol

NoteKind = Literal["param", "tag", "dataset", "input", "output", "prompt"]


class ExperimentRow(NamedTuple):
    """An experiment; `location` is where the files of its runs are."""

    number: int
    name: str
    location: str
    created_at: int
    updated_at: int
    deleted_at: int | None = None


class RunRow(NamedTuple):
    """A run. `started_at` and `ended_at` are what its client said, `created_at` is ours."""

    id: str
    experiment: int
    name: str
    by_name: str
    status: str
    started_at: int
    ended_at: int | None
    location: str
    created_at: int
    deleted_at: int | None = None


class LoggedModelRow(NamedTuple):
    """A model that was logged; `run_id` is empty for one of no run."""

    id: str
    experiment: int
    run_id: str
    name: str
    type: str
    status: str
    location: str
    created_at: int
    updated_at: int
    deleted_at: int | None = None


class NoteRow(NamedTuple):
    """What was said once of a subject."""

    kind: NoteKind
    key: str
    value: str


class PointRow(NamedTuple):
    """A point of a metric; `value` is the text of a double."""

    key: str
    step: int
    at: int
    value: str


class RunFileRow(NamedTuple):
    """A file of a run or a logged model, and the blob that its bytes are."""

    path: str
    size: int
    sha256: str
    at: int


class TraceRow(NamedTuple):
    """A trace without its spans; `body` is JSON."""

    id: str
    experiment: int
    body: str
    at: int


class TrackingReader(Protocol):
    """What is read of experiments, runs, logged models and their files."""

    def experiment(self, project_id: int, number: int) -> ExperimentRow | None: ...
    def experiment_by_name(self, project_id: int, name: str) -> ExperimentRow | None: ...
    def experiments(self, project_id: int, before: int | None, limit: int) -> list[ExperimentRow]:
        """Experiments, newest first, below the number `before`."""
        ...

    def run(self, project_id: int, run_id: str) -> RunRow | None: ...
    def runs(
        self, project_id: int, experiment: int, before: tuple[int, str] | None, limit: int
    ) -> list[RunRow]:
        """Runs of an experiment, newest first, before a position (made when, id)."""
        ...

    def logged_model(self, project_id: int, model_id: str) -> LoggedModelRow | None: ...
    def logged_models(
        self, project_id: int, experiment: int, before: tuple[int, str] | None, limit: int
    ) -> list[LoggedModelRow]:
        """Logged models of an experiment, newest first, before a position (made when, id)."""
        ...

    def tracked_notes(self, project_id: int, subject: str) -> list[NoteRow]:
        """What was said of a subject, by kind and key."""
        ...

    def last_metrics(self, project_id: int, subject: str) -> list[PointRow]:
        """The last point of each metric of a subject, by key."""
        ...

    def metric_points(
        self, project_id: int, subject: str, key: str, after: PointRow | None, limit: int
    ) -> list[PointRow]:
        """The points of a metric by step, time and value, after one of them."""
        ...

    def run_file(self, project_id: int, path: str) -> RunFileRow | None: ...
    def run_files(
        self, project_id: int, folder: str, after: str | None, limit: int
    ) -> list[RunFileRow]:
        """The files below a folder in the order of their paths, after the path `after`.

        Below the empty folder are the files of the whole project.
        """
        ...

    def run_file_named(self, project_id: int, sha256: str) -> str | None:
        """The path of some file whose bytes are this blob, or None if there is none."""
        ...

    def trace(self, project_id: int, trace_id: str) -> TraceRow | None: ...


class TrackingTransaction(TrackingReader, Protocol):
    """What is written of experiments, runs, logged models and their files."""

    def put_experiment(self, project_id: int, row: ExperimentRow) -> None:
        """Add an experiment, or change its name and whether it is deleted."""
        ...

    def put_run(self, project_id: int, row: RunRow) -> None:
        """Add a run, or change its name, how it stands and whether it is deleted."""
        ...

    def put_logged_model(self, project_id: int, row: LoggedModelRow) -> None:
        """Add a logged model, or change how it stands and whether it is deleted."""
        ...

    def put_tracked_note(self, project_id: int, subject: str, row: NoteRow) -> None: ...
    def drop_tracked_note(
        self, project_id: int, subject: str, kind: NoteKind, key: str
    ) -> None: ...
    def add_metric_points(self, project_id: int, subject: str, rows: Iterable[PointRow]) -> None:
        """Add points; one that is there already stays as it is. The last ones follow."""
        ...

    def put_run_file(self, project_id: int, row: RunFileRow) -> None: ...
    def drop_run_files(self, project_id: int, path: str) -> None:
        """Remove the file at a path, or all that are below it."""
        ...

    def put_trace(self, project_id: int, row: TraceRow) -> None: ...
