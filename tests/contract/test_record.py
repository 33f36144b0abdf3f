"""The journal to take along, signed checkpoints, and the evidence of a move."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from conftest import Serve
from pointsman.app import checkpoints, history
from pointsman.app.application import Application, Caller
from pointsman.app.ports import Store
from pointsman.compose import Registry
from pointsman.core.checkpoints import Checkpoint, parse_note
from pointsman.core.record import SignedCheckpoint
from pointsman.core.selectors import parse_selector
from pointsman.core.verification import Header, Report, verify
from pointsman.embedded.record import read_checkpoint
from pointsman.errors import Conflict, IntegrityError, InvalidInput, NotFound, Refused
from pointsman.sdk.client import Client
from stores import Place

SEED = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A signing key, and the folder that checkpoints go to."""
    monkeypatch.setenv("POINTSMAN_SIGNING_KEY", SEED)
    monkeypatch.setenv("POINTSMAN_CHECKPOINT_DIR", str(tmp_path / "kept"))
    return tmp_path / "kept"


def verified(registry: Registry, *kept: Checkpoint, step: int = 3) -> Report:
    head = registry.journal_head()
    lines: list[bytes] = []
    after: int | None = 0
    while after is not None:
        page = registry.journal_lines(after, limit=step)
        lines += [f"{line}\n".encode() for line in page.lines]
        after = page.last
    header = Header(head.project, head.uid, head.store, head.epoch, head.seq, head.hash)
    return verify(header, lines, kept)


def test_a_registry_s_own_journal_verifies(registry: Registry) -> None:
    for number in range(5):
        registry.publish("a", {"template": f"{number}"}, aliases=["x", "y"], reason="go")
    registry.split("a", "x", {1: 1, 2: 1}, reason="some")
    registry.rollback("a@x", reason="back")
    release = registry.promote("a:3", "y", reason="older")
    assert release is not None
    registry.rollback_release(release.number, reason="back")
    registry.delete_alias("a@y", reason="enough")
    registry.tombstone("a:1", reason="leaked")
    registry.set_tag("a:2", "k", "v")
    registry.create_key("app", "viewer")
    report = verified(registry)
    assert report.findings == ()
    assert report.checked["versions"] == 5
    assert report.checked["moves"] > report.checked["releases"] > 0


def test_the_stored_rows_are_what_is_verified(place: Place) -> None:
    with closing(Registry(place.open())) as registry:
        registry.publish("a", {"template": "x"}, aliases=["x"])
        registry.publish("a", {"template": "y"}, aliases=["x"])
        kept = parse_head(registry)
        assert verified(registry, kept).sound
    edits = (
        "UPDATE journal SET by_name = 'nobody' WHERE type = 'version.published'",
        "UPDATE journal SET at = at + 1 WHERE type = 'artifact.created'",
        "UPDATE journal SET hash = 'x' WHERE type = 'artifact.created'",
        "DELETE FROM journal WHERE type = 'artifact.created'",
        "DELETE FROM journal WHERE id = (SELECT MAX(id) FROM journal)",
    )
    for edit in edits:
        with place.raw(guarded=False) as raw:
            columns = "id, at, type, actor, by_name, via, artifact_id, alias, data, hash"
            before = raw.execute(f"SELECT {columns} FROM journal ORDER BY id")
            raw.execute(edit)
        with closing(Registry(place.open())) as registry:
            assert not verified(registry, kept).sound, edit
        with place.raw(guarded=False) as raw:
            raw.execute("DELETE FROM journal")
            for row in before:
                marks = ", ".join("?" * len(row))
                raw.execute(f"INSERT INTO journal ({columns}) VALUES ({marks})", row)


def parse_head(registry: Registry) -> Checkpoint:
    head = registry.journal_head()
    return Checkpoint(head.origin, head.seq, head.hash)


def test_a_checkpoint_is_signed_kept_and_found_again(registry: Registry, signed: Path) -> None:
    registry.publish("a", {"template": "x"})
    made = registry.checkpoint()
    head = registry.journal_head()
    assert (made.seq, made.hash) == (head.seq, head.hash)
    assert read_checkpoint(made.note, made.key) == parse_head(registry)
    assert registry.checkpoint() == made, "a journal that has not grown has one checkpoint"
    assert registry.journal_head() == head, "a checkpoint is no entry"
    registry.publish("a", {"template": "y"})
    later = registry.checkpoint()
    assert registry.checkpoints().items == (later, made)
    first = registry.checkpoints(limit=1)
    assert first.items == (later,)
    assert registry.checkpoints(limit=1, cursor=first.cursor).items == (made,)
    files = sorted(signed.iterdir())
    assert [file.read_text("utf-8") for file in files] == [made.note, later.note]
    assert verified(registry, *(parse_note(one.note).checkpoint for one in (made, later))).sound


