"""What trying a prompt needs: models that can be asked now, with the project's own keys."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pointsman.app.ports import ProjectRow
from pointsman.core.providers import Call


@dataclass(frozen=True, slots=True)
class Tried:
    """What a model said, or in `error` why it said nothing. No key is in any of it.

    `cost` is in the currency of the provider's prices; None where those are not known.
    """

    text: str = ""
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    finish: str = ""
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    cost: float | None = None
    error: str = ""
    hint: str = ""


class Models(Protocol):
    """Asks the models of a project's providers."""

    def ask(self, project: ProjectRow, calls: Sequence[Call]) -> Awaitable[tuple[Tried, ...]]:
        """What each of these calls is answered, in their order; all are made at once.

        Nothing is raised for what a provider does or lacks: it is told in its place.
        """
        ...
