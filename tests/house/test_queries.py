"""Named SQL: every statement has a use, and every name that is used a statement."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

from house.source_tree import SOURCE, listed, modules

_STORAGE = SOURCE / "pointsman" / "storage"
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_BY_NAME = {"_run", "_keep", "_value"}
"""The methods whose first argument is the name of a statement."""


def test_names_are_unique() -> None:
    twice = [name for name, count in Counter(_named()).items() if count > 1]
    assert not twice


def test_every_name_used_has_a_statement() -> None:
    missing = [f"{place}: {name}" for name, place in _used() if name not in _named()]
    assert not missing, listed(missing)


def test_every_statement_is_used() -> None:
    unused = set(_named()) - {name for name, _ in _used()}
    assert not unused


def test_every_statement_has_a_name_and_ends_once() -> None:
    for path in (_STORAGE / "sql").glob("*.sql"):
        for statement in _NAME.split(path.read_text("utf-8"))[2::2]:
            text = re.sub(r"--.*", "", statement).strip()
            assert text.endswith(";"), f"{path.name}: {text}"
            assert text.count(";") == 1, f"{path.name}: {text}"


def _named() -> list[str]:
    texts = (path.read_text("utf-8") for path in sorted((_STORAGE / "sql").glob("*.sql")))
    return [name for text in texts for name in _NAME.findall(text)]


def _used() -> Iterator[tuple[str, str]]:
    """The name of a statement, and where it is used."""
    for module in modules():
        if module.room != "storage":
            continue
        for node in ast.walk(module.tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr=method), args=[ast.Constant(value=str(name)), *_]
                ) if method in _BY_NAME:
                    yield name, f"{module.place}:{node.lineno}"
                case ast.Subscript(slice=ast.Constant(value=str(name))) if "queries" in ast.unparse(
                    node.value
                ):
                    yield name, f"{module.place}:{node.lineno}"
