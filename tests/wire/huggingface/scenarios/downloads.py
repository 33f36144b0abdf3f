"""Downloads with the client of a Hub: snapshots, revisions, moves, cuts, what is not there."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import HfApi, HfFileSystem, constants, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from wire.behaving import KEYS, behaviour, move, native, place, publish, publish_files, run
from wire.huggingface.scenarios.between import Passed, between

FILES = {
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": os.urandom(3 << 20),
    "tokens/deep/ä b.txt": b"a b\n",
    "empty.txt": b"",
}
NEWER = {**FILES, "config.json": b'{"model_type": "gpt2"}'}


def api() -> HfApi:
    """A client for the server."""
    return HfApi()


def fresh() -> str:
    """A cache of its own."""
    return tempfile.mkdtemp(dir=".")


def read(folder: str | Path) -> dict[str, bytes]:
    """Every file in a folder by its path, but the client's own notes."""
    return {
        one.relative_to(folder).as_posix(): one.read_bytes()
        for one in Path(folder).rglob("*")
        if one.is_file() and ".cache" not in one.relative_to(folder).parts
    }


@contextmanager
def raises(expected: type[Exception], *words: str) -> Iterator[None]:
    """Expect an error of exactly this sort, whose message has these words in it."""
    caught: Exception | None = None
    try:
        yield
    except expected as error:
        caught = error
    assert caught is not None, f"no {expected.__name__}"
    missing = [word for word in words if word not in str(caught)]
    assert not missing, (missing, str(caught))


@behaviour
def a_whole_snapshot_by_alias() -> None:
    digest = publish_files("churn", FILES, aliases=["champion"])
    publish_files("churn", NEWER)
    folder = snapshot_download("churn", revision="champion", cache_dir=fresh())
    assert read(folder) == FILES
    assert Path(folder).name == digest[:40]


@behaviour
def a_whole_snapshot_into_a_folder() -> None:
    folder = Path(fresh())
    snapshot_download("churn", revision="champion", local_dir=folder)
    assert read(folder) == FILES
    move("churn", "champion", 2)
    snapshot_download("churn", revision="champion", local_dir=folder)
    assert read(folder) == NEWER
    move("churn", "champion", 1)


@behaviour
def some_files_only() -> None:
    folder = snapshot_download(
        "churn", revision="champion", allow_patterns="*.json", cache_dir=fresh()
    )
    assert list(read(folder)) == ["config.json"]


@behaviour
def a_single_file() -> None:
    for path, data in FILES.items():
        found = hf_hub_download("churn", path, revision="champion", cache_dir=fresh())
        assert Path(found).read_bytes() == data


@behaviour
def a_version_has_many_names() -> None:
    first = native("GET", place("churn", "versions", 1, kind="model"))["digest"]
    second = native("GET", place("churn", "versions", 2, kind="model"))["digest"]
    for revision, digest in (
        ("1", first),
        ("v1", first),
        ("V2", second),
        ("2", second),
        (first[:40], first),
        (first, first),
        ("champion", first),
        ("main", second),
        ("latest", second),
        (None, second),
    ):
        found = api().model_info("churn", revision=revision)
        assert found.sha == digest[:40], revision


@behaviour
def main_is_an_alias_if_there_is_one() -> None:
    for text in (b"1", b"2"):
        publish_files("mained", {"f": text})
    path = hf_hub_download("mained", "f", cache_dir=fresh())
    assert Path(path).read_bytes() == b"2"
    move("mained", "main", 1)
    path = hf_hub_download("mained", "f", cache_dir=fresh())
    assert Path(path).read_bytes() == b"1"


@behaviour
def a_name_with_a_namespace_is_a_name_in_a_folder() -> None:
    publish_files("org/churn", {"config.json": b"org"}, aliases=["champion"])
    folder = snapshot_download("org/churn", revision="champion", cache_dir=fresh())
    assert read(folder) == {"config.json": b"org"}
    assert api().model_info("org/churn").author == "org"


@behaviour
def a_moved_alias_is_seen_by_the_next_call() -> None:
    cache = fresh()
    one = snapshot_download("churn", revision="champion", cache_dir=cache)
    move("churn", "champion", 2)
    two = snapshot_download("churn", revision="champion", cache_dir=cache)
    assert (read(one), read(two)) == (FILES, NEWER)
    config = hf_hub_download("churn", "config.json", revision="champion", cache_dir=cache)
    assert Path(config).read_bytes() == NEWER["config.json"]
    move("churn", "champion", 1)
    assert snapshot_download("churn", revision="champion", cache_dir=cache) == one


