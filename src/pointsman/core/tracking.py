"""Tracking as MLflow's clients know it: what experiments, runs and logged models may be called,
and where their files lie.

A file of a run lies at ``<experiment>/<run>/artifacts/<path>``, one of a logged model at
``<experiment>/models/<model>/artifacts/<path>``, and of a trace, which has its spans in one, at
``<experiment>/traces/<trace>/artifacts/<path>``. The files of a registered version can be read
at ``versions/<artifact>/<number>/<path>``, which nobody can write to.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pointsman.core.canonical import check_text, quoted
from pointsman.core.models import check_path
from pointsman.errors import InvalidInput

DEFAULT_EXPERIMENT: Final = "Default"
RUN_STATES: Final = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
MODEL_STATES: Final = ("LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED")
MAX_NAME: Final = 500
MAX_KEY: Final = 250
MAX_VALUE: Final = 100_000
MAX_LOCATION: Final = 2_000
MAX_BATCH: Final = 1_000
"""How many params, metrics and tags together may be logged at once."""
LINKED_PROMPTS: Final = "mlflow.linkedPrompts"
OURS: Final = "mlflow-artifacts:/"
"""How the location of files that are kept here begins."""

_RUN: Final = re.compile(r"[0-9a-f]{32}")
_MODEL: Final = re.compile(r"m-[0-9a-f]{32}")
_FILE: Final = re.compile(
    r"(?P<root>[0-9]{1,18}/"
    r"(?:(?P<run>[0-9a-f]{32})|models/(?P<model>m-[0-9a-f]{32})|traces/(?P<trace>tr-[0-9a-f]{32}))"
    r"/artifacts)(?:/(?P<path>.+))?"
)
_TRACE: Final = re.compile(r"tr-[0-9a-f]{32}")
_VERSION: Final = re.compile(r"versions/([0-9]{1,18})/([0-9]{1,10})(?:/(.+))?")
_MOST: Final = 2**53


@dataclass(frozen=True, slots=True)
class RunPlace:
    """A place among the files of a run, logged model or trace. `path` is empty for the root."""

    root: str
    owner: str
    """The id of the run, the logged model or the trace."""
    path: str

    @property
    def whole(self) -> str:
        """The root and the path."""
        return f"{self.root}/{self.path}" if self.path else self.root


@dataclass(frozen=True, slots=True)
class VersionPlace:
    """A place among the files of a version. `path` is empty for the root."""

    artifact: int
    number: int
    path: str


def parse_place(text: str) -> RunPlace | VersionPlace:
    """The place that a path of a client leads to. Raises `InvalidInput` for any other."""
    check_path(text)
    if found := _VERSION.fullmatch(text):
        return VersionPlace(int(found[1]), int(found[2]), found[3] or "")
    if found := _FILE.fullmatch(text):
        owner = found["run"] or found["model"] or found["trace"]
        return RunPlace(found["root"], owner, found["path"] or "")
    raise InvalidInput(
        f"{quoted(text)} is no place for files of a run or a logged model.",
        code="invalid_path",
        hint="Use the artifact_uri of a run or a logged model as it was given.",
        field="path",
    )


def run_root(experiment: int, run_id: str) -> str:
    """Where the files of a run lie with us."""
    return f"{experiment}/{run_id}/artifacts"


def model_root(experiment: int, model_id: str) -> str:
    """Where the files of a logged model lie with us."""
    return f"{experiment}/models/{model_id}/artifacts"


def trace_root(experiment: int, trace_id: str) -> str:
    """Where the spans of a trace lie with us."""
    return f"{experiment}/traces/{trace_id}/artifacts"


def version_root(artifact: int, number: int) -> str:
    """Where the files of a version can be read."""
    return f"versions/{artifact}/{number}"


def ours(location: str) -> str | None:
    """The path with us that a location leads to; None if it leads elsewhere."""
    path = location.removeprefix(OURS)
    # Behind two slashes is a host, which need not be this one.
    return None if path == location or path.startswith("/") else path.rstrip("/")


def of_experiment(number: int) -> str:
    """An experiment as the subject of what is said of it."""
    return f"e:{number}"


def of_run(run_id: str) -> str:
    """A run as the subject of what is said of it."""
    return f"r:{run_id}"


def of_model(model_id: str) -> str:
    """A logged model as the subject of what is said of it."""
    return f"m:{model_id}"


def of_trace(trace_id: str) -> str:
    """A trace as the subject of what is said of it."""
    return f"t:{trace_id}"


def is_run_id(text: str) -> bool:
    """Whether a text can be the id of a run."""
    return bool(_RUN.fullmatch(text))


def is_model_id(text: str) -> bool:
    """Whether a text can be the id of a logged model."""
    return bool(_MODEL.fullmatch(text))


def is_trace_id(text: str) -> bool:
    """Whether a text can be the id of a trace."""
    return bool(_TRACE.fullmatch(text))


def check_label(text: str, field: str, most: int = MAX_KEY) -> str:
    """A key or a name, which is not empty and has no control characters.

    Raises `InvalidInput` or `TooLarge`.
    """
    check_text(text, field=field, max_chars=most)
    if not text.strip() or any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
        raise InvalidInput(
            f"{field} is {quoted(text)}, which is empty or has characters that can't be seen.",
            code="invalid_key",
            hint="Use letters, digits, spaces and signs.",
            field=field,
        )
    return text


def check_value(text: str, field: str) -> str:
    """The value of a param or tag. Raises `InvalidInput` or `TooLarge`."""
    return check_text(text, field=field, max_chars=MAX_VALUE)


def check_whole(value: object, field: str) -> int:
    """A whole number, written as one or as text. Raises `InvalidInput`."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,16}", value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -_MOST <= value <= _MOST:
        raise InvalidInput(
            f"{field} must be a whole number, not {quoted(str(value))}.",
            code="invalid_number",
            hint="Times are milliseconds since 1970.",
            field=field,
        )
    return value


def check_double(value: object, field: str = "value") -> str:
    """A double as its shortest text: a number, or as JSON spells those that it has no sign for.

    Raises `InvalidInput`.
    """
    number = None
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            number = float(value)
    if number is None:
        raise InvalidInput(
            f"{field} must be a number, not {quoted(str(value))}.",
            code="invalid_number",
            hint="Send a number, NaN, Infinity or -Infinity.",
            field=field,
        )
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return repr(number)
