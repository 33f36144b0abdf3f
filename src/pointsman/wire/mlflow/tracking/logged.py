"""Logged models: `logged-models/…`."""

from __future__ import annotations

from typing import Any

from pointsman.app.application import View, Work
from pointsman.app.ports.tracking import LoggedModelRow
from pointsman.app.tracking import experiments, logged
from pointsman.app.tracking.logged import LoggedModel
from pointsman.core.tracking import of_model
from pointsman.wire.mlflow.fields import Call
from pointsman.wire.mlflow.filters import LOGGED_MODELS, Condition, parse_filter
from pointsman.wire.mlflow.tracking import paging, shapes
from pointsman.wire.running import Read, Write

MAX_RESULTS = 100


def create(call: Call) -> Write:
    """Begin to log a model."""
    number = shapes.read_number(call.text("experiment_id"), "experiment_id")
    run_id, name = call.optional("source_run_id") or "", call.optional("name") or ""
    kind = call.optional("model_type") or ""
    params, tags = shapes.read_pairs(call, "params"), shapes.read_pairs(call, "tags")

    def make(work: Work) -> dict[str, Any]:
        return _told(logged.create(work, number, run_id, name, kind, params, tags))

    return Write(make)


def get(call: Call) -> Read:
    """Tell of a logged model."""
    model_id, deleted = call.text("model_id"), call.flag("allow_deleted")
    return Read(lambda view: _told(logged.get(view, model_id, deleted=deleted)))


def finish(call: Call) -> Write:
    """Say how a logged model stands."""
    model_id, status = call.text("model_id"), call.text("status")
    return Write(lambda work: _told(logged.finish(work, model_id, status)))


def delete(call: Call) -> Write:
    """Mark a logged model as deleted."""
    model_id = call.text("model_id")

    def change(work: Work) -> dict[str, Any]:
        logged.delete(work, model_id)
        return {}

    return Write(change)


def add_params(call: Call) -> Write:
    """Log params to a model."""
    model_id, params = call.text("model_id"), shapes.read_pairs(call, "params")

    def change(work: Work) -> dict[str, Any]:
        logged.add_params(work, model_id, params)
        return {}

    return Write(change)


def set_tags(call: Call) -> Write:
    """Set tags."""
    model_id, tags = call.text("model_id"), shapes.read_pairs(call, "tags")
    return Write(lambda work: _told(logged.set_tags(work, model_id, tags)))


def delete_tag(call: Call) -> Write:
    """Delete a tag."""
    model_id, key = call.text("model_id"), call.text("tag_key")

    def change(work: Work) -> dict[str, Any]:
        logged.delete_tag(work, model_id, key)
        return {}

    return Write(change)


def search(call: Call) -> Read:
    """Tell of the logged models of experiments that a filter leaves, newest first."""
    numbers = [shapes.read_number(one, "experiment_ids") for one in call.texts("experiment_ids")]
    conditions = parse_filter(call.optional("filter") or "", LOGGED_MODELS)
    limit = call.count("max_results", MAX_RESULTS, 1, 1_000)
    start = paging.read(call.optional("page_token") or "")
    shapes.check_newest_first(
        [str(one.get("field_name")) + (" asc" if one.get("ascending") else " desc")
         for one in shapes.read_objects(call, "order_by")],
        ("creation_timestamp", "creation_time"),
    )  # fmt: skip

    def read(view: View) -> dict[str, Any]:
        experiments.require(view, "read")

        def rows(number: int, before: tuple[int, str] | None) -> list[LoggedModelRow]:
            return view.reader.logged_models(view.project.id, number, before, paging.STEP)

        def told(row: LoggedModelRow) -> dict[str, Any] | None:
            if row.deleted_at is not None or not all(_holds(view, row, one) for one in conditions):
                return None
            return dict(_told(logged.whole(view, row))["model"])

        return paging.answer("models", *paging.page(paging.walk(numbers, start, rows), limit, told))

    return Read(read)


def _told(found: LoggedModel) -> dict[str, Any]:
    row = found.row
    info: dict[str, Any] = {
        "model_id": row.id,
        "experiment_id": str(row.experiment),
        "name": row.name,
        "creation_timestamp_ms": row.created_at // 1000,
        "last_updated_timestamp_ms": row.updated_at // 1000,
        "artifact_uri": row.location,
        "status": row.status,
        "model_type": row.type,
        "source_run_id": row.run_id,
    }
    if tags := shapes.noted(found.notes, "tag"):
        info["tags"] = shapes.pairs(tags)
    data: dict[str, Any] = {}
    if params := shapes.noted(found.notes, "param"):
        data["params"] = shapes.pairs(params)
    if found.metrics:
        data["metrics"] = [
            {**shapes.point(one), "model_id": row.id, "run_id": row.run_id} for one in found.metrics
        ]
    return {"model": {"info": info, "data": data}}


def _holds(view: View, row: LoggedModelRow, condition: Condition) -> bool:
    if condition.of != "attribute":
        notes = view.reader.tracked_notes(view.project.id, of_model(row.id))
        return condition.holds(shapes.noted(notes, condition.of).get(condition.key))
    known: dict[str, str | int] = {
        "name": row.name,
        "model_id": row.id,
        "model_type": row.type,
        "status": row.status.removeprefix("LOGGED_MODEL_"),
        "source_run_id": row.run_id,
        "creation_timestamp": row.created_at // 1000,
        "last_updated_timestamp": row.updated_at // 1000,
    }
    return condition.holds(known[condition.key])
