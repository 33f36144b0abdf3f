"""Providers of models on both databases: what is kept, who sets it, and that keys stay secret."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pointsman.app import keyfiles, providers
from pointsman.app.application import Application, Caller
from pointsman.app.ports import Store
from pointsman.app.providers import OpenProvider, open_providers
from pointsman.compose import Registry
from pointsman.core.access import Scope
from pointsman.core.provider_settings import Price, check_settings
from pointsman.core.vocabulary import Role
from pointsman.embedded.record import make_backup, restore_backup
from pointsman.errors import (
    Conflict,
    IntegrityError,
    InvalidInput,
    NotFound,
    PointsmanError,
    Refused,
    StaleRevision,
    TooLarge,
)
from stores import Place, PostgresPlace, SqlitePlace

Make = Callable[..., Caller]
MASTER = base64.b64encode(bytes(range(32))).decode()
OTHER = base64.b64encode(bytes(32)).decode()
SECRET = "sk-very-secret-1234567890"
URL = "http://127.0.0.1:8000/v1"


@pytest.fixture(autouse=True)
def master(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN_SECRET_KEY", MASTER)
    monkeypatch.delenv("POINTSMAN_PROVIDERS_FROM_ENV", raising=False)


def opened(store: Store, project: str = "default") -> dict[str, OpenProvider]:
    app = Application(store)
    return dict(open_providers(app, app.project(project)))


def refused(kind: type[PointsmanError], code: str, act: Callable[[], object]) -> PointsmanError:
    with pytest.raises(kind) as caught:
        act()
    assert caught.value.code == code, caught.value
    assert SECRET not in repr((str(caught.value), caught.value.details, caught.value.reasons))
    return caught.value


# What is kept


def test_a_provider_is_set_changed_and_deleted(registry: Registry, store: Store) -> None:
    assert registry.providers() == ()
    prices = {"small": Price("2.50", "10"), "größer": Price("0.000001", "0")}
    made = registry.set_provider("openai", key=SECRET, prices=prices)
    assert (made.key_was, made.hint, made.provider.has_key) == ("set", "", True)
    one = registry.provider("openai")
    assert one == made.provider
    assert (one.api, one.base_url, one.revision) == ("openai", "", 1)
    assert (one.concurrency, one.per_minute, one.timeout) == (8, None, 60)
    assert one.prices == prices
    local = registry.set_provider(
        "local", base_url=URL, concurrency=1_000, per_minute=3, timeout=600
    ).provider
    assert (local.has_key, local.per_minute) == (False, 3)
    assert registry.providers() == (local, one), "in the order of their names"
    again = registry.set_provider("openai", prices=prices, timeout=5)
    assert (again.key_was, again.provider.revision) == ("kept", 2)
    assert opened(store)["openai"].key == SECRET
    head = registry.journal_head().seq
    assert registry.set_provider("openai", prices=prices, timeout=5).provider == again.provider
    assert registry.journal_head().seq == head, "nothing changed"
    assert registry.set_provider("openai", prices=prices, key="").key_was == "removed"
    assert opened(store)["openai"].key == ""
    registry.delete_provider("openai")
    assert registry.providers() == (local,)
    assert list(opened(store)) == ["local"]
    for act in (registry.provider, registry.delete_provider):
        refused(NotFound, "provider_not_found", lambda act=act: act("openai"))  # type: ignore[misc]
    assert registry.set_provider("openai").provider.revision == 5, "revisions count on"
    assert opened(store)["openai"].key == ""
    assert registry.doctor().findings == ()


def test_the_journal_tells_all_but_the_key(registry: Registry) -> None:
    registry.set_provider("openai", key=SECRET, prices={"m": Price("2.50", "10.0")}, per_minute=9)
    registry.set_provider("openai", base_url=URL)
    registry.delete_provider("openai")
    deleted, moved, made = registry.history(types=["provider.set", "provider.deleted"]).items
    data = dict(made.data)
    assert len(data.pop("fingerprint")) == 32
    assert data == {
        "provider_name": "openai",
        "api": "openai",
        "base_url": "",
        "concurrency": 8,
        "per_minute": 9,
        "timeout": 60,
        "prices": [["m", "2.50", "10.0"]],
        "has_key": True,
        "key_was": "set",
        "revision": 1,
    }
    assert (moved.data["key_was"], moved.data["has_key"]) == ("forgotten", False)
    assert moved.data["base_url"] == URL
    assert deleted.data == {"provider_name": "openai", "revision": 3}


def test_a_key_is_nowhere_to_be_read(place: Place, tmp_path: Path) -> None:
    with closing(Registry(place.open())) as registry:
        told = [registry.set_provider("openai", key=SECRET), registry.provider("openai")]
        told += registry.providers()
        told += registry.history().items
        told += registry.journal_lines().lines
        told += [registry.doctor()]
    with closing(place.open()) as store:
        told += [opened(store)]
        assert opened(store)["openai"].secret == SECRET
    options = place.options
    backup = tmp_path / "backup"
    make_backup(str(options.get("data", "")), options.get("database", ""), str(backup))
    files = [file for file in backup.iterdir() if file.suffix == ".gz"]
    assert any(b"v1." in gzip.decompress(file.read_bytes()) for file in files)
    texts = [repr(told).encode(), *(gzip.decompress(file.read_bytes()) for file in files)]
    if isinstance(place, SqlitePlace):
        texts += [file.read_bytes() for file in place.folder.iterdir() if file.is_file()]
    for one in (SECRET, base64.b64encode(SECRET.encode()).decode()[:24], MASTER):
        assert not any(one.encode() in text for text in texts)


def test_the_same_key_never_looks_the_same(registry: Registry, place: Place) -> None:
    seen = set()
    for _ in range(3):
        registry.set_provider("openai", key=SECRET)
        with place.raw() as raw:
            ((sealed,),) = raw.execute("SELECT sealed FROM provider")
        seen.add(sealed)
    assert len(seen) == 3


# A key goes with its address


@pytest.mark.parametrize(
    "change", [{"base_url": URL}, {"api": "anthropic", "base_url": "https://a.example"}]
)
def test_a_changed_address_forgets_the_key(
    registry: Registry, store: Store, change: dict[str, str]
) -> None:
    registry.set_provider("openai", key=SECRET)
    done = registry.set_provider("openai", **change)  # type: ignore[arg-type]
    assert (done.key_was, done.provider.has_key) == ("forgotten", False)
    assert "forgotten" in done.hint
    assert opened(store)["openai"].key == ""
    back = registry.set_provider("openai")
    assert (back.key_was, back.provider.has_key) == ("none", False), "it does not come back"
    assert registry.doctor().findings == ()


def test_a_new_key_comes_with_a_new_address(registry: Registry, store: Store) -> None:
    registry.set_provider("openai", key="sk-old")
    done = registry.set_provider("openai", base_url=URL, key=SECRET)
    assert (done.key_was, done.hint) == ("set", "")
    assert opened(store)["openai"].key == SECRET


def test_whoever_writes_to_the_database_gets_no_key_sent_elsewhere(
    place: Place, registry: Registry, store: Store
) -> None:
    registry.set_provider("openai", key=SECRET)
    registry.set_provider("mine", base_url="https://evil.example/v1", key="sk-mine")
    registry.set_provider("twin", base_url="https://evil.example/v1", key="sk-twin")
    registry.set_provider("local", base_url=URL)
    registry.create_project("other")
    edits = {
        "swapped with another provider's": "UPDATE provider SET sealed = "
        "(SELECT p.sealed FROM provider p WHERE p.name = 'openai') WHERE name = 'mine'",
        "swapped with one at the same place": "UPDATE provider SET sealed = "
        "(SELECT p.sealed FROM provider p WHERE p.name = 'twin') WHERE name = 'mine'",
        "moved to another project": "UPDATE provider SET project_id = "
        "(SELECT id FROM project WHERE name = 'other') WHERE name = 'mine'",
        "led elsewhere": "UPDATE provider SET body = replace(body, 'evil', 'worse') "
        "WHERE name = 'mine'",
        "cut off": "UPDATE provider SET sealed = 'v1.AAAA' WHERE name = 'mine'",
        "no base64": "UPDATE provider SET sealed = 'v1.!' WHERE name = 'mine'",
    }
    with place.raw() as raw:
        (before,) = raw.execute("SELECT project_id, body, sealed FROM provider WHERE name = 'mine'")
    for what, edit in edits.items():
        with place.raw() as raw:
            raw.execute(edit)
        project = "other" if "project" in what else "default"
        found = opened(store, project)["mine"]
        error = refused(Conflict, "provider_key_unreadable", lambda one=found: one.key)  # type: ignore[misc]
        assert "'mine'" in error.message
        assert "set the key anew" in error.hint
        assert opened(store)["openai"].key == SECRET, what
        assert opened(store)["local"].key == ""
        assert [one.subject for one in registry.doctor().findings] == ["provider mine"], what
        with place.raw() as raw:
            raw.execute(
                "UPDATE provider SET project_id = ?, body = ?, sealed = ? WHERE name = 'mine'",
                tuple(before),
            )
    assert opened(store)["mine"].key == "sk-mine"
    assert registry.doctor().findings == ()


def test_settings_that_were_damaged_are_found(place: Place, registry: Registry) -> None:
    registry.set_provider("openai", key=SECRET)
    for body in ("{}", "[]", "x"):
        with place.raw() as raw:
            raw.execute("UPDATE provider SET body = ?", (body,))
        assert [one.subject for one in registry.doctor().findings] == ["provider openai"], body
        refused(IntegrityError, "damaged_provider", registry.providers)


# The master key


@pytest.mark.parametrize("given", [OTHER, "!!!not base64", base64.b64encode(b"short").decode()])
def test_another_master_key_is_told_and_the_key_set_anew(
    registry: Registry, store: Store, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    registry.set_provider("openai", key=SECRET)
    registry.set_provider("local", base_url=URL)
    monkeypatch.setenv("POINTSMAN_SECRET_KEY", given)
    found = opened(store)
    assert found["local"].key == ""
    error = refused(Conflict, "provider_key_unreadable", lambda: found["openai"].key)
    assert given not in str(error)
    assert "set the key anew" in error.hint
    assert registry.provider("openai").has_key
    assert registry.set_provider("openai", timeout=9).key_was == "kept"
    if given == OTHER:
        registry.set_provider("openai", key="sk-new")
        assert opened(store)["openai"].key == "sk-new"
    else:
        error = refused(
            InvalidInput, "invalid_secret_key", lambda: registry.set_provider("openai", key=SECRET)
        )
        assert given not in str(error)
    assert registry.doctor().findings == ()


def test_a_database_elsewhere_needs_a_master_key_in_the_environment(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(PostgresPlace(postgres_url).open()) as store:
        registry = Registry(store)
        registry.set_provider("openai", key=SECRET)
        monkeypatch.delenv("POINTSMAN_SECRET_KEY")
        found = opened(store)["openai"]
        error = refused(Conflict, "provider_key_unreadable", lambda: found.key)
        assert "no master key" in error.message
        error = refused(
            Conflict, "no_secret_key", lambda: registry.set_provider("other", base_url=URL, key="k")
        )
        assert "POINTSMAN_SECRET_KEY" in error.hint
        registry.set_provider("other", base_url=URL)


def test_a_folder_has_a_master_key_of_its_own_from_the_first_key_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POINTSMAN_SECRET_KEY")
    file = tmp_path / "data" / "secret.key"
    place = SqlitePlace(tmp_path / "data")
    with closing(place.open()) as store:
        registry = Registry(store)
        registry.set_provider("local", base_url=URL)
        assert opened(store)
        assert not file.exists(), "nobody needs it yet"
        registry.set_provider("openai", key=SECRET)
        assert file.stat().st_mode & 0o777 == 0o600
        kept = file.read_bytes()
        with closing(Registry(place.open())) as another:
            another.set_provider("anthropic", key="sk-2")
        registry.set_provider("local", base_url=URL, timeout=5)
        assert file.read_bytes() == kept
        assert {name: one.key for name, one in opened(store).items()} == {
            "local": "",
            "openai": SECRET,
            "anthropic": "sk-2",
        }
        assert not list(place.folder.glob("*.part"))
        file.unlink()
        found = opened(store)["openai"]
        error = refused(Conflict, "provider_key_unreadable", lambda: found.key)
        assert "secret.key" in error.message
        assert not file.exists(), "a new one would open nothing"
        file.write_text("nonsense")
        found = opened(store)["openai"]
        refused(Conflict, "provider_key_unreadable", lambda: found.key)
        refused(
            InvalidInput, "invalid_secret_key", lambda: registry.set_provider("openai", key="k")
        )
        file.unlink()
        registry.set_provider("openai", key="sk-3")
        assert opened(store)["openai"].key == "sk-3"
        found = opened(store)["anthropic"]
        refused(Conflict, "provider_key_unreadable", lambda: found.key)


def test_first_keys_set_at_once_are_sealed_under_one_master_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POINTSMAN_SECRET_KEY")
    place = SqlitePlace(tmp_path / "data")
    place.open().close()
    start = threading.Barrier(4)

    def set_one(number: int) -> None:
        with closing(place.open()) as store:
            start.wait()
            Registry(store).set_provider(f"p{number}", base_url=URL, key=f"sk-{number}")

    threads = [threading.Thread(target=set_one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with closing(place.open()) as store:
        found = opened(store)
    assert {name: one.key for name, one in found.items()} == {f"p{n}": f"sk-{n}" for n in range(4)}


def test_a_master_key_is_never_replaced_by_another(tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    keyfiles.make_key(file)
    kept = file.read_bytes()
    keyfiles.make_key(file)
    assert file.read_bytes() == kept
    assert [one.name for one in tmp_path.iterdir()] == ["secret.key"]


def test_a_backup_has_sealed_keys_and_no_master_key(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(place, SqlitePlace):
        monkeypatch.delenv("POINTSMAN_SECRET_KEY")
    with closing(Registry(place.open())) as registry:
        registry.set_provider("openai", key=SECRET, prices={"m": Price("2.50", "1")})
        before = registry.provider("openai")
    options = place.options
    backup, there = tmp_path / "backup", SqlitePlace(tmp_path / "there")
    make_backup(str(options.get("data", "")), options.get("database", ""), str(backup))
    assert {file.suffix for file in backup.iterdir()} == {".gz", ".json"}
    restore_backup(str(backup), str(there.folder), "")
    with closing(there.open()) as store:
        assert Registry(store).provider("openai") == before
        assert Registry(store).doctor().findings == ()
        if isinstance(place, SqlitePlace):
            found = opened(store)["openai"]
            refused(Conflict, "provider_key_unreadable", lambda: found.key)
            (there.folder / "secret.key").write_bytes((place.folder / "secret.key").read_bytes())
        assert opened(store)["openai"].key == SECRET


# Who may


@pytest.mark.parametrize("role", ["viewer", "editor", "reviewer", "releaser"])
def test_everybody_reads_and_admins_set(
    role: Role, app: Application, caller: Make, registry: Registry
) -> None:
    made = registry.set_provider("openai", key=SECRET).provider
    who = caller(role)
    assert app.read(who, providers.list_providers) == (made,)
    assert app.read(who, lambda v: providers.show_provider(v, "openai")) == made
    settings = check_settings("openai", base_url="https://evil.example/v1")
    for write in (
        lambda w: providers.set_provider(w, settings),
        lambda w: providers.set_provider(w, settings, key="k"),
        lambda w: providers.delete_provider(w, "openai"),
    ):
        refused(Refused, "role_too_low", lambda write=write: app.write(who, write))  # type: ignore[misc]
    assert registry.providers() == (made,)


def test_a_key_for_a_part_of_the_project_sets_nothing(
    app: Application, caller: Make, registry: Registry
) -> None:
    made = registry.set_provider("openai", key=SECRET).provider
    for scope in (Scope(artifacts="support/*"), Scope(aliases="prod"), Scope(verbs=("read",))):
        admin = caller("admin")
        narrow = replace(admin, actor=replace(admin.actor, scope=scope))
        for write in (
            lambda w: providers.set_provider(w, check_settings("openai"), key="k"),
            lambda w: providers.delete_provider(w, "openai"),
        ):
            with pytest.raises(Refused):
                app.write(narrow, write)
    assert registry.providers() == (made,)


def test_another_project_has_its_own(registry: Registry, store: Store) -> None:
    registry.create_project("other")
    registry.set_provider("openai", key=SECRET)
    other = Registry(store, project="other")
    assert other.providers() == ()
    assert opened(store, "other") == {}
    other.set_provider("openai", key="sk-other")
    assert opened(store)["openai"].key == SECRET
    assert opened(store, "other")["openai"].key == "sk-other"


# Two at once


def test_a_stale_revision_is_refused(registry: Registry) -> None:
    registry.set_provider("openai", if_revision=0)
    registry.set_provider("openai", timeout=5, if_revision=1)
    for stale in (0, 1, 3):
        error = refused(
            StaleRevision,
            "stale_revision",
            lambda stale=stale: registry.set_provider(  # type: ignore[misc]
                "openai", key=SECRET, if_revision=stale
            ),
        )
        assert error.details == {"current": {"revision": 2}}
    assert registry.provider("openai").has_key is False
    registry.delete_provider("openai")
    assert registry.set_provider("openai", if_revision=0).provider.revision == 4


def test_of_two_admins_at_once_one_wins(registry: Registry) -> None:
    first = registry.set_provider("openai").provider
    start, outcomes = threading.Barrier(4), []

    def set_it(number: int) -> None:
        start.wait()
        try:
            registry.set_provider("openai", timeout=number, if_revision=first.revision)
            outcomes.append(number)
        except StaleRevision:
            outcomes.append(0)

    threads = [threading.Thread(target=set_it, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = max(outcomes)
    assert sorted(outcomes) == [0, 0, 0, winner]
    now = registry.provider("openai")
    assert (now.timeout, now.revision) == (winner, 2)


def test_a_project_has_so_many_providers_and_no_more(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "MAX_PROVIDERS", 2)
    registry.set_provider("a", base_url=URL)
    registry.set_provider("b", base_url=URL)
    refused(TooLarge, "too_many_providers", lambda: registry.set_provider("c", base_url=URL))
    registry.set_provider("b", base_url=URL, timeout=5)
    registry.delete_provider("a")
    registry.set_provider("c", base_url=URL)


# From the environment


@pytest.fixture
def environment() -> dict[str, str]:
    return {
        "POINTSMAN_SECRET_KEY": MASTER,
        "OPENAI_API_KEY": " sk-of-the-machine\n",
        "ANTHROPIC_API_KEY": "",
    }


def test_keys_of_the_environment_are_for_those_who_ask_for_them(
    registry: Registry, app: Application, environment: dict[str, str]
) -> None:
    project = app.project("default")
    assert open_providers(app, project, environment) == {}
    for value in ("0", "true", ""):
        asked = {**environment, "POINTSMAN_PROVIDERS_FROM_ENV": value}
        assert open_providers(app, project, asked) == {}
    asked = {**environment, "POINTSMAN_PROVIDERS_FROM_ENV": "1"}
    found = open_providers(app, project, asked)
    assert {name: one.key for name, one in found.items()} == {"openai": "sk-of-the-machine"}
    assert "sk-of-the-machine" not in repr(found)
    registry.set_provider("openai", base_url=URL)
    found = open_providers(app, project, asked)
    assert found["openai"].key == "", "the project's own comes first, with a key or without"
    assert found["openai"].settings.base_url == URL
    assert json.dumps([one.data for one in registry.history().items]).count("machine") == 0
