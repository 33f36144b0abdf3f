"""Policies, changes, checks and broken glass on the command line, with several people."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cli.commands import Cli, write
from pointsman import Client
from pointsman.core.vocabulary import Role
from serving import ADMIN, ServerProcess

PEOPLE: dict[str, Role] = {
    "eva": "editor",
    "ana": "reviewer",
    "ben": "reviewer",
    "rui": "releaser",
    "ada": "admin",
}


@dataclass
class Team:
    """Each person's command line, all of them talking to one server."""

    eva: Cli
    ana: Cli
    ben: Cli
    rui: Cli
    ada: Cli
    name: str
    """An artifact that no other test uses; version 1 is in production, and there are three."""

    def govern(self, **fields: Any) -> None:
        """Set a policy for production of the artifact."""
        name = self.name.replace("/", "-")
        policy = {"name": name, "aliases": "production", "artifacts": self.name, **fields}
        self.ada("policy", "set", "-", stdin=json.dumps(policy))

    def propose(self, *more: object, version: int = 2, by: str = "eva") -> int:
        """Have somebody (Eva) propose to ship a version; the change's number."""
        change = getattr(self, by).json(
            "change", "propose", f"{self.name}:{version}", "production", "-m", "better", *more
        )
        return int(change["number"])


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server, and the keys of the people who work with it."""
    with ServerProcess(data=tmp_path_factory.mktemp("office")) as server:
        keys = {"url": server.url}
        with Client(server.url, ADMIN, snapshot=False, follow=False) as admin:
            for name, role in PEOPLE.items():
                made = admin.invite(f"{name}@example.com", name=name, role=role)
                keys[name] = admin.accept_invitation(made.token, "three plain words").token
        yield keys


@pytest.fixture
def team(office: dict[str, str]) -> Team:
    people = {
        name: Cli(POINTSMAN_URL=office["url"], POINTSMAN_API_KEY=office[name]) for name in PEOPLE
    }
    name = people["eva"].name("reply")
    for text in ("Hello {{ name }}", "Hi {{ name }}\nHow are you?", "Hey {{ name }}"):
        people["eva"].publish(name, text)
    people["rui"]("promote", f"{name}:1", "production", "-m", "start")
    return Team(name=name, **people)


def test_what_is_refused_says_how_to_propose_it(team: Team) -> None:
    team.govern(approvals=1, reason=5)
    refused = team.rui.run("promote", f"{team.name}:2", "production", "-m", "it's shorter")
    assert refused.code == 3
    last = refused.err.strip().splitlines()[-1]
    command = shlex.split(last.partition("Propose it: ")[2])
    assert command == [
        "pointsman", "change", "propose", f"{team.name}:2", "production", "--why", "it's shorter",
    ]  # fmt: skip
    change = team.eva.json(*command[1:])
    number = change["number"]
    assert change["title"] == f"{team.name}:2 to production"
    assert change["reason"] == "it's shorter"

    approved = team.ana("approve", number, "-m", "reads well")
    assert f"Change {number} is approved by you." in approved.out
    assert "'ana' may not move" in approved.out, "what Ana herself lacks to apply it"
    ready = team.rui("change", "show", number)
    assert "ana approves, today" in ready.out
    assert f"pointsman change apply {number}" in ready.out
    applied = team.rui("change", "apply", number)
    assert f"{team.name}@production: version 1 → version 2 (revision 2)" in applied.out
    shown = team.rui("change", "show", number).out
    assert "version 1 → version 2 (revision 2)" in shown
    assert "as release" in shown
    assert "does not count" not in shown
    again = team.rui.run("change", "apply", number)
    assert (again.code, "is applied" in again.err) == (3, True)


def test_a_release_says_how_to_propose_it(team: Team) -> None:
    team.govern(approvals=1)
    refused = team.rui.run(
        "release", f"{team.name}:2@production", f"{team.name}:3@canary", "--json"
    )
    assert refused.code == 3
    assert [one["code"] for one in refused.error["reasons"]] == ["approvals_missing"]
    words = f"pointsman change propose {team.name}:2 production {team.name}:3 canary"
    assert refused.error["hint"].endswith(words)
    stale = team.rui.run("promote", f"{team.name}:2", "staging", "--if-revision", "9", "--json")
    assert "propose" not in stale.error["hint"]


def test_the_command_names_the_server_that_was_named(team: Team) -> None:
    team.govern(approvals=1)
    url = team.rui.environment["POINTSMAN_URL"]
    refused = team.rui.run("promote", team.name, "production", "--url", url)
    assert refused.err.strip().endswith(f"{team.name} production --url {url}")


def test_a_change_is_shown_with_all_that_is_said_to_it(team: Team) -> None:
    team.govern(approvals=2, checks=["eval"])
    number = team.propose("--title", "Friendlier", "--label", "weekly")
    team.ana("approve", number, "-m", "fine")
    team.ben("change", "object", number, "-m", "too friendly")
    first = team.eva.json("change", "comment", number, "Is it?")["comments"][0]["number"]
    team.ben("change", "comment", number, "It is.", "--answers", first)
    shown = team.rui("change", "show", number).out
    for text in (
        f"Change {number}: Friendlier",
        "weekly",
        f"{team.name}@production: version 1 → version 2",
        "-Hello {{ name }}\n+Hi {{ name }}\n+How are you?\n",
        "ana approves",
        "ben objects",
        "1 more approval",
        "'eval' has not been reported",
        "ben objects to moving",
        f"to {first}:\n  It is.",
    ):
        assert text in shown, text
    team.ben("change", "take-back", number)
    shown = team.rui("change", "show", number).out
    assert "ben took it back" in shown
    assert "objects" not in shown
    assert team.rui.json("change", "diff", number)["diffs"][0]["template"]
    assert "+How are you?" in team.rui("change", "diff", number, "--move", "1").out
    assert team.rui.run("change", "diff", number, "--move", "2").code == 2


def test_nobody_approves_their_own_nor_what_they_did_not_see(team: Team) -> None:
    team.govern(approvals=1)
    change = team.ana.json("change", "propose", f"{team.name}:2", "production", "-m", "mine")
    own = team.ana.run("change", "approve", change["number"], "--json")
    assert (own.code, own.error["code"]) == (3, "self_approval")
    other = team.ben.run("approve", change["number"], "--basis", "0" * 64, "--json")
    assert (other.code, other.error["code"]) == (3, "basis_changed")
    team.ben("approve", change["number"], "--basis", change["basis"])


def test_a_moved_alias_is_a_conflict_until_rebased(team: Team) -> None:
    team.govern(approvals=0)
    number = team.propose()
    team.ana("approve", number)
    team.rui("promote", f"{team.name}:3", "production", "-m", "first")
    shown = team.rui("change", "show", number).out
    assert "Conflict: " in shown
    assert "ana approves" in shown
    assert "does not count: " in shown
    refused = team.rui.run("change", "apply", number)
    assert refused.code == 3
    assert "rebase" in refused.err
    rebased = team.eva("change", "rebase", number)
    assert "version 3 → version 2" in rebased.out
    team.rui("change", "apply", number, "-m", "as talked over")
    assert team.rui.json("at", "now", f"{team.name}@production")["version"] == 2


def test_editing_keeps_what_is_not_given(team: Team) -> None:
    team.govern(approvals=1)
    number = team.propose(
        "--title", "Old", "--label", "a", "--expires", "3d", "--when-ready", by="rui"
    )
    before = team.rui.json("change", "show", number)
    assert before["armed_by"] == "rui@example.com"
    edited = team.rui.json("change", "edit", number, "--title", "New")
    assert edited["title"] == "New"
    for field in ("reason", "labels", "expires_at", "armed_by", "moves"):
        assert edited[field] == before[field], field
    told = team.rui("change", "edit", number, f"{team.name}:3", "production", "--by-hand")
    assert "revision 3" in told.out
    edited = team.rui.json("change", "show", number)
    assert (edited["armed_by"], edited["moves"][0]["to"]["version"]) == ("", 3)
    both = team.rui.run("change", "edit", number, "--by-hand", "--when-ready")
    assert both.code == 2


def test_changes_are_listed_until_they_end(team: Team) -> None:
    team.govern(approvals=1)
    number = team.propose("--title", "Soon over", version=3)
    newer = team.propose("--supersedes", str(number), "--at", "2h", by="rui")
    assert team.eva.json("change", "show", newer)["apply_at"]
    rows = team.eva("change", "list").out
    assert f"{team.name}@production → 2" in rows
    assert "Soon over" not in rows
    assert "superseded" in team.eva("change", "list", "--all").out
    team.rui("change", "withdraw", newer, "-m", "not now")
    shown = team.eva("change", "show", newer).out
    assert "not now" in shown
    assert f"{team.name}@production: to version 2" in shown
    assert str(newer) not in [
        str(one["number"]) for one in team.eva.json("change", "list")["items"]
    ]
    page = team.eva.run("change", "list", "--all", "--limit", "1")
    assert "--cursor" in page.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["propose"], "What is to move?"),
        (["propose", "a:1"], "stands alone"),
        (["propose", "a:1", "production", "--at", "yesterday"], "not a moment to come"),
        (["propose", "a:1", "production", "--expires", "2h ago"], "not a moment to come"),
        (["propose", "--delete", "a:1"], "names no alias"),
        (["show", "twelve"], "twelve"),
        (["object", "1"], "--note"),
    ],
)
def test_mistakes_about_changes(team: Team, words: list[str], said: str) -> None:
    ran = team.eva.run("change", *words)
    assert ran.code == 2, ran
    assert said in ran.err


def test_a_change_needs_no_server(tmp_path: Path) -> None:
    cli = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    cli.publish("reply", "one")
    change = cli.json("change", "propose", "reply", "staging")
    assert (change["state"], change["title"]) == ("ready", "reply:1 to staging")
    assert "nothing → version 1" in cli("change", "show", change["number"]).out
    cli("change", "apply", change["number"])
    number = cli.json("change", "propose", "reply@staging", "canary")["number"]
    assert "reply@canary" in cli("change", "list").out
    cli.publish("reply", "two", "--alias", "staging")
    rebased = cli("change", "rebase", number).out
    assert "reply@canary: nothing → version 2" in rebased
    cli("change", "withdraw", number)
    cli("change", "propose", "--delete", "reply@staging")
    assert cli.run("approve", 99).code == 4


class TestPolicy:
    def test_the_list_ends_with_advice(self, tmp_path: Path) -> None:
        cli = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
        cli.publish("reply", "one")
        told = cli("policy", "list").out
        assert "built in" in told
        assert told.strip().endswith("pointsman policy set --name production --approvals 1")
        (built_in,) = cli.json("policy", "list")["policies"]
        assert built_in["policy"]["reason"] == 1

    def test_options_change_what_they_say(self, team: Team) -> None:
        name = team.eva.folder
        where = ("--name", name, "--artifacts", f"{name}/*")
        team.ada(
            "policy", "set", *where, "--aliases", "prod*", "--approvals", "1", "--cool-down", "2h",
            "--approver", "owners", "--approver", "group:ml", "--approver", "reviewer",
            "--check", "eval", "--reason", "8",
        )  # fmt: skip
        team.ada("policy", "set", "--name", name, "--self-approval", "--approvals-expire", "7d")
        shown = team.eva.json("policy", "show", name)
        assert shown["policy"] == {
            "name": name,
            "aliases": "prod*",
            "artifacts": f"{name}/*",
            "approvals": 1,
            "approvers": {"roles": ["reviewer"], "groups": ["ml"], "owners": True},
            "self_approval": True,
            "checks": ["eval"],
            "reason": 8,
            "cool_down": 7200,
            "approvals_expire": 7 * 24 * 3600,
        }
        assert shown["revision"] == 2
        row = next(one for one in team.eva("policy", "list").out.splitlines() if name in one)
        assert "1 from reviewer, group:ml, owners" in row
        assert "self approval, cool down, approvals expire" in row

    def test_what_is_shown_can_be_set(self, team: Team, tmp_path: Path) -> None:
        freeze = {"zone": "UTC", "start": "16:00", "end": "24:00", "days": ["fri"]}
        team.govern(approvals=1, freezes=[freeze])
        name = team.name.replace("/", "-")
        shown = team.eva("policy", "show", name).out
        write(tmp_path, {"policy.yaml": shown})
        same = team.ada.json("policy", "set", tmp_path / "policy.yaml")
        assert (same["revision"], same["policy"]["freezes"]) == (1, [freeze])
        more = team.ada.json("policy", "set", tmp_path / "policy.yaml", "--approvals", "2")
        assert (more["revision"], more["policy"]["approvals"]) == (2, 2)
        stale = team.ada.run("policy", "set", tmp_path / "policy.yaml", "--if-revision", "1")
        assert stale.code == 3
        team.ada("policy", "delete", name, "-m", "no longer needed")
        assert team.ada.run("policy", "delete", name).code == 4

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("- a list", "no object"),
            ("name: [", "not YAML"),
            ("name: x\nname: y", "twice"),
            ("name: x\napproval: 1", "no field"),
            ("name: x\napprovals: 20", "Nobody could satisfy"),
        ],
    )
    def test_a_bad_file_changes_nothing(self, team: Team, text: str, said: str) -> None:
        ran = team.ada.run("policy", "set", "-", stdin=text)
        assert ran.code == 2, ran
        assert said in ran.err
        assert team.ada.run("policy", "show", "x").code == 4

    def test_mistakes(self, team: Team) -> None:
        assert team.ada.run("policy", "set").code == 2
        wrong = team.ada.run("policy", "set", "--name", "x", "--mover", "team:ml")
        assert (wrong.code, "'team:ml' is nobody" in wrong.err) == (2, True)
        span = team.ada.run("policy", "set", "--name", "x", "--cool-down", "soon")
        assert (span.code, "span of time" in span.err) == (2, True)
        assert team.rui.run("policy", "set", "--name", "x", "--reason", "1").code == 3

    def test_asking_what_a_policy_would_say(self, team: Team) -> None:
        freeze = {"zone": "UTC", "start": "2030-01-01T00:00", "end": "2030-01-02T00:00"}
        team.govern(reason=5, freezes=[{**freeze, "note": "the new year"}])
        ask = ("policy", "test", f"{team.name}@production", "--to", "2")
        yes = team.eva("policy", "test", f"{team.name}@production", "--who", "rui@example.com")
        assert yes.out.startswith("Yes.\n")
        frozen = team.rui.run(*ask, "--at", "2030-01-01 12:00Z")
        assert frozen.code == 3
        assert frozen.out.startswith("No.\nThe policy ")
        assert "(the new year)" in frozen.out
        assert "Wait, or schedule" in frozen.out
        short = team.rui.run(*ask, "--why", "so", "--json")
        assert (short.code, short.json["allowed"]) == (3, False)
        assert [one["code"] for one in short.json["reasons"]] == ["reason_too_short"]
        editor = team.rui.run(*ask, "--who", "eva@example.com", "--json")
        assert "not_a_mover" in {one["code"] for one in editor.json["reasons"]}
        assert team.rui.run("policy", "test", team.name).code == 2


class TestCheck:
    def test_a_check_opens_the_way(self, team: Team) -> None:
        team.govern(checks=["eval"])
        version = f"{team.name}:2"
        assert team.rui.run("promote", version, "production", "-m", "go").code == 3
        told = team.rui(
            "check", "report", "eval", "failed", "--version", version, "--figure", "accuracy=0.5",
            "--summary", "worse", "--link", "https://ci.example/1",
        )  # fmt: skip
        assert told.out == f"eval failed on {version}; reported by rui.\n"
        refused = team.rui.run("promote", version, "production", "-m", "go")
        assert "The check 'eval' failed" in refused.err
        team.rui("check", "report", "eval", "passed", "--version", version, "--figure", "n=2")
        (listed,) = team.eva.json("check", "list", "--version", version)["checks"]
        assert (listed["state"], listed["figures"], listed["by"]) == ("passed", {"n": 2.0}, "rui")
        team.rui("promote", version, "production", "-m", "go")

    def test_of_a_change_and_of_a_digest(self, team: Team) -> None:
        number = team.propose()
        team.rui("check", "report", "legal", "pending", "--change", number)
        digest = team.eva.json("show", f"{team.name}:2")["digest"]
        team.rui("check", "report", "eval", "error", "--digest", digest)
        listed = team.eva.json("check", "list", "--change", number)["checks"]
        assert {one["name"]: one["state"] for one in listed} == {
            "legal": "pending",
            "eval": "error",
        }
        row = team.eva("check", "list", "--digest", digest).out
        assert digest[:12] in row

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ([], "Say what it is about"),
            (["--version", "a:1", "--change", "1"], "Say what it is about"),
            (["--digest", "0" * 64, "--figure", "much"], "is not KEY=VALUE"),
            (["--digest", "0" * 64, "--figure", "=1"], "is not KEY=VALUE"),
            (["--digest", "short"], "64 hexadecimal digits"),
            (["--version", "no-number"], "by its number"),
        ],
    )
    def test_mistakes(self, team: Team, options: list[str], said: str) -> None:
        ran = team.rui.run("check", "report", "eval", "passed", *options)
        assert (ran.code, said in ran.err) == (2, True), ran

    def test_reporting_takes_the_verb(self, team: Team) -> None:
        viewer = team.ada.json("key", "create", "looker", "--role", "viewer")["secret"]
        ran = _with_key(team.ada, viewer).run(
            "check", "report", "eval", "passed", "--version", f"{team.name}:1"
        )
        assert ran.code == 3


def test_broken_glass_waits_for_somebody_else(team: Team) -> None:
    team.govern(approvals=1)
    version, why = f"{team.name}:2", "customers see an error page"
    assert team.rui.run("promote", version, "production", "-m", why, "--break-glass").code == 3
    broken = team.ada("promote", version, "production", "-m", why, "--break-glass")
    assert "pointsman glass list" in broken.err
    waiting = team.ana.json("glass", "list")["releases"]
    mine = next(one for one in waiting if one["by"] == "ada" and team.name in one["passed"][0])
    own = team.ada.run("glass", "review", mine["release"], "-m", "fine")
    assert own.code == 3
    assert "waits" in team.ana("glass", "list").out
    team.ana("glass", "review", mine["release"], "-m", "it was right")
    assert mine["release"] not in [
        one["release"] for one in team.ana.json("glass", "list")["releases"]
    ]
    assert "by ana: it was right" in team.ana("glass", "list", "--all").out


def test_a_change_and_a_release_break_the_glass(team: Team) -> None:
    team.govern(approvals=1)
    number = team.propose()
    short = team.ada.run("change", "apply", number, "--break-glass", "-m", "now")
    assert (short.code, "at least 10 characters" in short.err) == (3, True)
    team.ada("change", "apply", number, "--break-glass", "-m", "the house is burning")
    move = f"{team.name}:3@production"
    team.ada("release", move, "--break-glass", "-m", "it is still burning")
    assert len(_passed(team)) == 2


def test_history_tells_of_it_in_sentences(team: Team) -> None:
    team.govern(approvals=1)
    policy = team.name.replace("/", "-")
    number = team.propose("--title", "Friendlier")
    team.ana("change", "object", number, "-m", "hm")
    team.ana("approve", number)
    team.eva("change", "comment", number, "look")
    team.rui("check", "report", "eval", "passed", "--change", number, "--summary", "0.9")
    release = team.ada.json("change", "apply", number, "-m", "as agreed")["release"]["number"]
    told = team.eva("history", "--limit", "30").out
    for sentence in (
        f"policy {policy} set",
        f"change {number} proposed: Friendlier",
        f"change {number} objected to: hm",
        f"change {number} approved",
        f"change {number} commented on: look",
        "check eval passed on",
        f"change {number} applied as release {release}",
    ):
        assert sentence in told, sentence
    assert f"change {number} applied" in team.eva("history", "--type", "change.applied").out


def test_a_script_gets_the_number_alone(team: Team) -> None:
    words = ("change", "propose", f"{team.name}:2", "production", "-m", "x", "--only-number")
    number = team.eva(*words).out
    assert (
        f"Change {number.strip()}: {team.name}:2 to production"
        in team.eva("change", "show", number.strip()).out
    )


def _passed(team: Team) -> list[Any]:
    found = team.ana.json("glass", "list", "--all")["releases"]
    return [one for one in found if any(team.name in told for told in one["passed"])]


def _with_key(cli: Cli, key: str) -> Cli:
    return Cli(**{**cli.environment, "POINTSMAN_API_KEY": key})
