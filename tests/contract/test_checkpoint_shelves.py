"""Where signed checkpoints are put: a folder, an object store, and both when one is gone."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from buckets import BUCKET, SECRET, ObjectStore
from conftest import Serve
from pointsman.app import checkpoints
from pointsman.app.application import Application
from pointsman.app.ports import ProjectRow, Store
from pointsman.app.shelves import Bucket
from pointsman.compose import Registry
from pointsman.errors import InvalidInput, Unavailable
from pointsman.sdk.client import Client

SEED = base64.b64encode(bytes(range(32))).decode()
URL = f"s3://{BUCKET}/registry/one"


@pytest.fixture
def there() -> Iterator[ObjectStore]:
    with ObjectStore() as made:
        yield made


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: ObjectStore) -> Path:
    """A signing key, a folder for checkpoints, and an object store; the folder."""
    settings = {
        **there.environment,
        "POINTSMAN_SIGNING_KEY": SEED,
        "POINTSMAN_CHECKPOINT_DIR": str(tmp_path / "kept"),
        "POINTSMAN_CHECKPOINT_STORE": URL,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "kept"


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def objects(there: ObjectStore) -> dict[str, bytes]:
    return {key.removeprefix("registry/one/"): note for key, note in there.objects.items()}


def test_what_is_signed_on_demand_is_in_the_folder_and_in_the_store(
    registry: Registry, signed: Path, there: ObjectStore
) -> None:
    made = registry.checkpoint()
    (name,) = files(signed)
    assert there.objects == {f"registry/one/{name}": made.note.encode()}
    registry.publish("a", {"template": "x"})
    registry.checkpoint()
    assert objects(there) == files(signed)
    assert len(there.put()) == 2, "each once"


def test_by_the_clock_they_are_put_to_the_store_until_they_are_there(
    store: Store, registry: Registry, signed: Path, there: ObjectStore
) -> None:
    there.status = 503
    keeper = checkpoints.Keeper(Application(store), every=1e-6)
    for text in ("x", "y"):
        registry.publish("a", {"template": text})
        with pytest.raises(Unavailable, match=r"s3://kept/registry/one"):
            keeper.tend()
    assert len(files(signed)) == 2, "the folder has them, whatever the store does"
    assert there.objects == {}
    there.status = 0
    keeper.tend()
    assert objects(there) == files(signed)
    assert there.put() == sorted(there.put()), "oldest first"
    asked = len(there.asked)
    keeper.tend()
    assert len(there.asked) == asked, "what is known to be there is not asked for again"


def test_what_is_in_the_store_already_is_left_as_it_is(
    store: Store, registry: Registry, signed: Path, there: ObjectStore
) -> None:
    registry.checkpoint()
    (key,) = there.objects
    there.objects[key] = b"put by another server"
    place_anew(store, URL)
    assert there.objects == {key: b"put by another server"}
    Bucket(URL).put(key.removeprefix("registry/one/"), "another")
    assert there.objects == {key: b"put by another server"}
    assert there.asked[-1][::2] == ("PUT", 412)


def place_anew(store: Store, url: str) -> int:
    """Put a project's checkpoints to a store that nothing is known of."""
    with store.read() as reader:
        project = reader.project("default")
    assert isinstance(project, ProjectRow)
    return checkpoints.place_notes(store, project, Bucket(url))


def test_those_that_the_store_lost_at_the_end_are_put_again(
    store: Store, registry: Registry, signed: Path, there: ObjectStore
) -> None:
    for text in ("x", "y", "z"):
        registry.publish("a", {"template": text})
        registry.checkpoint()
    whole = dict(there.objects)
    for key in sorted(whole)[1:]:
        del there.objects[key]
    assert place_anew(store, URL) == 2
    assert there.objects == whole


def test_of_two_keys_each_one_s_checkpoint_is_put(
    registry: Registry, signed: Path, there: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.checkpoint()
    for number in range(4):
        seed = base64.b64encode(bytes([number] * 32)).decode()
        monkeypatch.setenv("POINTSMAN_SIGNING_KEY", seed)
        registry.checkpoint()
    assert len(there.objects) == 5
    assert objects(there) == files(signed)


def test_a_file_url_is_a_folder_made_when_needed(
    registry: Registry, signed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = tmp_path / "a mount" / "kept"
    monkeypatch.setenv("POINTSMAN_CHECKPOINT_STORE", mounted.as_uri())
    registry.checkpoint()
    registry.publish("a", {"template": "x"})
    registry.checkpoint()
    assert files(mounted) == files(signed)
    mounted.parent.chmod(0o700)
    kept = Bucket(mounted.as_uri())
    (first, _) = sorted(files(mounted))
    assert kept.has(first)
    kept.put(first, "another")
    assert files(mounted) == files(signed), "put once, for good"


def test_a_folder_that_can_not_be_written_to_does_not_stop_the_store(
    registry: Registry, signed: Path, there: ObjectStore
) -> None:
    signed.write_text("this is a file")
    with pytest.raises(Unavailable, match="can't be written to"):
        registry.checkpoint()
    assert len(there.objects) == 1


def test_a_store_that_refuses_is_told_and_the_checkpoint_is_made(
    registry: Registry, signed: Path, there: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody else")
    with pytest.raises(Unavailable, match="can't be put to") as caught:
        registry.checkpoint()
    assert caught.value.code == "checkpoint_store_unavailable"
    assert SECRET not in str(caught.value)
    assert len(registry.checkpoints().items) == len(files(signed)) == 1


def test_a_server_puts_checkpoints_to_the_store_and_outlives_it(
    serve: Serve, tmp_path: Path, there: ObjectStore, eventually: Callable[..., None]
) -> None:
    settings = {**there.environment, "POINTSMAN_CHECKPOINT_STORE": URL}
    there.status = 500
    server = serve(data=tmp_path / "data", POINTSMAN_CHECKPOINTS="0.05", **settings)
    with closing(Client(server.url, server.key, snapshot=False, follow=False)) as client:
        client.publish("a", {"template": "x"})
        kept = tmp_path / "data" / "checkpoints"
        eventually(lambda: kept.is_dir() and len(files(kept)) >= 1 and len(there.asked) > 3)
        assert server.log.read_text().count("can't be put to") == 1, "told once"
        assert there.objects == {}
        there.status = 0
        made = client.checkpoint()
        eventually(lambda: made.note.encode() in there.objects.values())
        eventually(lambda: objects(there) == files(kept))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("kept", "begins with none of s3://"),
        ("https://example.org/kept", "begins with none of"),
        ("memory:///", "begins with none of"),
        ("s3://", "it names a place"),
        ("s3:///folder", "it names a place"),
        ("s3://kept/a?b=c", "it names a place"),
        ("file://elsewhere/kept", "it names a place"),
        ("az://kept/folder", "Account must be specified"),
        ("s3://[kept/x", "it can't be read"),
    ],
)
def test_a_url_that_is_no_store_is_refused_at_the_start(
    app: Application, url: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    settings: Mapping[str, str] = {"POINTSMAN_CHECKPOINT_STORE": url}
    with pytest.raises(InvalidInput, match="not the URL of an object store") as caught:
        checkpoints.keeper(app, settings)
    assert why in caught.value.message
    assert caught.value.field == "POINTSMAN_CHECKPOINT_STORE"


def test_what_may_be_a_secret_in_a_url_is_not_told(app: Application) -> None:
    with pytest.raises(InvalidInput) as caught:
        checkpoints.keeper(app, {"POINTSMAN_CHECKPOINT_STORE": "s3://who:hush@kept/x"})
    assert "hush" not in str(caught.value)
