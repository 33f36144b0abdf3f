"""YAML that says what JSON can say, read and written.

Reading is strict: no aliases (a few lines of them can stand for gigabytes), no tags, no key
twice, no more depth than content may have. Plain words mean what YAML 1.2 says: ``yes``,
``on`` and ``2024-01-01`` are text.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from pointsman.core.canonical import JSON, MAX_DEPTH, quoted
from pointsman.errors import InvalidInput

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str, *, first_line: int = 1) -> JSON:
    """The value that a YAML document holds; None if it is empty.

    `first_line` is the number of its first line in the file, for telling where errors are.

    Raises:
        InvalidInput: ``malformed_yaml``, ``duplicate_key`` or ``not_json``, with ``line`` in
            ``details``.
    """
    builder = _Builder(first_line)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = first_line + (mark.line if mark else 0)
        raise _fault("malformed_yaml", line, f"it is not YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeError) as error:
        reason = getattr(error, "reason", "") or "it has characters that YAML forbids"
        raise _fault("malformed_yaml", first_line, f"it is not YAML: {reason}") from None
    return builder.value


def write_yaml(value: dict[str, Any]) -> str:
    """A YAML document for an object; texts of several lines are written as blocks."""
    written: str = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=float("inf"),
    )
    return written


class _Builder:
    """Makes a value of a parser's events, without recursion and without calling anything."""

    def __init__(self, first_line: int) -> None:
        self.value: JSON = None
        self._first_line = first_line
        self._documents = 0
        self._open: list[_Frame] = []

    def take(self, event: yaml.Event) -> None:
        """Go on by one event."""
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise self._wrong(event, "a second document begins", "malformed_yaml")
            case yaml.AliasEvent():
                raise self._wrong(event, f"the alias *{event.anchor} is not accepted: write it out")
            case yaml.ScalarEvent():
                self._refuse_tag(event)
                if self._open and self._open[-1].wants_key:
                    self._key(event)
                else:
                    self._put(_scalar(event.value) if event.implicit[0] else event.value)
            case yaml.MappingStartEvent():
                self._begin({}, event)
            case yaml.SequenceStartEvent():
                self._begin([], event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._put(self._open.pop().container)

    def _begin(self, container: dict[str, JSON] | list[JSON], event: yaml.Event) -> None:
        self._refuse_tag(event)
        if self._open and self._open[-1].wants_key:
            raise self._wrong(event, "a list or an object can't be a key")
        if len(self._open) >= MAX_DEPTH:
            raise self._wrong(event, f"it is nested more than {MAX_DEPTH} deep")
        self._open.append(_Frame(container))

    def _key(self, event: yaml.ScalarEvent) -> None:
        frame = self._open[-1]
        assert isinstance(frame.container, dict), "only objects have keys"
        if event.value in frame.container:
            raise self._wrong(event, f"the key {quoted(event.value)} comes twice", "duplicate_key")
        frame.key = event.value

    def _put(self, value: JSON) -> None:
        if not self._open:
            self.value = value
            return
        frame = self._open[-1]
        if isinstance(frame.container, list):
            frame.container.append(value)
        else:
            assert frame.key is not None, "a key comes before its value"
            frame.container[frame.key] = value
            frame.key = None

    def _refuse_tag(self, event: Any) -> None:
        if event.tag not in (None, "!"):
            raise self._wrong(event, f"the tag {quoted(event.tag)} is not accepted: leave it out")

    def _wrong(self, event: yaml.Event, what: str, code: str = "not_json") -> InvalidInput:
        line = event.start_mark.line if event.start_mark else 0
        return _fault(code, self._first_line + line, what)


class _Frame:
    """A list or an object that is being read, and the key whose value comes next."""

    __slots__ = ("container", "key")

    def __init__(self, container: dict[str, JSON] | list[JSON]) -> None:
        self.container = container
        self.key: str | None = None

    @property
    def wants_key(self) -> bool:
        return isinstance(self.container, dict) and self.key is None


class _Dumper(yaml.SafeDumper):
    """Quotes whatever a reader of YAML 1.1 or 1.2 could take for something else than text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None
    if not text.isprintable():  # line ends and their like would be folded, and read differently
        style = "|" if _reads_well_as_block(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _reads_well_as_block(text: str) -> bool:
    """Whether it is lines, the first not indented, and nothing in them escapes the eye."""
    lines = text.split("\n")
    starts_well = lines[0] != "" and not lines[0].startswith(" ")
    return starts_well and all(line.isprintable() and line == line.rstrip() for line in lines)


def _scalar(text: str) -> JSON:
    """What a plain word means."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _LONGEST_NUMBER:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _REAL.fullmatch(text):
            return float(text)
    return text


def _fault(code: str, line: int, what: str) -> InvalidInput:
    return InvalidInput(
        f"At line {line}: {what}.",
        code=code,
        hint="Check the front matter, the part between the lines of three dashes.",
        details={"line": line},
    )


_LONGEST_NUMBER: Final = 400
_WORDS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_REAL: Final = re.compile(
    r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
)
_Dumper.add_representer(str, _represent_text)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _REAL, list("-+.0123456789"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", _INTEGER, list("-+0123456789"))
