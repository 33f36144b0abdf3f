"""Experiments: `experiments/…`."""

from __future__ import annotations

from typing import Any

from pointsman.app.application import View, Work
from pointsman.app.tracking import experiments
from pointsman.app.tracking.experiments import Experiment
from pointsman.wire.mlflow.fields import Call
from pointsman.wire.mlflow.filters import EXPERIMENTS, Condition, parse_filter
from pointsman.wire.mlflow.tracking import shapes
from pointsman.wire.running import Read, Write

MAX_RESULTS = 1_000


def create(call: Call) -> Write:
    """Make an experiment."""
    name, location = call.text("name"), call.optional("artifact_location") or ""
    tags = shapes.read_pairs(call, "tags")

    def make(work: Work) -> dict[str, Any]:
        return {"experiment_id": str(experiments.create(work, name, location, tags).number)}

    return Write(make)


def get(call: Call) -> Read:
    """Tell of an experiment."""
    number = _number(call)
    return Read(lambda view: _told(experiments.get(view, number)))


def get_by_name(call: Call) -> Read:
    """Tell of the experiment of a name."""
    name = call.text("experiment_name")
    return Read(lambda view: _told(experiments.get_by_name(view, name)))


def search(call: Call) -> Read:
    """Tell of the experiments that a filter leaves, newest first."""
    conditions = parse_filter(call.optional("filter") or "", EXPERIMENTS)
    wanted = str(call.values.get("view_type") or "ACTIVE_ONLY")
    limit = call.count("max_results", MAX_RESULTS, 1, 50_000)
    token = call.optional("page_token") or ""
    before = shapes.read_number(token, "page_token") if token else None

    def read(view: View) -> dict[str, Any]:
        found: list[dict[str, Any]] = []
        position: int | None = before
        while True:
            rows, position = experiments.listed(view, position)
            for row in rows:
                if wanted != "ALL" and (row.deleted_at is None) != (wanted == "ACTIVE_ONLY"):
                    continue
                one = experiments.with_tags(view, row)
                if not all(_holds(condition, one) for condition in conditions):
                    continue
                if len(found) == limit:
                    last = found[-1]["experiment_id"]
                    return {"experiments": found, "next_page_token": last}
                found.append(shapes.experiment(one.row, one.tags))
            if position is None:
                return {"experiments": found} if found else {}

    return Read(read)


def update(call: Call) -> Write:
    """Give an experiment another name."""
    number, name = _number(call), call.optional("new_name")

    def change(work: Work) -> dict[str, Any]:
        if name is not None:
            experiments.rename(work, number, name)
        return {}

    return Write(change)


def delete(call: Call) -> Write:
    """Mark an experiment as deleted."""
    number = _number(call)

    def change(work: Work) -> dict[str, Any]:
        experiments.delete(work, number)
        return {}

    return Write(change)


def restore(call: Call) -> Write:
    """Take the mark away."""
    number = _number(call)

    def change(work: Work) -> dict[str, Any]:
        experiments.restore(work, number)
        return {}

    return Write(change)


def set_tag(call: Call) -> Write:
    """Set a tag."""
    number, key, value = _number(call), call.text("key"), call.present("value")

    def change(work: Work) -> dict[str, Any]:
        experiments.set_tag(work, number, key, value)
        return {}

    return Write(change)


def delete_tag(call: Call) -> Write:
    """Delete a tag."""
    number, key = _number(call), call.text("key")

    def change(work: Work) -> dict[str, Any]:
        experiments.delete_tag(work, number, key)
        return {}

    return Write(change)


def _number(call: Call) -> int:
    return shapes.read_number(call.text("experiment_id"), "experiment_id")


def _told(found: Experiment) -> dict[str, Any]:
    return {"experiment": shapes.experiment(found.row, found.tags)}


def _holds(condition: Condition, found: Experiment) -> bool:
    if condition.of == "tag":
        return condition.holds(found.tags.get(condition.key))
    times = {
        "creation_time": found.row.created_at // 1000,
        "last_update_time": found.row.updated_at // 1000,
    }
    return condition.holds(times.get(condition.key, found.row.name))
