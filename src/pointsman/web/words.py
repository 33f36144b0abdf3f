"""How things are said on pages: times as people say them, targets, shares, addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Final
from urllib.parse import quote, urlencode

from pointsman.core.vocabulary import Target

KINDS: Final = {"prompts": "prompt", "models": "model", "suites": "suite", "datasets": "dataset"}
"""Kinds by the word for many of them, as addresses have it."""
COLOURS: Final = 7
"""Colours for aliases other than production."""


def said(at: datetime, now: datetime, zone: tzinfo) -> str:
    """A moment as people say it: "5 minutes ago", "yesterday 14:05", "3 Nov 09:12"."""
    here, today = at.astimezone(zone), now.astimezone(zone)
    ahead = at > now
    age = abs(now - at)
    if age < timedelta(minutes=1):
        return "just now"
    if age < timedelta(hours=1):
        minutes = _many(int(age.total_seconds() // 60), "minute")
        return f"in {minutes}" if ahead else f"{minutes} ago"
    clock = f"{here:%H:%M}"
    days = (today.date() - here.date()).days
    if days == 0:
        return f"today {clock}"
    if days == 1:
        return f"yesterday {clock}"
    if days == -1:
        return f"tomorrow {clock}"
    day = f"{here.day} {here:%b}"
    return f"{day} {clock}" if here.year == today.year else f"{day} {here.year}"


def exactly(at: datetime, zone: tzinfo) -> str:
    """A moment to the second, with its zone: what is shown when somebody points at it."""
    here = at.astimezone(zone)
    return f"{here:%A} {here.day} {here:%B %Y, %H:%M:%S} {here.tzname() or 'UTC'}"


def lasting(seconds: float) -> str:
    """How long, rounded to what people would say."""
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 90:
        return _many(round(seconds), "second")
    if seconds < 5_400:
        return _many(round(seconds / 60), "minute")
    if seconds < 129_600:
        return _many(round(seconds / 3_600), "hour")
    return _many(round(seconds / 86_400), "day")


def told_target(target: Target | None) -> str:
    """Where an alias points, in words."""
    if target is None:
        return "nothing"
    if target.version is not None:
        return f"version {target.version}"
    total = sum(arm.weight for arm in target.split)
    shares = (f"version {arm.version} ({arm.weight / total:.0%})" for arm in target.split)
    return "a split of " + " and ".join(shares)


def listed(words: Sequence[str], last: str = "and") -> str:
    """Words in a row, the last one joined by `last`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def colour_of(alias: str) -> str:
    """The class of an alias's colour: the same one for ever, and production its own."""
    if alias == "production":
        return "alias-production"
    return f"alias-{hashlib.sha256(alias.encode()).digest()[0] % COLOURS}"


def address(project: str, kind: str, name: str, what: str | int = "", **query: object) -> str:
    """Where the page about an artifact is, or of a version or a deed (``move``) of it."""
    path = f"/projects/{quote(project, safe='')}/{kind}s/{quote(name, safe='/')}"
    if what:
        path += f":{what}"
    return with_query(path, **query)


def with_query(path: str, **query: object) -> str:
    """An address with parameters; None and empty ones are left out."""
    given = {key: str(value) for key, value in query.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(given)}" if given else path


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
