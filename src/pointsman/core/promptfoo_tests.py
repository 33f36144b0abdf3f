"""The tests of a configuration of promptfoo: with their defaults, scenarios and lists of values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

Tell = Callable[[str, str, str, str], None]
"""Takes where something stands, what it is, why it has no equivalent, and what to do."""


@dataclass(frozen=True, slots=True)
class Located:
    """A part of a configuration, and where it stands: ``/tests/3``, ``tests.csv line 4``."""

    where: str
    value: Any


def case_of_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """A test from a row of a table: columns are variables, but for those that begin with ``__``."""
    test: dict[str, Any] = {"vars": {}, "assert": [], "options": {}, "metadata": {}}
    settings: dict[str, dict[str, Any]] = {}
    for name, cell in cells.items():
        if name.startswith("__expected"):
            if cell.strip():
                test["assert"].append(_assertion_of(cell) | {"#": name})
        elif name.startswith("__metadata:"):
            test["metadata"][name.removeprefix("__metadata:")] = cell
        elif name.startswith("__config:") and cell.strip():
            _, column, key = (*name.split(":", 2), "")[:3]
            settings.setdefault(column, {})[key] = _number(cell)
        elif name in ("__prefix", "__suffix") and cell:
            test["options"][name.removeprefix("__")] = cell
        elif name in ("__description", "__threshold", "__metric") and cell.strip():
            test[name.removeprefix("__")] = _number(cell) if name == "__threshold" else cell
        elif not name.startswith("__"):
            test["vars"][name] = cell
    for one in test["assert"]:
        one |= settings.get("__expected", {}) | settings.get(one.pop("#"), {})
        if "metric" in test:
            one.setdefault("metric", test["metric"])
    return test


_WRITTEN: Final = re.compile(
    r"\s*(?P<type>[a-z][a-z0-9-]*)(?:\((?P<at>[0-9.]+)\))?:(?P<value>.*)", re.S
)
_TYPES: Final = re.compile(
    "(?:not-)?(?:"
    "answer-relevance|bleu|classifier|contains|contains-all|contains-any|"
    "contains-html|contains-json|contains-sql|contains-xml|context-faithfulness|"
    "context-recall|context-relevance|cost|equals|eval|factuality|finish-"
    "reason|fn|g-eval|gleu|grade|guardrails|icontains|icontains-all|"
    "icontains-any|is-html|is-json|is-refusal|is-sql|is-valid-function-call|is-"
    "valid-openai-function-call|is-valid-openai-tools-call|is-xml|javascript|"
    "latency|levenshtein|llm-rubric|meteor|model-graded-closedqa|model-graded-"
    "factuality|moderation|perplexity|perplexity-score|pi|python|regex|"
    "rouge-n|ruby|search-rubric|similar|starts-with|tool-call-f1|webhook|word-"
    "count"
    ")"
)
"""What may stand before a colon; with any other word, the whole cell is what is expected."""
_NO_VALUE: Final = ("is-json", "not-is-json", "contains-json", "not-contains-json")
_SHORT: Final = {"grade": "llm-rubric", "fn": "javascript", "eval": "javascript"}


def _assertion_of(text: str) -> dict[str, Any]:
    """An assertion as a cell has it: ``contains: Paris``, ``similar(0.8):…``, or what is equal."""
    if text.strip() in _NO_VALUE:
        return {"type": text.strip()}
    found = _WRITTEN.fullmatch(text)
    if not found or not _TYPES.fullmatch(found["type"]):
        return {"type": "equals", "value": text}
    assertion: dict[str, Any] = {"type": _SHORT.get(found["type"], found["type"])}
    if found["value"].strip():
        assertion["value"] = found["value"].strip()
    if found["at"]:
        assertion["threshold"] = _number(found["at"])
    return assertion


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


# -- tests


@dataclass(frozen=True, slots=True)
class Case:
    """A test with what it has from the defaults and its scenario."""

    where: str
    vars: Mapping[str, Any]
    asserts: tuple[Located, ...]
    options: Mapping[str, Any]
    metadata: Mapping[str, Any]
    description: str = ""
    threshold: Any = None
    provider: Any = None


def each_case(
    config: Mapping[str, Any], tests: Sequence[Located], scenarios: Sequence[Located]
) -> Iterator[Case]:
    default = Located("/defaultTest", as_object(config.get("defaultTest")))
    for test in tests:
        yield _merged([default, Located(test.where, as_object(test.value))])
    for scenario in scenarios:
        value = as_object(scenario.value)
        inner = list(_placed(value.get("tests"), f"{scenario.where}/tests"))
        for data in _placed(value.get("config"), f"{scenario.where}/config"):
            for test in inner:
                yield _merged([default, data, test])


def _merged(layers: Sequence[Located]) -> Case:
    """A test of several layers, the last of which is the test itself."""
    last = layers[-1]
    options: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    asserts: list[Located] = []
    bare = bool(as_object(last.value.get("options")).get("disableDefaultAsserts"))
    for place, layer in enumerate(layers):
        options |= as_object(layer.value.get("options"))
        given = layer.value.get("vars")
        variables |= given if isinstance(given, dict) else {"vars": given} if given else {}
        metadata |= as_object(layer.value.get("metadata"))
        if place or not bare:
            asserts += _placed_all(layer.value.get("assert"), f"{layer.where}/assert")
    thresholds = [one.value.get("threshold") for one in layers]
    return Case(
        where=last.where,
        vars=variables,
        asserts=tuple(asserts),
        options=options,
        metadata=metadata,
        description=str(last.value.get("description") or ""),
        threshold=next((one for one in reversed(thresholds) if one is not None), None),
        provider=last.value.get("provider") or last.value.get("providers"),
    )


def as_object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _placed(values: Any, where: str) -> Iterator[Located]:
    for place, one in enumerate(values if isinstance(values, list) else ()):
        yield Located(f"{where}/{place}", as_object(one))


def _placed_all(values: Any, where: str) -> Iterable[Located]:
    """Assertions with their places; one that is a text is as a cell has it."""
    for place, one in enumerate(values if isinstance(values, list) else ()):
        value = _assertion_of(one) if isinstance(one, str) else as_object(one)
        yield Located(f"{where}/{place}", value)


def flat(asserts: Sequence[Located], config: Mapping[str, Any], tell: Tell) -> Iterator[Located]:
    """Assertions without their sets, and with those in place that they refer to."""
    waiting = list(reversed(asserts))
    for _ in range(10_000):
        if not waiting:
            return
        one = waiting.pop()
        reference = one.value.get("$ref")
        if isinstance(reference, str):
            found = _referred(config, reference)
            if found is None or "$ref" in found:
                tell(one.where, f"$ref {reference}", "It leads nowhere.", "Write it out.")
                continue
            one = Located(one.where, {**found, **one.value})
        if one.value.get("type") == "assert-set":
            inner = list(_placed_all(one.value.get("assert"), f"{one.where}/assert"))
            if one.value.get("threshold") not in (None, 1):
                why = "Here every assertion must pass, not a share of a set."
                tell(one.where, "assert-set", why, "Choose which of them must hold.")
                continue
            waiting += reversed(inner)
            continue
        yield one


def _referred(config: Mapping[str, Any], reference: str) -> dict[str, Any] | None:
    value: Any = config
    for step in reference.removeprefix("#").strip("/").split("/"):
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else None


def expanded(test: Case) -> Iterator[dict[str, Any]]:
    """Every choice from the lists among a test's values."""
    if test.options.get("disableVarExpansion"):
        yield dict(test.vars)
        return
    lists = [value if isinstance(value, list) else [value] for value in test.vars.values()]
    for chosen in product(*lists):
        yield dict(zip(test.vars, chosen, strict=True))


def unread(values: Any) -> str:
    """The first value that stands for a file or a package; empty if there is none."""
    waiting = [values]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += reversed(list(one.values()))
        elif isinstance(one, list):
            waiting += reversed(one)
        elif isinstance(one, str) and one.startswith(("file://", "package:")):
            return one
    return ""
