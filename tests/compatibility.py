"""What clients of other systems can do here: declared beside their tests, shown on one page.

`docs/compatibility.md` is made of these declarations by `tests/house/compatibility_page.py`
(`make reference`); `tests/house/test_compatibility.py` fails where page, declarations and tests
differ. To add another system's client:

1. beside its tests, declare a `Section`: each call of the client is one `Call` with its verdict,
   and names the behaviours that show it;
2. say how its behaviours are found (`Section.behaviours`): name → source of the test. For tests
   that pytest runs, `functions_of` takes the path of a test module;
3. add the section to `SECTIONS` in `tests/house/compatibility_page.py`, then `make reference`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Verdict = Literal["works", "works better", "refused"]


@dataclass(frozen=True)
class Call:
    """One call of a client: what it does here, and the behaviours (by name) that show it.

    `told` says what is better, or why it is refused; `spelt` are other names that tests use.
    """

    name: str
    verdict: Verdict
    shown_by: tuple[str, ...]
    told: str = ""
    group: str = ""
    spelt: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A client, and all of its calls. `behaviours` gives the source of each by its name."""

    title: str
    client: str
    guide: str
    calls: tuple[Call, ...]
    behaviours: Callable[[], Mapping[str, str]]

    def showing(self, call: Call) -> list[str]:
        """The behaviours in which a call is made."""
        names = {call.name, *call.spelt}
        return [name for name, source in self.behaviours().items() if names & called_in(source)]


def called_in(source: str) -> set[str]:
    """The names of everything that is called in a piece of source, or handed on to be called."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Name):
            found.add(node.id)
    return found


def functions_of(path: Path, marked: str = "") -> dict[str, str]:
    """The functions of a module by name, with their source: tests, or those with a decorator."""
    text = path.read_text("utf-8")
    return {
        node.name: ast.unparse(node)
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef)
        and (
            any(isinstance(one, ast.Name) and one.id == marked for one in node.decorator_list)
            if marked
            else node.name.startswith("test_")
        )
    }
