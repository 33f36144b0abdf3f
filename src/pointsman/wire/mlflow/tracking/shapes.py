"""Experiments, runs and logged models as MLflow's JSON, and what its requests say of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pointsman.app.ports.tracking import ExperimentRow, NoteRow, PointRow, RunRow
from pointsman.app.tracking.runs import Point, Run
from pointsman.core.canonical import quoted
from pointsman.core.tracking import check_double, check_whole
from pointsman.errors import InvalidInput
from pointsman.wire.mlflow.fields import Call, missing

_MILLI = 1_000


def experiment(row: ExperimentRow, tags: Mapping[str, str]) -> dict[str, Any]:
    """An experiment."""
    told: dict[str, Any] = {
        "experiment_id": str(row.number),
        "name": row.name,
        "artifact_location": row.location,
        "lifecycle_stage": _stage(row.deleted_at),
        "creation_time": row.created_at // _MILLI,
        "last_update_time": row.updated_at // _MILLI,
    }
    return {**told, "tags": pairs(tags)} if tags else told


def run_info(row: RunRow) -> dict[str, Any]:
    """What a run is, without what was logged to it."""
    told: dict[str, Any] = {
        "run_id": row.id,
        "run_uuid": row.id,
        "run_name": row.name,
        "experiment_id": str(row.experiment),
        "user_id": row.by_name,
        "status": row.status,
        "start_time": row.started_at,
        "artifact_uri": row.location,
        "lifecycle_stage": _stage(row.deleted_at),
    }
    return told if row.ended_at is None else {**told, "end_time": row.ended_at}


def run(found: Run) -> dict[str, Any]:
    """A run with what was logged to it."""
    data: dict[str, Any] = {}
    if found.metrics:
        data["metrics"] = [point(one) for one in found.metrics]
    if params := noted(found.notes, "param"):
        data["params"] = pairs(params)
    if tags := noted(found.notes, "tag"):
        data["tags"] = pairs(tags)
    inputs: dict[str, Any] = {}
    if datasets := noted(found.notes, "dataset"):
        inputs["dataset_inputs"] = [json.loads(one) for one in datasets.values()]
    if taken := noted(found.notes, "input"):
        inputs["model_inputs"] = [{"model_id": one} for one in taken]
    outputs: dict[str, Any] = {}
    if made := noted(found.notes, "output"):
        outputs["model_outputs"] = [
            {"model_id": one, "step": int(step)} for one, step in made.items()
        ]
    return {"info": run_info(found.row), "data": data, "inputs": inputs, "outputs": outputs}


def point(row: PointRow) -> dict[str, Any]:
    """A point of a metric."""
    value: Any = row.value if row.value.lstrip("-") in ("NaN", "Infinity") else float(row.value)
    return {"key": row.key, "value": value, "timestamp": row.at, "step": row.step}


def noted(notes: Iterable[NoteRow], kind: str) -> dict[str, str]:
    """What was noted of a kind, by its keys."""
    return {one.key: one.value for one in notes if one.kind == kind}


def pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Keys and values as MLflow lists them."""
    return [{"key": key, "value": value} for key, value in values.items()]


def read_point(said: Mapping[str, Any]) -> Point:
    """The point of a metric that a request has in it. Raises `InvalidInput`."""
    for name in ("key", "value", "timestamp"):
        if said.get(name) is None:
            raise missing(name)
    key, model_id = said["key"], said.get("model_id") or ""
    if not isinstance(key, str) or not isinstance(model_id, str):
        raise _wrong("metrics", "must have a key that is text")
    return Point(
        PointRow(
            key,
            check_whole(said.get("step") or 0, "step"),
            check_whole(said["timestamp"], "timestamp"),
            check_double(said["value"]),
        ),
        model_id,
    )


def read_pairs(call: Call, name: str) -> dict[str, str]:
    """Keys and values that a request has under a name. Raises `InvalidInput`."""
    return {
        _text(one, "key", name): _text(one, "value", name, "") for one in read_objects(call, name)
    }


def read_objects(call: Call, name: str) -> Sequence[Mapping[str, Any]]:
    """The objects that a request lists under a name; none if it doesn't. Raises `InvalidInput`."""
    said = call.values.get(name)
    if said is None:
        return ()
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        raise _wrong(name, "must be a list of objects")
    return said


def read_time(call: Call, name: str) -> int | None:
    """A time in milliseconds, if a request has it. Raises `InvalidInput`."""
    said = call.values.get(name)
    return None if said is None else check_whole(said, name)


def read_number(text: str, name: str) -> int:
    """The number of an experiment, which MLflow writes as text. Raises `InvalidInput`."""
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise _wrong(name, f"must be the id of an experiment, got {quoted(text)}")
    return int(text)


def check_newest_first(orders: Sequence[str], times: Sequence[str]) -> None:
    """Raise `InvalidInput` for any order but by one of these times, the newest first."""
    for order in orders:
        key, _, way = order.strip().lower().rpartition(" ")
        if way != "desc" or key.removeprefix("attributes.").removeprefix("attribute.") not in times:
            raise InvalidInput(
                f"Can't order by {quoted(order)}: the newest are told first.",
                code="invalid_order",
                hint="Leave order_by out, and sort what comes.",
                field="order_by",
            )


def _text(said: Mapping[str, Any], key: str, name: str, default: str | None = None) -> str:
    value = said.get(key, default)
    if not isinstance(value, str):
        raise _wrong(name, f"must have a {key} that is text in each object")
    return value


def _stage(deleted_at: int | None) -> str:
    return "active" if deleted_at is None else "deleted"


def _wrong(name: str, told: str) -> InvalidInput:
    return InvalidInput(
        f"Parameter '{name}' {told}.",
        code="invalid_parameter",
        hint="See MLflow's REST API for what the request takes.",
        field=name,
    )
