"""Moments as people write and read them, in the time zone of this machine."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from pointsman.cli.output import Output

_UNITS = {
    "s": "seconds", "sec": "seconds", "second": "seconds", "seconds": "seconds",
    "m": "minutes", "min": "minutes", "minute": "minutes", "minutes": "minutes",
    "h": "hours", "hour": "hours", "hours": "hours",
    "d": "days", "day": "days", "days": "days",
    "w": "weeks", "week": "weeks", "weeks": "weeks",
}  # fmt: skip
_AGO = re.compile(r"(\d{1,9})\s*([a-z]+)(?:\s+ago)?")
_DAY = re.compile(r"(now|today|yesterday)(?:\s+(?:at\s+)?(\S+))?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?")
_ZONE = re.compile(r"\s+(?=(?:[+-]\d{2}:?\d{2}|z)$)", re.IGNORECASE)


def parse_moment(text: str, now: datetime | None = None) -> datetime:
    """The moment that a text means, in UTC.

    Understood are RFC 3339 and ISO 8601 (``2026-11-20 02:00``, ``2026-11-20``,
    ``2026-11-20T02:00:00+01:00``), ``02:00`` (today), ``now``, ``today``, ``yesterday 02:00``,
    ``2h ago`` and ``2h``. Without a zone, that of this machine is meant.

    Raises `ValueError`.
    """
    now = (now or datetime.now(UTC)).astimezone(UTC)
    words = " ".join(text.lower().split())
    try:
        if found := _AGO.fullmatch(words):
            unit = _UNITS[found[2]]
            return now - timedelta(**{unit: int(found[1])})
        if found := _DAY.fullmatch(words):
            return _on_day(found[1], found[2], now)
        if found := _CLOCK.fullmatch(words):
            return _at_clock(_local(now), words)
        return _utc(datetime.fromisoformat(_ZONE.sub("", text.strip()).replace(" UTC", "Z")))
    except (KeyError, ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a moment") from None


def said(at: datetime, now: datetime | None = None) -> str:
    """A moment in few words: ``today 14:05``, ``yesterday 14:05``, ``2026-11-20 14:05``."""
    local, today = _local(at), _local(now or datetime.now(UTC)).date()
    clock = local.strftime("%H:%M")
    if local.date() == today:
        return f"today {clock}"
    if local.date() == today - timedelta(days=1):
        return f"yesterday {clock}"
    return f"{local.date().isoformat()} {clock}"


def exactly(at: datetime) -> str:
    """A moment to the second, with its zone: ``2026-11-20 14:05:09 CET (+01:00)``."""
    local = _local(at)
    offset = local.isoformat(timespec="seconds")[-6:]
    name = local.tzname() or ""
    named = f"{name} ({offset})" if name.isalpha() and name != "UTC" else name or offset
    return f"{local.strftime('%Y-%m-%d %H:%M:%S')} {named}"


def when(at: datetime, out: Output) -> str:
    """A moment in a table: few words on a terminal; in pipes to the second, with its zone."""
    return said(at) if out.terminal else _local(at).isoformat(timespec="seconds")


class Moment(click.ParamType[datetime]):
    """An option's value that is a moment."""

    name = "when"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Read the moment, or tell what can be read."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_moment(value)
        except ValueError:
            self.fail(
                f"{value!r} is not a moment. Write it like '2026-11-20 02:00', '2026-11-20', "
                "'yesterday 02:00', '02:00', '2h ago' or now.",
                param,
                ctx,
            )


def _on_day(day: str, clock: str | None, now: datetime) -> datetime:
    if day == "now":
        if clock:
            raise ValueError(clock)
        return now
    local = _local(now) - timedelta(days=day == "yesterday")
    return _at_clock(local, clock or "00:00")


def _at_clock(day: datetime, clock: str) -> datetime:
    found = _CLOCK.fullmatch(clock)
    if not found:
        raise ValueError(clock)
    hour, minute, second, part = found.groups()
    micros = int((part or "0").ljust(6, "0"))
    naive = datetime(  # noqa: DTZ001 - the zone comes next, and may differ from today's
        day.year, day.month, day.day, int(hour), int(minute), int(second or 0), micros
    )
    return _utc(naive)


def _utc(at: datetime) -> datetime:
    """In UTC; what has no zone is in that of this machine, by the rules of that day."""
    return at.astimezone(UTC)


def _local(at: datetime) -> datetime:
    return at.astimezone()


MOMENT = Moment()
