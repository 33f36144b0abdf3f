"""Moments as people type them: in the time zone of the one who looks."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from pointsman.core.vocabulary import micros
from pointsman.errors import InvalidInput


def typed_moment(text: str, zone: tzinfo, *, field: str, ends: bool = False) -> int | None:
    """The moment that somebody typed, in microseconds: a day or a day and a time; None for "".

    With `ends`, a day means its last moment and not its first. A text with a zone of its own
    counts as that. Raises `InvalidInput`.
    """
    text = text.strip()
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "T", 1))
        at = at if at.tzinfo is not None else at.replace(tzinfo=zone)
        if ends and len(text) <= len("2026-01-01"):
            at += timedelta(days=1)
            return micros(at) - 1
        return micros(at)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{text[:40]!r} is no moment.",
            code="invalid_time",
            hint="Write it as a day and a time, for example 2026-11-03 02:00.",
            field=field,
        ) from error


def field_text(at: datetime, zone: tzinfo) -> str:
    """A moment as a field for a day and a time holds it: to the second, and never before it."""
    at += timedelta(microseconds=-at.microsecond % 1_000_000)
    return f"{at.astimezone(zone):%Y-%m-%dT%H:%M:%S}"


def day_of(at: datetime, now: datetime, zone: tzinfo) -> str:
    """The day of a moment, as the heading of what happened on it."""
    here, today = at.astimezone(zone), now.astimezone(zone)
    days = (today.date() - here.date()).days
    if days in (0, 1):
        return ("Today", "Yesterday")[days]
    year = "" if here.year == today.year else f" {here.year}"
    return f"{here:%A} {here.day} {here:%B}{year}"
