"""Traces: `traces/…`, as far as it takes to tie them to the prompts they were made with."""

from __future__ import annotations

from typing import Any

from pointsman.app.application import Work
from pointsman.app.tracking import traces
from pointsman.app.tracking.traces import Trace
from pointsman.errors import InvalidInput
from pointsman.wire.mlflow.fields import Call
from pointsman.wire.mlflow.tracking import shapes
from pointsman.wire.running import Read, Write


def create(call: Call) -> Write:
    """Keep what is said of a trace."""
    trace = call.values.get("trace")
    info = trace.get("trace_info") if isinstance(trace, dict) else None
    if not isinstance(info, dict) or not isinstance(info.get("trace_id"), str):
        raise _wrong("must have a trace_info with a trace_id")
    tags = info.pop("tags", None) or {}
    if not isinstance(tags, dict) or not all(isinstance(one, str) for one in tags.values()):
        raise _wrong("must have tags that are texts")
    place = info.get("trace_location")
    home = place.get("mlflow_experiment") if isinstance(place, dict) else None
    number = str((home or {}).get("experiment_id", "0")) if isinstance(home, dict) else "0"
    experiment = shapes.read_number(number, "experiment_id")

    def make(work: Work) -> dict[str, Any]:
        return _told(traces.create(work, info["trace_id"], experiment, info, tags))

    return Write(make)


def get(call: Call) -> Read:
    """Tell of a trace."""
    trace_id = call.text("trace_id")
    return Read(lambda view: _told(traces.get(view, trace_id)))


def get_whole(call: Call) -> Read:
    """Tell of a trace with its spans, of which there are none."""
    return get(call)


def set_tag(call: Call) -> Write:
    """Set a tag."""
    trace_id, key, value = call.text("trace_id"), call.text("key"), call.present("value")

    def change(work: Work) -> dict[str, Any]:
        traces.set_tag(work, trace_id, key, value)
        return {}

    return Write(change)


def delete_tag(call: Call) -> Write:
    """Delete a tag."""
    trace_id, key = call.text("trace_id"), call.text("key")

    def change(work: Work) -> dict[str, Any]:
        traces.delete_tag(work, trace_id, key)
        return {}

    return Write(change)


def link_prompts(call: Call) -> Write:
    """Note the prompts that a trace was made with."""
    trace_id = call.text("trace_id")
    said = shapes.read_objects(call, "prompt_versions")
    prompts = [(str(one.get("name", "")), str(one.get("version", ""))) for one in said]

    def change(work: Work) -> dict[str, Any]:
        traces.link_prompts(work, trace_id, prompts)
        return {}

    return Write(change)


def _told(found: Trace) -> dict[str, Any]:
    info = {**found.body, "tags": dict(found.tags)}
    return {"trace": {"trace_info": info}}


def _wrong(told: str) -> InvalidInput:
    return InvalidInput(
        f"Parameter 'trace' {told}.",
        code="invalid_parameter",
        hint="See MLflow's REST API for what the request takes.",
        field="trace",
    )