def test_a_checkpoint_that_was_changed_or_is_another_s_is_noticed(
    registry: Registry, signed: Path
) -> None:
    made = registry.checkpoint()
    other = checkpoints.Signer(bytes(32)).key(parse_note(made.note).checkpoint.origin)
    with pytest.raises(IntegrityError, match="good signature"):
        read_checkpoint(made.note, str(other))
    for line in (1, 2):
        lines = made.note.split("\n")
        lines[line] = "7" if line == 1 else base64.b64encode(bytes(32)).decode()
        with pytest.raises(IntegrityError, match="good signature"):
            read_checkpoint("\n".join(lines), made.key)


def test_checkpoints_are_never_changed(place: Place, signed: Path) -> None:
    with closing(Registry(place.open())) as registry:
        registry.checkpoint()
    with place.raw() as raw:
        for sql in ("UPDATE checkpoint SET hash = 'x'", "DELETE FROM checkpoint"):
            with pytest.raises(Exception, match="immutable"):
                raw.execute(sql)


def test_only_admins_sign_and_readers_of_everything_look(
    app: Application, caller: Callable[..., Caller], signed: Path
) -> None:
    with pytest.raises(Refused):
        app.write(caller("releaser"), checkpoints.make)
    made: SignedCheckpoint = app.write(caller("admin"), checkpoints.make)
    page = app.read(caller("viewer"), checkpoints.list_checkpoints)
    assert page.items == (made,)


