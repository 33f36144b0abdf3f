"""What tests of scorers share: cases, judges, and a real provider of models."""

from __future__ import annotations

import asyncio
from typing import Any

from evals.endpoint import Behaviour, Endpoint
from pointsman.core.content import parse_prompt
from pointsman.core.datasets import Row
from pointsman.core.prompt import Prompt
from pointsman.core.selectors import Selector
from pointsman.core.suites import Scorer, parse_suite
from pointsman.errors import NotFound
from pointsman.evals.budget import Budget
from pointsman.evals.models import Models, Patience
from pointsman.evals.outcome import Output, Score
from pointsman.evals.providers import Provider
from pointsman.evals.scorers import Tools, score_all

NOTHING: Any = object()

JUDGE = {
    "template": [
        {"role": "system", "content": "How good is the output? Answer with a number."},
        {"role": "user", "content": "Input: {{ input }}\nOutput: {{ output }}"},
    ],
    "model": {"provider": "local", "name": "judge-1", "parameters": {"temperature": 0}},
}
STRICT = {
    "template": "{{ output }} should be {{ expected }}",
    "model": {"provider": "local", "name": "judge-1"},
}
BLIND = {"template": "Is {{ expected }} good?", "model": {"provider": "local", "name": "judge-1"}}
CURIOUS = {"template": "{{ output }}{{ weather }}", "model": {"name": "judge-1"}}
JUDGES = {"judge": JUDGE, "strict": STRICT, "blind": BLIND, "curious": CURIOUS}


def scorer(by: str, **options: Any) -> Scorer:
    """A scorer as a suite has it."""
    content = parse_suite(
        {
            "for": "a",
            "dataset": "d",
            "scorers": [{"by": by, **options}],
            "hold": [{"metric": by, "at_least": 1}],
        }
    )
    return content.scorers[0]


def row(expected: Any = NOTHING, **inputs: Any) -> Row:
    there = expected is not NOTHING
    return Row(inputs or {"question": "Who?"}, expected if there else None, there, {"kind": "a"})


def find_judge(selector: Selector) -> Prompt:
    if selector.name not in JUDGES:
        raise NotFound(f"There is no prompt {selector}.")
    content = parse_prompt(JUDGES[selector.name])  # type: ignore[arg-type]
    return Prompt(selector.name, 1, content.digest, content)


def worth(
    one: Scorer,
    text: str,
    expected: Any = NOTHING,
    *,
    value: Any = None,
    behaviour: Behaviour | Any = "0.5",
    inputs: dict[str, Any] | None = None,
    **tools: Any,
) -> Score:
    """What one output is worth, with a real provider of models at hand."""
    return worths(
        one, [(Output(text, value), row(expected, **(inputs or {})))], behaviour, **tools
    )[0]


def worths(
    one: Scorer,
    cases: list[tuple[Output, Row]],
    behaviour: Behaviour | Any = "0.5",
    *,
    budget: Budget | None = None,
    timeout: float = 60,
    seen: list[Any] | None = None,
    **tools: Any,
) -> list[Score]:
    async def scored(endpoint: Endpoint) -> list[Score]:
        provider = Provider("local", "openai", endpoint.base_url, "key", timeout=timeout)
        patience = Patience(attempts=1)
        async with Models({"local": provider}, budget, patience=patience) as models:
            return await score_all(one, cases, Tools(models, find_judge, **tools))

    with Endpoint(behaviour) as endpoint:
        try:
            return asyncio.run(scored(endpoint))
        finally:
            if seen is not None:
                seen += endpoint.requests


def plain(one: Scorer, text: str, expected: Any = NOTHING, value: Any = None) -> Score:
    """As `worth`, for scorers that ask no model."""
    return plainly(one, [(Output(text, value), row(expected))])[0]


def plainly(one: Scorer, cases: list[tuple[Output, Row]], **tools: Any) -> list[Score]:
    async def scored() -> list[Score]:
        async with Models({}) as models:
            return await score_all(one, cases, Tools(models, find_judge, **tools))

    return asyncio.run(scored())
