"""What every command does: in a folder and with a server alike."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from cli.commands import Cli, write
from conftest import RunningServer
from pointsman.cli import promptfile
from pointsman.core.events import TYPES


@pytest.fixture(params=["folder", "server"])
def cli(request: pytest.FixtureRequest, tmp_path: Path) -> Cli:
    """The command line, talking to a registry in a folder or to a server."""
    if request.param == "folder":
        return Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    server: RunningServer = request.getfixturevalue("shared_server")
    return Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.key)


def include(name: str) -> str:
    """The marker of a chat that composes in another prompt."""
    return '{{include "' + name + '"}}'


class TestPublish:
    def test_standard_input(self, cli: Cli) -> None:
        name = cli.name("greeting")
        ran = cli("publish", "-", "--name", name, "-m", "first", stdin="Hello {{ name }}\n")
        assert f"{name}:1 is published" in ran.out
        version = cli.json("show", name)
        assert version["content"] == {"template": "Hello {{ name }}"}
        assert (version["message"], version["number"]) == ("first", 1)

    def test_everything_along_with_it(self, cli: Cli) -> None:
        name = cli.name("x")
        published = cli.json(
            "publish", "-", "--name", name, "-m", "why", "--tag", "team=support",
            "--tag", "empty=", "--alias", "staging", "--alias", "canary", "--reason", "try it",
            "--if-newest", "0", stdin="hi",
        )  # fmt: skip
        assert published["created"] is True
        assert published["version"]["tags"] == {"team": "support", "empty": ""}
        assert published["release"]["reason"] == "try it"
        assert [move["alias"] for move in published["release"]["moves"]] == ["staging", "canary"]
        stale = cli.run("publish", "-", "--name", name, "--if-newest", "0", stdin="ho")
        assert stale.code == 3
        assert "The newest version" in stale.err

    def test_only_what_has_changed(self, cli: Cli) -> None:
        name = cli.name("x")
        assert cli.publish(name, "one") == 1
        assert cli.publish(name, "one", "--if-changed") == 1
        assert cli.publish(name, "one") == 2
        ran = cli("publish", "-", "--name", name, "--if-changed", stdin="one")
        assert "nothing is published" in ran.out

    def test_other_kinds(self, cli: Cli, tmp_path: Path) -> None:
        name = cli.name("churn")
        write(tmp_path, {"churn.model.json": '{"uri": "s3://x"}'})
        cli("publish", tmp_path / "churn.model.json", "--name", name)
        assert cli.json("show", f"model:{name}@latest")["content"] == {"uri": "s3://x"}
        cli(
            "publish",
            "-",
            "--name",
            name,
            "--kind",
            "dataset",
            stdin='{"rows": [{"input": {"a": 1}}]}',
        )
        assert '"rows"' in cli("show", f"dataset:{name}").out

    def test_a_folder(self, cli: Cli, tmp_path: Path) -> None:
        folder = write(
            tmp_path / "prompts",
            {
                f"{cli.folder}/a.prompt": include(cli.name("z")) + '{{role "user"}}hi',
                f"{cli.folder}/z.prompt": '---\nmessage: from file\n---\n{{role "system"}}kind',
                f"{cli.folder}/deep/text.md": "# Title\n",
                f"{cli.folder}/plain.txt": "plain\r\n",
                f"{cli.folder}/content.json": '[{"role": "user", "content": "hi"}]',
                f"{cli.folder}/churn.model.json": '{"uri": "x"}',
                f"{cli.folder}/README.md": "about",
                f"{cli.folder}/.hidden.prompt": "no",
                ".git/config.txt": "no",
                f"{cli.folder}/picture.png": "no",
            },
        )
        cli.publish(cli.name("x/first"), "so that there is a registry")
        cli("archive", cli.name("x/first"))
        plan = cli.json("publish", folder, "--dry-run")["plan"]
        assert {one["publishes"] for one in plan} == {1}
        assert cli.run("list", cli.folder, "--json").json["items"] == []

        ran = cli("publish", folder, "-m", "all", "--alias", "deployment")
        assert "6 published, 0 unchanged." in ran.out
        assert "README.md is left out" in ran.err
        listed = cli.json("list", cli.folder, "--kind", "prompt")["items"]
        names = ["a", "content", "deep/text", "plain", "z"]
        assert [one["name"] for one in listed] == [cli.name(one) for one in names]
        assert cli("show", cli.name("plain"), "--raw").out == "plain"
        assert cli("show", cli.name("deep/text"), "--raw").out == "# Title"

        again = cli("publish", folder)
        assert again.out == "0 published, 6 unchanged.\n"
        write(folder, {f"{cli.folder}/plain.txt": "other"})
        plan = cli.json("publish", folder, "--dry-run")["plan"]
        changed = [(one["name"], one["publishes"]) for one in plan if one["publishes"]]
        assert changed == [(cli.name("plain"), 2)]
        assert "1 would be published, 5 are unchanged" in cli("publish", folder, "--dry-run").out
        assert cli("publish", folder).out.endswith("1 published, 5 unchanged.\n")
        assert cli("publish", folder, "--always").out.endswith("6 published, 0 unchanged.\n")

    def test_a_folder_is_published_as_a_whole(self, cli: Cli, tmp_path: Path) -> None:
        folder = write(
            tmp_path / "prompts",
            {
                f"{cli.folder}/good.prompt": "fine",
                f"{cli.folder}/loop.prompt": "{{> " + cli.name("loop") + " }}",
            },
        )
        assert cli.run("publish", folder).code != 0
        assert cli.json("list", cli.folder)["items"] == []

    def test_every_flaw_of_a_folder_is_told(self, cli: Cli, tmp_path: Path) -> None:
        folder = write(
            tmp_path / "prompts",
            {
                f"{cli.folder}/a.json": '{"template": 1, "x": 2}',
                f"{cli.folder}/b.prompt": "---\nno end",
                f"{cli.folder}/c.txt": "one",
                f"{cli.folder}/c.md": "two",
                f"{cli.folder}/fine.txt": "fine",
            },
        )
        (folder / cli.folder / "d.txt").write_bytes(b"\xff\xfe")
        ran = cli.run("publish", folder)
        assert ran.code == 1
        for told in ("a.json: /template must be", "a.json: /x is not", "b.prompt: The front",
                     "c.txt: Its name is", "d.txt: It is not UTF-8"):  # fmt: skip
            assert told in ran.err, told
        assert "4 files can't be published" in ran.err
        assert cli.json("list", cli.folder)["items"] == []


class TestReading:
    def test_show(self, cli: Cli) -> None:
        name = cli.name("reply")
        file = (
            "---\nmodel: openai/gpt-4o\nconfig:\n  temperature: 0.2\n"
            "input:\n  schema:\n    mood?: string\n    question: string\n---\n"
            '{{role "system"}}\nBe {{ mood }}.\n{{placeholder "turns" optional=true}}\n'
            '{{role "user"}}\n{{ question }}\n'
        )
        cli("publish", "-", "--name", name, "--tag", "a=b", "-m", "first", stdin=file)
        cli("promote", f"{name}:1", "deployment", "-m", "go")
        shown = cli("show", f"{name}@deployment").out
        assert shown.startswith(f"{name}:1\n")
        for told in ("first", "a=b", "deployment", "go (revision 1, release", "mood?: string",
                     "question: string", "gpt-4o", "[system]\nBe {{ mood }}.\n",
                     "[messages: turns (optional)]\n[user]\n{{ question }}\n"):  # fmt: skip
            assert told in shown, told
        assert cli("show", name, "--prompt").out == file
        raw = json.loads(cli("show", name, "--raw").out)
        assert raw[0] == {"role": "system", "content": "Be {{ mood }}."}

    def test_show_composed(self, cli: Cli) -> None:
        parent, template = cli.name("parent"), "Be {{> " + cli.name("child") + ":1 }}."
        cli.publish(cli.name("child"), "kind")
        cli.publish(parent, template)
        assert cli("show", parent, "--raw").out == template
        assert cli("show", parent, "--raw", "--composed").out == "Be kind."
        assert cli.json("show", parent, "--composed")["content"] == {"template": "Be kind."}
        assert "includes" in cli("show", parent).out

    def test_show_one_thing_only(self, cli: Cli) -> None:
        cli.publish(cli.name("x"), "so that there is a registry")
        assert cli.run("show", "x", "--raw", "--prompt").code == 2

    def test_list(self, cli: Cli) -> None:
        for name in ("a", "b", "c"):
            cli.publish(cli.name(name), f"text of {name}", "--alias", "deployment")
        cli("tag", "set", cli.name("b"), "team=support", "note=a = b")
        assert cli.json("tag", "list", cli.name("b"))["tags"] == {
            "team": "support",
            "note": "a = b",
        }
        found = cli.json("list", cli.folder, "--tags", "team = support")["items"]
        assert [one["name"] for one in found] == [cli.name("b")]
        assert cli.json("list", cli.folder, "--text", "of c")["items"][0]["name"] == cli.name("c")
        assert cli.json("list", cli.folder, "--without-alias", "deployment")["items"] == []
        assert cli.json("list", cli.folder, "--until", "1h ago")["items"] == []
        assert len(cli.json("list", cli.folder, "--since", "1h ago")["items"]) == 3
        table = cli("list", cli.folder).out.splitlines()
        assert table[0].split() == ["NAME", "NEWEST", "ALIASES", "TAGS", "UPDATED"]
        assert "deployment → 1" in table[1]

        page = cli.run("list", cli.folder, "--limit", 2)
        cursor = page.err.split("--cursor ")[1].split(",")[0]
        rest = cli.json("list", cli.folder, "--cursor", cursor)
        assert [one["name"] for one in rest["items"]] == [cli.name("c")]
        everything = cli.json("list", cli.folder, "--limit", 1, "--all")
        assert len(everything["items"]) == 3
        assert everything["cursor"] is None

        cli("tag", "delete", cli.name("b"), "note", "never was")
        assert "note" not in cli("tag", "list", cli.name("b")).out
        cli("tag", "set", cli.name("b") + ":1", "checked=yes")
        assert cli("tag", "list", cli.name("b") + ":1").out.split() == [
            "KEY", "VALUE", "checked", "yes"
        ]  # fmt: skip

    def test_a_list_of_nothing(self, cli: Cli) -> None:
        cli.publish(cli.name("x"), "x")
        ran = cli(*("list", cli.name("nosuch")))
        assert ran.out == ""
        assert f"Nothing matches in the folder '{cli.name('nosuch')}'" in ran.err
        assert "pointsman list" in ran.err
        assert "Nothing matches." in cli("list", "--name", "nosuchnosuch").err
        ran = cli("list", cli.name("nosuch"), "--json")
        assert (ran.json["items"], ran.err) == ([], "")

    def test_archive(self, cli: Cli) -> None:
        name = cli.name("old")
        cli.publish(name, "x")
        cli("archive", name)
        assert cli.json("list", cli.folder)["items"] == []
        assert len(cli.json("list", cli.folder, "--archived", "yes")["items"]) == 1
        assert "(archived)" in cli("list", cli.folder, "--archived", "any").out
        assert cli.json("restore", name)["archived_at"] is None
        assert len(cli.json("list", cli.folder)["items"]) == 1

    def test_versions_and_tombstones(self, cli: Cli) -> None:
        name = cli.name("x")
        for text in ("one", "two", "three"):
            cli.publish(name, text, "-m", f"says {text}")
        refused = cli.run("tombstone", f"{name}:2", "-m", "an address")
        assert refused.code == 2
        assert "--yes" in refused.err
        cli("tombstone", f"{name}:2", "-m", "an address", "--yes")
        rows = cli("versions", name).out
        assert "removed: an address" in rows
        assert "says two" not in rows
        numbers = [one["number"] for one in cli.json("versions", name, "--all")["items"]]
        assert numbers == [3, 2, 1]
        assert "removed:" in cli("show", f"{name}:2").out
        gone = cli.run("show", f"{name}:2", "--raw")
        assert gone.code == 4
        assert "an address" in gone.err

    def test_diff(self, cli: Cli) -> None:
        name = cli.name("x")
        file = "---\nconfig:\n  a: {}\n---\nHello {}\nthe end\n"
        cli.publish(name, file.format(1, "you"))
        cli.publish(name, file.format(2, "them"))
        ran = cli("diff", f"{name}:1", f"{name}:2")
        for line in ("-Hello you", "+Hello them", " the end", "-/config/a: 1", "+/config/a: 2"):
            assert line in ran.out.splitlines()
        assert ran.out.endswith("1 line added, 1 line removed, 1 setting changed.\n")
        assert cli("diff", f"{name}:1").out.startswith(ran.out.split(f"{name}:1 →")[0])
        answer = cli.json("diff", f"{name}:1", f"{name}:2")
        assert answer["settings"][0]["path"] == "/config/a"
        assert "no change" in cli("diff", name, f"{name}:2").out


class TestMoving:
    def test_promote_and_roll_back(self, cli: Cli) -> None:
        name = cli.name("x")
        cli.publish(name, "one")
        cli.publish(name, "two")
        first = cli("promote", f"{name}:1", "deployment", "-m", "go live")
        assert f"{name}@deployment: nothing → version 1 (revision 1)" in first.out
        second = cli.json("promote", name, "deployment", "--reason", "better")["release"]
        assert second["reason"] == "better"
        assert second["moves"][0]["to"]["version"] == 2
        again = cli("promote", f"{name}:2", "deployment")
        assert again.out == "deployment is already there; nothing recorded.\n"
        assert cli.json("promote", f"{name}:2", "deployment") == {"release": None}

        stale = cli.run("promote", f"{name}:1", "deployment", "--if-revision", "1")
        assert stale.code == 3
        back = cli("rollback", f"{name}@deployment", "-m", "worse after all")
        assert f"{name}@deployment: version 2 → version 1 (revision 3)" in back.out
        assert f"undoing release {second['number']}: worse after all" in back.out
        assert cli("show", f"{name}@deployment", "--raw").out == "one"

    def test_several_at_once(self, cli: Cli) -> None:
        a, b = cli.name("a"), cli.name("b")
        cli.publish(a, "one")
        cli.publish(a, "two", "--alias", "staging")
        cli.publish(b, "one")
        moves = [f"{a}@staging@deployment", f"{b}@deployment", f"{a}:1@canary"]
        release = cli.json("release", *moves, "-m", "together")["release"]
        to = [(m["name"], m["alias"], m["to"]["version"]) for m in release["moves"]]
        assert to == [(a, "deployment", 2), (b, "deployment", 1), (a, "canary", 1)]
        done = cli("release", *moves)
        assert done.out == "All of them are already there; nothing recorded.\n"
        undone = cli("rollback", "--release", release["number"], "-m", "no")
        assert undone.out.count("→ nothing") == 3
        # All or none.
        assert cli.run("release", f"{a}:1@deployment", f"{b}:9@deployment").code == 4
        assert cli.json("alias", "list", a)["aliases"][0]["name"] == "staging"

    def test_aliases(self, cli: Cli) -> None:
        name = cli.name("x")
        for text in ("one", "two"):
            cli.publish(name, text)
        cli("alias", "set", f"{name}@deployment", "v1", "-m", "go")
        split = cli("alias", "set", f"{name}@deployment", "1=90", "2=10", "-m", "try")
        assert "version 1 → split 1 (90), 2 (10)" in split.out
        assert "split 1 (90), 2 (10)" in cli("alias", "list", name).out
        assert "1 (90), 2 (10)" in cli("show", f"{name}@deployment").out
        release = cli.json("release", f"{name}@deployment@copy")["release"]
        assert [arm["weight"] for arm in release["moves"][0]["to"]["split"]] == [90, 10]
        cli("alias", "delete", f"{name}@copy", "-m", "no")
        assert cli.run("alias", "delete", f"{name}@copy").code in (0, 4)
        aliases = cli.json("alias", "list", name)["aliases"]
        assert [one["name"] for one in aliases] == ["deployment"]

    @pytest.mark.parametrize(
        "arguments",
        [
            ("alias", "set", "x@a", "1=2", "1=3"),
            ("alias", "set", "x@a", "1", "2"),
            ("alias", "set", "x@a", "many"),
            ("alias", "set", "x", "1"),
            ("alias", "set", "x@a"),
            ("alias", "list", "x@a"),
            ("release", "x:1"),
            ("release",),
            ("rollback",),
            ("rollback", "x@a", "--release", "1"),
            ("rollback", "--release", "1", "--if-revision", "1"),
            ("publish", "-", "--name", "x", "--tag", "no"),
            ("export", "--alias", "a"),
            ("show", "x", "--nothing"),
            ("at", "some day", "x"),
            ("at", "2999-01-01", "x"),
            ("list", "--since", "some day"),
            ("history", "--type", "nosuch"),
            ("watch", "--type", "nosuch"),
        ],
    )
    def test_command_lines_that_mean_nothing(self, cli: Cli, arguments: tuple[str, ...]) -> None:
        cli.publish(cli.name("x"), "so that there is a registry")
        ran = cli.run(*arguments, stdin="x")
        assert ran.code == 2
        assert "Usage: pointsman" in ran.err
        assert ran.out == ""

    @pytest.mark.parametrize(
        "arguments",
        [
            ("show", "x@@y"),
            ("history", "x:::"),
            ("history", "--cursor", "zz"),
            ("diff", "x", "x@"),
            ("rollback", "x@@"),
            ("list", "--alias", "two words"),
            ("list", "--kind", "nosuch"),
            ("list", "--tags", "a = = b"),
            ("publish", "-", "--name", "/x"),
            ("publish", "-", "--name", "x", "--kind", "nosuch"),
            ("changed", "--since", "1h ago", "--until", "2h ago"),
            ("watch", "x@@y"),
        ],
    )
    def test_arguments_that_are_wrong(self, cli: Cli, arguments: tuple[str, ...]) -> None:
        cli.publish(cli.name("x"), "so that there is a registry")
        ran = cli.run(*arguments, stdin="x")
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("Error: ")

    def test_what_a_file_says_wrongly_is_no_mistake_of_the_command_line(self, cli: Cli) -> None:
        assert cli.run("publish", "-", stdin="---\nname: /x\n---\nhi").code == 1
        assert cli.run("publish", "-", "--name", cli.name("x"), stdin="{{ a").code == 1


class TestLookingBack:
    def test_an_unknown_type_is_answered_with_those_there_are(self, cli: Cli) -> None:
        cli.publish(cli.name("x"), "x")
        told = cli.run("history", "--type", "nosuch").err
        assert all(one in told for one in TYPES)

    def test_the_future_is_not_known(self, cli: Cli) -> None:
        name = cli.name("x")
        cli.publish(name, "one")
        ran = cli.run("at", "2999-01-01", name)
        assert (ran.code, ran.out) == (2, "")
        assert "still to come" in ran.err
        soon = datetime.now(UTC) + timedelta(seconds=20)
        assert cli.json("at", soon.isoformat(), name)["version"] == 1

    def test_history(self, cli: Cli) -> None:
        name = cli.name("x")
        cli.publish(name, "one", "-m", "first")
        cli("promote", name, "deployment", "-m", "go")
        cli("tag", "set", name, "a=b")
        cli("tag", "delete", name, "a")
        rows = cli("history", name).out
        for told in (
            f"{name} created",
            f"{name}:1 published: first",
            f"{name}@deployment: nothing → 1: go",
            f"{name} tagged a=b",
            f"{name} no longer tagged a",
        ):
            assert told in rows, told
        moves = cli.json("history", f"{name}@deployment")["items"]
        assert [one["type"] for one in moves] == ["alias.moved"]
        types = cli.json("history", name, "--type", "tag.set", "--type", "tag.deleted")["items"]
        assert [one["type"] for one in types] == ["tag.deleted", "tag.set"]
        assert cli.json("history", name, "--until", "1h ago")["items"] == []
        assert len(cli.json("history", name, "--limit", 2, "--all")["items"]) == 5

    def test_at(self, cli: Cli) -> None:
        name = cli.name("x")
        cli.publish(name, "one")
        cli.publish(name, "two")
        cli("promote", f"{name}:1", "deployment", "-m", "go live")
        moved = cli.json("promote", f"{name}:2", "deployment", "-m", "better")["release"]["at"]
        before = cli.json("history", f"{name}@deployment")["items"][1]["at"]

        shown = cli("at", before, f"{name}@deployment").out
        assert f"{name}@deployment at " in shown
        assert ": version 1\n" in shown
        assert "go live" in shown
        assert "better" not in shown
        assert cli.json("at", moved, f"{name}@deployment")["version"] == 2
        assert cli.json("at", "now", name)["version"] == 2
        assert cli.run("at", "1h ago", f"{name}@deployment").code == 4

        changed = cli.json("changed", "--since", before, "--until", moved)["differences"]
        assert [(one["name"], one["alias"]) for one in changed] == [(name, "deployment")]
        assert "version 1" in cli("changed", "--since", before).out
        assert "Nothing changed." in cli("changed", "--since", "1h ago", "--until", "1h ago").out


class TestTakingAlong:
    def test_export_and_publish_again(self, cli: Cli, tmp_path: Path) -> None:
        a, b = cli.name("a"), cli.name("b/deep")
        cli.publish(a, "---\nmetadata:\n  owner: ana\n---\nHello\n\n\n", "--alias", "deployment")
        cli.publish(a, "newer")
        cli.publish(b, '{{role "system"}}\nBe kind.\n')
        cli.publish(cli.name("split"), "x")
        cli.publish(cli.name("split"), "y")
        cli("alias", "set", f"{cli.name('split')}@deployment", "1=1", "2=1")
        cli("publish", "-", "--kind", "model", "--name", a, stdin='{"rows": [1]}')

        told = cli.json("export", "--folder", tmp_path / "newest")
        mine = [one for one in told["files"] if one["name"].startswith(cli.folder)]
        assert {one["file"] for one in mine} == {
            f"{a}.prompt", f"{b}.prompt", f"{a}.model.json", f"{cli.name('split')}.prompt"
        }  # fmt: skip
        assert (tmp_path / "newest" / f"{a}.prompt").read_text() == "newer\n"
        manifest = json.loads((tmp_path / "newest" / "pointsman-export.json").read_text())
        assert manifest["files"] == told["files"]
        plan = cli.json("publish", tmp_path / "newest", "--dry-run")["plan"]
        assert {one["publishes"] for one in plan} == {None}

        ran = cli("export", "--folder", tmp_path / "live", "--alias", "deployment")
        assert f"{cli.name('split')} is left out: deployment is a split" in ran.err
        file = (tmp_path / "live" / f"{a}.prompt").read_text()
        assert file == "---\nmetadata:\n  owner: ana\n---\nHello\n\n\n"
        assert not (tmp_path / "live" / f"{b}.prompt").exists()

        empty = Cli(POINTSMAN_DATA=str(tmp_path / "other"))
        empty("publish", tmp_path / "newest")
        for name in (a, b):
            one, other = cli.json("show", name), empty.json("show", name)
            assert (one["digest"], one["content"]) == (other["digest"], other["content"])

    def test_what_is_too_large_for_a_prompt_file(
        self, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = cli.name("x")
        cli.publish(name, "x" * 2_000)
        monkeypatch.setattr(promptfile, "MAX_FILE", 1_000)
        cli("export", "--folder", tmp_path, "--kind", "prompt")
        plan = cli.json("publish", tmp_path / cli.folder, "--dry-run")["plan"]
        assert [one["file"] for one in plan] == ["x.prompt.json"]
        content = json.loads((tmp_path / f"{name}.prompt.json").read_text())
        assert content == {"template": "x" * 2_000}
        assert cli.run("show", name, "--prompt").code == 1

    def test_the_journal(self, cli: Cli, tmp_path: Path) -> None:
        cli.publish(cli.name("x"), "é\u2028")
        cli("export", "-o", tmp_path / "journal.jsonl")
        text = (tmp_path / "journal.jsonl").read_text()
        entries = [json.loads(line) for line in text.split("\n") if line]
        assert [one["seq"] for one in entries] == list(range(1, len(entries) + 1))
        for one, after in pairwise(entries):
            assert after["previous"] == one["hash"]
        some = cli("export", "--after", len(entries) - 1).out
        assert json.loads(some) == entries[-1]

    def test_bundle(self, cli: Cli, tmp_path: Path) -> None:
        from pointsman.sdk.snapshot import load

        name = cli.name("x")
        cli.publish(name, "one", "--alias", "deployment")
        cli.publish(name, "two")
        cli("alias", "set", f"{name}@split", "1=1", "2=1")
        path = tmp_path / "prompts.bundle"
        cli("bundle", f"{name}@deployment", f"{name}@split", "-o", path)
        loaded = load(path, "bundle")
        assert not loaded.damaged
        assert {f"{name}@deployment", f"{name}@split"} <= set(loaded.answers)
        assert cli.run("bundle", name, "-o", path / "x").code == 5

    def test_doctor(self, cli: Cli) -> None:
        cli.publish(cli.name("x"), "x")
        assert "Nothing is wrong." in cli("doctor").out
        assert cli.json("doctor")["healthy"] is True
