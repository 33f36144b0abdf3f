"""A file tells one story and a function fits a screen; these are the outermost limits."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from house.source_tree import ROOT, listed, tracked_files

MOST_LINES = 800
MOST_LINES_OF_A_FUNCTION = 100
_CODE = {".py", ".sql", ".js", ".css", ".html", ".sh"}


def test_files_are_short() -> None:
    wrong = []
    for path in _files(_CODE):
        lines = path.read_text("utf-8").count("\n")
        if lines > MOST_LINES:
            wrong.append(f"{path.relative_to(ROOT)}: {lines} lines")
    assert not wrong, listed(wrong)


def test_functions_are_short() -> None:
    wrong = []
    for path in _files({".py"}):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MOST_LINES_OF_A_FUNCTION:
                    place = f"{path.relative_to(ROOT)}:{node.lineno}"
                    wrong.append(f"{place}: {node.name} has {lines} lines")
    assert not wrong, listed(wrong)


def _files(suffixes: set[str]) -> Iterator[Path]:
    rooms = ("src", "tests", "bench", "demo")
    for path in tracked_files():
        if path.suffix in suffixes and path.relative_to(ROOT).parts[0] in rooms:
            yield path
