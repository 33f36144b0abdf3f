"""The file for cold starts: whole or damaged, it never gives anything wrong."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pointsman.core.vocabulary import Arm, Included
from pointsman.errors import InvalidInput, NotFound, Unavailable
from pointsman.sdk import snapshot
from pointsman.sdk.client import Client
from pointsman.sdk.knowledge import Answer
from pointsman.sdk.snapshot import load, merge, read, save, write_bundle
from pointsman.sdk.testing import FakeRegistry
from sdk.conftest import REPLY, MakeClient, eventually
from sdk.making import answer, resolution
from sdk.stub_server import StubServer

NOW = 1_780_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "snapshot.json"


def some() -> dict[str, Answer]:
    """Three answers: plain, split, composed."""
    part = Included("tone@prod", "tone", 3, "d" * 64, "prod", 2)
    split = resolution("a/b@canary", split=(Arm(1, 9), Arm(2, 1)))
    composed = resolution("c@prod", includes=(part,), text="é 😀 \u2028 {{ name }}")
    answers = [answer(asked_at=NOW), answer(split, asked_at=NOW), answer(composed, asked_at=NOW)]
    return {one.resolution.selector: one for one in answers}


def test_what_is_saved_is_loaded(path: Path) -> None:
    save(path, some())
    loaded = load(path, "disk")
    assert loaded.answers == {name: replace(one, source="disk") for name, one in some().items()}
    assert not loaded.damaged


def test_only_the_owner_can_read_it(path: Path) -> None:
    save(path, some())
    save(path, some())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_no_file_is_no_trouble(path: Path) -> None:
    assert load(path, "disk") == snapshot.Loaded({}, damaged=False)


def test_every_truncation_is_survived(path: Path) -> None:
    save(path, some())
    data = path.read_bytes()
    for length in range(len(data)):
        loaded = read(data[:length], "disk")
        assert loaded.answers == ({} if loaded.damaged else stored()), length


def stored() -> dict[str, Answer]:
    return {name: replace(one, source="disk") for name, one in some().items()}


def test_every_flipped_bit_is_survived(path: Path) -> None:
    """What is given is always exactly what was saved, or nothing."""
    save(path, {REPLY: some()[REPLY]})
    data = bytearray(path.read_bytes())
    right, undamaged = stored(), 0
    for position in range(len(data)):
        for bit in range(8):
            data[position] ^= 1 << bit
            loaded = read(bytes(data), "disk")
            data[position] ^= 1 << bit
            assert all(right[name] == one for name, one in loaded.answers.items())
            undamaged += not loaded.damaged
    assert undamaged < 10, "white space for other white space"


def test_a_flipped_bit_in_one_entry_spares_the_others(path: Path) -> None:
    save(path, some())
    data = bytearray(path.read_bytes())
    right, salvaged = stored(), 0
    for position in range(0, len(data), 3):
        data[position] ^= 1
        loaded = read(bytes(data), "disk")
        data[position] ^= 1
        assert all(right[name] == one for name, one in loaded.answers.items())
        salvaged += loaded.damaged and len(loaded.answers) >= len(right) - 1
    assert salvaged > len(data) / 6, "most of it is used where the damage is confined"


def test_damage_to_one_entry_spares_the_others(path: Path) -> None:
    save(path, some())
    loaded = read(path.read_bytes().replace(b"Version 2", b"Version 9"), "disk")
    assert loaded.damaged
    assert set(loaded.answers) == {REPLY, "c@prod"}


@pytest.mark.parametrize("seed", range(20))
def test_any_rubbish_is_survived(path: Path, seed: int) -> None:
    chance = random.Random(seed)
    save(path, some())
    data = bytearray(path.read_bytes())
    for _ in range(chance.randrange(1, 200)):
        start = chance.randrange(len(data))
        data[start : start + chance.randrange(40)] = chance.randbytes(chance.randrange(40))
    found = read(bytes(data), "disk").answers
    assert all(stored()[name] == one for name, one in found.items())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "[" * 100_000,
        '{"format": "pointsman snapshot", "version": 2, "entries": []}',
        '{"format": "pointsman snapshot", "version": 1, "entries": {}}',
        '{"format": "pointsman snapshot", "version": 1, "entries": [1, null, {}, {"check": 1}]}',
        '{"format": "pointsman snapshot", "version": 1, "entries": [{"resolution": 5, "arms": 1}]}',
        '{"format": "pointsman snapshot", "version": 1e999, "entries": []}',
    ],
)
def test_other_files_give_nothing(text: str) -> None:
    assert read(text.encode(), "disk") == snapshot.Loaded({}, damaged=True)


def test_an_entry_cannot_be_made_to_mean_another(path: Path) -> None:
    """Whoever swaps two selectors breaks both checks."""
    save(path, some())
    document = json.loads(path.read_text())
    first, second = document["entries"][:2]
    first["selector"], second["selector"] = second["selector"], first["selector"]
    loaded = read(json.dumps(document).encode(), "disk")
    assert set(loaded.answers) == {REPLY}


def test_the_old_file_stays_if_the_new_one_cannot_be_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(path, {REPLY: some()[REPLY]})
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(path, some())
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_processes_that_share_a_file_keep_each_others_answers(path: Path) -> None:
    theirs = some()["c@prod"]
    save(path, {"c@prod": theirs, REPLY: answer(seq=9, asked_at=NOW + 5), "gone": theirs})
    merge(path, {REPLY: answer(seq=10, asked_at=NOW)}, ["gone"], NOW)
    found = load(path, "disk").answers
    assert set(found) == {REPLY, "c@prod"}
    assert found[REPLY].seq == 10
    merge(path, {REPLY: answer(seq=9, asked_at=NOW + 60)}, [], NOW)
    assert load(path, "disk").answers[REPLY].seq == 10, "what is newer stays"
    merge(path, {}, [], NOW + snapshot.KEPT + 1)
    assert load(path, "disk").answers == {}


# Clients


def test_a_cold_start_with_the_registry_down(
    make_client: MakeClient, server: StubServer, registry: FakeRegistry, path: Path
) -> None:
    client = make_client(snapshot=path)
    first = client.get(REPLY)
    client.close()
    server.stop()
    second = make_client(snapshot=path, preload=[REPLY], timeout=0.5)
    assert second.wait_ready(20)
    assert second.get(REPLY) == first
    assert second.get("prompts:/support/reply@deployment").why == first.why
    status = second.status(REPLY)
    assert (status.source, status.stale) == ("disk", True)
    registry.promote("support/reply:2", "deployment")
    server.start()
    eventually(lambda: second.get(REPLY).version == 2)
    assert second.status(REPLY).source == "network"


def test_a_cold_start_with_a_black_hole_does_not_wait(
    make_client: MakeClient, server: StubServer, path: Path
) -> None:
    make_client(snapshot=path).get(REPLY)
    make_client(snapshot=path).close()
    eventually(path.exists)
    server.become("black-holed")
    client = make_client(snapshot=path, timeout=600.0)
    assert client.get(REPLY).version == 1


def test_what_was_on_disk_may_be_split(
    make_client: MakeClient, server: StubServer, registry: FakeRegistry, path: Path
) -> None:
    registry.split("support/reply", "deployment", {1: 1, 2: 1})
    client = make_client(snapshot=path)
    picked = {key: client.get(REPLY, key=key).version for key in "abcdefgh"}
    client.close()
    server.stop()
    second = make_client(snapshot=path)
    assert {key: second.get(REPLY, key=key).version for key in "abcdefgh"} == picked


def test_changes_reach_the_file(
    make_client: MakeClient, registry: FakeRegistry, path: Path
) -> None:
    client = make_client(snapshot=path)
    client.get(REPLY)
    eventually(lambda: client.status().connected)
    registry.promote("support/reply:2", "deployment")
    eventually(lambda: _version_on_disk(path) == 2)
    registry.tombstone("support/reply:1")
    registry.delete_alias(REPLY)
    eventually(lambda: _version_on_disk(path) is None)


def _version_on_disk(path: Path) -> int | None:
    found = load(path, "disk").answers.get(REPLY)
    return found.resolution.version if found else None


def test_a_file_that_cannot_be_used_is_no_trouble(
    make_client: MakeClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("rubbish")
    for path in (tmp_path / "file" / "below", tmp_path):
        client = make_client(snapshot=path)
        assert client.get(REPLY).version == 1
        client.close()
    assert "can't be written" in caplog.text


def test_a_program_that_ends_at_once_leaves_a_snapshot(server: StubServer, path: Path) -> None:
    code = (
        "from pointsman import Client\n"
        f"print(Client({server.url!r}, 'k', snapshot={str(path)!r}).get({REPLY!r}).version)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("1\n", "")
    assert _version_on_disk(path) == 1


def test_the_bundle_is_the_last_resort(
    make_client: MakeClient, server: StubServer, registry: FakeRegistry, tmp_path: Path
) -> None:
    registry.split("support/other", "half", {1: 1})
    bundle, path = tmp_path / "bundle.json", tmp_path / "snapshot.json"
    make_client().write_bundle(bundle, [REPLY, "support/reply:2"])
    registry.promote("support/reply:2", "deployment")
    server.stop()
    client = make_client(bundle=bundle, snapshot=path)
    assert client.get(REPLY).version == 1
    assert client.status(REPLY).source == "bundle"
    server.start()
    eventually(lambda: client.get(REPLY).version == 2)
    client.close()
    server.stop()
    again = make_client(bundle=bundle, snapshot=path)
    assert again.get(REPLY).version == 2, "the disk has it from later"
    assert again.status(REPLY).source == "disk"


def test_a_bundle_of_resolutions(registry: FakeRegistry, tmp_path: Path) -> None:
    registry.split("support/reply", "deployment", {1: 1, 2: 1})
    alias = registry.resolve(REPLY)
    arms = [registry.resolve(f"support/reply:{number}") for number in (1, 2)]
    path = tmp_path / "bundle.json"
    with pytest.raises(InvalidInput, match="support/reply:1"):
        write_bundle(path, [alias])
    write_bundle(path, [alias, *arms])
    assert stat.S_IMODE(path.stat().st_mode) & 0o044, "whoever runs the application can read it"
    client = Client("http://127.0.0.1:1", bundle=path, snapshot=False)
    assert {client.get(REPLY, key=key).version for key in "abcdefgh"} == {1, 2}
    client.close()
    with pytest.raises(Unavailable, match="written"):
        write_bundle(tmp_path, arms)


def test_a_bundle_needs_what_it_bundles(make_client: MakeClient, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        make_client().write_bundle(tmp_path / "b", ["support/none"])
    assert not (tmp_path / "b").exists()


def test_time_that_has_gone_back_is_survived(make_client: MakeClient, path: Path) -> None:
    save(path, {REPLY: answer(asked_at=time.time() + 10**6)})
    client = make_client(snapshot=path)
    assert client.get(REPLY).version == 1
    age = client.status(REPLY).age
    assert age is not None
    assert age >= 0
