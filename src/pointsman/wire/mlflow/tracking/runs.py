"""Runs: `runs/…` and `metrics/…`."""

from __future__ import annotations

from typing import Any

from pointsman.app.application import View, Work
from pointsman.app.ports.tracking import PointRow, RunRow
from pointsman.app.tracking import experiments, runs
from pointsman.app.tracking.runs import Batch, Run
from pointsman.core.tracking import check_whole
from pointsman.errors import InvalidInput
from pointsman.wire.mlflow.fields import Call, missing
from pointsman.wire.mlflow.filters import RUNS, Condition, parse_filter
from pointsman.wire.mlflow.tracking import paging, shapes
from pointsman.wire.running import Read, Write

MAX_RESULTS = 1_000
MAX_POINTS = 25_000


def create(call: Call) -> Write:
    """Begin a run."""
    number = shapes.read_number(call.optional("experiment_id") or "0", "experiment_id")
    name, user = call.optional("run_name") or "", call.optional("user_id") or ""
    started_at = shapes.read_time(call, "start_time")
    tags = shapes.read_pairs(call, "tags")

    def make(work: Work) -> dict[str, Any]:
        start = work.clock_now // 1000 if started_at is None else started_at
        return {"run": shapes.run(runs.create(work, number, name, user, start, tags))}

    return Write(make)


def get(call: Call) -> Read:
    """Tell of a run."""
    run_id = _run_id(call)
    return Read(lambda view: {"run": shapes.run(runs.get(view, run_id))})


def update(call: Call) -> Write:
    """Say how a run stands."""
    run_id, status = _run_id(call), call.optional("status") or ""
    ended_at, name = shapes.read_time(call, "end_time"), call.optional("run_name") or ""

    def change(work: Work) -> dict[str, Any]:
        return {"run_info": shapes.run_info(runs.update(work, run_id, status, ended_at, name))}

    return Write(change)


def delete(call: Call) -> Write:
    """Mark a run as deleted."""
    run_id = _run_id(call)

    def change(work: Work) -> dict[str, Any]:
        runs.delete(work, run_id)
        return {}

    return Write(change)


def restore(call: Call) -> Write:
    """Take the mark away."""
    run_id = _run_id(call)

    def change(work: Work) -> dict[str, Any]:
        runs.restore(work, run_id)
        return {}

    return Write(change)


def search(call: Call) -> Read:
    """Tell of the runs of experiments that a filter leaves, newest first."""
    numbers = [shapes.read_number(one, "experiment_ids") for one in call.texts("experiment_ids")]
    conditions = parse_filter(call.optional("filter") or "", RUNS)
    about_rows = [one for one in conditions if one.of == "attribute"]
    others = [one for one in conditions if one.of != "attribute"]
    wanted = str(call.values.get("run_view_type") or "ACTIVE_ONLY")
    limit = call.count("max_results", MAX_RESULTS, 1, 50_000)
    start = paging.read(call.optional("page_token") or "")
    shapes.check_newest_first(call.texts("order_by"), ("start_time", "created"))

    def read(view: View) -> dict[str, Any]:
        experiments.require(view, "read")

        def rows(number: int, before: tuple[int, str] | None) -> list[RunRow]:
            return view.reader.runs(view.project.id, number, before, paging.STEP)

        def told(row: RunRow) -> dict[str, Any] | None:
            if wanted != "ALL" and (row.deleted_at is None) != (wanted == "ACTIVE_ONLY"):
                return None
            if not all(one.holds(_attributes(row).get(one.key)) for one in about_rows):
                return None
            found = runs.whole(view, row)
            return shapes.run(found) if all(_holds(one, found) for one in others) else None

        return paging.answer("runs", *paging.page(paging.walk(numbers, start, rows), limit, told))

    return Read(read)


def log_metric(call: Call) -> Write:
    """Log a point of a metric."""
    return _log(call, Batch(points=(shapes.read_point(call.values),)))


