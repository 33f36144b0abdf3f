"""Moments: what people may write, and what they are told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.cli.times import exactly, parse_moment, said

NOW = datetime(2026, 11, 21, 9, 30, 15, 250_000, UTC)


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine stands in Berlin: an hour ahead of UTC in winter, two in summer."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-20 02:00", "2026-11-20T01:00:00+00:00"),
        ("2026-11-20", "2026-11-19T23:00:00+00:00"),
        ("2026-07-01 12:00", "2026-07-01T10:00:00+00:00"),  # by the rules of that day
        ("2026-11-20T02:00:00Z", "2026-11-20T02:00:00+00:00"),
        ("2026-11-20 02:00 UTC", "2026-11-20T02:00:00+00:00"),
        ("2026-11-20 02:00:00.123456 +01:00", "2026-11-20T01:00:00.123456+00:00"),
        ("2026-11-20T02:00-05:00", "2026-11-20T07:00:00+00:00"),
        ("now", "2026-11-21T09:30:15.250000+00:00"),
        ("today", "2026-11-20T23:00:00+00:00"),
        ("08:15", "2026-11-21T07:15:00+00:00"),
        ("today at 8:15", "2026-11-21T07:15:00+00:00"),
        ("yesterday", "2026-11-19T23:00:00+00:00"),
        (" Yesterday  02:00 ", "2026-11-20T01:00:00+00:00"),
        ("yesterday 02:00:01.5", "2026-11-20T01:00:01.500000+00:00"),
        ("2h ago", "2026-11-21T07:30:15.250000+00:00"),
        ("2 hours ago", "2026-11-21T07:30:15.250000+00:00"),
        ("90m", "2026-11-21T08:00:15.250000+00:00"),
        ("1 day ago", "2026-11-20T09:30:15.250000+00:00"),
        ("2w", "2026-11-07T09:30:15.250000+00:00"),
        ("0s", "2026-11-21T09:30:15.250000+00:00"),
    ],
)
def test_understood(text: str, meant: str) -> None:
    assert parse_moment(text, NOW) == datetime.fromisoformat(meant)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "tomorrow", "yesterday noon", "now 02:00", "25:00", "02:60", "2 moons ago",
     "2026-13-01", "-2h", "999999999w", "2026-11-20 02:00 Mars", "1.5h"],
)  # fmt: skip
def test_not_understood(text: str) -> None:
    with pytest.raises(ValueError, match="not a moment"):
        parse_moment(text, NOW)


@given(st.text(max_size=30))
def test_anything_is_understood_or_refused(text: str) -> None:
    try:
        moment = parse_moment(text, NOW)
    except ValueError:
        return
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("2026-11-21T08:00:00+00:00", "today 09:00"),
        ("2026-11-20T22:59:00+00:00", "yesterday 23:59"),
        ("2026-11-20T23:00:00+00:00", "today 00:00"),
        ("2026-11-19T22:00:00+00:00", "2026-11-19 23:00"),
        ("2026-11-22T22:00:00+00:00", "2026-11-22 23:00"),
    ],
)
def test_told(at: str, told: str) -> None:
    assert said(datetime.fromisoformat(at), NOW) == told


def test_told_exactly() -> None:
    assert exactly(NOW) == "2026-11-21 10:30:15 CET (+01:00)"


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1)))  # noqa: DTZ001
def test_what_is_told_exactly_is_understood(at: datetime) -> None:
    moment = at.replace(microsecond=0, tzinfo=UTC)
    told = exactly(moment)
    offset = told[told.index("(") + 1 : -1]
    assert parse_moment(f"{told[:19]} {offset}") == moment
