"""`pointsman import promptfooconfig.yaml`: a configuration of promptfoo as a dataset and a suite.

Files that the configuration names are read if they are data, and lie in its folder or below.
Everything else (code, addresses, what is elsewhere) is told and left alone.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from pointsman.cli.connect import Registry
from pointsman.cli.moving import place_of
from pointsman.cli.output import Output
from pointsman.cli.rows import json_lines, table
from pointsman.core.canonical import MAX_DEPTH, check_json, parse_json
from pointsman.core.contents import parse_content
from pointsman.core.datasets import MAX_SIZE
from pointsman.core.promptfoo import Converted, Note, convert
from pointsman.core.promptfoo_assertions import Models
from pointsman.core.promptfoo_tests import Located, case_of_cells
from pointsman.errors import InvalidInput, PointsmanError, TooLarge

if TYPE_CHECKING:
    from pointsman.core.vocabulary import Published

_FILE: Final = "file://"
_TEXTS: Final = (".txt", ".md")
_VALUES: Final = (".json", ".yaml", ".yml")
_CODE: Final = re.compile(r"[.](?:py|[cm]?[jt]s|rb|go)(?::|$)")
_MAX_FILES: Final = 1_000
_PLACES: Final = 3
"""Places that are told of each thing without an equivalent."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a configuration is to become, and the models where it names none."""

    name: str
    patterns: tuple[str, ...]
    grader: str = ""
    embeddings: str = ""


def import_config(
    registry: Registry,
    out: Output,
    path: Path,
    wanted: Wanted,
    *,
    dry_run: bool,
    strict: bool,
) -> bool:
    """Publish a dataset, a suite, and a judge if one is needed; tell what has no equivalent.

    What is there already in the same words is not published again. Where something has no
    equivalent, `strict` publishes nothing; whether it was as strict as wanted.

    Raises:
        InvalidInput: the file is no configuration, or nothing of it can be taken over.
    """
    folder = _Folder(path.resolve().parent)
    converted = _converted(folder, path, wanted)
    judge = f"{wanted.name}-judge"
    trial = converted.suite(wanted.patterns, f"{wanted.name}:1", f"{judge}:1")
    parse_content("dataset", dict(converted.dataset))
    if converted.hold:
        parse_content("suite", trial)
    lacking = strict and bool(converted.notes)
    if dry_run or lacking:
        _tell_plan(out, converted, wanted, trial)
        return not lacking
    message = f"imported from {path.name}"
    done = [_publish(registry, "dataset", wanted.name, converted.dataset, message)]
    judged = ""
    if converted.judge is not None:
        done.append(_publish(registry, "prompt", judge, converted.judge, message))
        judged = f"{judge}:{done[-1].version.number}"
    if converted.hold:
        dataset = f"{wanted.name}:{done[0].version.number}"
        suite = converted.suite(wanted.patterns, dataset, judged)
        done.append(_publish(registry, "suite", wanted.name, suite, message))
    if out.as_json:
        out.data({"published": done, "notes": converted.notes})
        return True
    for one in done:
        place = f"{place_of(one.version.kind, one.version.name)}:{one.version.number}"
        out.line(f"{place} {'is published' if one.created else 'says the same already'}.")
    out.line(_told_size(converted))
    _tell_notes(out, converted.notes)
    return True


def _converted(folder: _Folder, path: Path, wanted: Wanted) -> Converted:
    config = folder.value(path)
    if not isinstance(config, dict) or not {"tests", "scenarios"} & config.keys():
        raise InvalidInput(
            f"{path} is no configuration of promptfoo: it has neither tests nor scenarios.",
            code="invalid_export",
            hint="Name the promptfooconfig.yaml; or, of an export, its folder.",
        )
    if isinstance(config.get("defaultTest"), str):
        config["defaultTest"] = folder.filled(config["defaultTest"])
    config["defaultTest"] = folder.filled(config.get("defaultTest"))
    tests = list(folder.tests(config.get("tests"), "/tests"))
    scenarios = list(folder.scenarios(config.get("scenarios"), "/scenarios"))
    found = convert(config, tests, scenarios, Models(wanted.grader, wanted.embeddings))
    notes = (*folder.notes, *found.notes)
    if not found.dataset["rows"]:
        first = next((f" {one.what}: {one.why}" for one in notes), "")
        raise InvalidInput(f"{path} has no test that can be taken over.{first}", code="empty_input")
    return Converted(**{**_fields(found), "notes": notes})


