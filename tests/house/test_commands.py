"""The command line: every command helps, and the documents say what it can do and no more.

A command is documented in the section of a page whose heading names it, in backticks or not:
`## pointsman promote`, `### pointsman alias delete`. The section mentions each of its options by
its long name; what many commands share (`COMMON`) may be mentioned anywhere on that page instead.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from house import cli_reference
from house.source_tree import documents
from pointsman.cli.program import pointsman

COMMON = {"--help", "--json", "--url", "--key", "--project", "--data", "--database"}


class Command(NamedTuple):
    """A command by its words, without `pointsman`."""

    words: str
    command: click.Command

    @property
    def options(self) -> set[str]:
        """The long names of its options."""
        names = {
            name
            for parameter in self.command.params
            if isinstance(parameter, click.Option) and not parameter.hidden
            for name in (*parameter.opts, *parameter.secondary_opts)
        }
        return {name for name in names if name.startswith("--")}


def test_the_reference_is_what_the_commands_say() -> None:
    assert cli_reference.PAGE.read_text("utf-8") == cli_reference.page(), "run `make reference`"


def _walk(words: str, command: click.Command) -> Iterator[Command]:
    yield Command(words, command)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, f"{words} {name} is listed and can't be found"
            if not inner.hidden:
                yield from _walk(f"{words} {name}".strip(), inner)


COMMANDS = [found for found in _walk("", pointsman) if found.words]
_named = [found.words.replace(" ", "-") for found in COMMANDS]


@pytest.mark.parametrize("command", COMMANDS, ids=_named)
def test_every_command_helps(command: Command) -> None:
    context = click.Context(command.command, info_name=f"pointsman {command.words}")
    assert command.command.get_help(context)
    assert command.command.get_short_help_str(), "it doesn't say what it does"
    for parameter in command.command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, f"{parameter.opts[0]} doesn't say what it does"


def test_the_program_itself_helps(tmp_path: Path) -> None:
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith("POINTSMAN_")
    }
    program = Path(sys.executable).with_name("pointsman")
    for arguments in (["--help"], ["promote", "--help"]):
        run = subprocess.run(
            [program, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        assert "Usage: pointsman" in run.stdout
    assert not list(tmp_path.iterdir()), "help leaves files behind"


@pytest.mark.parametrize("command", COMMANDS, ids=_named)
def test_every_command_is_documented(command: Command) -> None:
    sections = [text for heading, text, _ in _sections() if _names(heading, command.words)]
    assert sections, f"no heading in docs/ names `pointsman {command.words}`"
    pages = [page for heading, _, page in _sections() if _names(heading, command.words)]
    mentioned = _options("\n".join(sections))
    shared = _options("\n".join(pages)) & COMMON
    assert not command.options - mentioned - shared, "options that its section doesn't mention"


@pytest.mark.parametrize("command", COMMANDS, ids=_named)
def test_documented_options_exist(command: Command) -> None:
    every = {name for one in COMMANDS for name in one.options} | COMMON
    for heading, text, _ in _sections():
        if _names(heading, command.words):
            assert not _options(text) - every


def test_headings_name_commands_that_exist() -> None:
    known = {command.words for command in COMMANDS}
    for heading, _, _ in _sections():
        words = heading.replace("`", "").split()
        if words[:1] == ["pointsman"] and len(words) > 1:
            assert " ".join(words[1:]) in known, f"there is no command `{heading}`"


class Section(NamedTuple):
    heading: str
    text: str
    """Up to the next heading of the same or a higher level."""
    page: str


_HEADING = re.compile(r"^(#{1,6}) +(.*?) *#*$", re.MULTILINE)
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]")
_FENCE = re.compile(r"^(```+).*?^\1 *$", re.MULTILINE | re.DOTALL)


@cache
def _sections() -> tuple[Section, ...]:
    found = []
    for path in documents():
        page = path.read_text("utf-8")
        # A comment in an example is not a heading.
        outline = _FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), page)
        headings = list(_HEADING.finditer(outline))
        for index, match in enumerate(headings):
            ends = (
                later.start() for later in headings[index + 1 :] if len(later[1]) <= len(match[1])
            )
            found.append(Section(match[2], page[match.end() : next(ends, len(page))], page))
    return tuple(found)


def _names(heading: str, words: str) -> bool:
    return heading.replace("`", "") == f"pointsman {words}"


def _options(text: str) -> set[str]:
    return set(_OPTION.findall(text))
