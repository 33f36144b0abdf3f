"""What the commands about projects and people share: how they ask, and read what was typed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import IO

import click

ROLES = ("viewer", "editor", "reviewer", "releaser", "admin")


def ask_password(file: IO[str] | None, *, new: bool = False) -> str:
    """The password in a file's first line, or asked for without showing it."""
    if file is not None:
        return file.readline().rstrip("\r\n")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=new, err=True)
    return password


def expiry(text: str) -> datetime:
    """A moment to come: what would be so long ago is as long from now."""
    from pointsman.cli.times import parse_moment

    now = datetime.now(UTC)
    try:
        at = parse_moment(text, now)
    except ValueError:
        at = None
    if at is None or "ago" in text:
        raise click.BadParameter(
            f"{text!r} is not a moment to come. Write it like '2027-01-01' or '90d'.",
            param_hint="'--expires'",
        )
    relative = text.strip()[:1].isdigit() and text.strip()[-1:].isalpha() and "-" not in text
    return now + (now - at) if relative else at


def part(role: str, kind: str, artifacts: str, *, everywhere: bool = False) -> str:
    """A role and what it is for, in a few words."""
    where = f"{kind}:{artifacts}" if kind else artifacts
    if everywhere:
        where = "everywhere"
    return role if where == "*" else f"{role} ({where})"
