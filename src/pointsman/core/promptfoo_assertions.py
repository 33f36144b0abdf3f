"""What an assertion of promptfoo becomes: a scorer, a bound, and the value that a row expects.

Where promptfoo has a value in each assertion, a scorer takes it from what its row expects; so
a hundred rows with a word each to be found need one scorer. What can't be told here in the
same way has no equivalent, and `NoEquivalentError` says why and what to do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pointsman.core.canonical import json_pointer

NOTHING: Final = object()
"""The value of a check that needs none."""
_SIMILAR: Final = 0.75
_LEVENSHTEIN: Final = 5
"""The thresholds that promptfoo goes by where none is written."""
_LOWEST_FACTUAL: Final = 0.4
_CODE: Final = {"javascript", "python", "ruby", "webhook"}
_BEYOND: Final = re.compile(r"\(\?<?[=!]|\\[1-9]|\\k<")
"""Look-around and back-references, which take more than linear time."""
_PATH: Final = re.compile(r"(?:JSON\.parse\(output\)|output)((?:\.[A-Za-z_]\w*|\[\d{1,6}\])+)")


class NoEquivalentError(Exception):
    """There is nothing here that does the same: why, and what to do."""

    def __init__(self, why: str, do: str) -> None:
        super().__init__(why)
        self.why = why
        self.do = do


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that an output is measured by.

    `scorer` is empty where the figures of every output are enough. `caveat` says in what the
    check differs from the assertion.
    """

    label: str
    criterion: Mapping[str, Any]
    scorer: Mapping[str, Any] = field(default_factory=dict)
    value: Any = NOTHING
    caveat: str = ""
    judged: bool = False


@dataclass(frozen=True, slots=True)
class Models:
    """The models that assertions ask where they name none: for judging, for embeddings."""

    grader: str = ""
    embeddings: str = ""


def checks_of(assertion: Mapping[str, Any], models: Models) -> list[Check]:
    """The checks that together pass where the assertion does.

    Raises:
        NoEquivalentError: there are none.
    """
    written = assertion.get("type")
    kind = written if isinstance(written, str) else ""
    invert = kind.startswith("not-")
    kind = kind.removeprefix("not-")
    read = _READERS.get(kind)
    if read is None:
        raise _unknown(kind)
    value = assertion.get("value")
    if isinstance(value, str) and value.startswith("file://"):
        raise NoEquivalentError(
            f"Its value is in {value}, which is not read.",
            "Write the value into the configuration, or keep a .json or .txt file beside it.",
        )
    path = _path_of(assertion.get("transform"))
    label = assertion.get("metric") or kind
    found = list(read(_Asked(str(label), kind, value, assertion, invert, models)))
    if path:
        found = [_with(one, path=path) for one in found]
    if assertion.get("weight") == 0:
        found = [
            Check(one.label, {}, one.scorer, one.value, one.caveat, one.judged) for one in found
        ]
    return found


def model_of(named: Any) -> dict[str, str]:
    """A provider of promptfoo as a provider and a model: ``openai:chat:gpt-4o``.

    Empty where there is none, or it is not said in one text.
    """
    if isinstance(named, Mapping):
        named = named.get("id") or named.get("text") or named.get("embedding")
    if not isinstance(named, str):
        return {}
    start, colon, rest = named.replace("/", ":", 1).partition(":")
    for way in ("chat", "completion", "responses", "messages", "embedding", "embeddings"):
        rest = rest.removeprefix(f"{way}:")
    return {"provider": start, "model": rest} if colon and start and rest else {}


