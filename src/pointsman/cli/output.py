"""What commands print: JSON for programs, tables and colours on a terminal, plain text in pipes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import IO, Any

import click


class Output:
    """Where a command writes. `as_json` is what `--json` asks for."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.terminal = is_terminal(sys.stdout)
        self.colours = colours(sys.stdout)

    def data(self, value: Any) -> None:
        """The answer as JSON: any value of the vocabulary."""
        from pointsman.core.plain import to_plain

        click.echo(json.dumps(to_plain(value), ensure_ascii=False, indent=2))

    def data_line(self, value: Any) -> None:
        """One of many answers as JSON, on a line of its own, at once."""
        from pointsman.core.plain import to_plain

        click.echo(json.dumps(to_plain(value), ensure_ascii=False))
        sys.stdout.flush()

    def line(self, text: str = "", **style: Any) -> None:
        """One line of text that may hold what users wrote."""
        click.echo(self.styled(text, **style), color=self.colours)

    def styled(self, text: str, **style: Any) -> str:
        """The text, safe for a terminal and in a style, if there is one; otherwise as it is."""
        text = visible(text) if self.terminal else text
        return click.style(text, **style) if style and self.colours else text

    def raw(self, text: str) -> None:
        """Text as it is, if it goes to a file or a program; made safe for a terminal."""
        if self.terminal:
            click.echo(visible(text), nl=not text.endswith("\n"))
        else:
            sys.stdout.write(text)  # `echo` would leave out what it takes for colours

    def note(self, text: str) -> None:
        """Something worth knowing beside the answer: on stderr."""
        click.echo(visible(text), err=True)

    def fields(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Names and values, aligned; pairs without a value are left out."""
        shown = [(name, value) for name, value in pairs if value]
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            first, *more = value.split("\n")
            label = self.styled(f"{name}:".ljust(width + 1), dim=True)
            click.echo(f"{label} {self.styled(first)}", color=self.colours)
            for line in more:
                click.echo(f"{' ' * (width + 1)} {self.styled(line)}", color=self.colours)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under a head. On a terminal as wide as that is, in pipes as wide as needed."""
        cells = [[_one_line(cell) for cell in row] for row in rows]
        if self.terminal:
            _print_table(columns, cells, colour=self.colours)
            return
        widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
        for row in [list(columns), *cells]:
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            click.echo(line.rstrip())


def is_terminal(stream: IO[str]) -> bool:
    """Whether people watch this stream."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def colours(stream: IO[str]) -> bool:
    """Whether colours may be used; see https://no-color.org."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def visible(text: str) -> str:
    """The text with everything spelled out that would steer a terminal or hide other text."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in "\n\t" or c in _HARMLESS else _escaped(c) for c in text
    )


_HARMLESS = "\u00a0\u202f\u3000\u200d\ufe0f"
"""Spaces, and what emoji are joined with."""


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _one_line(cell: str) -> str:
    return " ".join(cell.split("\n")).replace("\r", " ").replace("\t", " ")


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, colour: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*[Text(visible(cell)) for cell in row])
    Console(no_color=not colour, highlight=False, markup=False, emoji=False).print(table)
