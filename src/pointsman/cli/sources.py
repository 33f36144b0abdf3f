"""What `pointsman publish` publishes: files, folders and standard input, read and put in order."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pointsman.cli.promptfile import MAX_FILE, normal_text, read_prompt_file
from pointsman.core.canonical import JSON, parse_json
from pointsman.core.content import Content, PromptContent, parse_content
from pointsman.core.names import KINDS, check_name
from pointsman.errors import InvalidContent, InvalidInput, PointsmanError, Reason, TooLarge

FORMS: Final = ("prompt", "text", "json")
MANIFEST: Final = "pointsman-export.json"
"""The file in which `pointsman export --folder` tells what the others are."""
_FORM_OF: Final = {".prompt": "prompt", ".txt": "text", ".md": "text", ".json": "json"}
_NOT_PROMPTS: Final = ("readme", "license", "licence", "changelog", "contributing")


@dataclass(frozen=True, slots=True)
class Source:
    """One version to publish: where it comes from, and what it says."""

    origin: str
    kind: str
    name: str
    content: JSON
    message: str = ""
    notes: tuple[str, ...] = ()
    checked: Content | None = field(default=None, compare=False)
    """The content in normal form; None where only the registry can check it."""


def read_stdin(name: str | None, kind: str | None, form: str | None) -> Source:
    """What comes through standard input. Text is read as a `.prompt` file is.

    Raises `InvalidInput` if nothing comes: whatever should have written it has failed.
    """
    data = sys.stdin.buffer.read(4 * MAX_FILE + 1)
    form = form or ("prompt" if kind in (None, "prompt") else "json")
    if not data.strip():
        raise InvalidInput(
            "Standard input is empty; nothing is published.",
            code="empty_input",
            hint="Should the prompt be empty, publish a .prompt file that says so: "
            'template: "" between two lines of three dashes.',
        )
    return _source("standard input", data, name, "", kind, form)


def read_file(path: Path, name: str | None, kind: str | None, form: str | None) -> Source:
    """One file. Its name, unless told otherwise, is the artifact's."""
    data = _read(path)
    stem, named_kind, suffix_form = _parts(path.name)
    form = form or suffix_form
    if form is None:
        raise InvalidInput(
            f"{path} has no ending that tells what it holds.",
            code="unknown_form",
            hint=f"Endings are {', '.join(_FORM_OF)}; or say it with --as.",
            field="as",
        )
    return _source(str(path), data, name, stem, kind or named_kind, form)


def read_folder(folder: Path, kind: str | None) -> tuple[list[Source], list[str]]:
    """Every file below a folder, and notes about what was left out.

    Names are paths relative to the folder. What is included by others comes first.

    Raises `InvalidInput` with the flaws of all files as its reasons.
    """
    sources: list[Source] = []
    notes: list[str] = []
    problems: list[tuple[str, PointsmanError]] = []
    for path in _files(folder):
        relative = path.relative_to(folder)
        stem, named_kind, form = _parts(path.name)
        if form is None or path.name == MANIFEST:
            continue
        if form == "text" and stem.lower() in _NOT_PROMPTS:
            notes.append(f"{relative} is left out; publish it by itself if it is a prompt.")
            continue
        default = relative.with_name(stem).as_posix()
        try:
            data = _read(path)
            sources.append(
                _source(
                    str(relative), data, None, default, kind or named_kind, form, prefixed=False
                )
            )
        except PointsmanError as error:
            problems.append((str(relative), error))
    problems += _twins(sources)
    if problems:
        raise _together(problems)
    return _ordered(sources), notes


def _source(
    origin: str,
    data: bytes,
    name: str | None,
    default: str,
    kind: str | None,
    form: str,
    *,
    prefixed: bool = True,
) -> Source:
    kind = kind or "prompt"
    try:
        text = _decoded(data)
        message, notes = "", []
        content: JSON
        if form == "prompt":
            if kind != "prompt":
                raise InvalidInput(f"A .prompt file holds a prompt, not a {kind}.", field="kind")
            read = read_prompt_file(text)
            content, message, notes = read.content, read.message, list(read.notes)
            # As a pointer: what the file says wrongly is no mistake of the command line.
            name = name or (check_name(read.name, field="/name") if read.name else "")
        elif form == "text":
            plain = normal_text(text)
            content = {"template": plain.removesuffix("\n")}
            if plain.startswith("---\n"):
                notes.append("it begins with front matter, which is text here; call it .prompt.")
        else:
            content = parse_json(data.removeprefix(b"\xef\xbb\xbf"))
        checked = _checked(kind, content)
        name = check_name(name or default) if name or default else ""
    except PointsmanError as error:
        if prefixed:
            several = len(error.reasons) > 1
            what = f"{len(error.reasons)} things are wrong." if several else error.message
            error.message = f"{origin}: {what}"
        raise
    if not name:
        raise InvalidInput(
            f"What is the name of the {kind} from {origin}?",
            code="missing_name",
            hint="Add --name.",
            field="name",
        )
    return Source(origin, kind, name, content, message, (*notes, *_notices(checked)), checked)


