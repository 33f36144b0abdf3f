"""Environment variables: those that are read are documented, and those documented are read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from house.source_tree import ROOT, SOURCE, documents, listed, tracked_files

_VARIABLE = re.compile(r"\bPOINTSMAN_[A-Z][A-Z0-9_]*[A-Z0-9]\b")


def test_every_variable_is_documented() -> None:
    read = _variables(SOURCE.rglob("*.py"))
    assert read, "the pattern finds nothing any more"
    missing = {name: place for name, place in read.items() if name not in _variables(documents())}
    assert not missing, listed(f"{place}: {name}" for name, place in missing.items())


def test_every_documented_variable_is_read() -> None:
    pages = set(documents())
    # Those of tests, benchmarks and the Makefile are for developers, and documented as well.
    read = _variables(path for path in tracked_files() if path not in pages and _is_code(path))
    unknown = {name: place for name, place in _variables(pages).items() if name not in read}
    assert not unknown, listed(f"{place}: {name}" for name, place in unknown.items())


def _variables(paths: Iterable[Path]) -> dict[str, str]:
    """Each variable that the files name, and the first place where they do."""
    found: dict[str, str] = {}
    for path in sorted(paths):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            for name in _VARIABLE.findall(line):
                found.setdefault(name, f"{path.relative_to(ROOT)}:{number}")
    return found


def _is_code(path: Path) -> bool:
    inside = path.relative_to(ROOT).parts[0]
    return inside in ("Makefile", ".ci") or (
        inside in ("src", "tests", "bench", "demo") and path.suffix == ".py"
    )
