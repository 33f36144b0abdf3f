"""What `pointsman publish` publishes: files, folders and standard input, read and put in order."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from pointsman.cli.promptfile import MAX_FILE, normal_text, read_prompt_file
from pointsman.cli.rows import NO_COLUMNS, ROW_FORMS, Columns, RowForm, read_rows
from pointsman.core.canonical import JSON, parse_json
from pointsman.core.content import PromptContent
from pointsman.core.contents import Content, parse_content
from pointsman.core.datasets import MAX_SIZE
from pointsman.core.names import KINDS, check_name
from pointsman.errors import InvalidContent, InvalidInput, PointsmanError, Reason, TooLarge

FORMS: Final = ("prompt", "text", "json", *ROW_FORMS)
MANIFEST: Final = "pointsman-export.json"
"""The file in which `pointsman export --folder` tells what the others are."""
_FORM_OF: Final = {
    ".prompt": "prompt",
    ".txt": "text",
    ".md": "text",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
}
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


def read_stdin(
    name: str | None, kind: str | None, form: str | None, columns: Columns = NO_COLUMNS
) -> Source:
    """What comes through standard input. Text is read as a `.prompt` file is.

    Raises `InvalidInput` if nothing comes: whatever should have written it has failed.
    """
    form = form or ("prompt" if kind in (None, "prompt") else "json")
    place = _Place("standard input", name, "", kind, form)
    piped: BinaryIO = sys.stdin.buffer
    if form in ROW_FORMS:
        # Parquet is read from its end.
        whole = BytesIO(piped.read(4 * MAX_SIZE)) if form == "parquet" else piped
        return _rows(place, whole, columns)
    data = piped.read(4 * MAX_FILE + 1)
    if not data.strip():
        raise InvalidInput(
            "Standard input is empty; nothing is published.",
            code="empty_input",
            hint="Should the prompt be empty, publish a .prompt file that says so: "
            'template: "" between two lines of three dashes.',
        )
    return _source(place, data)


def read_file(
    path: Path,
    name: str | None,
    kind: str | None,
    form: str | None,
    columns: Columns = NO_COLUMNS,
) -> Source:
    """One file. Its name, unless told otherwise, is the artifact's.

    `columns` are those of a dataset's rows that are no inputs.
    """
    stem, named_kind, suffix_form = _parts(path.name)
    form = form or suffix_form
    if form is None:
        with _opened(path):
            pass  # that there is no such file is the better thing to tell
        raise InvalidInput(
            f"{path} has no ending that tells what it holds.",
            code="unknown_form",
            hint=f"Endings are {', '.join(_FORM_OF)}; or say it with --as.",
            field="as",
        )
    return _from_file(path, _Place(str(path), name, stem, kind or named_kind, form), columns)


def form_of(path: str, form: str | None) -> str | None:
    """What a file holds, by its ending unless it is told."""
    return form or _FORM_OF.get(Path(path).suffix.lower())


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
        if form in ROW_FORMS and named_kind != "dataset":
            notes.append(
                f"{relative} is left out; a dataset's rows here are in {stem}.dataset{path.suffix}."
            )
            continue
        if form == "text" and stem.lower() in _NOT_PROMPTS:
            notes.append(f"{relative} is left out; publish it by itself if it is a prompt.")
            continue
        default = relative.with_name(stem).as_posix()
        try:
            place = _Place(str(relative), None, default, kind or named_kind, form, prefixed=False)
            sources.append(_from_file(path, place, NO_COLUMNS))
        except PointsmanError as error:
            problems.append((str(relative), error))
    problems += _twins(sources)
    if problems:
        raise _together(problems)
    return _ordered(sources), notes


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a source comes from, and what is known of it without reading it."""

    origin: str
    name: str | None
    default: str
    kind: str | None
    form: str
    prefixed: bool = True
    """Whether errors name the origin themselves."""

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Where errors are about what the source holds."""
        try:
            yield
        except PointsmanError as error:
            if self.prefixed:
                several = len(error.reasons) > 1
                what = f"{len(error.reasons)} things are wrong." if several else error.message
                error.message = f"{self.origin}: {what}"
            raise

    def named(self, kind: str, name: str) -> str:
        """The artifact's name. Raises `InvalidInput` if there is none."""
        if name:
            return name
        raise InvalidInput(
            f"What is the name of the {kind} from {self.origin}?",
            code="missing_name",
            hint="Add --name.",
            field="name",
        )


def _from_file(path: Path, place: _Place, columns: Columns) -> Source:
    if place.form not in ROW_FORMS:
        return _source(place, _read(path))
    with _opened(path) as file:
        return _rows(place, file, columns)


def _rows(place: _Place, file: BinaryIO, columns: Columns) -> Source:
    """A dataset from a file of rows, which can hold nothing else."""
    with place.telling():
        if place.kind not in (None, "dataset"):
            raise InvalidInput(
                f"A .{place.form} file holds a dataset, not a {place.kind}.", field="kind"
            )
        checked = read_rows(file, cast("RowForm", place.form), columns)
        name = place.name or place.default
        name = check_name(name) if name else ""
    name = place.named("dataset", name)
    return Source(place.origin, "dataset", name, checked.to_json(), checked=checked)


def _source(place: _Place, data: bytes) -> Source:
    kind, name = place.kind or "prompt", place.name
    with place.telling():
        text = _decoded(data)
        message, notes = "", []
        content: JSON
        if place.form == "prompt":
            if kind != "prompt":
                raise InvalidInput(f"A .prompt file holds a prompt, not a {kind}.", field="kind")
            read = read_prompt_file(text)
            content, message, notes = read.content, read.message, list(read.notes)
            # As a pointer: what the file says wrongly is no mistake of the command line.
            name = name or (check_name(read.name, field="/name") if read.name else "")
        elif place.form == "text":
            plain = normal_text(text)
            content = {"template": plain.removesuffix("\n")}
            if plain.startswith("---\n"):
                notes.append("it begins with front matter, which is text here; call it .prompt.")
        else:
            content = parse_json(data.removeprefix(b"\xef\xbb\xbf"))
        checked = _checked(kind, content)
        name = name or place.default
        name = check_name(name) if name else ""
    name = place.named(kind, name)
    notes += _notices(checked)
    return Source(place.origin, kind, name, content, message, tuple(notes), checked)


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
    if form in ("json", *ROW_FORMS) and kind in KINDS and Path(stem).stem:
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
    with _opened(path) as file:
        return file.read(4 * MAX_FILE + 1)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
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
    """The same sources, each after those that it needs; otherwise in the order given."""
    by_name = {(source.kind, source.name): source for source in sources}
    done: dict[int, Source] = {}
    begun: set[int] = set()
    for source in sources:
        stack: list[tuple[Source, Iterator[tuple[str, str]]]] = [(source, _needed(source))]
        while stack:
            top, names = stack[-1]
            begun.add(id(top))
            below: Any = next((by_name[name] for name in names if name in by_name), None)
            if below is None:
                done.setdefault(id(top), top)
                stack.pop()
            elif id(below) not in begun:  # a cycle is for the registry to refuse
                stack.append((below, _needed(below)))
    return list(done.values())


def _needed(source: Source) -> Iterator[tuple[str, str]]:
    """Kinds and names of what a source includes and uses: a suite uses its dataset."""
    content = source.checked
    selectors = (*content.includes, *content.uses) if content else ()
    return iter([(selector.kind, selector.name) for selector in selectors])
