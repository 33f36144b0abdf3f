"""`pointsman push`, `pull` and `blobs`: models as files on the command line."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.commands import Cli
from serving import ServerProcess


@pytest.fixture(scope="module")
def server_of_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(data=tmp_path_factory.mktemp("files")) as server:
        yield server


@pytest.fixture(params=["folder", "server"])
def cli(request: pytest.FixtureRequest, tmp_path: Path) -> Cli:
    """The command line, talking to a registry in a folder or to a server."""
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    if request.param == "folder":
        return Cli(POINTSMAN_DATA=str(tmp_path / "data"), **cache)
    server: ServerProcess = request.getfixturevalue("server_of_files")
    return Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.own_key, **cache)


@pytest.fixture
def local(tmp_path: Path) -> Cli:
    return Cli(POINTSMAN_DATA=str(tmp_path / "data"), XDG_CACHE_HOME=str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "weights").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "weights" / "model.pkl").write_bytes(os.urandom(2_000_000))
    return folder


def seen(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_there_and_back(cli: Cli, model: Path, tmp_path: Path) -> None:
    name = cli.name("churn")
    told = cli("push", model, name, "-m", "first", "--alias", "champion", "--flavour", "sklearn")
    assert f"model:{name}:1 is published: 2 files, 2.0 MB." in told.out
    assert f"model:{name}@champion" in told.out
    assert "model.pkl can run code" in told.err
    pulled = cli("pull", f"model:{name}@champion", "--to", tmp_path / "out")
    assert f"model:{name}:1 is in {tmp_path / 'out'}: 2 files, 2.0 MB." in pulled.out
    assert "model.pkl can run code" in pulled.err
    assert seen(tmp_path / "out") == seen(model)
    assert list((tmp_path / "cache").rglob(hashlib.sha256(b"flavors: {}\n").hexdigest()))


def test_what_is_said_of_a_version(cli: Cli, model: Path, tmp_path: Path) -> None:
    name = cli.name("churn")
    more = tmp_path / "more.json"
    more.write_text('{"signature": {"inputs": []}, "run": "overridden"}')
    options = [
        *("--metric", "auc=0.91", "--metric", "n=100", "--parameter", "depth=3"),
        *("--run", "r-17", "--source", "git:abc", "--content", more, "--tag", "team=x"),
    ]
    done = cli.json("push", model, name, *options)
    assert (done["created"], done["version"]["tags"]) == (True, {"team": "x"})
    content = cli.json("show", f"model:{name}:1")["content"]
    assert content["metrics"] == {"auc": 0.91, "n": 100}
    assert content["parameters"] == {"depth": "3"}
    assert (content["run"], content["source"]) == ("r-17", "git:abc")
    assert content["signature"] == {"inputs": []}
    same = cli("push", model, name, *options, "--if-changed")
    assert "says the same already" in same.out


def test_answers_in_json(cli: Cli, model: Path, tmp_path: Path) -> None:
    name = cli.name("churn")
    cli("push", model / "MLmodel", name)
    to = tmp_path / "out"
    told = cli.json("pull", f"model:{name}", "--to", to, "--no-cache")
    assert (told["folder"], told["version"]) == (str(to), 1)
    assert told["files"]["MLmodel"]["size"] == 12
    assert not (tmp_path / "cache").exists()
    cli("pull", f"model:{name}:1", "--to", tmp_path / "b", "--cache", tmp_path / "mine")
    assert len(seen(tmp_path / "mine")) == 1


def test_what_is_refused(cli: Cli, model: Path, tmp_path: Path) -> None:
    name = cli.name("churn")
    for arguments in (
        ("push", tmp_path / "nothing", name),
        ("push", model, name, "--metric", "auc"),
        ("push", model, name, "--metric", "auc=high"),
        ("push", model, name, "--metric", "auc=nan"),
        ("push", model, name, "--tag", "x"),
        ("pull", f"model:{name}"),
        ("pull", f"model:{name}", "--to", tmp_path / "x", "--cache", "c", "--no-cache"),
    ):
        assert cli.run(*arguments).code == 2, arguments
    assert cli.run("pull", f"model:{name}", "--to", tmp_path / "x").code == 4
    cli("publish", "-", "--kind", "model", "--name", name, stdin='{"uri": "s3://x/y"}')
    ran = cli.run("pull", f"model:{name}", "--to", tmp_path / "x", "--json")
    assert (ran.code, ran.error["code"]) == (2, "no_files")
    cli.publish(name, "a prompt")
    ran = cli.run("pull", name, "--to", tmp_path / "x", "--json")
    assert (ran.code, ran.error["code"]) == (2, "not_a_model")
    assert not (tmp_path / "x").exists()


def test_an_export_says_that_it_has_no_files(local: Cli, model: Path, tmp_path: Path) -> None:
    local("push", model, "churn")
    for options in ((), ("--history",)):
        told = local("export", "--folder", tmp_path / f"out{len(options)}", *options)
        assert "of model:churn the lists of files are here, not the files" in told.err
    there = Cli(POINTSMAN_DATA=str(tmp_path / "there"))
    ran = there.run("publish", tmp_path / "out0", "--json")
    assert (ran.code, ran.error["code"]) == (3, "files_missing")
    there("push", model, "churn")
    assert "1 published" in there("publish", tmp_path / "out0", "--always").out


def test_clearing_away(local: Cli, model: Path, tmp_path: Path) -> None:
    local("push", model, "churn")
    local("push", model / "MLmodel", "churn")
    local("tombstone", "model:churn:1", "-m", "not ours", "--yes")
    kept = tmp_path / "data" / "blobs"
    assert len(seen(kept)) == 2
    assert "default: 0 files removed" in local("blobs", "gc").out
    day_ago = time.time() - 86_400
    for file in (one for one in kept.rglob("*") if one.is_file()):
        os.utime(file, (day_ago, day_ago))
    planned = local("blobs", "gc", "--dry-run").out
    assert "default: 1 file would be removed (2.0 MB), 1 kept." in planned
    assert len(seen(kept)) == 2
    assert local.json("blobs", "gc")["projects"][0]["removed"] == 1
    assert len(seen(kept)) == 1
    assert "1 file good, 0 bad." in local("blobs", "check").out


def test_checking(local: Cli, model: Path, tmp_path: Path) -> None:
    local("push", model, "churn")
    sha = hashlib.sha256((model / "MLmodel").read_bytes()).hexdigest()
    (file,) = (tmp_path / "data" / "blobs").rglob(sha)
    file.write_bytes(b"flavors: {?\n")
    ran = local.run("blobs", "check")
    assert ran.code == 1
    assert "default: model:churn:1: MLmodel: " in ran.out
    assert "1 file good, 1 bad." in ran.out
    told = json.loads(local.run("blobs", "check", "--json").out)
    assert (told["healthy"], told["flaws"][0]["sha256"]) == (False, sha)
    pulled = local.run("pull", "model:churn", "--to", tmp_path / "out", "--no-cache")
    assert pulled.code == 1
    assert sha in pulled.err
    assert "MLmodel" not in seen(tmp_path / "out")
    local("push", model / "MLmodel", "again")  # it is there, and is not sent again…
    assert local.run("blobs", "check").code == 1
    local("push", model / "MLmodel", "again", "--resend", "--if-changed")  # …unless told so
    assert "3 files good, 0 bad." in local("blobs", "check").out


def test_no_registry_is_made(tmp_path: Path) -> None:
    nowhere = Cli(POINTSMAN_DATA=str(tmp_path / "nothing"))
    for command in ("gc", "check"):
        assert nowhere.run("blobs", command).code == 4
    assert not (tmp_path / "nothing").exists()
