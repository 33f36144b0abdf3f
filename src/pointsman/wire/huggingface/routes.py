"""Every operation of a Hugging Face Hub that is answered, and where it is.

A repository's name has one part or two, parted by a slash. Paths are taken apart as they were
sent and decoded afterwards, so that an encoded slash parts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple
from urllib.parse import quote, unquote

from pointsman.core.vocabulary import Verb
from pointsman.errors import InvalidInput

Does = Literal["info", "tree", "paths", "file"]


class Route(NamedTuple):
    """An operation: its methods, its path, what a caller must be allowed, and what is done."""

    methods: tuple[str, ...]
    path: str
    verb: Verb
    does: Does
    summary: str


ROUTES: Final[tuple[Route, ...]] = (
    Route(("GET",), "/api/models/{repo}", "read", "info", "Show the newest version of a model"),
    Route(
        ("GET",),
        "/api/models/{repo}/revision/{revision}",
        "read",
        "info",
        "Show the version that a revision means",
    ),
    Route(("GET",), "/api/models/{repo}/tree/{revision}", "read", "tree", "List the files of one"),
    Route(
        ("GET",),
        "/api/models/{repo}/tree/{revision}/{path}",
        "read",
        "tree",
        "List the files of one in a folder",
    ),
    Route(
        ("POST",),
        "/api/models/{repo}/paths-info/{revision}",
        "read",
        "paths",
        "Tell of files and folders of one",
    ),
    Route(
        ("GET", "HEAD"),
        "/{repo}/resolve/{revision}/{path}",
        "read",
        "file",
        "Download a file of one",
    ),
)

_PARTS: Final = {
    "{repo}": r"(?P<repo>[^/]+(?:/[^/]+)??)",
    "{revision}": r"(?P<revision>[^/]+)",
    "{path}": r"(?P<path>.+)",
}
_ANSWERED: Final = re.compile(
    rb"/api/(?:models|datasets|spaces|kernels)(?:/|\Z)"
    # Our own addresses stay ours.
    rb"|/(?!(?:api|projects|static)/)[^/]+(?:/[^/]+)?/resolve/[^/]+/"
)


class Matched(NamedTuple):
    """A route that a path fits, with the variable parts, decoded."""

    route: Route
    parts: dict[str, str]


def answers(path: bytes) -> bool:
    """Whether a path, as it was sent, is one that clients of a Hub ask at."""
    return _ANSWERED.match(path) is not None


def matching(path: str) -> Iterator[Matched]:
    """The routes that a path as it was sent fits. Raises `InvalidInput` if it is not UTF-8."""
    for route, pattern in _PATTERNS:
        if found := pattern.fullmatch(path):
            yield Matched(route, {name: _decoded(text) for name, text in found.groupdict().items()})


def file_path(name: str, commit: str, path: str) -> str:
    """Where a file of a commit is."""
    repo = quote(name, safe="/" if name.count("/") < 2 else "")
    return f"/{repo}/resolve/{commit}/{quote(path)}"


def _pattern(path: str) -> re.Pattern[str]:
    """A route's path as an expression; a name of one part is tried before one of two."""
    parts = re.split(r"(\{\w+\})", path)
    return re.compile("".join(_PARTS.get(part, re.escape(part)) for part in parts), re.DOTALL)


_PATTERNS: Final = tuple((route, _pattern(route.path)) for route in ROUTES)


def _decoded(text: str) -> str:
    try:
        plain = unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            "The path is not UTF-8 in percent-encoding.",
            code="invalid_path",
            hint="Encode each name as UTF-8, then percent-encode it.",
        ) from error
    if "\0" in plain:
        raise InvalidInput(
            "The path contains a NUL character.", code="nul_character", hint="Remove it."
        )
    return plain
