"""The content of a suite: how artifacts are evaluated, and what must hold.

::

    {"for": ["support/*"],
     "dataset": "support/tickets@production",
     "output": {"by": "chain"},
     "scorers": [{"name": "correct", "by": "exact"}],
     "hold": [{"metric": "correct", "at_least": 0.8},
              {"metric": "correct", "not_worse_by": 0.02}]}

``for``       patterns of the artifacts that the suite is for, prompts where no kind is said
``dataset``   a selector: pinned, or by an alias
``output``    how an output is made; see `MAKERS`
``inputs``    variable → the name of the input in the rows, where they differ
``scorers``   what an output is worth, each a number from 0 to 1; see `SCORERS`
``trials``    how often each row is tried; a row counts by the mean of its trials
``minimum``   rows below which a comparison is not attempted
``hold``      what must hold, all of it; see `Criterion`
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast, get_args

from pointsman.core.canonical import JSON, check_json, quoted
from pointsman.core.content_fields import Faults
from pointsman.core.names import KINDS, Kind
from pointsman.core.patterns import check_pattern, matches
from pointsman.core.schemas import check_value_schema
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.standalone import Standalone
from pointsman.errors import InvalidContent, PointsmanError

MakerName = Literal["prompt", "chain", "command", "http"]
ScorerName = Literal[
    "exact",
    "contains",
    "regex",
    "json_equal",
    "json_schema",
    "numeric",
    "edit_distance",
    "embedding",
    "judge",
    "autoevals",
    "command",
]
Test = Literal["at_least", "at_most", "each_at_least", "not_worse_by"]
Of = Literal["mean", "p50", "p90", "p95", "p99", "max", "total"]

MAKERS: Final[Mapping[MakerName, tuple[str, ...]]] = {
    "prompt": (),
    "chain": ("depth",),
    "command": ("argv", "timeout"),
    "http": ("url", "headers", "timeout"),
}
"""How an output is made, and the options of each way. ``prompt`` renders the version and calls
its model; ``chain`` first runs what it consumes, ``depth`` levels up (all, if not said);
``command`` starts a program; ``http`` asks a service of the user's own."""

SCORERS: Final[Mapping[ScorerName, tuple[str, ...]]] = {
    "exact": ("ignore_case", "trim"),
    "contains": ("value", "ignore_case"),
    "regex": ("pattern",),
    "json_equal": (),
    "json_schema": ("schema",),
    "numeric": ("tolerance", "relative"),
    "edit_distance": ("ignore_case",),
    "embedding": ("provider", "model"),
    "judge": ("prompt", "choices"),
    "autoevals": ("scorer", "options", "provider", "model"),
    "command": ("argv", "timeout"),
}
"""The scorers and the options of each, next to those of all: ``path`` and ``expected`` (JSON
pointers to the part of the output, and of what the row expects, that count), ``invert``, and
``slice`` (tags; the scorer is for the rows that have them, and for no others)."""

_MAKER_NAMES: Final[tuple[MakerName, ...]] = get_args(MakerName)
_SCORER_NAMES: Final[tuple[ScorerName, ...]] = get_args(ScorerName)
_FIGURES_OF: Final[tuple[Of, ...]] = get_args(Of)
_NEEDED: Final[Mapping[str, str]] = {
    "regex": "pattern",
    "json_schema": "schema",
    "embedding": "model",
    "judge": "prompt",
    "autoevals": "scorer",
}
FIGURES: Final = ("cost", "latency", "tokens")
"""Metrics that every output has, next to the scorers' names: money in the currency of the
provider's prices, seconds, and tokens in and out."""

FRAMING: Final = ("host", "content-length", "transfer-encoding", "connection")
"""Headers that no suite gives its service: where a request goes and ends is not its to say."""
_HEADER: Final = re.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+")

