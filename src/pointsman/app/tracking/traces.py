"""Traces, as far as it takes to say which prompts a call was made with.

Nothing here reads spans: clients put them into a file of the trace, and read it themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pointsman.app.application import View, Work
from pointsman.app.ports.tracking import NoteRow, TraceRow
from pointsman.app.tracking import experiments
from pointsman.app.tracking.experiments import require
from pointsman.core.canonical import JSON, canonical_json, check_text, quoted
from pointsman.core.tracking import (
    LINKED_PROMPTS,
    MAX_BATCH,
    check_label,
    check_value,
    is_trace_id,
    of_trace,
    trace_root,
)
from pointsman.errors import InvalidInput, NotFound, TooLarge

MAX_BODY: Final = 1_000_000
LOCATION: Final = "mlflow.artifactLocation"
"""The tag that tells clients where the spans of a trace are."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace: what its client said of it, and its tags as they are now."""

    body: Mapping[str, JSON]
    tags: Mapping[str, str]


def create(
    work: Work, trace_id: str, experiment: int, body: Mapping[str, JSON], tags: Mapping[str, str]
) -> Trace:
    """Keep what is said of a trace; again, if it was there. Raises `NotFound`, `InvalidInput`,
    `TooLarge` and `Refused`."""
    require(work, "write")
    experiments.active(work, experiment)
    _check_id(trace_id)
    text = check_text(canonical_json(dict(body)), field="trace_info", max_chars=MAX_BODY)
    work.tx.put_trace(work.project.id, TraceRow(trace_id, experiment, text, work.clock_now))
    for key, value in tags.items():
        _tag(work, trace_id, key, value)
    return _whole(work, trace_id)


def find(view: View, trace_id: str) -> TraceRow:
    """The trace of this id. Raises `NotFound`."""
    row = view.reader.trace(view.project.id, trace_id) if is_trace_id(trace_id) else None
    if row is None:
        raise NotFound(
            f"Trace with ID {quoted(trace_id)} not found.", code="trace_not_found",
            field="trace_id",
        )  # fmt: skip
    return row


def location(view: View, row: TraceRow) -> str:
    """Where the spans of a trace are."""
    home = experiments.find(view, row.experiment)
    return f"{home.location}/{trace_root(row.experiment, row.id).partition('/')[2]}"


def get(view: View, trace_id: str) -> Trace:
    """A trace. Raises `NotFound` and `Refused`."""
    require(view, "read")
    return _whole(view, trace_id)


def set_tag(work: Work, trace_id: str, key: str, value: str) -> None:
    """Set a tag. Raises `NotFound`, `InvalidInput`, `TooLarge` and `Refused`."""
    require(work, "write")
    _whole(work, trace_id)
    _tag(work, trace_id, key, value)


def delete_tag(work: Work, trace_id: str, key: str) -> None:
    """Delete a tag, if it is there. Raises `NotFound` and `Refused`."""
    require(work, "write")
    _whole(work, trace_id)
    work.tx.drop_tracked_note(work.project.id, of_trace(trace_id), "tag", key)


def link_prompts(work: Work, trace_id: str, prompts: Sequence[tuple[str, str]]) -> None:
    """Note the versions of prompts (name, number) that a trace was made with.

    Clients may say it before they tell of the trace itself. Raises `InvalidInput`, `TooLarge`
    and `Refused`.
    """
    require(work, "write")
    _check_id(trace_id)
    if len(prompts) > MAX_BATCH:
        raise TooLarge(
            f"{len(prompts):,} prompts were sent at once.",
            code="batch_too_large",
            hint=f"Send at most {MAX_BATCH:,} in a request.",
        )
    for name, version in prompts:
        key = check_label(f"{name}/{version}", "prompt_versions")
        work.tx.put_tracked_note(work.project.id, of_trace(trace_id), NoteRow("prompt", key, ""))


def _tag(work: Work, trace_id: str, key: str, value: str) -> None:
    note = NoteRow("tag", check_label(key, "key"), check_value(value, "value"))
    work.tx.put_tracked_note(work.project.id, of_trace(trace_id), note)


def _whole(view: View, trace_id: str) -> Trace:
    row = find(view, trace_id)
    notes = view.reader.tracked_notes(view.project.id, of_trace(trace_id))
    tags = {one.key: one.value for one in notes if one.kind == "tag"}
    linked = [one.key.rpartition("/") for one in notes if one.kind == "prompt"]
    if linked and LINKED_PROMPTS not in tags:
        pairs = [{"name": name, "version": version} for name, _, version in linked]
        tags[LINKED_PROMPTS] = json.dumps(pairs)
    return Trace(json.loads(row.body), {**tags, LOCATION: location(view, row)})


def _check_id(trace_id: str) -> None:
    if not is_trace_id(trace_id):
        raise InvalidInput(
            f"{quoted(trace_id)} is no id of a trace.",
            code="invalid_parameter",
            hint="Write tr- and 32 hexadecimal digits.",
            field="trace_id",
        )
