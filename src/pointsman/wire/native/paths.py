"""Finding who answers at a path, taken as it was sent: names hold "%2F", so the parts of a path
are told apart first and decoded afterwards, by whoever reads them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

Answerer = Callable[[Request], Awaitable[Response]]


class Found(NamedTuple):
    """Who answers at a path, by method, and the variable parts of the path by name."""

    methods: dict[str, Answerer]
    parameters: dict[str, str]


class Paths:
    """Patterns such as `/artifacts/{kind}/{name}`, found by how many parts they have.

    A part that is a word goes before one that is a variable; a variable is never empty.
    """

    def __init__(self) -> None:
        self._patterns: dict[int, list[tuple[tuple[str, ...], dict[str, Answerer]]]] = {}

    def add(self, method: str, pattern: str, answerer: Answerer) -> None:
        """Have `answerer` answer at the pattern; one for GET answers HEAD as well."""
        parts = tuple(pattern.split("/"))
        same_length = self._patterns.setdefault(len(parts), [])
        methods = next((methods for known, methods in same_length if known == parts), None)
        if methods is None:
            methods = {}
            same_length.append((parts, methods))
            same_length.sort(key=lambda pattern: [part.startswith("{") for part in pattern[0]])
        methods[method] = answerer
        if method == "GET":
            methods["HEAD"] = answerer

    def find(self, path: str) -> Found | None:
        """Who answers at the path, or None."""
        parts = path.split("/")
        for pattern, methods in self._patterns.get(len(parts), ()):
            parameters: dict[str, str] = {}
            for expected, part in zip(pattern, parts, strict=True):
                if expected.startswith("{"):
                    if not part:
                        break
                    parameters[expected[1:-1]] = part
                elif expected != part:
                    break
            else:
                return Found(methods, parameters)
        return None