def test_without_a_key_nothing_is_signed(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("POINTSMAN_SIGNING_KEY", raising=False)
    with closing(Registry(place.open())) as registry:
        if place.dialect == "postgres":
            with pytest.raises(Conflict, match="no key"):
                registry.checkpoint()
            return
        made = registry.checkpoint()
        file = tmp_path / "data" / "signing.key"
        assert file.stat().st_mode & 0o777 == 0o600
        registry.publish("a", {"template": "x"})
        assert registry.checkpoint().key == made.key, "one key for good"
        assert len(list((tmp_path / "data" / "checkpoints").iterdir())) == 2
        for broken in ("no base64 at all!", base64.b64encode(bytes(31)).decode()):
            file.write_text(broken)
            with pytest.raises(InvalidInput, match="signing key"):
                registry.checkpoint()


def test_checkpoints_are_made_by_the_clock_when_the_journal_grew(
    store: Store, signed: Path
) -> None:
    now = [time.time_ns() // 1_000]
    registry = Registry(store)
    keeper = checkpoints.Keeper(Application(store, lambda: now[0]), every=60)
    keeper.tend()
    registry.publish("a", {"template": "x"})
    keeper.tend()
    assert len(registry.checkpoints().items) == 1, "the first at once, the next in a minute"
    now[0] += 61_000_000
    keeper.tend()
    made = registry.checkpoints().items
    assert [one.seq for one in made] == [registry.journal_head().seq, 1]
    now[0] += 600_000_000
    keeper.tend()
    assert registry.checkpoints().items == made, "nothing happened since"
    assert len(list(signed.iterdir())) == len(made)


def test_files_that_are_missing_are_written_again(registry: Registry, signed: Path) -> None:
    for text in ("x", "y", "z"):
        registry.publish("a", {"template": text})
        registry.checkpoint()
    files = sorted(signed.iterdir())
    assert len(files) == 3
    for file in files[1:]:
        file.unlink()
    registry.checkpoint()
    assert sorted(signed.iterdir()) == files


def test_a_server_makes_checkpoints(
    serve: Serve, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    server = serve(data=tmp_path / "data", POINTSMAN_CHECKPOINTS="0.05")
    with closing(Client(server.url, server.key, snapshot=False, follow=False)) as client:
        client.publish("a", {"template": "x"})
        head = client.journal_head()
        eventually(lambda: [one.seq for one in client.checkpoints().items][:1] == [head.seq])
        files = tmp_path / "data" / "checkpoints"
        eventually(lambda: len(list(files.glob("*.note"))) == len(client.checkpoints().items))
        made = client.checkpoint()
        assert made == client.checkpoints().items[0]
        lines = client.journal_lines(limit=10).lines
        assert len(lines) == head.seq


@pytest.mark.parametrize("text", ["often", "-1", "nan", "1e99"])
def test_a_setting_that_can_not_be_read_is_refused(app: Application, text: str) -> None:
    with pytest.raises(InvalidInput, match="seconds"):
        checkpoints.keeper(app, {"POINTSMAN_CHECKPOINTS": text})


# Evidence


def test_what_was_live_then_who_put_it_there_and_why(registry: Registry) -> None:
    registry.publish("a", {"template": "1"}, message="the first")
    registry.publish("a", {"template": "2"}, message="the second")
    registry.promote("a:1", "live", reason="begin")
    first = registry.journal_head().at
    release = registry.promote("a:2", "live", reason="better")
    assert release is not None
    second = registry.journal_head().at
    registry.rollback("a@live", reason="worse")

    before = registry.evidence("a@live", at=first)
    assert [one.number for one in before.versions] == [1]
    found = registry.evidence("a@live", at=second)
    (version,) = found.versions
    assert (version.number, version.message) == (2, "the second")
    assert version.digest == registry.version("a:2").digest
    assert found.move is not None
    assert (found.move.release, found.move.reason) == (release.number, "better")
    assert (found.move.by, found.move.at) == (release.by, release.at)
    entry = registry.history("a@live").items[1]
    assert (found.move.seq, found.move.hash) == (entry.seq, entry.hash)
    now = registry.evidence("a@live")
    assert [one.number for one in now.versions] == [1]
    assert now.move is not None
    assert now.move.undoes == release.number
    with pytest.raises(NotFound, match="at that time"):
        registry.evidence("a@live", at=first - timedelta(days=1))
    with pytest.raises(NotFound):
        registry.evidence("b@live")


def test_evidence_of_splits_of_versions_and_of_what_was_removed(registry: Registry) -> None:
    registry.publish("a", {"template": "1"})
    registry.publish("a", {"template": "2"})
    registry.split("a", "live", {1: 90, 2: 10}, reason="try")
    found = registry.evidence("a@live")
    assert [(one.number, one.weight) for one in found.versions] == [(1, 90), (2, 10)]
    newest = registry.evidence("a")
    assert ([one.number for one in newest.versions], newest.move) == ([2], None)
    registry.delete_alias("a@live", reason="no")
    with pytest.raises(NotFound):
        registry.evidence("a@live")
    registry.tombstone("a:1", reason="leaked")
    then = registry.evidence("a@live", at=found.at)
    assert [one.number for one in then.versions] == [1, 2]


def test_what_was_recorded_with_the_release_is_told(
    app: Application, caller: Callable[..., Caller]
) -> None:
    registry = Registry(app.store)
    registry.publish("a", {"template": "1"})
    registry.promote("a:1", "live", reason="go")
    line_of = {
        "change": 7,
        "approvals": [{"id": "person:2", "name": "Bo", "at": 5}],
        "checks": [{"name": "eval", "digest": "d" * 64, "state": "passed"}],
        "glass": ["cool_down"],
    }
    artifact = app.read(caller(), lambda v: v.artifact("prompt", "a").id)
    fact = {
        "kind": "prompt", "name": "a", "alias": "live", "before": {"version": 1},
        "to": {"version": 1}, "digests": [registry.version("a:1").digest], "revision": 2,
        "release": 9, "reason": "again", **line_of,
    }  # fmt: skip
    app.write(caller(), lambda w: w.record("alias.moved", fact, artifact=artifact, alias="live"))
    found = app.read(caller("viewer"), lambda v: history.evidence(v, parse_selector("a@live")))
    assert found.change == 7
    assert found.approvals == tuple(line_of["approvals"])  # type: ignore[arg-type]
    assert found.checks == tuple(line_of["checks"])  # type: ignore[arg-type]
    assert found.glass == ("cool_down",)


def test_evidence_over_http_is_the_same(serve: Serve, tmp_path: Path) -> None:
    server = serve(data=tmp_path / "data")
    with closing(Client(server.url, server.key, snapshot=False, follow=False)) as client:
        client.publish("a/b", {"template": "1"}, aliases=["live"], reason="go")
        asked = client.evidence("a/b@live")
        assert asked.move is not None
        assert asked.move.reason == "go"
        head = client.journal_head()
    server.stop()
    with closing(Registry.open(tmp_path / "data")) as registry:
        assert registry.evidence("a/b@live") == asked
        assert registry.journal_head() == head