@behaviour
def a_move_while_a_file_is_fetched_mixes_nothing() -> None:
    """What was told of one version is fetched from that version."""
    with between() as line:

        def move_away(passed: Passed) -> None:
            if passed.method == "HEAD" and passed.status == 200:
                move("churn", "champion", 2)

        line.afterwards = move_away
        cache = fresh()
        path = Path(
            hf_hub_download(
                "churn", "config.json", revision="champion", cache_dir=cache, endpoint=line.url
            )
        )
    assert path.read_bytes() == FILES["config.json"]
    assert path.resolve().name == hashlib.sha256(FILES["config.json"]).hexdigest()
    move("churn", "champion", 1)


@behaviour
def a_second_snapshot_downloads_nothing() -> None:
    cache = fresh()
    with between() as line:
        for expected in (len(FILES) - 1, 0, 0):  # of an empty file there is nothing to fetch
            line.passed.clear()
            folder = snapshot_download(
                "churn", revision="champion", cache_dir=cache, endpoint=line.url
            )
            assert len(line.files()) == expected, line.passed
        assert [one.method for one in line.passed] == ["GET"]  # what the alias means now
        line.passed.clear()
        commit = Path(folder).name
        assert snapshot_download("churn", revision=commit, cache_dir=cache, endpoint=line.url)
        assert not line.passed


@behaviour
def of_a_new_version_only_what_changed_is_fetched() -> None:
    cache = fresh()
    with between() as line:
        snapshot_download("churn", revision="1", cache_dir=cache, endpoint=line.url)
        line.passed.clear()
        snapshot_download("churn", revision="2", cache_dir=cache, endpoint=line.url)
        (fetched,) = line.files()
        assert fetched.path.endswith("/config.json")


@behaviour
def a_download_that_is_cut_goes_on_where_it_ended() -> None:
    data = os.urandom(12 << 20)
    publish_files("large", {"model.bin": data})
    with between() as line:
        line.cut_after = 11 << 20
        path = hf_hub_download("large", "model.bin", cache_dir=fresh(), endpoint=line.url)
        assert Path(path).read_bytes() == data
        whole, rest = line.files()
    assert (whole.status, "range" in whole.headers) == (200, False)
    kept = constants.DOWNLOAD_CHUNK_SIZE
    assert (rest.status, rest.headers["range"]) == (206, f"bytes={kept}-")


@behaviour
def what_is_in_the_cache_is_used_while_the_registry_is_down() -> None:
    cache = fresh()
    with between() as line:
        up = snapshot_download("churn", revision="champion", cache_dir=cache, endpoint=line.url)
    down = snapshot_download("churn", revision="champion", cache_dir=cache, endpoint=line.url)
    assert (down, read(down)) == (up, FILES)


@behaviour
def what_the_client_tells_of_a_model() -> None:
    found = api().model_info("churn", revision="1", files_metadata=True)
    assert (found.id, found.library_name, found.private) == ("churn", "transformers", True)
    sizes = {one.rfilename: (one.size, one.lfs.sha256) for one in found.siblings}
    assert sizes == {
        path: (len(data), hashlib.sha256(data).hexdigest()) for path, data in FILES.items()
    }
    assert api().list_repo_files("churn", revision="1") == sorted(FILES)
    assert api().repo_exists("churn")
    assert not api().repo_exists("nothing")
    assert api().revision_exists("churn", "champion")
    assert not api().revision_exists("churn", "challenger")
    assert api().file_exists("churn", "config.json")
    assert not api().file_exists("churn", "generation_config.json")


@behaviour
def folders_are_listed() -> None:
    def listed(path: str | None, recursive: bool = False) -> list[str]:
        tree = api().list_repo_tree("churn", path, recursive=recursive, revision="1")
        return [one.path for one in tree]

    assert listed(None) == ["config.json", "empty.txt", "model.safetensors", "tokens"]
    assert listed("tokens") == ["tokens/deep"]
    assert listed("tokens", recursive=True) == ["tokens/deep", "tokens/deep/ä b.txt"]
    for path in ("nothing", "tok", "config.json", "../churn"):
        with raises(EntryNotFoundError):
            listed(path)
    found = api().get_paths_info("churn", ["config.json", "tokens", "none"], expand=True)
    assert [(type(one).__name__, one.path) for one in found] == [
        ("RepoFile", "config.json"),
        ("RepoFolder", "tokens"),
    ]
    assert found[0].last_commit.oid == api().model_info("churn").sha


@behaviour
def the_client_s_file_system_works() -> None:
    system = HfFileSystem()
    assert system.ls("org/churn", detail=False) == ["org/churn/config.json"]
    assert system.glob("org/churn@champion/*.json") == ["org/churn@champion/config.json"]
    assert system.cat("org/churn/config.json") == b"org"


