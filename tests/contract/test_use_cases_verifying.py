"""Verifying the record where it is kept: what is sound, what is not, and how much at once."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from pointsman.app import checkpoints
from pointsman.app.application import Application, Caller
from pointsman.app.verifying import Verified, verify_record
from pointsman.compose import Registry
from pointsman.errors import Refused
from stores import Place

Callers = Callable[..., Caller]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(checkpoints.KEY, base64.b64encode(b"k" * 32).decode())


@pytest.fixture
def lived(registry: Registry, app: Application, caller: Callers) -> int:
    """A registry with some entries and checkpoints of them; how many entries."""
    for number in range(5):
        registry.publish("a", f"version {number}")
        registry.promote(f"a:{number + 1}", "prod")
        app.write(caller(), checkpoints.make)
    registry.set_tag("a", "team", "support")
    return registry.journal_head().seq


def verified(app: Application, caller: Caller, **limits: int) -> Verified:
    return app.read(caller, lambda view: verify_record(view, **limits))


def test_a_record_that_nobody_touched_is_sound(
    lived: int, app: Application, caller: Callers
) -> None:
    found = verified(app, caller())
    assert found.sound
    assert found.report.checked["entries"] == found.report.seq == lived
    assert (found.report.checked["checkpoints"], found.signatures) == (5, 5)
    assert found.diagnosis is not None
    assert found.diagnosis.checked["versions"] == 5
    with pytest.raises(Refused):
        verified(app, caller("releaser"))


def test_only_so_much_is_looked_at_at_once(lived: int, app: Application, caller: Callers) -> None:
    found = verified(app, caller(), most_entries=4, most_examined=3)
    assert found.sound
    assert found.report.header.after == lived - 4
    assert found.report.checked == {"entries": 4, "checkpoints": 2}
    assert found.diagnosis is None


def test_what_was_changed_in_the_database_is_found(
    lived: int, place: Place, app: Application, caller: Callers
) -> None:
    with place.raw(guarded=False) as raw:
        raw.execute("UPDATE journal SET by_name = 'somebody else' WHERE type = 'tag.set'")
    found = verified(app, caller())
    assert not found.sound
    assert {one.check for one in found.report.findings} == {"end"}
    assert not verified(app, caller(), most_entries=4).sound


def test_a_state_that_the_journal_does_not_tell_of_is_found(
    lived: int, place: Place, app: Application, caller: Callers
) -> None:
    with place.raw(guarded=False) as raw:
        raw.execute("UPDATE alias SET version = 1")
    found = verified(app, caller())
    assert found.report.sound
    assert not found.sound
    assert found.diagnosis is not None
    assert len(found.diagnosis.findings) == 1


def test_checkpoints_that_were_forged_or_do_not_fit_are_found(
    lived: int, place: Place, app: Application, caller: Callers
) -> None:
    with place.raw(guarded=False) as raw:
        ((first, note), (last,)) = (
            raw.execute("SELECT seq, note FROM checkpoint ORDER BY seq LIMIT 1")[0],
            raw.execute("SELECT MAX(seq) FROM checkpoint")[0],
        )
        size = f"\n{first}\n"
        raw.execute(
            "UPDATE checkpoint SET note = ? WHERE seq = ?",
            [note.replace(size, f"\n{last}\n"), first],
        )
    found = verified(app, caller())
    assert not found.sound
    assert found.forged == (first,)
    assert [one.check for one in found.report.findings] == ["checkpoints"]
