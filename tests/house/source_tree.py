"""The project's own text, for tests that read it: modules, what they import, tracked files."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
PACKAGE = "pointsman"

_MODULE_NAME = re.compile(rf"{PACKAGE}(\.\w+)*")


@dataclass(frozen=True)
class Import:
    """One import, wherever in the module it stands."""

    line: int
    target: str
    """The module; for `from package import name`, the module that `name` is, if it is one."""

    @property
    def top(self) -> str:
        return self.target.partition(".")[0]

    @property
    def third_party(self) -> bool:
        return self.top != PACKAGE and self.top not in sys.stdlib_module_names


@dataclass(frozen=True)
class Module:
    """A module of the package."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def place(self) -> str:
        """The file as it is written in a message."""
        return str(self.path.relative_to(ROOT))

    @property
    def room(self) -> str:
        """The part of the house that it is in: `core`, `wire`, `compose`; empty for the package."""
        return room_of(self.name)

    def imports(self) -> list[Import]:
        """Everything imported: at the top, in functions, for type checkers, by a name in a string.

        A string counts if it is the name of one of our modules: tables of what is imported late
        are made of these.
        """
        return sorted(set(self._imports()), key=lambda found: found.line)

    def _imports(self) -> Iterator[Import]:
        package = self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names=names):
                    yield from (Import(node.lineno, alias.name) for alias in names)
                case ast.ImportFrom(module=module, names=names, level=level):
                    base = _absolute(package, module or "", level)
                    for alias in names:
                        inner = f"{base}.{alias.name}"
                        yield Import(node.lineno, inner if is_module(inner) else base)
                case ast.Call(args=[ast.Constant(value=str(target)), *_]) if _imports(node.func):
                    yield Import(node.lineno, _absolute(package, *_relative(target)))
                case ast.Constant(value=str(text)) if text != PACKAGE and is_module(text):
                    yield Import(node.lineno, text)


def room_of(name: str) -> str:
    """The part of the house that a module of the package is in."""
    return name.split(".")[1] if "." in name else ""


@cache
def modules() -> tuple[Module, ...]:
    """All modules of the package."""
    found = []
    for path in sorted((SOURCE / PACKAGE).rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, path, ast.parse(path.read_text("utf-8"), str(path))))
    return tuple(found)


@cache
def is_module(name: str) -> bool:
    """Whether the package has a module of this name."""
    if not _MODULE_NAME.fullmatch(name):
        return False
    base = SOURCE / name.replace(".", "/")
    return base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()


@cache
def tracked_files() -> tuple[Path, ...]:
    """What Git tracks, or would if it were added: everything that is not ignored."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"Git can't list the files here: {error}")
    paths = (ROOT / os.fsdecode(name) for name in listed.split(b"\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


def documents() -> tuple[Path, ...]:
    """The pages that people read."""
    return (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


def listed(wrong: Iterable[str]) -> str:
    """What is wrong, one a line: the message of an assertion."""
    return "\n" + "\n".join(wrong)


def _imports(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("import_module", "__import__", "find_spec")


def _relative(target: str) -> tuple[str, int]:
    name = target.lstrip(".")
    return name, len(target) - len(name)


def _absolute(package: str, module: str, level: int) -> str:
    if not level:
        return module
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], *([module] if module else [])])