@behaviour
def the_client_verifies_what_it_has() -> None:
    cache = fresh()
    folder = Path(snapshot_download("churn", revision="champion", cache_dir=cache))
    checked = api().verify_repo_checksums("churn", revision="champion", cache_dir=cache)
    assert (checked.checked_count, checked.mismatches) == (len(FILES), [])
    (folder / "config.json").resolve().write_bytes(b"{}")
    checked = api().verify_repo_checksums("churn", revision="champion", cache_dir=cache)
    assert [one["path"] for one in checked.mismatches] == ["config.json"]


@behaviour
def a_revision_that_is_not_there() -> None:
    for revision in ("challenger", "99", "v99999999999999", "0" * 40, "refs/pr/1", "a b", "0"):
        with raises(RevisionNotFoundError):
            snapshot_download("churn", revision=revision, cache_dir=fresh())
        with raises(RevisionNotFoundError):
            hf_hub_download("churn", "config.json", revision=revision, cache_dir=fresh())
    with raises(RevisionNotFoundError, "It has champion."):
        api().model_info("churn", revision="challenger")


@behaviour
def a_file_that_is_not_there() -> None:
    cache = fresh()
    with raises(EntryNotFoundError, "churn:1 has no file 'adapter.json'."):
        hf_hub_download("churn", "adapter.json", revision="champion", cache_dir=cache)
    commit = api().model_info("churn", revision="champion").sha
    noted = Path(cache, "models--churn", ".no_exist", commit, "adapter.json")
    assert noted.exists()  # so that nobody asks again


@behaviour
def a_model_that_is_not_there() -> None:
    for name in ("nothing", "no/thing", "chur", "Churn", "api/churn", "_churn"):
        with raises(RepositoryNotFoundError):
            api().model_info(name)
    with raises(RepositoryNotFoundError, "There is no model 'nothing'"):
        snapshot_download("nothing", cache_dir=fresh())
    with raises(RepositoryNotFoundError):
        hf_hub_download("nothing", "config.json", cache_dir=fresh())
    publish("words", "Hello")
    with raises(RepositoryNotFoundError):  # a prompt is no model
        snapshot_download("words", cache_dir=fresh())
    with raises(RepositoryNotFoundError):
        snapshot_download("churn", repo_type="dataset", cache_dir=fresh())


@behaviour
def without_a_key_nothing_is_told() -> None:
    for token, words in (
        (False, "Set HF_TOKEN to a key"),
        ("pm_x", "Invalid credentials in Authorization header"),
    ):
        for name in ("churn", "nothing"):
            with raises(HfHubHTTPError, "401", words):
                snapshot_download(name, revision="champion", token=token, cache_dir=fresh())
            with raises(HfHubHTTPError, "401", words):
                hf_hub_download(name, "config.json", token=token, cache_dir=fresh())


@behaviour
def a_key_for_a_part_loads_that_part() -> None:
    folder = snapshot_download("org/churn", token=KEYS["narrow"], cache_dir=fresh())
    assert read(folder) == {"config.json": b"org"}
    with raises(GatedRepoError, "403"):
        snapshot_download("churn", token=KEYS["narrow"], cache_dir=fresh())
    with raises(GatedRepoError):
        hf_hub_download("churn", "config.json", token=KEYS["narrow"], cache_dir=fresh())


@behaviour
def viewers_load() -> None:
    folder = snapshot_download("churn", revision="1", token=KEYS["viewer"], cache_dir=fresh())
    assert read(folder) == FILES


@behaviour
def a_split_is_its_first_version() -> None:
    move("churn", "canary", {"1": 10, "2": 90})
    for _ in range(5):
        folder = snapshot_download("churn", revision="canary", cache_dir=fresh())
        assert read(folder) == FILES


@behaviour
def a_version_that_was_removed_is_no_revision() -> None:
    digest = publish_files("removed", {"f": b"secret"})
    native("PUT", place("removed", "versions", 1, "tombstone", kind="model"), {"reason": "ours"})
    for revision in ("1", "main", digest[:40]):
        with raises(RevisionNotFoundError, "was removed"):
            snapshot_download("removed", revision=revision, cache_dir=fresh())
        with raises(RevisionNotFoundError):
            hf_hub_download("removed", "f", revision=revision, cache_dir=fresh())
    assert publish_files("removed", {"f": b"secret"}) == digest
    folder = snapshot_download("removed", revision=digest[:40], cache_dir=fresh())
    assert read(folder) == {"f": b"secret"}


@behaviour
def a_model_that_is_kept_elsewhere_tells_where() -> None:
    publish("elsewhere", {"uri": "s3://bucket/m"}, kind="model")
    assert api().model_info("elsewhere").siblings == []
    with raises(EntryNotFoundError, "s3://bucket/m"):
        api().list_repo_files("elsewhere")
    with raises(Exception, "s3://bucket/m"):
        snapshot_download("elsewhere", cache_dir=fresh())


if __name__ == "__main__":
    run()
