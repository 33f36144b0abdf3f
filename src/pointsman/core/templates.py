"""Templates: what turns values into the text or the messages that a model is sent.

A template is text, or a list of entries each of which is

- a message: ``{"role": …, "content": text | [parts] | null, …}``; further keys (``name``,
  ``tool_calls``, ``tool_call_id``) are kept as they are. In a part of the content the values
  of ``text`` and of what locates media (``url``, ``data``, ``file_data``…) are templates too;
- ``{"placeholder": "history"}``: replaced by a list of messages given under that name, which
  may be left out where the entry says ``"optional": true``;
- ``{"include": "few-shot@production"}``: replaced by the messages of another prompt.

Each text is in one of three formats: see `core.curly`, `core.fstring` and `core.jinja`. What
a value must be, and what becomes of it, is told in `core.variables`. Values are put in last
and never looked at again, so nothing in them is a tag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import itemgetter
from typing import Any, Final, NoReturn, TypeAlias

from pointsman.core.canonical import JSON, json_pointer
from pointsman.core.curly import notices_in, scan_curly
from pointsman.core.fstring import scan_fstring
from pointsman.core.jinja import JinjaText
from pointsman.core.tags import (
    Engine,
    Format,
    Include,
    IncludeTag,
    Lines,
    Notice,
    Piece,
    Placeholder,
    Position,
    Slot,
    Variable,
    first_uses,
    include_at,
    prompt_selector,
)
from pointsman.core.variables import Declaration, Signature, plain
from pointsman.errors import InvalidContent, Reason, RenderError, TemplateSyntaxError

Template: TypeAlias = "str | list[dict[str, JSON]]"
"""Text or chat entries, as in the content of a version."""

MEDIA_KEYS: Final = frozenset(
    ("text", "url", "image_url", "data", "file_data", "file_id", "file_url")
)
"""The keys in a part of a message's content whose text is a template."""


def compile_template(
    template: Template,
    format: Format = "curly",  # noqa: A002 - the word that the content of a version uses
    declared: Mapping[str, Declaration] | None = None,
) -> CompiledText | CompiledChat:
    """Understand a template once, to render it many times.

    A chat template is taken to have the shape that `core.content` checks.

    Raises:
        TemplateSyntaxError: a text breaks the rules of its format; ``details`` has ``line``
            and ``column``, ``field`` points from the template to the text.
        InvalidContent: ``name_clash``: one name is a variable and a placeholder.
        PointsmanError: ``missing_extra``: the format needs a package that is not installed.
    """
    if isinstance(template, str):
        return CompiledText(_engine(template, format, ""), declared or {}, format)
    return CompiledChat(template, declared or {}, format)


def syntax_errors(template: Template, format: Format) -> list[TemplateSyntaxError]:  # noqa: A002
    """The first error of each text of a template, where `compile_template` raises but one."""
    errors: list[TemplateSyntaxError] = []
    for field, text in texts_of(template):
        try:
            _engine(text, format, field)
        except TemplateSyntaxError as error:
            errors.append(error)
    return errors


