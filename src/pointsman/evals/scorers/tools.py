"""What scorers may use: models, the prompts of judges, and whether commands may be run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from pointsman.core.prompt import Prompt
from pointsman.core.providers import Call
from pointsman.core.selectors import Selector
from pointsman.evals.outcome import Score
from pointsman.evals.scorers.cases import Case


class Answered(Protocol):
    """What a model said."""

    @property
    def text(self) -> str:
        """Its text; empty if it only called tools."""
        ...

    @property
    def tool_calls(self) -> Sequence[Any]:
        """The tools that it called, in OpenAI's form."""
        ...


class Asks(Protocol):
    """Whoever asks models: `evals.models.Models`, as far as scorers need it."""

    async def ask(self, call: Call) -> Answered:
        """The answer to a call."""
        ...

    async def embed(self, provider: str, model: str, texts: Sequence[str]) -> list[list[float]]:
        """The vectors of some texts, in their order."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What scorers may use in one run.

    `judge` gives the prompt that a selector names, with all that it includes, and raises a
    `PointsmanError` if there is none. `patience` is how many seconds one score may take. It is
    the last resort: calls of models and commands have limits of their own.
    """

    models: Asks
    judge: Callable[[Selector], Prompt]
    commands_allowed: bool = False
    patience: float = 900.0


Each: TypeAlias = Callable[[Case], Score | Awaitable[Score]]
"""Scores one case. What a case is found to lack is raised; see `cases`."""