@dataclass(frozen=True, slots=True)
class _Asked:
    label: str
    kind: str
    value: Any
    whole: Mapping[str, Any]
    invert: bool
    models: Models

    @property
    def threshold(self) -> float | None:
        found = self.whole.get("threshold")
        number = isinstance(found, int | float) and not isinstance(found, bool)
        return float(found) if number else None  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """The value as text. Raises `NoEquivalentError` if it is none."""
        if isinstance(self.value, bool) or not isinstance(self.value, str | int | float):
            raise NoEquivalentError(
                f"{self.kind} has a value that is no text.", "Write the text to look for."
            )
        return str(self.value)

    @property
    def texts(self) -> list[str]:
        """The value as several texts; in one text they stand between commas."""
        values = self.value.split(",") if isinstance(self.value, str) else self.value
        if not isinstance(values, list) or not values:
            raise NoEquivalentError(f"{self.kind} names no texts.", "Write a list of texts.")
        texts = [str(one).strip() if isinstance(self.value, str) else str(one) for one in values]
        if not all(texts):
            raise NoEquivalentError(
                f"{self.kind} looks for an empty text, which every output holds.", "Leave it out."
            )
        return texts

    def check(self, by: str, value: Any = NOTHING, least: float = 1.0, **more: Any) -> Check:
        """A check by a scorer; inverted where the assertion is."""
        caveat, judged = more.pop("caveat", ""), more.pop("judged", False)
        scorer = {"by": by, **more, **({"invert": True} if self.invert else {})}
        label = f"not {self.label}" if self.invert and self.label == self.kind else self.label
        return Check(label, {"each_at_least": least}, scorer, value, caveat, judged)

    def only_as_it_is(self) -> None:
        """Raises `NoEquivalentError` if the assertion is turned round."""
        if self.invert:
            raise NoEquivalentError(
                f"not-{self.kind} can't be told by one scorer.",
                "Write it as several assertions, or as a scorer of your own (by: command).",
            )


def _equals(asked: _Asked) -> list[Check]:
    if isinstance(asked.value, dict | list):
        return [asked.check("json_equal", asked.value)]
    if isinstance(asked.value, bool) or asked.value is None:
        return [asked.check("exact", json.dumps(asked.value))]
    return [asked.check("exact", asked.text)]


def _contains(asked: _Asked) -> list[Check]:
    if not asked.text:
        raise NoEquivalentError("Every output holds an empty text.", "Leave it out.")
    return [asked.check("contains", asked.text, **_folding(asked))]


def _contains_all(asked: _Asked) -> list[Check]:
    if len(asked.texts) > 1:
        asked.only_as_it_is()
    return [asked.check("contains", text, **_folding(asked)) for text in asked.texts]


def _contains_any(asked: _Asked) -> list[Check]:
    pattern = "|".join(re.escape(text) for text in asked.texts)
    return [asked.check("regex", pattern=_flags(asked) + pattern)]


def _starts_with(asked: _Asked) -> list[Check]:
    return [asked.check("regex", pattern="^" + re.escape(asked.text))]


def _regex(asked: _Asked) -> list[Check]:
    if _BEYOND.search(asked.text):
        raise NoEquivalentError(
            "The pattern has look-around or back-references, which take more than linear time.",
            "Write it without them; two patterns may do what one did.",
        )
    return [asked.check("regex", pattern=asked.text)]


def _is_json(asked: _Asked) -> list[Check]:
    schema = asked.value
    if isinstance(schema, str) and schema.strip():
        try:
            schema = json.loads(schema)
        except ValueError:
            raise NoEquivalentError(
                "Its value is no JSON Schema.", "Write the schema as an object."
            ) from None
    if schema in (None, ""):
        schema = {}
    if not isinstance(schema, dict):
        raise NoEquivalentError("Its value is no JSON Schema.", "Write the schema as an object.")
    caveat = "" if not asked.invert else "an output that is no JSON is worth nothing either way"
    return [asked.check("json_schema", schema=schema, caveat=caveat)]


def _levenshtein(asked: _Asked) -> list[Check]:
    asked.only_as_it_is()
    edits = asked.threshold if asked.threshold is not None else _LEVENSHTEIN
    least = round(max(0.0, 1 - edits / len(asked.text)), 4) if asked.text else 1.0
    caveat = "edits count here as a share of the longer text, not by their number"
    return [asked.check("edit_distance", asked.text, least, caveat=caveat)]


def _similar(asked: _Asked) -> list[Check]:
    if isinstance(asked.value, list) and len(asked.value) == 1:
        asked = _Asked(asked.label, asked.kind, asked.value[0], *_rest(asked))
    elif isinstance(asked.value, list):
        raise NoEquivalentError(
            "It is near enough to any of several texts.", "Name one text that outputs resemble."
        )
    asked.only_as_it_is()
    model = model_of(asked.whole.get("provider")) or model_of(asked.models.embeddings)
    if not model:
        raise NoEquivalentError(
            "It names no model of embeddings.", "Name one: --embeddings PROVIDER:MODEL."
        )
    least = asked.threshold if asked.threshold is not None else _SIMILAR
    return [asked.check("embedding", asked.text, least, **model)]


