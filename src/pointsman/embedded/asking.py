"""How an embedded registry carries out what it is asked: use cases, for one caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pointsman.app.application import Application, Caller, Once, View, Work
from pointsman.core.canonical import canonical_json, digest
from pointsman.core.plain import to_plain

T = TypeVar("T")


class Asking:
    """What all parts of the embedded registry have in common."""

    def __init__(self, app: Application, caller: Caller) -> None:
        self._app = app
        self._caller = caller

    def _read(self, use_case: Callable[[View], T]) -> T:
        return self._app.read(self._caller, use_case)

    def _write(
        self,
        use_case: Callable[[Work], T],
        answer: type[T] | None = None,
        idempotency_key: str | None = None,
        request: object = None,
    ) -> T:
        """Carry out a change; with a key, the same `request` takes effect once."""
        once = None
        if idempotency_key is not None:
            once = Once(idempotency_key, digest(canonical_json(to_plain(request))))
        return self._app.write(self._caller, use_case, once, answer)
