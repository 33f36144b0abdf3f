"""Projects, people, groups and keys on the command line, against a server and a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.commands import Cli
from conftest import RunningServer

PASSWORD = "correct horse battery\n"


@pytest.fixture
def admin(server: RunningServer) -> Cli:
    return Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.key)


def come_in(admin: Cli, email: str, *options: object) -> None:
    token = admin("user", "invite", email, "--name", "Ana", *options).out.strip()
    anybody = Cli(POINTSMAN_URL=admin.environment["POINTSMAN_URL"])
    said = anybody("user", "accept", token, "--password-file", "-", stdin=PASSWORD)
    assert f"pointsman login {email}" in said.out


def login(admin: Cli, email: str, *options: object) -> Cli:
    url = admin.environment["POINTSMAN_URL"]
    anybody = Cli(POINTSMAN_URL=url)
    said = anybody("login", email, "--password-file", "-", *options, stdin=PASSWORD)
    return Cli(POINTSMAN_URL=url, POINTSMAN_API_KEY=said.out.strip())


def test_from_an_invitation_to_a_release(admin: Cli) -> None:
    admin.publish("reply", "hello")
    come_in(admin, "ana@example.org", "--role", "releaser")
    ana = login(admin, "ana@example.org")
    ana("promote", "reply:1", "staging")
    entry = admin.json("history", "reply@staging")["items"][0]
    assert (entry["by"], entry["actor"].partition(":")[0]) == ("Ana", "person")
    listed = admin("user", "list").out
    assert "ana@example.org" in listed
    assert "releaser" in listed
    (key,) = [one for one in admin.json("key", "list")["keys"] if one["person"]]
    assert (key["person"], key["role"]) == ("ana@example.org", "releaser")
    assert key["expires_at"], "it does not last for ever"


def test_asking_for_the_password(admin: Cli) -> None:
    token = admin("user", "invite", "ana@example.org", "--name", "Ana").out.strip()
    typed = PASSWORD.strip()
    accepted = admin("user", "accept", token, stdin=f"{typed}\n{typed}\n")
    assert typed not in accepted.out + accepted.err
    asked = admin("login", "ana@example.org", stdin=f"{typed}\n")
    assert asked.out.startswith("pm_"), "the key alone, for $(…)"
    wrong = admin.run("login", "ana@example.org", stdin="not the password\n")
    assert wrong.code == 3
    assert "the password is wrong" in wrong.err


def test_roles_come_and_go(admin: Cli) -> None:
    come_in(admin, "ana@example.org")
    admin("user", "grant", "ana@example.org", "editor", "--artifacts", "support/*")
    assert "editor (support/*)" in admin("user", "list").out
    admin("user", "withdraw", "ana@example.org", "--artifacts", "support/*")
    assert "support" not in admin("user", "list").out
    admin("group", "add", "shippers", "ana@example.org")
    admin("user", "grant", "group:shippers", "releaser", "--kind", "prompt")
    assert "shippers" in admin("group", "list").out
    assert "releaser (prompt:*)" in admin("user", "list").out
    assert "nobody" in admin("group", "remove", "shippers", "ana@example.org").out
    gone = admin.run("user", "withdraw", "ana@example.org", "--kind", "model", "--json")
    assert (gone.code, gone.error["code"]) == (4, "grant_not_found")


def test_the_last_admin_stays(admin: Cli) -> None:
    come_in(admin, "ana@example.org")
    admin("user", "grant", "ana@example.org", "admin", "--everywhere")
    assert "admin (everywhere)" in admin("user", "list").out
    ana = login(admin, "ana@example.org")
    for command in (
        ("user", "withdraw", "ana@example.org", "--everywhere"),
        ("user", "deactivate", "ana@example.org"),
    ):
        refused = ana.run(*command, "--json")
        assert (refused.code, refused.error["code"]) == (3, "last_admin")


def test_who_leaves_is_out(admin: Cli) -> None:
    come_in(admin, "ana@example.org")
    ana = login(admin, "ana@example.org")
    ana("list")
    assert "is deactivated" in admin("user", "deactivate", "ana@example.org").out
    assert ana.run("list", "--json").error["code"] == "deactivated_person"
    admin("user", "reactivate", "ana@example.org")
    ana("list")


def test_invitations_can_be_taken_back(admin: Cli) -> None:
    token = admin("user", "invite", "ana@example.org", "--expires", "2d").out.strip()
    (one,) = admin.json("user", "invitations")["invitations"]
    assert one["email"] in admin("user", "invitations").out
    admin("user", "uninvite", one["id"])
    assert "withdrawn" in admin("user", "invitations").out
    refused = admin.run("user", "accept", token, "--password-file", "-", "--json", stdin=PASSWORD)
    assert refused.error["code"] == "withdrawn_invitation"


def test_keys_with_a_scope(admin: Cli) -> None:
    admin.publish("support/reply", "hello")
    admin.publish("sales/offer", "hello")
    options = ("--role", "releaser", "--verb", "read", "--verb", "move")
    patterns = ("--artifacts", "support/*", "--aliases", "stag*")
    secret = admin("key", "create", "ci", *options, *patterns).out.strip()
    assert "to read, move support/* @stag*" in admin("key", "list").out
    limited = Cli(POINTSMAN_URL=admin.environment["POINTSMAN_URL"], POINTSMAN_API_KEY=secret)
    limited("promote", "support/reply:1", "staging")
    for command in (
        ("promote", "support/reply:1", "canary"),
        ("show", "sales/offer"),
        ("tag", "set", "support/reply", "a=b"),
    ):
        assert limited.run(*command, "--json").error["code"] == "scope_too_narrow", command


def test_projects_by_option_and_environment(admin: Cli) -> None:
    admin.publish("reply", "in default")
    assert "is made" in admin("project", "create", "shop").out
    assert [one["name"] for one in admin.json("project", "list")["projects"]] == [
        "default",
        "shop",
    ]
    admin("publish", "-", "--name", "reply", "--project", "shop", stdin="in shop")
    assert "in shop" in admin("show", "reply", "--project", "shop").out
    assert "in default" in admin("show", "reply").out
    assert "in shop" in admin.run("show", "reply", POINTSMAN_PROJECT="shop").out
    refused = admin.run("show", "reply", "--project", "nothing", "--json")
    assert (refused.code, refused.error["code"]) == (3, "foreign_project")
    assert admin.run("show", "reply", "--project", "").code == 2


@pytest.fixture
def folder(tmp_path: Path) -> Cli:
    return Cli(POINTSMAN_DATA=str(tmp_path / "data"))


def test_a_folder_has_projects_and_people_as_well(folder: Cli) -> None:
    folder.publish("reply", "in default")
    folder("project", "create", "shop")
    folder("publish", "-", "--name", "reply", "--project", "shop", stdin="in shop")
    assert "in shop" in folder.run("show", "reply", POINTSMAN_PROJECT="shop").out
    assert "in default" in folder("show", "reply").out
    missing = folder.run("show", "reply", "--project", "nothing", "--json")
    assert missing.error["code"] == "project_not_found"
    token = folder("user", "invite", "ana@example.org", "--role", "admin").out
    assert token.startswith("pi_")
    folder("doctor")