class _Compiled:
    """What text and chat templates have in common."""

    __slots__ = ("_signature", "includes", "notices")

    includes: tuple[Include, ...]
    """The prompts composed in, in order. A template with includes can't be rendered."""

    notices: tuple[Notice, ...]
    """What is legal but was perhaps not meant, such as a mistyped tag."""

    def __init__(
        self,
        engines: list[Engine],
        placeholders: dict[str, Placeholder],
        declared: Mapping[str, Declaration],
        format: Format,  # noqa: A002
    ) -> None:
        variables: dict[str, Variable] = {}
        for engine in engines:
            for name, variable in engine.uses.items():
                known = variables.get(name)
                if known is None:
                    variables[name] = variable
                elif known.required and not variable.required:
                    variables[name] = Variable(name, known.position, required=False)
        self.includes = tuple(include for engine in engines for include in engine.includes)
        self.notices = tuple(notice for engine in engines for notice in engine.notices)
        self._signature = Signature(variables, placeholders, declared, format == "jinja2")

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables in the order of their first use."""
        return tuple(self._signature.variables.values())

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """The placeholders for lists of messages, in order."""
        return tuple(self._signature.placeholders.values())

    def _refuse_includes(self) -> NoReturn:
        names = ", ".join(dict.fromkeys(include.text for include in self.includes))
        raise RenderError(
            f"The template includes {names}, which has not been composed in.",
            code="not_composed",
            hint="Render the prompt that a client or the registry resolved.",
        )


class CompiledText(_Compiled):
    """A text template. `render` takes about as long as joining its parts."""

    __slots__ = ("_engine", "count", "getter", "parts")

    # What `render` needs where every value is a text that needs no check. `count` is -1
    # where that can't be.
    parts: list[str]
    count: int
    getter: Callable[[Mapping[str, Any]], tuple[str, ...]]

    def __init__(
        self,
        engine: Engine,
        declared: Mapping[str, Declaration],
        format: Format,  # noqa: A002
    ) -> None:
        super().__init__([engine], {}, declared, format)
        self._engine = engine
        self.parts, self.count, self.getter = [], -1, _no_values
        if isinstance(engine, SlotText) and not self.includes and self._signature.takes_any_text:
            self.parts, self.count, self.getter = engine.parts, len(engine.uses), engine.getter

    def render(self, values: Mapping[str, object]) -> str:
        """The text for these values.

        Raises:
            RenderError: ``reasons`` name all that is missing, unknown or of the wrong type;
                or, in the jinja2 format, an operation fails or a limit is exceeded.
        """
        if len(values) == self.count:
            try:
                parts = self.parts[:]
                parts[1::2] = self.getter(values)
                return "".join(parts)
            except (KeyError, TypeError):  # another name, or no text: `fit` tells or converts
                pass
        if self.includes:
            self._refuse_includes()
        return self._engine.render(self._signature.fit(values))


class CompiledChat(_Compiled):
    """A chat template."""

    __slots__ = ("_entries", "_expanders")

    def __init__(
        self,
        template: list[dict[str, JSON]],
        declared: Mapping[str, Declaration],
        format: Format,  # noqa: A002
    ) -> None:
        engines: list[Engine] = []
        placeholders: dict[str, Placeholder] = {}
        includes: dict[int, list[Include]] = {}
        expanders: list[_Expander] = []
        for index, entry in enumerate(template):
            field = f"/{index}"
            first = len(engines)
            if "placeholder" in entry:
                placeholder = _placeholder(entry, field)
                known = placeholders.get(placeholder.name)
                if known is None or known.optional:
                    placeholders[placeholder.name] = placeholder
                expanders.append(_given_messages(placeholder.name))
            elif "include" in entry:
                position = Position(1, 1, f"{field}/include")
                text = str(entry["include"])
                selector = prompt_selector(text, position)
                includes[index] = [Include(selector, text, position)]
            else:
                expanders.append(_message(entry, format, field, engines))
            includes.setdefault(index, []).extend(
                include for engine in engines[first:] for include in engine.includes
            )
        super().__init__(engines, placeholders, declared, format)
        self.includes = tuple(include for found in includes.values() for include in found)
        self._expanders = expanders
        _refuse_clashes(self._signature)

    def render(self, values: Mapping[str, object]) -> list[dict[str, Any]]:
        """The messages for these values, in fresh lists and dicts.

        Raises:
            RenderError: as for text.
        """
        if self.includes:
            self._refuse_includes()
        fitted = self._signature.fit(values)
        return [message for expand in self._expanders for message in expand(fitted)]


class SlotText:
    """A text whose tags are all slots: literals and values in turn."""

    __slots__ = ("getter", "includes", "notices", "parts", "uses")

    def __init__(self, pieces: list[Piece], lines: Lines, notices: tuple[Notice, ...]) -> None:
        self.uses: dict[str, Variable] = first_uses(pieces, lines)
        self.includes = tuple(
            include_at(piece, lines) for piece in pieces if isinstance(piece, IncludeTag)
        )
        self.notices = notices
        self.parts = [""]
        names: list[str] = []
        for piece in pieces:
            if isinstance(piece, Slot):
                names.append(piece.name)
                self.parts += ("", "")
            elif isinstance(piece, str):
                self.parts[-1] += piece
        self.getter = _getter(names)

    def render(self, values: Mapping[str, str]) -> str:
        """The text with these texts in its slots."""
        parts = self.parts[:]
        parts[1::2] = self.getter(values)
        return "".join(parts)


_Expander: TypeAlias = Callable[[Mapping[str, Any]], list[dict[str, Any]]]
_Filler: TypeAlias = Callable[[Mapping[str, Any]], Any]


def _engine(text: str, format: Format, field: str) -> Engine:  # noqa: A002
    if format == "jinja2":
        return JinjaText(text, field)
    lines = Lines(text, field)
    if format == "f-string":
        return SlotText(scan_fstring(text, field), lines, ())
    return SlotText(scan_curly(text), lines, notices_in(text, lines))


def _getter(names: list[str]) -> Callable[[Mapping[str, Any]], tuple[str, ...]]:
    if not names:
        return _no_values
    if len(names) == 1:
        name = names[0]
        return lambda values: (values[name],)
    return itemgetter(*names)


def _no_values(values: Mapping[str, Any]) -> tuple[str, ...]:
    return ()


# -- the entries of a chat template


def _placeholder(entry: Mapping[str, JSON], field: str) -> Placeholder:
    name = str(entry["placeholder"])
    return Placeholder(name, field, optional=bool(entry.get("optional")))


def _given_messages(name: str) -> _Expander:
    def expand(values: Mapping[str, Any]) -> list[dict[str, Any]]:
        return list(values[name])

    return expand


def _message(
    entry: dict[str, JSON],
    format: Format,  # noqa: A002
    field: str,
    engines: list[Engine],
) -> _Expander:
    fixed = {key: value for key, value in entry.items() if key != "content"}
    content = entry.get("content")
    fill: _Filler
    if isinstance(content, str):
        fill = _text_filler(content, format, f"{field}/content", engines)
    elif isinstance(content, list):
        parts = [
            _part_filler(part, format, f"{field}/content/{index}", engines)
            for index, part in enumerate(content)
        ]

        def fill(values: Mapping[str, Any]) -> Any:
            return [part(values) for part in parts]
    else:

        def fill(values: Mapping[str, Any]) -> Any:
            return None

    nested = any(isinstance(value, (dict, list)) for value in fixed.values())
    role = fixed.pop("role")

    def expand(values: Mapping[str, Any]) -> list[dict[str, Any]]:
        rest = plain(fixed) if nested else fixed
        return [{"role": role, "content": fill(values), **rest}]

    return expand


def _part_filler(
    part: JSON,
    format: Format,  # noqa: A002
    field: str,
    engines: list[Engine],
) -> _Filler:
    """What makes a part anew, with its media texts filled in at any depth."""
    if isinstance(part, dict):
        fillers = {
            key: _text_filler(value, format, field + json_pointer((key,)), engines)
            if isinstance(value, str) and key in MEDIA_KEYS
            else _part_filler(value, format, field + json_pointer((key,)), engines)
            for key, value in part.items()
        }
        return lambda values: {key: fill(values) for key, fill in fillers.items()}
    if isinstance(part, list):
        items = [
            _part_filler(item, format, f"{field}/{index}", engines)
            for index, item in enumerate(part)
        ]
        return lambda values: [fill(values) for fill in items]
    return lambda values: part


def _text_filler(
    text: str,
    format: Format,  # noqa: A002
    field: str,
    engines: list[Engine],
) -> _Filler:
    engine = _engine(text, format, field)
    engines.append(engine)
    return engine.render


def texts_of(template: Template) -> Iterator[tuple[str, str]]:
    """Each text of a template that may hold tags, with the pointer to it."""
    if isinstance(template, str):
        yield "", template
        return
    for index, entry in enumerate(template):
        content = entry.get("content")
        if isinstance(content, str):
            yield f"/{index}/content", content
        elif isinstance(content, list):
            yield from _media_texts(content, f"/{index}/content")


def _media_texts(value: JSON, field: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            inner = field + json_pointer((key,))
            if isinstance(item, str) and key in MEDIA_KEYS:
                yield inner, item
            else:
                yield from _media_texts(item, inner)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _media_texts(item, f"{field}/{index}")


def _refuse_clashes(signature: Signature) -> None:
    clashes = [name for name in signature.placeholders if name in signature.variables]
    if clashes:
        reasons = [
            Reason(
                "name_clash",
                f"{name} is the name of a placeholder and of the variable at "
                f"{signature.variables[name].position}.",
                "Give one of them another name.",
                signature.placeholders[name].field,
            )
            for name in clashes
        ]
        first = reasons[0]
        raise InvalidContent(
            first.message, code=first.code, hint=first.hint, field=first.field, reasons=reasons
        )


__all__ = [
    "MEDIA_KEYS",
    "CompiledChat",
    "CompiledText",
    "Template",
    "compile_template",
    "syntax_errors",
    "texts_of",
]