def _fields(found: Converted) -> dict[str, Any]:
    return {name: getattr(found, name) for name in Converted.__dataclass_fields__}


def _publish(registry: Registry, kind: str, name: str, content: Any, message: str) -> Published:
    done: Published = registry.publish(
        name, dict(content), kind=kind, message=message, if_changed=True
    )
    return done


# -- what is told


def _tell_plan(out: Output, converted: Converted, wanted: Wanted, suite: dict[str, Any]) -> None:
    if out.as_json:
        plan = {"dataset": converted.dataset, "suite": suite, "judge": converted.judge}
        out.data({**plan, "notes": converted.notes})
        return
    out.line(f"{place_of('dataset', wanted.name)} and {place_of('suite', wanted.name)}:")
    out.line(_told_size(converted))
    _tell_notes(out, converted.notes)
    out.line("Nothing was done.")


def _told_size(converted: Converted) -> str:
    rows, scorers, hold = (
        len(each) for each in (converted.dataset["rows"], converted.scorers, converted.hold)
    )
    return f"{rows:,} rows, {scorers} scorers, {hold} criteria."


def _tell_notes(out: Output, notes: Sequence[Note]) -> None:
    """What has no equivalent or differs, each once with some of the places where it stands."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for one in notes:
        grouped.setdefault((one.what, one.why, one.do), []).append(one.where)
    if grouped:
        out.line()
        out.line("What differs, or is left out:", bold=True)
    for (what, why, do), places in grouped.items():
        more = f" and {len(places) - _PLACES:,} more" if len(places) > _PLACES else ""
        out.line(f"- {what} ({', '.join(places[:_PLACES])}{more}): {' '.join((why, do)).strip()}")


# -- files


@dataclass
class _Folder:
    """The folder of a configuration: what may be read, and what was not."""

    root: Path
    notes: list[Note] = field(default_factory=list)
    read: int = 0
    size: int = 0

    def value(self, path: Path) -> Any:
        """The value of a file of YAML or JSON. Raises `InvalidInput` or `TooLarge`."""
        text = self.text(path)
        try:
            if path.suffix.lower() == ".json":
                return parse_json(text, max_bytes=MAX_SIZE)
            return check_json(_read_yaml(text), max_bytes=MAX_SIZE)
        except (yaml.YAMLError, ValueError) as error:
            told = " ".join(str(error).split())[:300]
            raise InvalidInput(
                f"{path} is not YAML: {told}.", code="malformed_yaml", hint="Mend it."
            ) from None
        except PointsmanError as error:
            error.message = f"{path}: {error.message}"
            raise

    def text(self, path: Path) -> str:
        """The text of a file. Raises `InvalidInput` or `TooLarge`."""
        try:
            data = path.read_bytes() if path.stat().st_size <= MAX_SIZE else b" " * (MAX_SIZE + 1)
            self.read, self.size = self.read + 1, self.size + len(data)
            if self.size > 2 * MAX_SIZE or self.read > _MAX_FILES:
                raise TooLarge(
                    f"Up to {path}, the configuration is longer than a dataset may be.",
                    code="dataset_too_large",
                    hint="Take a sample of the tests.",
                )
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise InvalidInput(
                f"{path} is not UTF-8 text.", code="invalid_utf8", hint="Save it as UTF-8."
            ) from None
        except OSError as error:
            raise InvalidInput(
                f"{path} can't be read: {error.strerror or error}.", code="unreadable_file"
            ) from None

    def filled(self, value: Any) -> Any:
        """A value with the files of texts and values that it names in their places."""
        if isinstance(value, dict):
            return {key: self.filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        if not isinstance(value, str) or not value.startswith(_FILE):
            return value
        path = self._inside(value.removeprefix(_FILE))
        if path is None or path.suffix.lower() not in (*_TEXTS, *_VALUES):
            return value
        return self.text(path) if path.suffix.lower() in _TEXTS else self.value(path)

    def tests(self, value: Any, where: str) -> Iterator[Located]:
        """The tests of a list, of a file, or of several; each with its place."""
        if isinstance(value, list):
            for place, one in enumerate(value):
                yield from self.tests(one, f"{where}/{place}")
        elif isinstance(value, dict) and isinstance(value.get("path"), str):
            yield from self.tests(value["path"], where)
        elif isinstance(value, dict):
            yield Located(where, self.filled(value))
        elif isinstance(value, str):
            for path in self._matching(value, where):
                yield from self._tests_of(path, where)

    def scenarios(self, value: Any, where: str) -> Iterator[Located]:
        """The scenarios of a list or of files."""
        for place, one in enumerate(value if isinstance(value, list) else [value]):
            here = f"{where}/{place}"
            if isinstance(one, dict):
                yield Located(here, self._scenario(one, here))
            elif isinstance(one, str):
                for path in self._matching(one, here):
                    name = self._name(path)
                    yield from self.scenarios(self.value(path), f"{name}#")

    def _scenario(self, value: dict[str, Any], where: str) -> dict[str, Any]:
        data = value.get("config")
        config: list[Any] = []
        for one in data if isinstance(data, list) else [data]:
            named = (one.get("$values") or one.get("$expand")) if isinstance(one, dict) else None
            found = self.filled(named if named is not None else one)
            config += found if isinstance(found, list) else [found]
        tests = [one.value for one in self.tests(value.get("tests"), f"{where}/tests")]
        return {**value, "config": config, "tests": tests}

    def _tests_of(self, path: Path, where: str) -> Iterator[Located]:
        name, ending = self._name(path), path.suffix.lower()
        try:
            if ending in (".csv", ".tsv"):
                with path.open("rb") as file:
                    for record in table(file, "tsv" if ending == ".tsv" else "csv"):
                        test = case_of_cells(record.fields)
                        yield Located(f"{name} {record.place}", self.filled(test))
            elif ending in (".jsonl", ".ndjson"):
                with path.open("rb") as file:
                    for record in json_lines(file):
                        yield Located(f"{name} {record.place}", self.filled(dict(record.fields)))
            elif ending in _VALUES:
                yield from self.tests(self.value(path), f"{name}#")
            else:
                why = "Only data is read: .csv, .tsv, .json, .jsonl and .yaml."
                self.notes.append(Note(where, name, why, "Write the tests to such a file."))
        except PointsmanError as error:
            if name not in error.message:
                error.message = f"{name}: {error.message}"
            raise

    def _matching(self, named: str, where: str) -> list[Path]:
        """The files in the folder that a name or a pattern means."""
        pattern = named.removeprefix(_FILE).removeprefix("./").split("#")[0]
        found: list[Path] = []
        if "://" not in pattern and not Path(pattern).is_absolute() and pattern:
            if "*" in pattern and ".." not in Path(pattern).parts:
                found = [one for one in sorted(self.root.glob(pattern)) if self._holds(one)]
            elif (path := self._inside(pattern)) is not None:
                found = [path]
        if not found and _CODE.search(pattern):
            why = "It is code, which is never run here."
            self.notes.append(Note(where, named[:200], why, "Write the tests to a file."))
        elif not found:
            why = "There is no such file in the configuration's folder, and no other is read."
            self.notes.append(Note(where, named[:200], why, "Put it there."))
        return found[:_MAX_FILES]

    def _inside(self, named: str) -> Path | None:
        """A file in the folder or below; None if it is elsewhere or not there."""
        try:
            path = self.root / named
            return path if self._holds(path) else None
        except (OSError, ValueError):
            return None

    def _holds(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.root) and path.is_file()

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


_BASE: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc]
    """Plain words mean what they do to promptfoo: ``yes`` and ``on`` are text."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag != "tag:yaml.org,2002:bool" or first in "tTfF"
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _read_yaml(text: str) -> Any:
    """The value of a document, with dates as text and whole numbers that are keys as well."""
    depth = 0
    for event in yaml.parse(text, Loader=_BASE):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise TooLarge(f"It is nested more than {MAX_DEPTH} deep.", code="too_deep")
    return _plain(yaml.load(text, Loader=_Loader), {})  # noqa: S506 - it is a safe one


def _plain(value: Any, done: dict[int, Any]) -> Any:
    """The value as JSON has it. What is named twice is made once, so that it stays small."""
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if not isinstance(value, dict | list) or id(value) in done:
        return done.get(id(value), value)
    if isinstance(value, list):
        done[id(value)] = items = []
        items += [_plain(one, done) for one in value]
        return items
    done[id(value)] = made = {}
    for key, one in value.items():
        made[str(key) if type(key) is int else key] = _plain(one, done)
    return made
