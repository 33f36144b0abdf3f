"""Makes docs/compatibility.md from what the tests declare: `make reference` writes it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from compatibility import Section
from wire.mlflow.compatibility import SECTION as MLFLOW

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
SECTIONS: tuple[Section, ...] = (MLFLOW,)
"""The clients on the page; `compatibility` says how another is added."""
_HEAD = """\
# What clients of other systems can do here

Made from the declarations beside their tests (`make reference`). Each row is a call of a
published client, unchanged, against a real server; behind it stands the number of tested
behaviours in which the call is made.

*works*: as with the system that the client was made for. *works better*: so, and more than that
system does. *refused*: not done, with an error that says why and what to do instead.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(line for one in SECTIONS for line in _section(one))])


def _section(section: Section) -> Iterator[str]:
    total = len(section.behaviours())
    yield f"## {section.title}\n"
    yield (
        f"The client is {section.client}; {len(section.calls)} calls, {total} behaviours. "
        f"How to switch, and what is what: [{section.guide}]({section.guide}).\n"
    )
    for group, calls in groupby(section.calls, key=lambda call: call.group):
        if group:
            yield f"### {group}\n"
        yield "| call | | what to know | behaviours |\n|---|---|---|---|"
        for call in calls:
            count = len(section.showing(call))
            told = call.told[:1].upper() + call.told[1:]
            yield f"| `{call.name}` | {call.verdict} | {told} | {count} |"
        yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"{PAGE.name} is written.\n")
