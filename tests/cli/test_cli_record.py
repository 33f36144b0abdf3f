"""Keeping the record on the command line: journal, verify, checkpoint, backup, import, at."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.commands import Cli
from conftest import Serve
from stores import SqlitePlace


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """On a folder of its own, in which something has happened."""
    made = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    made.publish("reply", "Hello {{ name }}", "-m", "first")
    made.publish("reply", "Hi {{ name }}", "-m", "second", "--tag", "k=v")
    made("promote", "reply:1", "live", "-m", "begin")
    made("promote", "reply:2", "live", "-m", "shorter")
    return made


def _forge(cli: Cli, sql: str) -> None:
    folder = Path(cli.environment["POINTSMAN_DATA"])
    with SqlitePlace(folder).raw(guarded=False) as raw:
        raw.execute(sql)


def test_a_journal_is_verified_without_the_registry(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    told = cli.json("journal", "-o", file)
    lines = file.read_text("utf-8").splitlines()
    assert len(lines) == told["entries"] + 1
    assert json.loads(lines[0])["head"] == told["hash"]
    elsewhere = Cli()
    ran = elsewhere("verify", file)
    assert f"Checked {told['entries']} entries" in ran.out
    assert "Nothing is wrong." in ran.out
    file.write_bytes(file.read_bytes().replace(b"shorter", b"longer!"))
    ran = elsewhere.run("verify", file)
    assert ran.code == 1
    assert "1 finding." in ran.out
    told = elsewhere.run("verify", file, "--json").json
    assert (told["sound"], told["findings"][0]["check"]) == (False, "end")


def test_a_journal_to_the_output_is_the_same(cli: Cli, tmp_path: Path) -> None:
    cli("journal", "-o", tmp_path / "journal.jsonl")
    assert cli("journal").out == (tmp_path / "journal.jsonl").read_text("utf-8")


def test_conditions(cli: Cli, tmp_path: Path) -> None:
    def types(*arguments: object) -> list[str]:
        _, *lines = cli("journal", *arguments).out.splitlines()
        return [json.loads(line)[3] for line in lines]

    assert types("--type", "alias.moved") == ["alias.moved"] * 2
    assert types("--alias", "live") == ["alias.moved"] * 2
    assert types("--person", "nobody") == []
    assert types("--person", "system") == ["project.created"]
    assert types("--artifact", "reply")[0] == "artifact.created"
    assert types("--artifact", "model:reply") == []
    assert types("--since", "1h ago") == types()
    assert types("--until", "1h ago") == []
    assert types("--after", "5") == types()[5:]
    file = tmp_path / "part.jsonl"
    cli("journal", "--type", "alias.moved", "-o", file)
    ran = cli("verify", file)
    assert "can't be verified to be complete" in ran.err
    assert not cli.json("verify", file)["complete"]


def test_a_running_registry_and_its_state_are_verified(cli: Cli) -> None:
    ran = cli("verify")
    assert "and the state against the journal. Nothing is wrong." in ran.out
    _forge(cli, "UPDATE alias SET reason = 'another'")
    ran = cli.run("verify")
    assert (ran.code, "reply@live" in ran.out) == (1, True)
    _forge(cli, "UPDATE journal SET by_name = 'nobody' WHERE type = 'alias.moved'")
    assert any(one["check"] == "chain" for one in cli.run("verify", "--json").json["findings"])


def test_a_registry_s_own_checkpoints_count(cli: Cli) -> None:
    last = cli.json("checkpoint")["seq"]
    new_line = "char(10)"
    was, now = (f"{new_line} || '{seq}' || {new_line}" for seq in (last, last - 1))
    _forge(cli, f"UPDATE checkpoint SET note = replace(note, {was}, {now})")
    findings = cli.run("verify", "--json").json["findings"]
    assert [one["check"] for one in findings] == ["checkpoints"]


def test_a_registry_that_was_cut_off_is_told_by_its_own_checkpoints(cli: Cli) -> None:
    last = cli.json("checkpoint")["seq"]
    _forge(cli, f"DELETE FROM journal WHERE (id & 1099511627775) >= {last}")
    findings = cli.run("verify", "--json").json["findings"]
    assert [(one["check"], one["seq"]) for one in findings] == [("checkpoints", last - 1)]


def test_a_part_without_entries(cli: Cli, tmp_path: Path) -> None:
    told = cli.json("journal", "--after", 1_000, "-o", tmp_path / "part.jsonl")
    assert told["entries"] == 0
    assert cli.json("verify", tmp_path / "part.jsonl")["sound"]


def test_a_kept_checkpoint(cli: Cli, tmp_path: Path) -> None:
    note, file = tmp_path / "kept" / "one.note", tmp_path / "journal.jsonl"
    note.parent.mkdir()
    ran = cli("checkpoint", "-o", note)
    last = cli.json("verify")["last"]
    key = cli("checkpoint", "--show-key").out.strip()
    assert key in ran.out
    assert cli("checkpoint").out == note.read_text("utf-8")
    assert [one["seq"] for one in cli.json("checkpoint", "--list")["items"]] == [last]
    assert f"{last} " in cli("checkpoint", "--list").out
    cli("promote", "reply:1", "live", "-m", "back")
    cli("journal", "-o", file)
    auditor = Cli()
    ran = auditor("verify", file, "--checkpoint", note.parent, "--public-key", key)
    assert "1 checkpoint" in ran.out
    ran = auditor("verify", file, "--checkpoint", note)
    assert "nobody checked who signed" in ran.err

    other = Cli(POINTSMAN_DATA=str(tmp_path / "other"))
    other.publish("x", "y")
    foreign = other("checkpoint", "--show-key").out.strip()
    ran = auditor.run("verify", file, "--checkpoint", note, "--public-key", foreign)
    assert (ran.code, "good signature" in ran.err) == (1, True)
    auditor("verify", file, "--checkpoint", note, "--public-key", foreign, "--public-key", key)

    # The end cut off and the header made anew: only the checkpoint tells.
    _forge(cli, f"DELETE FROM journal WHERE (id & 1099511627775) >= {last}")
    cli("journal", "-o", file)
    auditor("verify", file)
    ran = auditor.run("verify", file, "--checkpoint", note, "--public-key", key)
    assert (ran.code, f"the journal ends at {last - 1}" in ran.out) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["verify", "nothing.jsonl"], 4, "no file"),
        (["verify", __file__], 1, "not an exported journal"),
        (["verify", "--checkpoint", "nothing.note"], 4, "no file"),
        (["verify", "--checkpoint", __file__], 2, "not a signed checkpoint"),
        (["backup", "restore", "nothing"], 4, "no backup"),
        (["import", "nothing"], 4, "no export"),
        (["export", "--history"], 2, "go with --folder"),
        (["export", "--folder", "x", "--history", "--alias", "y"], 2, "leave out --alias"),
        (["journal", "-o", "/proc/nothing/x"], 5, "can't be written"),
    ],
)
def test_what_is_said_wrongly(cli: Cli, arguments: list[str], code: int, said: str) -> None:
    ran = cli.run(*arguments)
    assert (ran.code, said in ran.err) == (code, True), ran


def test_backup_and_restore(cli: Cli, tmp_path: Path) -> None:
    backup, there = tmp_path / "backup", tmp_path / "there"
    made = cli("backup", "make", backup)
    assert f"{backup} is a backup" in made.out
    assert cli.run("backup", "make", backup).code == 3
    ran = cli("backup", "restore", backup, "--data", there)
    last = cli.json("verify")["last"]
    assert f"The journal of default ends at {last}" in ran.out
    assert cli.run("backup", "restore", backup, "--data", there).code == 3
    for command in ("verify", "doctor"):
        assert "Nothing is wrong." in cli(command, "--data", there).out
    assert cli.json("show", "reply@live", "--data", there)["number"] == 2
    file = tmp_path / "journal.jsonl"
    cli("journal", "-o", file)
    told = Cli().json("verify", file, "--state", backup)
    assert (told["sound"], told["state"]) == (True, {"findings": []})
    assert Cli().json("verify", "--state", backup)["checked"]["entries"] == last
    ran = Cli().run("backup", "make", tmp_path / "x")
    assert (ran.code, "Which registry?" in ran.err) == (2, True)


def test_a_restored_copy_is_held_unless_it_is_live(cli: Cli, tmp_path: Path) -> None:
    made = cli.json("webhook", "create", "ops", "https://93.184.216.34/hook")["webhook"]["id"]
    cli("change", "propose", "reply:1", "live", "-m", "older", "--when-ready", "--title", "back")
    last = cli.json("verify")["last"]
    backup, copy, live = (tmp_path / name for name in ("backup", "copy", "live"))
    cli("backup", "make", backup)
    ran = cli("backup", "restore", backup, "--data", copy)
    assert (
        "Held in default: 1 webhook disabled, 1 change disarmed, 0 evaluations cancelled."
        in ran.out
    )
    assert "disabled" in cli("webhook", "list", "--data", copy).out
    assert cli.json("verify", "--data", copy)["last"] == last + 2
    told = cli.json("backup", "restore", backup, "--data", live, "--live")
    assert (told["held"], told["journals"][0]["entries"]) == ([], last)
    assert cli.json("webhook", "show", made, "--data", live)["disabled_at"] is None
    assert cli.json("verify", "--data", live)["last"] == last
    told = Cli().json("verify", "--state", backup)
    assert (told["sound"], told["last"]) == (True, last), "a backup is verified as it was"


def test_a_state_that_is_not_as_the_journal_says_is_told_offline(cli: Cli, tmp_path: Path) -> None:
    _forge(cli, "UPDATE alias SET version = 1 WHERE name = 'live'")
    cli("backup", "make", tmp_path / "backup")
    cli("journal", "-o", tmp_path / "journal.jsonl")
    ran = Cli().run("verify", tmp_path / "journal.jsonl", "--state", tmp_path / "backup")
    assert (ran.code, "reply@live" in ran.out) == (1, True)


def test_a_project_is_taken_to_another_registry(cli: Cli, tmp_path: Path) -> None:
    cli("publish", "-", "--kind", "model", "--name", "checks", stdin='{"rows": [1]}')
    cli.publish("letter", "{{> reply@live }} Bye", "--alias", "live")
    cli("alias", "set", "reply@canary", "1=90", "2=10", "-m", "try")
    cli("tag", "set", "reply", "owner=ana")
    folder = tmp_path / "export"
    cli("export", "--folder", folder, "--history")
    assert (folder / "reply" / "2.prompt").read_text() == "Hi {{ name }}\n"
    other = Cli(POINTSMAN_DATA=str(tmp_path / "other"))
    done = other.json("import", folder, "-m", "moving")
    assert (len(done["published"]), len(done["moved"]), done["refused"]) == (4, 3, [])
    for selector in ("reply:1", "reply:2", "letter@live", "model:checks"):
        one, there = cli.json("show", selector), other.json("show", selector)
        assert (one["digest"], one["message"]) == (there["digest"], there["message"])
    assert other.json("show", "reply:2")["tags"]["k"] == "v"
    assert "origin.author" in other.json("show", "reply:2")["tags"]
    targets = {
        one["name"]: one["target"] for one in other.json("alias", "list", "reply")["aliases"]
    }
    assert targets["live"]["version"] == 2
    assert [arm["weight"] for arm in targets["canary"]["split"]] == [90, 10]
    last = other.json("history", "reply@live")["items"][0]
    assert last["data"]["reason"] == "moving: shorter"

    head = other.json("verify")["last"]
    again = other.json("import", folder)
    assert (again["published"], again["moved"], again["already"]) == ([], [], 7)
    assert other.json("verify")["last"] == head, "a second time, nothing happens"


def test_an_import_goes_by_the_policies(cli: Cli, tmp_path: Path, serve: Serve) -> None:
    folder = tmp_path / "export"
    cli("export", "--folder", folder, "--history")
    server = serve(data=tmp_path / "served")
    admin = Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.key)
    editor = admin.json("key", "create", "importer", "--role", "editor")["secret"]
    limited = Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=editor)
    ran = limited.run("import", folder, "--json")
    assert ran.code == 3
    assert [one["what"] for one in ran.json["refused"]] == ["reply@live"]
    assert len(ran.json["published"]) == 2
    ran = admin("import", folder)
    assert "0 versions published, 1 aliases moved, 2 were there already, 0 refused." in ran.out


def test_an_export_of_one_alias_is_imported_with_it(cli: Cli, tmp_path: Path) -> None:
    cli("export", "--folder", tmp_path / "export", "--alias", "live")
    other = Cli(POINTSMAN_DATA=str(tmp_path / "other"))
    done = other.json("import", tmp_path / "export")
    assert (done["published"], done["moved"]) == (["reply:2"], ["reply@live"])
    assert other.json("show", "reply@live")["number"] == 1, "numbers are this registry's own"


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: plan.update(version=2),
        lambda plan: plan.pop("files"),
        lambda plan: plan["files"][0].update(version="1"),
    ],
)
def test_an_export_that_was_meddled_with(
    cli: Cli, tmp_path: Path, change: Callable[[object], object]
) -> None:
    folder = tmp_path / "export"
    cli("export", "--folder", folder, "--history")
    manifest = folder / "pointsman-export.json"
    plan = json.loads(manifest.read_text())
    change(plan)
    manifest.write_text(json.dumps(plan))
    ran = cli.run("import", folder, "--data", tmp_path / "other")
    assert ran.code != 0
    assert "not" in ran.out + ran.err


def test_an_export_does_not_lead_out_of_its_folder(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    cli("export", "--folder", folder, "--history")
    (tmp_path / "outside.prompt").write_text("secret")
    manifest = folder / "pointsman-export.json"
    plan = json.loads(manifest.read_text())
    plan["files"][0]["file"] = "../outside.prompt"
    manifest.write_text(json.dumps(plan))
    ran = cli.run("import", folder, "--data", tmp_path / "other")
    assert (ran.code, "is not below the folder" in ran.out) == (3, True)


def test_versions_that_say_the_same_are_told_apart(cli: Cli, tmp_path: Path) -> None:
    assert cli.publish("reply", "Hello {{ name }}", "--always", "--alias", "again") == 3
    folder = tmp_path / "export"
    cli("export", "--folder", folder, "--history")
    other = Cli(POINTSMAN_DATA=str(tmp_path / "other"))
    for published in (3, 0):
        done = other.json("import", folder)
        assert len(done["published"]) == published
        assert other.json("show", "reply@again")["number"] == 3


def test_evidence(cli: Cli) -> None:
    told = cli.json("at", "now", "reply@live", "--evidence")
    assert told["move"]["reason"] == "shorter"
    assert told["versions"][0]["message"] == "second"
    ran = cli("at", "now", "reply@live", "--evidence")
    assert "shorter" in ran.out
    assert told["versions"][0]["digest"] in ran.out
