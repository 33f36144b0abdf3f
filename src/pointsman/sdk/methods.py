"""Tasks as methods: the same task carried out by a client of either kind."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from pointsman.sdk.calls import Steps

T = TypeVar("T")
P = ParamSpec("P")
M = TypeVar("M", bound=Callable[..., Any])


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

    return _signed(method, task)


def asynchronous(
    task: Callable[Concatenate[Any, P], Steps[T]],
) -> Callable[Concatenate[Any, P], Awaitable[T]]:
    """The coroutine method that carries a task out."""

    @wraps(task)
    async def method(self: RunsLater, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(task(self, *args, **kwargs))

    return _signed(method, task)


def _signed(method: M, task: Callable[..., Any]) -> M:
    """Give the method the task's parameters, and say that it returns the task's result."""
    signature = inspect.signature(task)
    result = str(signature.return_annotation).removeprefix("Steps[").removesuffix("]")
    method.__signature__ = signature.replace(return_annotation=result)  # type: ignore[attr-defined]
    method.__annotations__ = {**task.__annotations__, "return": result}
    return method
