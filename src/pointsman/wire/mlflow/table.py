"""Finding who answers at a path: most paths are words alone, some have an id in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import unquote

from pointsman.wire.mlflow.routes import Route


class Found(NamedTuple):
    """Who answers at a path, by method, and the ids that are in it, by name."""

    methods: dict[str, Route]
    values: dict[str, str]


class Table:
    """The operations by their paths, such as ``logged-models/{model_id}/tags``."""

    def __init__(self) -> None:
        self._words: dict[str, dict[str, Route]] = {}
        self._patterns: dict[int, list[tuple[list[str], dict[str, Route]]]] = {}

    def add(self, routes: Iterable[Route], prefixes: Iterable[str]) -> None:
        """Have routes answered below each of the prefixes."""
        kept = list(routes)
        for prefix in prefixes:
            for route in kept:
                self._methods(prefix + route.path)[route.method] = route

    def find(self, path: str, raw: str) -> Found | None:
        """Who answers at a path, which is also given as it was sent, or None."""
        if methods := self._words.get(path):
            return Found(methods, {})
        parts = raw.split("/")
        for pattern, methods in self._patterns.get(len(parts), ()):
            pairs = list(zip(pattern, parts, strict=True))
            if all(one == part or (one[:1] == "{" and part) for one, part in pairs):
                values = {one[1:-1]: unquote(part) for one, part in pairs if one[:1] == "{"}
                return Found(methods, values)
        return None

    def _methods(self, path: str) -> dict[str, Route]:
        if "{" not in path:
            return self._words.setdefault(path, {})
        parts = path.split("/")
        same = self._patterns.setdefault(len(parts), [])
        for pattern, methods in same:
            if pattern == parts:
                return methods
        same.append((parts, {}))
        # What is a word goes before what may be anything.
        same.sort(key=lambda one: [part.startswith("{") for part in one[0]])
        return next(methods for pattern, methods in same if pattern == parts)
