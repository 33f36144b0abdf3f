"""How the command line says that something went wrong, and with which exit status it ends."""

from __future__ import annotations

import json
import sys

import click

from pointsman.cli.output import colours, visible
from pointsman.errors import (
    Conflict,
    IntegrityError,
    InvalidContent,
    InvalidInput,
    NotFound,
    PointsmanError,
    Reason,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

FAILED = 1
USAGE = 2
INCONCLUSIVE = 2
REFUSED = 3
NOT_FOUND = 4
UNAVAILABLE = 5
INTERRUPTED = 130
PIPE_CLOSED = 141
"""As a program ends whom SIGPIPE killed: whoever read the output stopped reading."""

_CODES: tuple[tuple[tuple[type[PointsmanError], ...], int], ...] = (
    ((Refused, Unauthenticated, Conflict), REFUSED),
    ((NotFound,), NOT_FOUND),
    ((Unavailable,), UNAVAILABLE),
)
_MISTAKES = ("different_kinds", "invalid_time")
"""Codes of what only the command line can have said wrongly, though they name no field."""


def exit_code(error: PointsmanError) -> int:
    """The exit status that an error ends with."""
    if _is_mistake(error):
        return USAGE
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), FAILED)


def _is_mistake(error: PointsmanError) -> bool:
    """Whether what was typed is wrong, such as a selector, and not what a file holds.

    What is wrong within a content is named by a JSON pointer; an argument by its own name.
    """
    if not isinstance(error, InvalidInput) or isinstance(error, (InvalidContent, TooLarge)):
        return False
    return error.code in _MISTAKES or (bool(error.field) and not error.field.startswith("/"))


def tell(error: PointsmanError, *, as_json: bool) -> None:
    """Print an error on stderr: one block for people, or one line of JSON."""
    if as_json:
        click.echo(json.dumps({"error": _plain(error)}, ensure_ascii=False), err=True)
        return
    click.echo(_block(error), err=True, color=colours(sys.stderr))


def _block(error: PointsmanError) -> str:
    lines = []
    several = [reason for reason in error.reasons if reason.message != error.message]
    if several:
        lines += [_message(_headline(error))]
        lines += [line for reason in error.reasons for line in _reason(reason)]
    else:
        lines += [_message(error.message)]
    told = {reason.hint for reason in error.reasons} if len(lines) > 1 else set()
    if error.hint and error.hint not in told:
        lines.append(f"{click.style('Hint:', bold=True)} {visible(error.hint)}")
    request_id = error.details.get("request_id")
    if request_id and isinstance(error, (IntegrityError, Unavailable)):
        lines.append(click.style(f"Request {visible(str(request_id))}", dim=True))
    return "\n".join(lines)


def _headline(error: PointsmanError) -> str:
    """What stands above the reasons; some messages only string their reasons together."""
    if error.message.startswith(error.reasons[0].message):
        return f"{len(error.reasons)} things are wrong."
    return error.message


def _message(text: str) -> str:
    return f"{click.style('Error:', fg='red', bold=True)} {visible(text)}"


def _reason(reason: Reason) -> list[str]:
    lines = [f"  - {visible(reason.message)}"]
    if reason.hint:
        lines.append(f"    {visible(reason.hint)}")
    return lines


def _plain(error: PointsmanError) -> dict[str, object]:
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "field": error.field,
        "reasons": [
            {"code": one.code, "message": one.message, "hint": one.hint, "field": one.field}
            for one in error.reasons
        ],
        "details": error.details,
    }
