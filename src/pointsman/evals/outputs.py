"""Making outputs: by rendering a prompt and asking its model, alone or at the end of a chain.

An output is kept under the digest of everything that made it: the call as it is sent, with
all that was rendered into it, to whom, and which trial it is. So nothing is paid for twice,
and an output that anything could have made otherwise is made anew. Of two that are wanted at
the same time, one is made.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pointsman.core.canonical import canonical_json, digest
from pointsman.core.datasets import Row
from pointsman.core.making import Need, split_label
from pointsman.core.plain import from_plain, to_plain
from pointsman.core.prompt import Prompt
from pointsman.core.providers import Call
from pointsman.core.suites import Maker
from pointsman.errors import PointsmanError
from pointsman.evals.memory import Memory
from pointsman.evals.models import Models
from pointsman.evals.outcome import Output
from pointsman.evals.preparing import Side
from pointsman.evals.providers import Provider

_PLAIN = ("object", "array", "number", "integer", "boolean", "null")


@dataclass(frozen=True, slots=True)
class Made:
    """An output, or the sentence that says why there is none; `key` is what it is kept under.

    `via` has the outputs that it was made from, by the labels of the versions that made them.
    """

    output: Output | None
    key: str = ""
    error: str = ""
    reused: bool = False
    via: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Bill:
    """What was made anew, from memory, and what it cost, in the currency of the prices."""

    made: int = 0
    reused: int = 0
    cost: float = 0.0
    stood_in: int = 0
    """Answers that a fallback gave."""


class Unmade(Exception):
    """There is no output; the message says why. The evaluation goes on."""


class Calls:
    """Asks models, each question once. Belongs to one event loop."""

    def __init__(self, models: Models, providers: Mapping[str, Provider], memory: Memory) -> None:
        self._models = models
        self._memory = memory
        self._providers = providers
        self._under_way: dict[str, asyncio.Task[tuple[Output, bool]]] = {}

    async def ask(self, call: Call, trial: int, bill: Bill) -> Made:
        """The answer to a call, from memory if it was asked before; it goes on the bill.

        Raises `ModelFailure` and `BudgetExceeded`.
        """
        key = self._key(call, trial)
        task = self._under_way.get(key)
        mine = task is None
        if task is None:
            task = asyncio.create_task(self._make(key, call, bill))
            self._under_way[key] = task
            task.add_done_callback(partial(self._answered, key))
        # Who shares a question must not lose it because the first to ask goes away.
        output, kept = await asyncio.shield(task)
        reused = kept or not mine
        bill.reused += reused
        return Made(output, key, reused=reused)

    async def close(self) -> None:
        """End what is under way and nobody waits for any more."""
        under_way = list(self._under_way.values())
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _answered(self, key: str, task: asyncio.Task[tuple[Output, bool]]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever asked has been told, or has gone away

    async def _make(self, key: str, call: Call, bill: Bill) -> tuple[Output, bool]:
        kept = await self._memory.recall(key)
        if kept is not None:
            return from_plain(Output, json.loads(kept)), True
        answer = await self._models.ask(call)
        bill.made += 1  # it is to be paid, whatever becomes of it
        bill.cost += answer.cost or 0.0
        bill.stood_in += answer.stood_in
        output = Output(
            text=answer.text,
            tool_calls=answer.tool_calls,
            tokens=(answer.tokens_in + answer.tokens_out) or None,
            cost=answer.cost,
            seconds=answer.seconds,
        )
        if not answer.stood_in:  # what a fallback says is no answer of the model's
            await self._memory.keep(key, json.dumps(to_plain(output), ensure_ascii=False))
        return output, False

    def _key(self, call: Call, trial: int) -> str:
        name = str(call.model.get("provider") or "")
        used = [self._providers[name]] if name in self._providers else self._providers.values()
        return digest(
            canonical_json(
                {
                    "call": to_plain(call),
                    "to": [[one.name, one.api, one.base_url or ""] for one in used],
                    "trial": trial,
                }
            )
        )


class Asked:
    """Asks models for scorers: a judge's question is one like any other, and asked once."""

    def __init__(self, calls: Calls, models: Models) -> None:
        self.calls = calls
        self._models = models
        self.bill = Bill()

    async def ask(self, call: Call) -> Output:
        """The answer to a call. Raises `ModelFailure` and `BudgetExceeded`."""
        made = await self.calls.ask(call, 0, self.bill)
        assert made.output is not None, "what can't be made is raised"
        return made.output

    async def embed(self, provider: str, model: str, texts: Sequence[str]) -> list[list[float]]:
        """The vectors of some texts, in their order."""
        return await self._models.embed(provider, model, texts)


