"""Everything that can be asked of a registry but `get`: written once, for both clients.

Each method is a task (see `calls.Steps`) that says what to send and reads the replies; `sync`
and `asynchronous` make of it the method that carries it out, with the same parameters,
documentation and answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar
from urllib.parse import quote
from uuid import uuid4

from pointsman.core.diff import ContentDiff
from pointsman.core.plain import from_plain, to_plain
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import (
    Alias,
    Artifact,
    Dependency,
    Diagnosis,
    Difference,
    Entry,
    Key,
    NewKey,
    Page,
    Published,
    Release,
    Released,
    Resolution,
    Role,
    Version,
)
from pointsman.errors import InvalidInput, InvalidName
from pointsman.sdk.answers import read_resolution, resolve_path
from pointsman.sdk.cache import Subject
from pointsman.sdk.calls import Reply, Request, Steps, checked
from pointsman.sdk.diffs import read_diff

T = TypeVar("T")
P = ParamSpec("P")


class Runs(Protocol):
    """What carries out tasks."""

    def _run(self, steps: Steps[T]) -> T: ...


class RunsLater(Protocol):
    """What carries out tasks on an event loop."""

    def _run(self, steps: Steps[T]) -> Awaitable[T]: ...


def sync(
    task: Callable[Concatenate[Any, P], Steps[T]],
) -> Callable[Concatenate[Any, P], T]:
    """The method that carries a task out."""

    @wraps(task)
    def method(self: Runs, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(task(self, *args, **kwargs))

    return method


def asynchronous(
    task: Callable[Concatenate[Any, P], Steps[T]],
) -> Callable[Concatenate[Any, P], Awaitable[T]]:
    """The coroutine method that carries a task out."""

    @wraps(task)
    async def method(self: RunsLater, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(task(self, *args, **kwargs))

    return method
