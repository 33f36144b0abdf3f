"""Prompts made of prompts: includes replaced by what they include, at any depth.

`compose` works on versions and is done whenever a prompt is read; `check_includes` works on
artifacts and is done when a version is published, so that a cycle is refused before anybody
reads it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, NoReturn, TypeVar, cast

from pointsman.core.canonical import JSON
from pointsman.core.content import PromptContent
from pointsman.core.curly import scan_curly, write_curly
from pointsman.core.fstring import scan_fstring, write_fstring
from pointsman.core.jinja import scan_includes, write_jinja
from pointsman.core.selectors import Selector
from pointsman.core.tags import Format, IncludeTag, Piece, Position, Slot, prompt_selector
from pointsman.core.templates import MEDIA_KEYS, Template, texts_of
from pointsman.core.variables import Declaration
from pointsman.errors import InvalidContent, TooLarge

MAX_INCLUDE_DEPTH: Final = 16
MAX_EXPANSIONS: Final = 1_000
MAX_COMPOSED: Final = 2_000_000  # characters in all texts of the composed template

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Included(Generic[T]):
    """What a selector was resolved to.

    `label` identifies the version (``tone:3``): a version that leads back to the same label
    is a cycle. `origin` is whatever the caller wants to find again in the composition.
    """

    label: str
    content: PromptContent
    origin: T


@dataclass(frozen=True, slots=True)
class Made(Generic[T]):
    """One thing that a composition was made of, and the selector that asked for it."""

    selector: Selector
    origin: T


@dataclass(frozen=True, slots=True)
class Composition(Generic[T]):
    """A content without includes, and all that went into it, in the order it was met."""

    content: PromptContent
    made_of: tuple[Made[T], ...]


def compose(
    content: PromptContent, fetch: Callable[[Selector], Included[T]], *, label: str = ""
) -> Composition[T]:
    """Replace every include by what `fetch` says it selects.

    An included prompt must have the same format; text includes text, chat includes chat. The
    template and the declared variables of an included prompt count, not its model, tools or
    config; where both declare a variable, the including prompt's declaration wins. `label`
    identifies `content` itself, so that a way back to it is found at once.

    Raises:
        InvalidContent: ``include_cycle`` and ``include_depth`` (the path is named),
            ``include_mismatch`` (another format, or text where chat is wanted or the other
            way round).
        TooLarge: ``composition_too_large``: more than 1,000 includes, or 2 MB of text.
        Whatever `fetch` raises.
    """
    if not content.includes:
        return Composition(content, ())
    composer = _Composer(fetch)
    return Composition(composer.composed(content, (label or "this prompt",)), tuple(composer.made))


def check_includes(
    graph: Mapping[str, Set[str]], new_node: str, new_targets: Iterable[str]
) -> None:
    """Refuse the edges from `new_node` to `new_targets` if they'd close a cycle in the graph
    or make a chain of more than 16 includes.

    `graph` maps each artifact to those that any of its versions in use includes.

    Raises:
        InvalidContent: ``include_cycle`` or ``include_depth``; the message names the path.
    """
    targets = sorted(set(new_targets))
    for target in targets:
        path = _path(graph, target, new_node)
        if path:
            _refuse_cycle([new_node, *path])
    edges: dict[str, Set[str]] = {**graph, new_node: {*graph.get(new_node, ()), *targets}}
    down = _longest(edges, new_node)
    up = _longest(_reversed(edges), new_node)
    if len(up) + len(down) - 2 > MAX_INCLUDE_DEPTH:
        _refuse_depth([*up[:0:-1], *down])


class _Composer(Generic[T]):
    def __init__(self, fetch: Callable[[Selector], Included[T]]) -> None:
        self.made: list[Made[T]] = []
        self._fetch = fetch
        self._size = 0

    def composed(self, content: PromptContent, path: tuple[str, ...]) -> PromptContent:
        self._pay(content)
        if not content.includes:
            return content
        variables = dict(content.variables)
        template: Template
        if isinstance(content.template, str):
            template = self._text(content.template, content, path, variables, "")
        else:
            template = [
                entry
                for index, each in enumerate(content.template)
                for entry in self._entries(each, content, path, variables, f"/{index}")
            ]
        return replace(content, template=template, variables=variables)

    def _entries(
        self,
        entry: dict[str, JSON],
        content: PromptContent,
        path: tuple[str, ...],
        variables: dict[str, Declaration],
        field: str,
    ) -> list[dict[str, JSON]]:
        if "include" in entry:
            position = Position(1, 1, f"{field}/include")
            messages = self._child(str(entry["include"]), content, path, variables, position)
            assert not isinstance(messages, str)
            return messages
        if "content" not in entry:
            return [entry]

        def fill(value: Any, key: str, place: str) -> Any:
            if isinstance(value, str):
                in_text = key in MEDIA_KEYS or key == "content"
                return self._text(value, content, path, variables, place) if in_text else value
            if isinstance(value, dict):
                return {name: fill(item, name, f"{place}/{name}") for name, item in value.items()}
            if isinstance(value, list):
                return [fill(item, "", f"{place}/{index}") for index, item in enumerate(value)]
            return value

        return [{**entry, "content": fill(entry["content"], "content", f"{field}/content")}]

    def _text(
        self,
        text: str,
        content: PromptContent,
        path: tuple[str, ...],
        variables: dict[str, Declaration],
        field: str,
    ) -> str:
        if "{>" not in text:
            return text
        pieces: list[Piece] = []
        for piece in _scan(text, content.format):
            if not isinstance(piece, IncludeTag):
                pieces.append(piece)
                continue
            position = Position(text.count("\n", 0, piece.start) + 1, 1, field)
            inner = self._child(piece.selector, content, path, variables, position)
            assert isinstance(inner, str)
            pieces += _scan(inner, content.format)
        return _write(pieces, content.format)

    def _child(
        self,
        selected: str,
        parent: PromptContent,
        path: tuple[str, ...],
        variables: dict[str, Declaration],
        position: Position,
    ) -> Template:
        """What is included at `position`: messages for an entry, text within a text."""
        selector = prompt_selector(selected, position)
        if len(self.made) >= MAX_EXPANSIONS:
            _refuse_size(f"more than {MAX_EXPANSIONS:,} includes")
        included = self._fetch(selector)
        self.made.append(Made(selector, included.origin))
        way = (*path, included.label)
        if included.label in path:
            _refuse_cycle(list(way[way.index(included.label) :]))
        if len(way) - 1 > MAX_INCLUDE_DEPTH:
            _refuse_depth(list(way))
        child = included.content
        if child.format != parent.format:
            _refuse_mismatch(
                way, f"has the format {child.format}, and {parent.format} is included here"
            )
        if position.field.endswith("/include"):
            if isinstance(child.template, str):
                _refuse_mismatch(way, "is text, and messages are included here")
        elif not isinstance(child.template, str):
            _refuse_mismatch(way, "is chat, and text is included here")
        composed = self.composed(child, way)
        for name, declaration in composed.variables.items():
            variables.setdefault(name, declaration)
        return composed.template

    def _pay(self, content: PromptContent) -> None:
        self._size += sum(len(text) for _, text in texts_of(content.template))
        if self._size > MAX_COMPOSED:
            _refuse_size(f"more than {MAX_COMPOSED:,} characters")


def _scan(text: str, format: Format) -> list[Piece]:  # noqa: A002
    if format == "curly":
        return scan_curly(text)
    if format == "f-string":
        return scan_fstring(text)
    return list(scan_includes(text))


def _write(pieces: list[Piece], format: Format) -> str:  # noqa: A002
    """Text of these pieces in which no tag is formed where two of them meet."""
    if format == "curly":
        return write_curly(pieces)
    if format == "f-string":
        return write_fstring(pieces)
    return write_jinja([piece for piece in pieces if not isinstance(piece, Slot)])


# -- walks through the graph of artifacts


def _path(graph: Mapping[str, Set[str]], start: str, goal: str) -> list[str]:
    """A shortest path; empty if there is none."""
    came_from: dict[str, str] = {start: start}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        if node == goal:
            path = [node]
            while path[-1] != start:
                path.append(came_from[path[-1]])
            return path[::-1]
        for target in sorted(graph.get(node, ())):
            if target not in came_from:
                came_from[target] = node
                waiting.append(target)
    return []


def _longest(graph: Mapping[str, Set[str]], start: str) -> list[str]:
    """A longest path from `start`. An edge back into the path, if any, is not followed."""
    length: dict[str, int] = {}
    onward: dict[str, str] = {}
    entered = {start}
    path = [(start, iter(sorted(graph.get(start, ()))))]
    while path:
        node, targets = path[-1]
        fresh = next((target for target in targets if target not in entered), None)
        if fresh is not None:
            entered.add(fresh)
            path.append((fresh, iter(sorted(graph.get(fresh, ())))))
            continue
        path.pop()
        known = [target for target in sorted(graph.get(node, ())) if target in length]
        length[node] = 1 + max((length[target] for target in known), default=0)
        if known:
            onward[node] = max(known, key=length.__getitem__)
    longest = [start]
    while longest[-1] in onward:
        longest.append(onward[longest[-1]])
    return longest


def _reversed(graph: Mapping[str, Set[str]]) -> dict[str, Set[str]]:
    turned: dict[str, set[str]] = {}
    for node, targets in graph.items():
        for target in targets:
            turned.setdefault(target, set()).add(node)
    return cast("dict[str, Set[str]]", turned)


# -- refusals


def _refuse_cycle(path: list[str]) -> NoReturn:
    raise InvalidContent(
        f"An include leads back to where it began: {' → '.join(path)}.",
        code="include_cycle",
        hint="Take one of these includes out.",
        field="/template",
        details={"path": path},
    )


def _refuse_depth(path: list[str]) -> NoReturn:
    raise InvalidContent(
        f"Includes are nested {len(path) - 1} deep, and {MAX_INCLUDE_DEPTH} are allowed: "
        f"{' → '.join(path)}.",
        code="include_depth",
        hint="Include what is at the far end more directly.",
        field="/template",
        details={"path": path},
    )


def _refuse_mismatch(path: tuple[str, ...], why: str) -> NoReturn:
    raise InvalidContent(
        f"{path[-1]} can't be included: it {why} ({' → '.join(path)}).",
        code="include_mismatch",
        hint="Include a prompt of the same format: text in text, messages in messages.",
        field="/template",
        details={"path": list(path)},
    )


def _refuse_size(what: str) -> NoReturn:
    raise TooLarge(
        f"With all that it includes, the prompt has {what}.",
        code="composition_too_large",
        hint="Include less, or include it less often.",
        field="/template",
    )
