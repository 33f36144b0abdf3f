"""The clients of a fake registry; see `testing`."""

from __future__ import annotations

from collections.abc import Callable, Sized
from types import TracebackType
from typing import Any, Protocol, Self

from pointsman.core.prompt import Prompt
from pointsman.core.selectors import Selector
from pointsman.errors import NotFound, PointsmanError
from pointsman.sdk.answers import Ready, fallback_prompt, prompt_selector, ready
from pointsman.sdk.knowledge import Answer, Status
from pointsman.sdk.reader import Change


class Registry(Protocol):
    """What the clients need of their registry."""

    @property
    def journal(self) -> Sized: ...
    @property
    def is_down(self) -> bool: ...
    def answer(self, selector: Selector) -> Answer: ...


class FakeClient:
    """The reading side of `Client`, on a `testing.FakeRegistry`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._held: dict[str, Ready] = {}
        self._callbacks: list[tuple[str | None, Callable[[Change], object]]] = []
        self._error: PointsmanError | None = None

    def get(self, selector: str, *, key: str | None = None, fallback: Any = None) -> Prompt:
        """The prompt that a selector means now; see `Client.get`."""
        wanted = prompt_selector(selector)
        name = str(wanted)
        try:
            found = self._held[name] = ready(self._registry.answer(wanted))
        except PointsmanError as error:
            self._error = error
            stale = self._held.get(name) if self._registry.is_down else None
            if stale is None and fallback is None:
                raise
            if stale is None:
                content = fallback() if callable(fallback) else fallback
                return content if isinstance(content, Prompt) else fallback_prompt(wanted, content)
            found = stale
        return found.pick("anyone" if key is None else key)

    def on_change(
        self, callback: Callable[[Change], object], selector: str | None = None
    ) -> Callable[[], None]:
        """Call back when a selector that was read has come to mean another version."""
        entry = (None if selector is None else str(prompt_selector(selector)), callback)
        self._callbacks.append(entry)
        return lambda: self._callbacks.remove(entry)

    def wait_ready(self, timeout: float = 0.0) -> bool:
        """There is nothing to wait for."""
        return True

    def status(self, selector: str | None = None) -> Status:
        """As `Client.status`; connected unless there is an outage."""
        down = self._registry.is_down
        names = list(self._held) if selector is None else [str(prompt_selector(selector))]
        held = [self._held[name] for name in names if name in self._held]
        return Status(
            connected=not down,
            stale=down,
            age=0.0 if held else None,
            source="network" if held else None,
            last_error=self._error,
            seq=len(self._registry.journal),
            held=len(held),
        )

    def look(self) -> None:
        """See what has changed, and tell. The registry calls this after each change."""
        for name, before in list(self._held.items()):
            after: Ready | None
            try:
                after = ready(self._registry.answer(prompt_selector(name)))
            except NotFound:
                after = None
                del self._held[name]
            except PointsmanError:
                continue
            if after is not None:
                self._held[name] = after
                if after.answer.says_the_same_as(before.answer):
                    continue
            shown = after.pick("anyone") if after else None
            change = Change(name, before.pick("anyone"), shown)
            for selector, callback in list(self._callbacks):
                if selector in (None, name):
                    callback(change)

    def close(self) -> None:
        """There is nothing to let go of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class FakeAsyncClient:
    """The reading side of `AsyncClient`, on a `testing.FakeRegistry`."""

    def __init__(self, client: FakeClient) -> None:
        self._client = client
        self.on_change = client.on_change
        self.status = client.status

    async def get(self, selector: str, *, key: str | None = None, fallback: Any = None) -> Prompt:
        """The prompt that a selector means now; see `Client.get`."""
        return self._client.get(selector, key=key, fallback=fallback)

    async def wait_ready(self, timeout: float = 0.0) -> bool:
        """There is nothing to wait for."""
        return True

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None