class Prompted:
    """Makes outputs by prompts: rendered with a row's inputs, after what they consume."""

    def __init__(self, calls: Calls, maker: Maker, inputs: Mapping[str, str]) -> None:
        self._calls = calls
        self._maker = maker
        self._inputs = inputs
        self.bill = Bill()
        """Those that others are made from are on it as well."""

    async def make(self, side: Side, row: Row, trial: int) -> Made:
        """The output of a side's version for a row.

        Raises `BudgetExceeded`, and `ModelFailure` where the model gives none.
        """
        try:
            return await _Chain(self, side, row, trial).of(side.making.root, self._maker.depth)
        except Unmade as error:
            return Made(None, error=str(error))

    async def answer(
        self, prompt: Prompt, label: str, values: Mapping[str, Any], trial: int
    ) -> Made:
        """What the model says to a prompt with these values."""
        return await self._calls.ask(_rendered(prompt, label, values), trial, self.bill)

    def given(self, prompt: Prompt, row: Row) -> dict[str, Any]:
        """Those of the row's inputs that the prompt takes."""
        wanted = [one.name for one in prompt.variables]
        wanted += [one.name for one in prompt.placeholders]
        places = {name: self._inputs.get(name, name) for name in wanted}
        return {name: row.input[place] for name, place in places.items() if place in row.input}


class _Chain:
    """The outputs for one row that lead to that of a version, each of them made once."""

    def __init__(self, prompted: Prompted, side: Side, row: Row, trial: int) -> None:
        self._prompted = prompted
        self._side = side
        self._row = row
        self._trial = trial
        self._under_way: dict[tuple[str, int], asyncio.Task[Made]] = {}

    async def of(self, label: str, depth: int) -> Made:
        """The output of a version, with so many levels of what it consumes run first."""
        side = self._side
        if label in side.unfit:
            raise Unmade(f"{label} can't be put together: {side.unfit[label]}")
        prompt = side.prompts.get(label)
        if prompt is None:
            kind = split_label(label)[0]
            raise Unmade(f"{label} is a {kind}, which can't be run here: use output by command.")
        values = self._prompted.given(prompt, self._row)
        needs = side.needs(label) if depth else ()
        made = await asyncio.gather(*(self._consumed(need, depth) for need in needs))
        via: dict[str, str] = {}
        for need, one in zip(needs, made, strict=True):
            assert one.output is not None, "what can't be made is raised"
            values[need.variable] = _value(prompt, need.variable, one.output.text)
            via |= {**one.via, need.part: one.output.text}
        answer = await self._prompted.answer(prompt, label, values, self._trial)
        reused = answer.reused and all(one.reused for one in made)
        return Made(answer.output, answer.key, reused=reused, via=via)

    async def _consumed(self, need: Need, depth: int) -> Made:
        if not need.part:
            raise Unmade(f"{need.selector}, which {need.variable} takes, means nothing.")
        key = need.part, depth - 1
        if key not in self._under_way:
            self._under_way[key] = asyncio.ensure_future(self.of(*key))
        return await self._under_way[key]


def _rendered(prompt: Prompt, label: str, values: Mapping[str, Any]) -> Call:
    try:
        rendered = prompt.render(**values)
    except PointsmanError as error:
        raise Unmade(f"{label} can't be rendered for this row: {error.message}") from error
    messages = [{"role": "user", "content": rendered}] if isinstance(rendered, str) else rendered
    return Call(messages, prompt.model or {}, prompt.tools, prompt.response_format)


def _value(prompt: Prompt, variable: str, text: str) -> Any:
    """An output as a variable takes it: JSON where the variable's schema asks for that."""
    declared = prompt.content.variables.get(variable)
    schema = declared.schema if declared else True
    wanted = schema.get("type") if isinstance(schema, dict) else None
    if wanted not in _PLAIN:
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unmade(f"{variable} takes {wanted}, and what it consumes is no JSON.") from error
