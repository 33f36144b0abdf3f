"""What becomes a version: the files of a run or a logged model that are kept here.

The version names the very blobs that the run's files are, and is as any other from then on:
removing or overwriting a file of the run changes nothing about it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

from pointsman.app.application import View
from pointsman.app.ports.tracking import NoteRow, PointRow
from pointsman.app.tracking import files, logged, runs
from pointsman.app.tracking.experiments import require
from pointsman.core.canonical import JSON, quoted
from pointsman.core.models import FileEntry
from pointsman.core.tracking import (
    RunPlace,
    VersionPlace,
    is_model_id,
    is_run_id,
    of_model,
    of_run,
    ours,
    parse_place,
)
from pointsman.errors import InvalidInput

FactT = TypeVar("FactT", float, str)

MAX_TOLD: Final = 1_000
"""How many metrics, and how many params, a version says of itself."""
MAX_PARAM: Final = 1_000
"""Characters of a param that a version says of itself; longer ones stay with the run."""
_MODELS: Final = "models:/"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a version's files come from, and what is known of how they were made.

    Without files, `location` says where else they are.
    """

    run_id: str
    model_id: str
    files: Mapping[str, FileEntry]
    location: str
    metrics: Mapping[str, float]
    params: Mapping[str, str]

    def content(self, source: str) -> dict[str, JSON]:
        """The content of a version with these files."""
        told: dict[str, JSON] = {
            "files": {
                path: {"size": one.size, "sha256": one.sha256} for path, one in self.files.items()
            },
            "source": source,
        }
        facts: dict[str, JSON] = {
            "run": self.run_id,
            "model_id": self.model_id,
            "metrics": dict(self.metrics),
            "parameters": dict(self.params),
        }
        return {**told, **{key: value for key, value in facts.items() if value}}


def find_origin(view: View, source: str, run_id: str, model_id: str) -> Origin | None:
    """What a source is that a client registers; None if it is of no run or logged model here.

    Raises `InvalidInput` if nothing is there, the run was deleted, or it is of another run than
    `run_id` or another logged model than `model_id`; `NotFound` if the logged model was
    deleted; `TooLarge` and `Refused`.
    """
    if source.startswith(_MODELS) and is_model_id(source.removeprefix(_MODELS)):
        return _of_model(view, source.removeprefix(_MODELS), "", source)
    parts = urlsplit(source)
    if parts.scheme == "runs":
        run, _, path = unquote(parts.path).lstrip("/").partition("/")
        return _of_run(view, run, path, source)
    place = _place_of(source)
    if isinstance(place, VersionPlace):
        raise InvalidInput(
            f"{quoted(source)} is a version already.",
            code="invalid_source",
            hint="Name it as models:/<name>/<version> to copy it.",
            field="source",
        )
    if place is None:
        return None
    find = _of_model if is_model_id(place.owner) else _of_run
    found = find(view, place.owner, place.path, source)
    if found is not None and place.owner not in (run_id, model_id):
        raise InvalidInput(
            f"{quoted(source)} is of {place.owner}, which neither run_id nor model_id names.",
            code="invalid_source",
            hint="Send the run_id or model_id that it belongs to.",
            field="source",
        )
    return found


def _place_of(source: str) -> RunPlace | VersionPlace | None:
    """The place here that a source leads to; None for one of another server, wherever that is."""
    inside = ours(source)
    try:
        return None if inside is None else parse_place(unquote(inside))
    except InvalidInput:
        return None


def _of_model(view: View, model_id: str, path: str, source: str) -> Origin | None:
    row = view.reader.logged_model(view.project.id, model_id)
    if row is None:
        return None
    require(view, "read")
    logged.active(view, model_id)
    metrics, params = _facts(view, [of_run(row.run_id), of_model(model_id)])
    location = f"{row.location}/{path}" if path else row.location
    held = _held(view, location, source)
    return Origin(row.run_id, model_id, held, location, metrics, params)


def _of_run(view: View, run_id: str, path: str, source: str) -> Origin | None:
    row = view.reader.run(view.project.id, run_id) if is_run_id(run_id) else None
    if row is None:
        return None
    require(view, "read")
    runs.active(view, run_id)
    metrics, params = _facts(view, [of_run(run_id)])
    location = f"{row.location}/{path}" if path else row.location
    held = _held(view, location, source)
    return Origin(run_id, "", held, location, metrics, params)


def _held(view: View, location: str, source: str) -> Mapping[str, FileEntry]:
    """The files at a location; none if it is elsewhere."""
    folder = ours(location)
    if folder is None:
        return {}
    held = files.below(view, folder)
    if not held:
        raise InvalidInput(
            f"There are no files at {quoted(source)}.",
            code="invalid_source",
            hint="Log the model first, then register it.",
            field="source",
        )
    return held


def _facts(view: View, subjects: Iterable[str]) -> tuple[dict[str, float], dict[str, str]]:
    """Metrics and params of all of these subjects; of two that say one thing, the later's."""
    metrics: dict[str, float] = {}
    params: dict[str, str] = {}
    for subject in subjects:
        metrics |= dict(_finite(view.reader.last_metrics(view.project.id, subject)))
        params |= dict(_short(view.reader.tracked_notes(view.project.id, subject)))
    return _first(metrics), _first(params)


def _finite(points: Iterable[PointRow]) -> Iterable[tuple[str, float]]:
    return ((one.key, float(one.value)) for one in points if math.isfinite(float(one.value)))


def _short(notes: Iterable[NoteRow]) -> Iterable[tuple[str, str]]:
    return (
        (one.key, one.value) for one in notes if one.kind == "param" and len(one.value) <= MAX_PARAM
    )


def _first(values: dict[str, FactT]) -> dict[str, FactT]:
    return dict(list(values.items())[:MAX_TOLD])
