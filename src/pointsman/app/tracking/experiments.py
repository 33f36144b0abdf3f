"""Experiments, and who may look at or write what is tracked.

Experiment 0, ``Default``, is there from the start, in every project.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from pointsman.app.application import View, Work
from pointsman.app.ports.tracking import ExperimentRow, NoteRow
from pointsman.core.access import refuse_narrow
from pointsman.core.canonical import quoted
from pointsman.core.tracking import (
    DEFAULT_EXPERIMENT,
    MAX_LOCATION,
    MAX_NAME,
    OURS,
    check_label,
    check_value,
    of_experiment,
)
from pointsman.core.vocabulary import Verb
from pointsman.errors import Conflict, InvalidInput, NotFound

_PAGE: Final = 500
_NOT_THEIRS: Final = frozenset(
    {"mlflow-artifacts", "http", "https", "ftp", "sftp", "runs", "models"}
)


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment with its tags."""

    row: ExperimentRow
    tags: Mapping[str, str]


def require(view: View, verb: Verb) -> None:
    """Raise `Refused` unless the caller may do this to what is tracked.

    Runs belong to no artifact, so they are not for who sees a part of the project only.
    """
    view.require(verb)
    if view.actor.narrow:
        refuse_narrow(view.actor, verb).enforce()


def find(view: View, number: int) -> ExperimentRow:
    """The experiment of this number. Raises `NotFound`."""
    row = view.reader.experiment(view.project.id, number)
    if row is None and number == 0:
        made = view.project.created_at
        return ExperimentRow(0, DEFAULT_EXPERIMENT, f"{OURS}0", made, made)
    if row is None:
        raise NotFound(
            f"No Experiment with id={number} exists", code="experiment_not_found",
            field="experiment_id",
        )  # fmt: skip
    return row


def active(view: View, number: int) -> ExperimentRow:
    """An experiment that is not deleted. Raises `NotFound` or `InvalidInput`."""
    row = find(view, number)
    if row.deleted_at is not None:
        raise InvalidInput(
            f"The experiment {number} must be in the 'active' state. Current state is deleted.",
            code="experiment_deleted",
            hint="Restore it, or use another.",
            field="experiment_id",
        )
    return row


def get(view: View, number: int) -> Experiment:
    """An experiment with its tags. Raises `NotFound` and `Refused`."""
    require(view, "read")
    return with_tags(view, find(view, number))


def get_by_name(view: View, name: str) -> Experiment:
    """An experiment by its name. Raises `NotFound` and `Refused`."""
    require(view, "read")
    row = _named(view, name)
    if row is None:
        raise NotFound(
            f"Could not find experiment with name {quoted(name)}",
            code="experiment_not_found",
            field="experiment_name",
        )
    return with_tags(view, row)


def listed(view: View, before: int | None) -> tuple[list[ExperimentRow], int | None]:
    """Experiments, newest first, and where the next ones begin. Raises `Refused`."""
    require(view, "read")
    rows = view.reader.experiments(view.project.id, before, _PAGE)
    if len(rows) == _PAGE:
        return rows, rows[-1].number
    if not any(row.number == 0 for row in rows) and before != 0:
        rows.append(find(view, 0))
    return rows, None


def with_tags(view: View, row: ExperimentRow) -> Experiment:
    """The experiment and its tags."""
    notes = view.reader.tracked_notes(view.project.id, of_experiment(row.number))
    return Experiment(row, {one.key: one.value for one in notes if one.kind == "tag"})


def create(work: Work, name: str, location: str, tags: Mapping[str, str]) -> ExperimentRow:
    """Make an experiment. Raises `Conflict`, `InvalidInput` and `Refused`."""
    require(work, "write")
    check_label(name, "name", MAX_NAME)
    _check_free(work, name)
    newest = work.tx.experiments(work.project.id, None, 1)
    number = newest[0].number + 1 if newest else 1
    place = _location(location) or f"{OURS}{number}"
    row = ExperimentRow(number, name, place, work.clock_now, work.clock_now)
    work.tx.put_experiment(work.project.id, row)
    for key, value in tags.items():
        set_tag(work, number, key, value)
    return row


def rename(work: Work, number: int, name: str) -> None:
    """Give an experiment another name. Raises `NotFound`, `Conflict`, `InvalidInput`, `Refused`."""
    require(work, "write")
    row = active(work, number)
    check_label(name, "new_name", MAX_NAME)
    if name != row.name:
        _check_free(work, name)
        _put(work, row._replace(name=name))


def delete(work: Work, number: int) -> None:
    """Mark an experiment as deleted; what is in it stays. Raises `NotFound`, `Refused`."""
    require(work, "write")
    row = find(work, number)
    if number == 0:
        raise InvalidInput(
            "The default experiment can't be deleted.",
            code="invalid_parameter",
            hint="Delete its runs instead.",
            field="experiment_id",
        )
    if row.deleted_at is None:
        _put(work, row._replace(deleted_at=work.clock_now))


def restore(work: Work, number: int) -> None:
    """Take the mark away. Raises `NotFound` and `Refused`."""
    require(work, "write")
    row = find(work, number)
    if row.deleted_at is not None:
        _put(work, row._replace(deleted_at=None))


def set_tag(work: Work, number: int, key: str, value: str) -> None:
    """Set a tag. Raises `NotFound`, `InvalidInput`, `TooLarge` and `Refused`."""
    require(work, "write")
    active(work, number)
    row = NoteRow("tag", check_label(key, "key"), check_value(value, "value"))
    work.tx.put_tracked_note(work.project.id, of_experiment(number), row)


def delete_tag(work: Work, number: int, key: str) -> None:
    """Delete a tag, if it is there. Raises `NotFound` and `Refused`."""
    require(work, "write")
    active(work, number)
    work.tx.drop_tracked_note(work.project.id, of_experiment(number), "tag", key)


def _named(view: View, name: str) -> ExperimentRow | None:
    row = view.reader.experiment_by_name(view.project.id, name)
    if row is None and (default := find(view, 0)).name == name:
        return default
    return row


def _check_free(work: Work, name: str) -> None:
    there = _named(work, name)
    if there is not None:
        state = "" if there.deleted_at is None else " in deleted state"
        raise Conflict(
            f"Experiment(name={name}) already exists{state}.",
            code="experiment_exists",
            hint="Choose another name" + (", or restore it." if state else "."),
            field="name",
        )


def _put(work: Work, row: ExperimentRow) -> None:
    work.tx.put_experiment(work.project.id, row._replace(updated_at=work.clock_now))


def _location(text: str) -> str:
    """Where the files of an experiment's runs shall be, if the client says so.

    With us there is one place for them: a client can't choose another, where it could come in
    the way of other experiments. And it can't choose a host, to which whoever logs to the
    experiment would send their credentials.
    """
    if not text:
        return ""
    check_label(text, "artifact_location", MAX_LOCATION)
    scheme = text.partition(":")[0].lower()
    if scheme in _NOT_THEIRS or ".." in unquote(text).replace("\\", "/").split("/"):
        raise InvalidInput(
            f"{quoted(text)} is no place of one's own.",
            code="invalid_location",
            hint="Leave artifact_location out to have files kept here, or name an object store.",
            field="artifact_location",
        )
    return text.rstrip("/")