def log_param(call: Call) -> Write:
    """Log a param."""
    return _log(call, Batch(params={call.text("key"): call.present("value")}))


def set_tag(call: Call) -> Write:
    """Set a tag."""
    return _log(call, Batch(tags={call.text("key"): call.present("value")}))


def log_batch(call: Call) -> Write:
    """Log metrics, params and tags at once."""
    params = shapes.read_objects(call, "params")
    if len({one.get("key") for one in params if isinstance(one.get("key"), str)}) < len(params):
        given: dict[object, object] = {}
        for one in params:
            if given.setdefault(one.get("key"), one.get("value")) != one.get("value"):
                raise InvalidInput(
                    f"Duplicate parameter keys have been submitted: {one.get('key')}.",
                    code="invalid_parameter",
                    hint="Send each param once.",
                    field="params",
                )
    return _log(
        call,
        Batch(
            [shapes.read_point(one) for one in shapes.read_objects(call, "metrics")],
            shapes.read_pairs(call, "params"),
            shapes.read_pairs(call, "tags"),
        ),
    )


def delete_tag(call: Call) -> Write:
    """Delete a tag."""
    run_id, key = _run_id(call), call.text("key")

    def change(work: Work) -> dict[str, Any]:
        runs.delete_tag(work, run_id, key)
        return {}

    return Write(change)


def log_inputs(call: Call) -> Write:
    """Note what a run takes."""
    run_id = _run_id(call)
    datasets = shapes.read_objects(call, "datasets")
    models = [_model_id(one) for one in shapes.read_objects(call, "models")]

    def change(work: Work) -> dict[str, Any]:
        runs.add_inputs(work, run_id, datasets, models)
        return {}

    return Write(change)


def log_outputs(call: Call) -> Write:
    """Note what a run made."""
    run_id = _run_id(call)
    models = {
        _model_id(one): check_whole(one.get("step") or 0, "step")
        for one in shapes.read_objects(call, "models")
    }

    def change(work: Work) -> dict[str, Any]:
        runs.add_outputs(work, run_id, models)
        return {}

    return Write(change)


def history(call: Call) -> Read:
    """Tell of all points of a metric."""
    run_id, key = _run_id(call), call.text("metric_key")
    limit = call.count("max_results", MAX_POINTS, 1, MAX_POINTS)
    after = _point(key, call.optional("page_token") or "")

    def read(view: View) -> dict[str, Any]:
        found = runs.history(view, run_id, key, after, limit)
        told: dict[str, Any] = {"metrics": [shapes.point(one) for one in found]} if found else {}
        if len(found) == limit:
            last = found[-1]
            told["next_page_token"] = f"{last.step}~{last.at}~{last.value}"
        return told

    return Read(read)


def _log(call: Call, batch: Batch) -> Write:
    run_id = _run_id(call)

    def change(work: Work) -> dict[str, Any]:
        runs.log(work, run_id, batch)
        return {}

    return Write(change)


def _run_id(call: Call) -> str:
    run_id = call.optional("run_id") or call.optional("run_uuid")
    if not run_id:
        raise missing("run_id")
    return run_id


def _model_id(said: Any) -> str:
    model_id = said.get("model_id")
    if not isinstance(model_id, str) or not 0 < len(model_id) <= 100:
        raise missing("model_id")
    return model_id


def _point(key: str, token: str) -> PointRow | None:
    if not token:
        return None
    step, _, rest = token.partition("~")
    at, _, value = rest.partition("~")
    return PointRow(key, check_whole(step, "page_token"), check_whole(at, "page_token"), value)


def _attributes(row: RunRow) -> dict[str, str | int]:
    return {
        "run_id": row.id,
        "run_name": row.name,
        "status": row.status,
        "user_id": row.by_name,
        "start_time": row.started_at,
        "artifact_uri": row.location,
    }


def _holds(condition: Condition, found: Run) -> bool:
    return condition.holds(shapes.noted(found.notes, condition.of).get(condition.key))
