"""Logged models: what a run made, before somebody registers it as a version."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pointsman.app.application import View, Work
from pointsman.app.ports.tracking import LoggedModelRow, NoteKind, NoteRow, PointRow
from pointsman.app.tracking import experiments, runs
from pointsman.app.tracking.experiments import require
from pointsman.core.canonical import quoted
from pointsman.core.tracking import (
    MAX_BATCH,
    MAX_NAME,
    MODEL_STATES,
    check_label,
    check_value,
    is_model_id,
    model_root,
    of_model,
)
from pointsman.errors import InvalidInput, NotFound, TooLarge


@dataclass(frozen=True, slots=True)
class LoggedModel:
    """A logged model with what was said of it; of each metric the last point."""

    row: LoggedModelRow
    metrics: Sequence[PointRow]
    notes: Sequence[NoteRow]


def find(view: View, model_id: str, *, deleted: bool = False) -> LoggedModelRow:
    """The logged model of this id, also one that is `deleted` if so wanted.

    Raises `NotFound`.
    """
    row = view.reader.logged_model(view.project.id, model_id) if is_model_id(model_id) else None
    if row is None or (row.deleted_at is not None and not deleted):
        raise NotFound(
            f"Logged model with ID {quoted(model_id)} not found.",
            code="logged_model_not_found",
            field="model_id",
        )
    return row


def active(view: View, model_id: str) -> LoggedModelRow:
    """The logged model of this id that is not deleted. Raises `NotFound`."""
    return find(view, model_id)


def get(view: View, model_id: str, *, deleted: bool = False) -> LoggedModel:
    """A logged model with what was said of it. Raises `NotFound` and `Refused`."""
    require(view, "read")
    return whole(view, find(view, model_id, deleted=deleted))


def whole(view: View, row: LoggedModelRow) -> LoggedModel:
    """The logged model with what was said of it."""
    subject = of_model(row.id)
    metrics = view.reader.last_metrics(view.project.id, subject)
    return LoggedModel(row, metrics, view.reader.tracked_notes(view.project.id, subject))


def create(
    work: Work,
    experiment: int,
    run_id: str,
    name: str,
    type: str,  # noqa: A002 - the field's own name
    params: Mapping[str, str],
    tags: Mapping[str, str],
) -> LoggedModel:
    """Begin to log a model. Raises `NotFound`, `InvalidInput`, `TooLarge` and `Refused`."""
    require(work, "write")
    home = experiments.active(work, experiment)
    if run_id:
        runs.active(work, run_id)
    model_id = f"m-{secrets.token_hex(16)}"
    name = check_label(name, "name", MAX_NAME) if name else f"model-{model_id[2:10]}"
    if any(sign in name for sign in "/:.%\"'"):
        raise InvalidInput(
            f"Invalid model name {quoted(name)}.",
            code="invalid_parameter",
            hint="It must have none of these signs: / : . % \" '",
            field="name",
        )
    rest = model_root(experiment, model_id).partition("/")[2]
    row = LoggedModelRow(
        id=model_id,
        experiment=experiment,
        run_id=run_id,
        name=name,
        type=check_value(type, "model_type"),
        status=MODEL_STATES[0],
        location=f"{home.location}/{rest}",
        created_at=work.clock_now,
        updated_at=work.clock_now,
    )
    work.tx.put_logged_model(work.project.id, row)
    _note(work, row, "param", params)
    _note(work, row, "tag", tags)
    return whole(work, row)


def finish(work: Work, model_id: str, status: str) -> LoggedModel:
    """Say how a logged model stands. Raises `NotFound`, `InvalidInput` and `Refused`."""
    require(work, "write")
    row = active(work, model_id)
    if status not in MODEL_STATES[1:]:
        raise InvalidInput(
            f"{quoted(status)} is no status that a logged model can be given.",
            code="invalid_parameter",
            hint=f"Use one of {', '.join(MODEL_STATES[1:])}.",
            field="status",
        )
    return whole(work, _put(work, row._replace(status=status)))


def delete(work: Work, model_id: str) -> None:
    """Mark a logged model as deleted; versions that were made of it stay as they are.

    Raises `NotFound` and `Refused`.
    """
    require(work, "write")
    _put(work, active(work, model_id)._replace(deleted_at=work.clock_now))


def add_params(work: Work, model_id: str, params: Mapping[str, str]) -> None:
    """Log params to a model. What was said of one stays. Raises as `create` does."""
    require(work, "write")
    row = active(work, model_id)
    runs.check_params(work, of_model(row.id), params)
    _note(work, row, "param", params)


def set_tags(work: Work, model_id: str, tags: Mapping[str, str]) -> LoggedModel:
    """Set tags. Raises as `create` does."""
    require(work, "write")
    row = active(work, model_id)
    _note(work, row, "tag", tags)
    return whole(work, _put(work, row))


def delete_tag(work: Work, model_id: str, key: str) -> None:
    """Delete a tag, if it is there. Raises `NotFound` and `Refused`."""
    require(work, "write")
    row = active(work, model_id)
    work.tx.drop_tracked_note(work.project.id, of_model(row.id), "tag", key)


def _note(work: Work, row: LoggedModelRow, kind: NoteKind, values: Mapping[str, str]) -> None:
    if len(values) > MAX_BATCH:
        raise TooLarge(
            f"{len(values):,} values were sent at once.",
            code="batch_too_large",
            hint=f"Send at most {MAX_BATCH:,} in a request.",
        )
    for key, value in values.items():
        note = NoteRow(kind, check_label(key, "key"), check_value(value, "value"))
        work.tx.put_tracked_note(work.project.id, of_model(row.id), note)


def _put(work: Work, row: LoggedModelRow) -> LoggedModelRow:
    row = row._replace(updated_at=work.clock_now)
    work.tx.put_logged_model(work.project.id, row)
    return row
