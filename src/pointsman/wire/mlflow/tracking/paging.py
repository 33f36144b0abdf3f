"""Pages over what several experiments have, newest first in each, one experiment after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from pointsman.core.tracking import check_whole
from pointsman.errors import InvalidInput

STEP: Final = 200
MOST: Final = 5_000
"""Rows that are looked at for one page; a page may have fewer results, or none, and go on."""


class Position(NamedTuple):
    """Where a page ended: in which experiment, and after what."""

    experiment: int
    at: int
    id: str


def read(token: str) -> Position | None:
    """The position that a token stands for; None for an empty one. Raises `InvalidInput`."""
    if not token:
        return None
    parts = token.split("~")
    if len(parts) != 3:
        raise InvalidInput(
            "The page token is not one that was given.",
            code="invalid_parameter",
            hint="Begin again without page_token.",
            field="page_token",
        )
    return Position(
        check_whole(parts[0], "page_token"), check_whole(parts[1], "page_token"), parts[2]
    )


def told(position: Position) -> str:
    """A position as a token."""
    return f"{position.experiment}~{position.at}~{position.id}"


def walk(
    experiments: Sequence[int],
    start: Position | None,
    rows: Callable[[int, tuple[int, str] | None], list[Any]],
) -> Iterator[tuple[Position, Any]]:
    """The rows of all experiments behind a position, each with where it is."""
    numbers = list(dict.fromkeys(experiments))
    if start is not None and start.experiment in numbers:
        numbers = numbers[numbers.index(start.experiment) :]
    for number in numbers:
        here = start is not None and start.experiment == number
        before = (start.at, start.id) if start is not None and here else None
        while found := rows(number, before):
            for row in found:
                before = (row.created_at, row.id)
                yield Position(number, *before), row


def page(
    found: Iterator[tuple[Position, Any]], limit: int, told_of: Callable[[Any], Any]
) -> tuple[list[Any], str]:
    """So many of the rows as they are told, and a token for the next page, empty at the end.

    `told_of` gives None for a row that is not wanted.
    """
    results: list[Any] = []
    for looked, (position, row) in enumerate(found, 1):
        if (one := told_of(row)) is not None:
            results.append(one)
        if len(results) == limit or looked == MOST:
            return results, told(position)
    return results, ""


def answer(name: str, results: list[Any], token: str) -> dict[str, Any]:
    """The answer with a page of results, which are called `name`."""
    page_of = {name: results} if results else {}
    return {**page_of, "next_page_token": token} if token else page_of