def _rubric(asked: _Asked) -> list[Check]:
    if not model_of(asked.whole.get("provider")) and not model_of(asked.models.grader):
        raise NoEquivalentError(
            "It names no model that judges.", "Name one: --grader PROVIDER:MODEL."
        )
    told = ["the judge's instructions are Pointsman's own, and it says pass or fail"]
    if asked.threshold not in (None, 1.0):
        told.append("so its threshold does not count")
    choices = {"pass": 1, "fail": 0}
    caveat = ", ".join(told)
    return [asked.check("judge", asked.text, choices=choices, caveat=caveat, judged=True)]


def _factuality(asked: _Asked) -> list[Check]:
    asked.only_as_it_is()
    model = model_of(asked.whole.get("provider")) or model_of(asked.models.grader)
    if not model:
        raise NoEquivalentError(
            "It names no model that judges.", "Name one: --grader PROVIDER:MODEL."
        )
    return [asked.check("autoevals", asked.text, _LOWEST_FACTUAL, scorer="Factuality", **model)]


def _cost(asked: _Asked) -> list[Check]:
    return [_figure(asked, "cost", 1)]


def _latency(asked: _Asked) -> list[Check]:
    return [_figure(asked, "latency", 1_000)]


def _figure(asked: _Asked, metric: str, divisor: int) -> Check:
    asked.only_as_it_is()
    if asked.threshold is None:
        raise NoEquivalentError(f"It has no threshold; {metric} is measured anyway.", "Leave it.")
    return Check(metric, {"metric": metric, "at_most": asked.threshold / divisor, "of": "max"})


_READERS: Final[Mapping[str, Callable[[_Asked], Sequence[Check]]]] = {
    "equals": _equals,
    "contains": _contains,
    "icontains": _contains,
    "contains-all": _contains_all,
    "icontains-all": _contains_all,
    "contains-any": _contains_any,
    "icontains-any": _contains_any,
    "starts-with": _starts_with,
    "regex": _regex,
    "is-json": _is_json,
    "levenshtein": _levenshtein,
    "similar": _similar,
    "llm-rubric": _rubric,
    "model-graded-closedqa": _rubric,
    "factuality": _factuality,
    "model-graded-factuality": _factuality,
    "cost": _cost,
    "latency": _latency,
}


def _unknown(kind: str) -> NoEquivalentError:
    if kind in _CODE:
        return NoEquivalentError(
            f"{kind} runs code of the configuration, which is never run here.",
            "Make it a program that reads rows and writes scores, and a scorer by command.",
        )
    if kind == "contains-json":
        return NoEquivalentError(
            "Scorers read an output as a whole, not the JSON within a text.",
            "If outputs are nothing but JSON, make it is-json.",
        )
    if kind.startswith(("answer-relevance", "context-")):
        return NoEquivalentError(
            f"{kind} has prompts of its own.", "See the scorer autoevals: it has scorers like it."
        )
    return NoEquivalentError(
        f"{kind} has no equivalent." if kind else "It has no type.",
        "Write a scorer of your own: a judge, or a program (by: command).",
    )


def _path_of(transform: Any) -> str:
    """The JSON pointer that a plain expression such as ``JSON.parse(output).a[0]`` stands for.

    Raises `NoEquivalentError` for any other.
    """
    if transform in (None, ""):
        return ""
    found = _PATH.fullmatch(transform.strip()) if isinstance(transform, str) else None
    if found is None:
        raise NoEquivalentError(
            "It is about the output as code has transformed it, and no code is run here.",
            "If it takes a part of JSON, name that by the scorer's path; else let the prompt "
            "give what is to be scored.",
        )
    return json_pointer(re.findall(r"\w+", found[1]))


def _with(check: Check, **more: Any) -> Check:
    if not check.scorer:
        return check
    scorer = {**check.scorer, **more}
    return Check(check.label, check.criterion, scorer, check.value, check.caveat, check.judged)


def _folding(asked: _Asked) -> dict[str, Any]:
    return {"ignore_case": True} if asked.kind.startswith("icontains") else {}


def _flags(asked: _Asked) -> str:
    return "(?i)" if asked.kind.startswith("icontains") else ""


def _rest(asked: _Asked) -> tuple[Mapping[str, Any], bool, Models]:
    return asked.whole, asked.invert, asked.models