def _checked(kind: str, content: JSON) -> Content | None:
    """The content as it will be kept. None if a package is missing here to check it."""
    try:
        return parse_content(kind, content)
    except PointsmanError as error:
        if error.code != "missing_extra":
            raise
        return None


def _notices(content: Content | None) -> Iterator[str]:
    """What is legal in a template but was perhaps not meant."""
    if not isinstance(content, PromptContent):
        return
    for notice in content.compiled.notices:
        yield f"{notice.position}: {notice.message}. {notice.hint}"
    yield from _unused(content)


def _unused(content: PromptContent) -> Iterator[str]:
    """The variables that are declared and not used; none is if an included prompt may use it."""
    if content.includes:
        return
    compiled = content.compiled
    used = {one.name for one in compiled.variables}
    used |= {one.name for one in compiled.placeholders}
    for name in content.variables:
        if name not in used:
            yield f"the variable “{name}” is declared, but the template does not use it."


def _parts(file_name: str) -> tuple[str, str | None, str | None]:
    """The artifact's name, its kind if it is told, and the form: of ``churn.model.json``."""
    path = Path(file_name)
    form = _FORM_OF.get(path.suffix.lower())
    if form is None:
        return file_name, None, None
    stem = path.stem
    kind = Path(stem).suffix.removeprefix(".")
    if form == "json" and kind in KINDS and Path(stem).stem:
        return Path(stem).stem, kind, form
    return stem, None, form


def _files(folder: Path) -> Iterator[Path]:
    """The files below a folder, in order, without what is hidden."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(place) / name


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4 * MAX_FILE + 1)
    except OSError as error:
        raise InvalidInput(
            f"{path} can't be read: {error.strerror or error}.", code="unreadable_file"
        ) from None


def _decoded(data: bytes) -> str:
    if len(data) > 4 * MAX_FILE:
        raise TooLarge(f"It has more than {4 * MAX_FILE:,} bytes.")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"It is not UTF-8 text: byte {error.start + 1} can't be read.",
            code="invalid_utf8",
            hint="Save it as UTF-8.",
        ) from None


def _twins(sources: Sequence[Source]) -> Iterator[tuple[str, PointsmanError]]:
    """Files that would be published under the same name."""
    first: dict[tuple[str, str], str] = {}
    for source in sources:
        other = first.setdefault((source.kind, source.name), source.origin)
        if other != source.origin:
            yield (
                source.origin,
                InvalidInput(f"Its name is {source.name!r}, as is that of {other}."),
            )


def _together(problems: Sequence[tuple[str, PointsmanError]]) -> PointsmanError:
    """One error that names what is wrong with each file."""
    reasons = [
        Reason(reason.code, f"{origin}: {reason.message}", reason.hint, reason.field)
        for origin, error in problems
        for reason in error.reasons or [Reason(error.code, error.message, error.hint, error.field)]
    ]
    files = "A file" if len(problems) == 1 else f"{len(problems)} files"
    return InvalidContent(f"{files} can't be published; nothing was.", reasons=reasons)


def _ordered(sources: Sequence[Source]) -> list[Source]:
    """The same sources, each after those that it includes; otherwise in the order given."""
    by_name = {source.name: source for source in sources if source.kind == "prompt"}
    done: dict[int, Source] = {}
    begun: set[int] = set()
    for source in sources:
        stack: list[tuple[Source, Iterator[str]]] = [(source, _included(source))]
        while stack:
            top, names = stack[-1]
            begun.add(id(top))
            below: Any = next((by_name[name] for name in names if name in by_name), None)
            if below is None:
                done.setdefault(id(top), top)
                stack.pop()
            elif id(below) not in begun:  # a cycle is for the registry to refuse
                stack.append((below, _included(below)))
    return list(done.values())


def _included(source: Source) -> Iterator[str]:
    includes: Iterable[Any] = source.checked.includes if source.checked else ()
    return iter([selector.name for selector in includes])
