"""What an evaluation needs, read once: the suite, the rows, and every prompt ready to render."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pointsman.app.application import View
from pointsman.core.composition import Included, compose
from pointsman.core.content import restore_prompt
from pointsman.core.datasets import Row, restore_dataset
from pointsman.core.making import Making, Need, Orders, split_label
from pointsman.core.prompt import Prompt
from pointsman.core.selectors import Selector
from pointsman.core.suites import SuiteContent, parse_suite
from pointsman.errors import Gone, PointsmanError


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that an evaluation works with. `prompts` are those of a side, by their labels."""

    orders: Orders
    suite: SuiteContent
    rows: tuple[Row, ...]
    candidate: Side
    baseline: Side | None
    judges: Mapping[str, Side]


@dataclass(frozen=True, slots=True)
class Side:
    """A making with its prompts composed; `unfit` tells of those that can't be, and why."""

    making: Making
    prompts: Mapping[str, Prompt]
    unfit: Mapping[str, str]

    def needs(self, label: str) -> tuple[Need, ...]:
        """What a version takes the output of, one for each variable."""
        part = self.making.parts.get(label)
        return tuple(need for need in (part.needs if part else ()) if need.relation == "consumes")


def prepare(view: View, orders: Orders) -> Prepared:
    """Read what the orders name. Raises `Gone` if some of it was removed since."""
    suite = parse_suite(_content(view, orders.suite))
    rows = restore_dataset(_content(view, orders.dataset)).rows
    return Prepared(
        orders=orders,
        suite=suite,
        rows=rows,
        candidate=_side(view, orders.candidate),
        baseline=None if orders.baseline is None else _side(view, orders.baseline),
        judges={selector: _side(view, one) for selector, one in orders.judges.items()},
    )


def contents_of(view: View, orders: Orders) -> dict[str, Any]:
    """The content of every version that takes part, by its label; None where it is gone."""
    sides = [orders.candidate] + ([orders.baseline] if orders.baseline else [])
    found: dict[str, Any] = {}
    for label in dict.fromkeys(label for side in sides for label in side.parts):
        try:
            found[label] = _content(view, label)
        except Gone:
            found[label] = None
    return found


def _side(view: View, making: Making) -> Side:
    prompts: dict[str, Prompt] = {}
    unfit: dict[str, str] = {}
    for label in making.parts:
        if split_label(label)[0] != "prompt":
            continue
        try:
            prompts[label] = _composed(view, making, label)
        except PointsmanError as error:
            unfit[label] = error.message
    return Side(making, prompts, unfit)


def _composed(view: View, making: Making, label: str) -> Prompt:
    """A version with its includes put in, each as the orders resolved it."""
    meant: dict[str, str] = {}
    for part in making.parts.values():
        for need in part.needs:
            if need.relation == "includes":
                meant[need.selector] = need.part

    def fetch(selector: Selector) -> Included[str]:
        child = meant.get(str(selector), "")
        if not child:
            raise Gone(f"{label} includes {selector}, which means nothing.", code="tombstoned")
        return Included(child, restore_prompt(_content(view, child)), child)

    _, name, number = split_label(label)
    content = restore_prompt(_content(view, label))
    whole = compose(content, fetch, label=label).content
    return Prompt(name, number, making.parts[label].digest, whole)


def _content(view: View, label: str) -> dict[str, Any]:
    kind, name, number = split_label(label)
    artifact = view.reader.artifact(view.project.id, kind, name)
    body = None if artifact is None else view.reader.content(artifact.id, number)
    if body is None:
        raise Gone(f"The content of {label} was removed.", code="tombstoned")
    content: dict[str, Any] = json.loads(body)
    return content