MAX_TRIALS: Final = 20
MAX_SCORERS: Final = 30
MAX_CRITERIA: Final = 50
MAX_DEPTH: Final = 50
MINIMUM: Final = 20
_FIELDS: Final = (
    "for",
    "dataset",
    "output",
    "inputs",
    "scorers",
    "trials",
    "minimum",
    "hold",
    "description",
)
_SHARED: Final = ("name", "by", "path", "expected", "invert", "slice")


@dataclass(frozen=True, slots=True)
class Maker:
    """How an output is made: the way, and its options."""

    by: MakerName = "prompt"
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """How many levels of what the artifact consumes are run first."""
        return int(self.options.get("depth", MAX_DEPTH)) if self.by == "chain" else 0


@dataclass(frozen=True, slots=True)
class Scorer:
    """What an output is worth by one measure, from 0 to 1."""

    name: str
    by: ScorerName
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def slice(self) -> Mapping[str, str]:
        """The tags of the rows that it is for; none: it is for all."""
        tags: Mapping[str, str] = self.options.get("slice", {})
        return tags

    @property
    def judge(self) -> Selector | None:
        """The prompt that holds a judge's instructions."""
        return parse_selector(self.options["prompt"]) if self.by == "judge" else None


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that must hold of a metric, over all rows or those of a slice.

    ``at_least``, ``at_most``: a figure of all rows (``of``: their mean, unless said) against
    the bound. ``each_at_least``: every single row. ``not_worse_by``: the mean is not lower
    than that of what the alias points to now by more than the bound, as far as ``confidence``
    can tell; for cost, latency and tokens, not higher.
    """

    metric: str
    test: Test
    bound: float
    of: Of = "mean"
    confidence: float = 0.95
    slice: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        where = "".join(f", {key} {value}" for key, value in self.slice.items())
        name = f"{self.of} {self.metric}" if self.of != "mean" else self.metric
        if self.test == "each_at_least":
            return f"each {self.metric} at least {self.bound:g}{where}"
        if self.test == "not_worse_by":
            told = f"{self.metric} not worse by more than {self.bound:g}"
            return f"{told} ({self.confidence:.0%} sure){where}"
        return f"{name} {self.test.replace('_', ' ')} {self.bound:g}{where}"


@dataclass(frozen=True)
class SuiteContent(Standalone):
    """The content of a suite, in normal form. Made by `parse_suite`."""

    patterns: tuple[str, ...]
    dataset: Selector
    maker: Maker
    scorers: tuple[Scorer, ...]
    hold: tuple[Criterion, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)
    trials: int = 1
    minimum: int = MINIMUM
    description: str = ""

    def is_for(self, kind: str, name: str) -> bool:
        """Whether the suite is for this artifact."""
        for pattern in self.patterns:
            its_kind, wanted = _split_pattern(pattern)
            if its_kind == kind and matches(wanted, name):
                return True
        return False

    @property
    def compares(self) -> bool:
        """Whether anything in it asks for what the alias points to now."""
        return any(one.test == "not_worse_by" for one in self.hold)

    def slice_of(self, metric: str) -> Mapping[str, str]:
        """The tags of the rows that have a metric at all."""
        return next((one.slice for one in self.scorers if one.name == metric), {})

    def to_json(self) -> dict[str, JSON]:
        """The normal form: ``parse_suite(x.to_json()) == x``."""
        value: dict[str, Any] = {
            "for": list(self.patterns),
            "dataset": str(self.dataset),
            "scorers": [{"name": one.name, "by": one.by, **one.options} for one in self.scorers],
            "hold": [_written(one) for one in self.hold],
        }
        if self.maker != Maker():
            value["output"] = {"by": self.maker.by, **self.maker.options}
        for name, default in _DEFAULTS.items():
            if getattr(self, name) != default:
                value[name] = getattr(self, name)
        return value

    @property
    def uses(self) -> tuple[Selector, ...]:
        """The dataset, and the prompts that judges go by."""
        judges = (one.judge for one in self.scorers)
        return tuple(dict.fromkeys((self.dataset, *(one for one in judges if one is not None))))


_DEFAULTS: Final[Mapping[str, Any]] = {
    "inputs": {},
    "trials": 1,
    "minimum": MINIMUM,
    "description": "",
}


def parse_suite(value: JSON) -> SuiteContent:
    """The content of a suite.

    Raises:
        InvalidContent: ``reasons`` has everything that is wrong, each with its JSON pointer.
        InvalidInput: it is not JSON (see `check_json`).
    """
    if not isinstance(value, dict):
        raise InvalidContent(
            "The content of a suite must be an object.", code="wrong_type", hint="Write {…}."
        )
    check_json(value)
    faults = Faults()
    faults.unknown(value, _FIELDS, "")
    scorers = _scorers(value.get("scorers"), faults)
    content = SuiteContent(
        patterns=_patterns(value.get("for"), faults),
        dataset=_dataset(value.get("dataset"), faults),
        maker=_maker(value.get("output"), faults),
        scorers=scorers,
        hold=_hold(value.get("hold"), {one.name for one in scorers}, faults),
        inputs=_texts(value.get("inputs"), "/inputs", faults),
        trials=_whole(value.get("trials", 1), "/trials", 1, MAX_TRIALS, faults),
        minimum=_whole(value.get("minimum", MINIMUM), "/minimum", 1, 1_000_000, faults),
        description=_text(value.get("description", ""), "/description", faults),
    )
    faults.check()
    return content


def _split_pattern(pattern: str) -> tuple[Kind, str]:
    head, colon, rest = pattern.partition(":")
    return (head, rest) if colon and head in KINDS else ("prompt", pattern)


def _patterns(value: JSON, faults: Faults) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values:
        faults.add("wrong_type", "/for", "must name what the suite is for", 'Write ["support/*"].')
        return ()
    read = []
    for place, one in enumerate(values):
        try:
            check_pattern(_split_pattern(str(one))[1], field=f"/for/{place}")
        except PointsmanError as error:
            faults.add(error.code, f"/for/{place}", "is not a pattern", error.hint)
        else:
            read.append(str(one).removeprefix("prompt:"))
    return tuple(dict.fromkeys(read))


def _dataset(value: JSON, faults: Faults) -> Selector:
    try:
        return parse_selector(cast("str", value), kind="dataset")
    except PointsmanError as error:
        faults.add(error.code, "/dataset", "must be the selector of a dataset", error.hint)
        return Selector("dataset", "?")


def _maker(value: JSON, faults: Faults) -> Maker:
    if value is None:
        return Maker()
    if isinstance(value, str):
        value = {"by": value}
    if not faults.is_object(value, "/output"):
        return Maker()
    assert isinstance(value, dict)
    by = value.get("by")
    if by not in _MAKER_NAMES:
        faults.add(
            "unknown_maker",
            "/output/by",
            "is not a way to make an output",
            f"Use one of {', '.join(MAKERS)}.",
        )
        return Maker()
    faults.unknown(value, ("by", *MAKERS[by]), "/output")
    options = {key: one for key, one in value.items() if key != "by"}
    if by == "command":
        _argv(value.get("argv"), "/output/argv", faults)
    if by == "http" and not str(value.get("url", "")).startswith(("http://", "https://")):
        faults.add("invalid_url", "/output/url", "must be a web address", "Begin it with https://.")
    if "headers" in value:
        _check_headers(_texts(value["headers"], "/output/headers", faults), faults)
    if "depth" in value:
        _whole(value["depth"], "/output/depth", 1, MAX_DEPTH, faults)
    if "timeout" in value:
        _number(value["timeout"], "/output/timeout", 0.001, 3_600, faults)
    return Maker(by, options)


def _check_headers(headers: Mapping[str, str], faults: Faults) -> None:
    for name, text in headers.items():
        if name.lower() in FRAMING:
            message = f"can't set {name}, which follows from the address and what is sent"
            faults.add("reserved_header", "/output/headers", message, "Leave it out.")
        elif not (_HEADER.fullmatch(name) and text.isascii() and text.isprintable()):
            message = f"has {quoted(name)}, which can't be a header as it stands"
            hint = "Names are of letters, digits and hyphens; texts are one line of ASCII."
            faults.add("invalid_header", "/output/headers", message, hint)


def _scorers(value: JSON, faults: Faults) -> tuple[Scorer, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_SCORERS:
        faults.add("wrong_type", "/scorers", f"must be a list of at most {MAX_SCORERS}")
        return ()
    read: list[Scorer] = []
    for place, one in enumerate(value):
        scorer = _scorer(one, f"/scorers/{place}", faults)
        if scorer is None:
            continue
        if scorer.name in FIGURES or any(scorer.name == other.name for other in read):
            faults.add(
                "duplicate_name",
                f"/scorers/{place}/name",
                f"is {scorer.name!r}, which another metric is called",
                "Give each scorer a name of its own.",
            )
        read.append(scorer)
    return tuple(read)


def _scorer(value: JSON, field: str, faults: Faults) -> Scorer | None:
    if isinstance(value, str):
        value = {"by": value}
    if not faults.is_object(value, field):
        return None
    assert isinstance(value, dict)
    by = value.get("by")
    if by not in _SCORER_NAMES:
        faults.add(
            "unknown_scorer",
            f"{field}/by",
            "is not a scorer",
            f"Use one of {', '.join(SCORERS)}.",
        )
        return None
    faults.unknown(value, (*_SHARED, *SCORERS[by]), field)
    needed = _NEEDED.get(by)
    if needed and (value.get(needed) is None or (value[needed] == "" and by != "regex")):
        faults.add("missing_field", f"{field}/{needed}", "must be given")
        return None
    name = value.get("name", by)
    if not isinstance(name, str) or not name.strip() or len(name) > 100 or not name.isprintable():
        faults.add("wrong_type", f"{field}/name", "must be 1 to 100 printable characters")
        name = str(by)
    _options(by, value, field, faults)
    options = {key: one for key, one in value.items() if key not in ("name", "by")}
    return Scorer(name, by, options)


def _options(by: str, value: Mapping[str, JSON], field: str, faults: Faults) -> None:
    for key in ("path", "expected"):
        pointer = value.get(key, "")
        if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
            faults.add("wrong_type", f"{field}/{key}", "must be a JSON pointer", "Write /label.")
    if "slice" in value:
        _texts(value["slice"], f"{field}/slice", faults)
    for key in ("ignore_case", "trim", "relative", "invert"):
        if not isinstance(value.get(key, False), bool):
            faults.add("wrong_type", f"{field}/{key}", "must be true or false")
    for key in ("value", "pattern", "provider", "model", "scorer"):
        if not isinstance(value.get(key, ""), str):
            faults.add("wrong_type", f"{field}/{key}", "must be text")
    for key in ("options", "choices"):
        if key in value:
            faults.is_object(value[key], f"{field}/{key}")
    if "timeout" in value:
        _number(value["timeout"], f"{field}/timeout", 0.001, 3_600, faults)
    if "tolerance" in value:
        _number(value["tolerance"], f"{field}/tolerance", 0, math.inf, faults)
    if by == "command":
        _argv(value.get("argv"), f"{field}/argv", faults)
    if "schema" in value and (wrong := check_value_schema(value["schema"])):
        faults.add("invalid_schema", f"{field}/schema", f"can't be used: {wrong}")
    if by == "judge":
        _judge(value, field, faults)


def _judge(value: Mapping[str, JSON], field: str, faults: Faults) -> None:
    try:
        parse_selector(cast("str", value["prompt"]), kind="prompt")
    except PointsmanError as error:
        faults.add(error.code, f"{field}/prompt", "must be the selector of a prompt", error.hint)
    choices = value.get("choices", {})
    worths = choices.values() if isinstance(choices, dict) else ()
    if not all(isinstance(one, (int, float)) and 0 <= one <= 1 for one in worths):
        faults.add("wrong_type", f"{field}/choices", "must map answers to numbers from 0 to 1")


def _hold(value: JSON, scorers: set[str], faults: Faults) -> tuple[Criterion, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_CRITERIA:
        faults.add(
            "wrong_type",
            "/hold",
            f"must be a list of 1 to {MAX_CRITERIA} things that must hold",
            'Write [{"metric": "correct", "at_least": 0.9}].',
        )
        return ()
    read = [_criterion(one, scorers, f"/hold/{n}", faults) for n, one in enumerate(value)]
    return tuple(one for one in read if one is not None)


def _criterion(value: JSON, scorers: set[str], field: str, faults: Faults) -> Criterion | None:
    if not faults.is_object(value, field):
        return None
    assert isinstance(value, dict)
    tests = [one for one in get_args(Test) if one in value]
    faults.unknown(value, ("metric", "of", "confidence", "slice", *get_args(Test)), field)
    if len(tests) != 1:
        told = ", ".join(get_args(Test))
        faults.add("wrong_criterion", field, f"must have exactly one of {told}")
        return None
    (test,) = tests
    metric = value.get("metric")
    if metric not in (*scorers, *FIGURES):
        known = ", ".join((*sorted(scorers), *FIGURES))
        faults.add("unknown_metric", f"{field}/metric", "is not a metric", f"There are {known}.")
        return None
    of = value.get("of", "mean")
    if of not in _FIGURES_OF or (of != "mean" and test not in ("at_least", "at_most")):
        faults.add("wrong_figure", f"{field}/of", f"must be one of {', '.join(_FIGURES_OF)}")
        of = "mean"
    is_score = metric not in FIGURES and of != "total"
    lowest = 0.0 if test == "not_worse_by" or is_score else -math.inf
    highest = 1.0 if is_score else math.inf
    return Criterion(
        metric=str(metric),
        test=test,
        bound=_number(value[test], f"{field}/{test}", lowest, highest, faults),
        of=cast("Of", of),
        confidence=_number(
            value.get("confidence", 0.95), f"{field}/confidence", 0.5, 0.999, faults
        ),
        slice=_texts(value.get("slice"), f"{field}/slice", faults),
    )


def _written(one: Criterion) -> dict[str, Any]:
    value: dict[str, Any] = {"metric": one.metric, one.test: one.bound}
    if one.of != "mean":
        value["of"] = one.of
    if one.confidence != 0.95:
        value["confidence"] = one.confidence
    if one.slice:
        value["slice"] = dict(one.slice)
    return value


def _argv(value: JSON, field: str, faults: Faults) -> None:
    if not (isinstance(value, list) and value and all(isinstance(one, str) for one in value)):
        faults.add(
            "wrong_type",
            field,
            "must be a list: the program and its arguments",
            'Write ["python", "evaluate.py"]; no shell is asked.',
        )


def _texts(value: JSON, field: str, faults: Faults) -> dict[str, str]:
    if value is None or not faults.is_object(value, field):
        return {}
    assert isinstance(value, dict)
    if all(isinstance(one, str) for one in value.values()):
        return cast("dict[str, str]", value)
    faults.add("wrong_type", field, "must be texts by their names", 'Write {"a": "b"}.')
    return {}


def _text(value: JSON, field: str, faults: Faults) -> str:
    if isinstance(value, str):
        return value
    faults.add("wrong_type", field, "must be text")
    return ""


def _whole(value: JSON, field: str, least: int, most: int, faults: Faults) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    faults.add("wrong_number", field, f"must be a whole number from {least} to {most:,}")
    return least


def _number(value: JSON, field: str, least: float, most: float, faults: Faults) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and math.isfinite(cast("float", value)) and least <= cast("float", value) <= most:
        return float(cast("float", value))
    told = "must be a number"
    if math.isfinite(least):
        told += f" of at least {least:g}"
    if math.isfinite(most):
        told += f" and at most {most:g}"
    faults.add("wrong_number", field, told)
    return 0.0
