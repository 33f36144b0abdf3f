"""Whatever happens to a journal's bytes is noticed; `make faults` tries a hundred thousand."""

from __future__ import annotations

import random

import pytest

from faults.corruption import (
    checkpoint,
    corrupted_file,
    corrupted_rows,
    export,
    journal,
    rewritten,
    verified,
)
from faults.damage import RUNS

CORRUPTIONS = RUNS * 1_000 // 2


@pytest.fixture
def chance() -> random.Random:
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    return random.Random(seed)


def test_a_sound_journal_is_found_sound(chance: random.Random) -> None:
    for size in (1, 2, 7, 40, 400):
        lines = journal(chance, size)
        kept = [checkpoint(lines[: chance.randint(1, len(lines))]) for _ in range(5)]
        report = verified(export(lines), *kept)
        assert report is not None
        assert report.findings == ()
        assert (report.seq, report.hash) == (lines[-1].seq, lines[-1].hash)


def test_every_corruption_of_an_export_is_detected(chance: random.Random) -> None:
    seen = set()
    for run in range(CORRUPTIONS):
        if run % 500 == 0:
            lines = journal(chance, chance.randint(8, 30))
            file = export(lines)
        what, broken = corrupted_file(chance, file)
        seen.add(what)
        report = verified(broken)
        assert report is None or not report.sound, (what, broken)
    assert len(seen) == 8


def test_every_corruption_of_stored_rows_is_detected(chance: random.Random) -> None:
    seen = set()
    for run in range(CORRUPTIONS):
        if run % 500 == 0:
            lines = journal(chance, chance.randint(8, 30))
            kept = checkpoint(lines)
        what, broken = corrupted_rows(chance, lines)
        seen.add(what)
        report = verified(export(broken), kept)
        assert report is None or not report.sound, (what, broken)
    assert len(seen) == 6


def test_a_whole_new_journal_needs_a_kept_checkpoint_to_be_noticed(chance: random.Random) -> None:
    lines = journal(chance, 30)
    forged = rewritten(chance, lines)
    without = verified(export(forged))
    assert without is not None
    assert without.sound, "a chain alone can't tell"
    report = verified(export(forged), checkpoint(lines))
    assert report is not None
    assert {one.check for one in report.findings} == {"checkpoints"}
