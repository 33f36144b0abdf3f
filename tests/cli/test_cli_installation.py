"""The installation's journal on the command line, and people in journals by their addresses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.commands import Cli
from cli.test_cli_people import come_in, login
from conftest import RunningServer, Serve


@pytest.fixture
def admin(server: RunningServer) -> Cli:
    return Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.key)


def lines(file: Path) -> list[list[object]]:
    """The entries of an export."""
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()[1:]]


def types(cli: Cli, *arguments: object) -> list[str]:
    _, *entries = cli("journal", *arguments).out.splitlines()
    return [json.loads(entry)[3] for entry in entries]


def test_an_admin_of_the_installation_exports_and_verifies_its_journal(
    admin: Cli, tmp_path: Path
) -> None:
    come_in(admin, "ana@example.org", "--role", "viewer")
    file = tmp_path / "people.jsonl"
    told = admin.json("journal", "--installation", "-o", file)
    header = json.loads(file.read_text("utf-8").splitlines()[0])
    assert (header["project"], header["head"]) == ("installation", told["hash"])
    recorded = [one[3] for one in lines(file)]
    assert recorded[0] == "project.created"
    assert {"person.invited", "person.joined", "person.accepted"} <= set(recorded)
    assert types(admin, "--installation", "--type", "person.joined") == ["person.joined"]
    elsewhere = Cli()
    assert "Nothing is wrong." in elsewhere("verify", file).out
    file.write_bytes(file.read_bytes().replace(b"ana@example.org", b"eve@example.org"))
    assert elsewhere.run("verify", file).code == 1
    verified = admin.json("verify", "--installation")
    assert (verified["project"], verified["sound"]) == ("installation", True)
    assert verified["last"] == told["last"]
    assert admin.json("verify")["project"] == "default"


def test_nobody_else_sees_it(admin: Cli) -> None:
    come_in(admin, "ana@example.org", "--role", "admin")
    admin("project", "create", "shop")
    limited = admin.json("key", "create", "ops", "--role", "admin")["secret"]
    service = Cli(POINTSMAN_URL=admin.environment["POINTSMAN_URL"], POINTSMAN_API_KEY=limited)
    for other in (login(admin, "ana@example.org"), service):
        assert types(other), "the project's own journal is for them"
        for command in (("journal",), ("verify",), ("checkpoint", "--list"), ("checkpoint",)):
            ran = other.run(*command, "--installation", "--json")
            assert (ran.code, ran.error["code"]) == (3, "needs_installation_admin"), command
    ran = admin.run("journal", "--project", "installation", "--json")
    assert ran.error["code"] == "foreign_project", "it is no project that can be named"


def test_before_there_is_one(tmp_path: Path) -> None:
    folder = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    folder.publish("reply", "hello")
    ran = folder.run("journal", "--installation", "--json")
    assert (ran.code, ran.error["code"]) == (4, "no_installation_record")
    folder("project", "create", "shop")
    assert types(folder, "--installation") == ["project.created", "project.added"]
    assert "Nothing is wrong." in folder("verify", "--installation").out
    ran = folder.run("checkpoint", "--installation", "--json")
    assert (ran.code, ran.error["code"]) == (4, "no_checkpoints")


def test_it_is_compared_with_a_backup(tmp_path: Path) -> None:
    folder = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    folder.publish("reply", "hello")
    folder("project", "create", "shop")
    folder("backup", "make", tmp_path / "backup")
    folder("project", "create", "office")
    file = tmp_path / "people.jsonl"
    folder("journal", "--installation", "-o", file)
    told = Cli().json("verify", file, "--state", tmp_path / "backup")
    assert (told["sound"], told["checked"]["checkpoints"]) == (True, 1)
    older = tmp_path / "older.jsonl"
    folder("journal", "--installation", "-o", older, "--type", "project.created")
    assert not Cli().json("verify", older)["complete"]


def test_the_clock_s_checkpoints_of_it_are_listed_and_verify_it(
    serve: Serve, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    server = serve(data=tmp_path / "data", POINTSMAN_CHECKPOINTS="0.05")
    cli = Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.key)
    cli("project", "create", "shop")
    file, note = tmp_path / "people.jsonl", tmp_path / "people.note"
    last = cli.json("journal", "--installation", "-o", file)["hash"]

    def newest() -> list[str]:
        found = cli.json("checkpoint", "--installation", "--list")["items"]
        return [one["hash"] for one in found][:1]

    eventually(lambda: newest() == [last])
    cli("checkpoint", "--installation", "-o", note)
    key = cli("checkpoint", "--installation", "--show-key").out.strip()
    told = Cli().json("verify", file, "--checkpoint", note, "--public-key", key)
    assert (told["sound"], told["checked"]["checkpoints"]) == (True, 1)


def test_people_are_found_by_their_addresses(admin: Cli, tmp_path: Path) -> None:
    admin.publish("reply", "hello")
    come_in(admin, "ana@example.org", "--role", "releaser")
    come_in(admin, "bo@example.org", "--role", "viewer")
    ana = login(admin, "ana@example.org")
    ana("promote", "reply:1", "staging")
    admin("promote", "reply:1", "canary")
    file = tmp_path / "ana.jsonl"
    admin("journal", "--person", "Ana@Example.org", "--type", "alias.moved", "-o", file)
    (entry,) = lines(file)
    actor = entry[4]
    assert str(actor).startswith("person:")
    assert types(admin, "--person", actor, "--type", "alias.moved") == ["alias.moved"]
    assert types(ana, "--person", "ana@example.org", "--type", "alias.moved") == ["alias.moved"]
    ran = admin.run("journal", "--person", "eve@example.org", "--json")
    assert (ran.code, ran.error["code"]) == (4, "person_not_found")
    bo = login(admin, "bo@example.org")
    ran = bo.run("journal", "--person", "ana@example.org")
    assert ran.code == 3
    assert "give the name or the id" in ran.err
    assert types(bo, "--person", actor, "--type", "alias.moved") == ["alias.moved"]
    admin("key", "create", "a @ name", "--role", "viewer")
    assert types(admin, "--person", "a @ name") == []


def test_a_server_does_not_start_with_a_store_that_is_none(tmp_path: Path) -> None:
    environment = os.environ | {
        "POINTSMAN_DATA": str(tmp_path / "data"),
        "POINTSMAN_CHECKPOINT_STORE": "https://example.org/kept",
    }
    ran = subprocess.run(
        [sys.executable, "-m", "pointsman", "serve", "--port", "0"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2
    assert "POINTSMAN_CHECKPOINT_STORE" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "s3://bucket/folder" in ran.stderr
