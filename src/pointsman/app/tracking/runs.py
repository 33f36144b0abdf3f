"""Runs of experiments, and what is logged to them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pointsman.app.application import View, Work
from pointsman.app.ports.tracking import NoteKind, NoteRow, PointRow, RunRow
from pointsman.app.tracking import experiments
from pointsman.app.tracking.experiments import require
from pointsman.core.canonical import digest, quoted
from pointsman.core.tracking import (
    MAX_BATCH,
    MAX_NAME,
    RUN_STATES,
    check_label,
    check_value,
    is_run_id,
    of_model,
    of_run,
    run_root,
)
from pointsman.errors import InvalidInput, NotFound, TooLarge

NAME_TAG: Final = "mlflow.runName"


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a metric, and the logged model that it was measured on, if any."""

    row: PointRow
    model_id: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is logged at once."""

    points: Sequence[Point] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    """A run with all that was logged to it; of each metric the last point."""

    row: RunRow
    metrics: Sequence[PointRow]
    notes: Sequence[NoteRow]


def find(view: View, run_id: str) -> RunRow:
    """The run of this id. Raises `NotFound`."""
    row = view.reader.run(view.project.id, run_id) if is_run_id(run_id) else None
    if row is None:
        raise NotFound(f"Run with id={run_id} not found", code="run_not_found", field="run_id")
    return row


def active(view: View, run_id: str) -> RunRow:
    """A run that is not deleted. Raises `NotFound` or `InvalidInput`."""
    row = find(view, run_id)
    if row.deleted_at is not None:
        raise InvalidInput(
            f"The run {run_id} must be in the 'active' state. Current state is deleted.",
            code="run_deleted",
            hint="Restore it first.",
            field="run_id",
        )
    return row


def get(view: View, run_id: str) -> Run:
    """A run with what was logged to it. Raises `NotFound` and `Refused`."""
    require(view, "read")
    return whole(view, find(view, run_id))


def whole(view: View, row: RunRow) -> Run:
    """The run with what was logged to it."""
    subject = of_run(row.id)
    metrics = view.reader.last_metrics(view.project.id, subject)
    return Run(row, metrics, view.reader.tracked_notes(view.project.id, subject))


def create(
    work: Work, experiment: int, name: str, user: str, started_at: int, tags: Mapping[str, str]
) -> Run:
    """Begin a run. Raises `NotFound`, `InvalidInput`, `TooLarge` and `Refused`."""
    require(work, "write")
    home = experiments.active(work, experiment)
    run_id = secrets.token_hex(16)
    said = tags.get(NAME_TAG, "")
    if name and said and name != said:
        raise InvalidInput(
            f"run_name is {quoted(name)}, and the tag {NAME_TAG} is {quoted(said)}.",
            code="invalid_parameter",
            hint="Give one of them.",
            field="run_name",
        )
    name = check_label(name or said or f"run-{run_id[:8]}", "run_name", MAX_NAME)
    rest = run_root(experiment, run_id).partition("/")[2]
    row = RunRow(
        id=run_id,
        experiment=experiment,
        name=name,
        by_name=check_value(user, "user_id") or work.actor.name,
        status="RUNNING",
        started_at=started_at,
        ended_at=None,
        location=f"{home.location}/{rest}",
        created_at=work.clock_now,
    )
    work.tx.put_run(work.project.id, row)
    _note(work, row, "tag", {**tags, NAME_TAG: name})
    return whole(work, row)


def update(work: Work, run_id: str, status: str, ended_at: int | None, name: str) -> RunRow:
    """Say how a run stands; what is empty or None stays. Raises as `create` does."""
    require(work, "write")
    row = active(work, run_id)
    if status:
        row = row._replace(status=_state(status))
    if ended_at is not None:
        row = row._replace(ended_at=ended_at)
    if name:
        row = row._replace(name=check_label(name, "run_name", MAX_NAME))
        _note(work, row, "tag", {NAME_TAG: name})
    work.tx.put_run(work.project.id, row)
    return row


def delete(work: Work, run_id: str) -> None:
    """Mark a run as deleted; its files stay. Raises `NotFound` and `Refused`."""
    require(work, "write")
    row = find(work, run_id)
    if row.deleted_at is None:
        work.tx.put_run(work.project.id, row._replace(deleted_at=work.clock_now))


def restore(work: Work, run_id: str) -> None:
    """Take the mark away. Raises `NotFound` and `Refused`."""
    require(work, "write")
    work.tx.put_run(work.project.id, find(work, run_id)._replace(deleted_at=None))


def log(work: Work, run_id: str, batch: Batch) -> None:
    """Log to a run. What was said of a param stays.

    Raises `NotFound`, `InvalidInput`, `TooLarge` and `Refused`; then nothing is logged.
    """
    require(work, "write")
    row = active(work, run_id)
    count = len(batch.points) + len(batch.params) + len(batch.tags)
    if count > MAX_BATCH:
        raise TooLarge(
            f"{count:,} metrics, params and tags were sent at once.",
            code="batch_too_large",
            hint=f"Send at most {MAX_BATCH:,} in a request.",
        )
    check_params(work, of_run(run_id), batch.params)
    _note(work, row, "param", batch.params)
    _note(work, row, "tag", batch.tags)
    if name := batch.tags.get(NAME_TAG):
        work.tx.put_run(work.project.id, row._replace(name=check_label(name, "run_name", MAX_NAME)))
    _add_points(work, row, batch.points)


def delete_tag(work: Work, run_id: str, key: str) -> None:
    """Delete a tag. Raises `NotFound`, also for the tag, and `Refused`."""
    require(work, "write")
    row = active(work, run_id)
    notes = work.tx.tracked_notes(work.project.id, of_run(row.id))
    if not any(one.kind == "tag" and one.key == key for one in notes):
        raise NotFound(
            f"No tag with name: {key} in run with id {run_id}", code="tag_not_found", field="key"
        )
    work.tx.drop_tracked_note(work.project.id, of_run(row.id), "tag", key)


def add_inputs(
    work: Work, run_id: str, datasets: Iterable[Mapping[str, object]], models: Iterable[str]
) -> None:
    """Note the datasets and the logged models that a run takes. Raises as `log` does."""
    require(work, "write")
    row = active(work, run_id)
    for one in datasets:
        known = one.get("dataset")
        named = known if isinstance(known, dict) else {}
        key = digest(json.dumps([named.get("name"), named.get("digest")]))
        _note(work, row, "dataset", {key: json.dumps(one, sort_keys=True)})
    _note(work, row, "input", dict.fromkeys(models, ""))


def add_outputs(work: Work, run_id: str, models: Mapping[str, int]) -> None:
    """Note the logged models that a run made, by their ids, and at which step."""
    require(work, "write")
    row = active(work, run_id)
    _note(work, row, "output", {model: str(step) for model, step in models.items()})


def history(
    view: View, run_id: str, key: str, after: PointRow | None, limit: int
) -> list[PointRow]:
    """The points of a metric. Raises `NotFound` and `Refused`."""
    require(view, "read")
    row = find(view, run_id)
    return view.reader.metric_points(view.project.id, of_run(row.id), key, after, limit)


def check_params(work: Work, subject: str, params: Mapping[str, str]) -> None:
    """Raise `InvalidInput` if a param was logged with another value."""
    if not params:
        return
    notes = work.tx.tracked_notes(work.project.id, subject)
    known = {one.key: one.value for one in notes if one.kind == "param"}
    for key, value in params.items():
        if known.get(key, value) != value:
            raise InvalidInput(
                f"Changing param values is not allowed. Param with key={quoted(key)} was already "
                f"logged with value={quoted(known[key])}. Attempted logging new value "
                f"{quoted(value)}.",
                code="param_exists",
                hint="Log it under another key, or in another run.",
                field="value",
            )


def _note(work: Work, row: RunRow, kind: NoteKind, values: Mapping[str, str]) -> None:
    for key, value in values.items():
        note = NoteRow(kind, check_label(key, "key"), check_value(value, "value"))
        work.tx.put_tracked_note(work.project.id, of_run(row.id), note)


def _add_points(work: Work, row: RunRow, points: Sequence[Point]) -> None:
    for one in points:
        check_label(one.row.key, "key")
    work.tx.add_metric_points(work.project.id, of_run(row.id), [one.row for one in points])
    by_model: dict[str, list[PointRow]] = {}
    for one in points:
        if one.model_id:
            by_model.setdefault(one.model_id, []).append(one.row)
    for model_id, rows in by_model.items():
        if work.tx.logged_model(work.project.id, model_id) is None:
            raise NotFound(
                f"Logged model with ID {quoted(model_id)} not found.",
                code="logged_model_not_found",
                field="model_id",
            )
        work.tx.add_metric_points(work.project.id, of_model(model_id), rows)


def _state(text: str) -> str:
    if text not in RUN_STATES:
        raise InvalidInput(
            f"{quoted(text)} is no status of a run.",
            code="invalid_parameter",
            hint=f"Use one of {', '.join(RUN_STATES)}.",
            field="status",
        )
    return text
