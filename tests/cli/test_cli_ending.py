"""How commands end and how they look: errors, exit statuses, pipes, terminals."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from cli.commands import PATIENCE, Cli, clean_environment
from pointsman import errors
from pointsman.cli.connect import Place, find_place
from pointsman.cli.failing import exit_code
from pointsman.cli.output import visible
from pointsman.cli.program import pointsman
from stores import SqlitePlace

ESCAPE = "\x1b"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command line, with a registry in a folder."""
    made = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    made.publish("x", "Hello {{ name }}", "-m", "first")
    return made


class TestErrors:
    def test_one_block(self, cli: Cli) -> None:
        ran = cli.run("show", "y")
        assert (ran.code, ran.out) == (4, "")
        first, hint = ran.err.splitlines()
        assert first.startswith("Error: There is no prompt 'y'")
        assert hint.startswith("Hint: ")

    def test_all_reasons(self, cli: Cli) -> None:
        content = '{"template": 1, "format": "mustache", "x": 2}'
        ran = cli.run("publish", "-", "--name", "y", "--as", "json", stdin=content)
        assert ran.code == 1
        assert ran.err.startswith("Error: standard input: 3 things are wrong.\n")
        assert [line.split()[1] for line in ran.err.splitlines() if line.startswith("  - ")] == [
            "/x", "/format", "/template"
        ]  # fmt: skip
        assert "Use one of curly" in ran.err

    def test_as_json(self, cli: Cli) -> None:
        ran = cli.run("promote", "x:9", "deployment", "--json")
        assert (ran.code, ran.out) == (4, "")
        assert ran.error["code"] == "version_not_found"
        assert set(ran.error) == {"code", "message", "hint", "field", "reasons", "details"}

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (errors.InvalidInput("x"), 1),
            (errors.InvalidInput("x", field="selector"), 2),
            (errors.InvalidInput("x", field="/template"), 1),
            (errors.InvalidContent("x", field="name"), 1),
            (errors.TooLarge("x", field="reason"), 1),
            (errors.InvalidInput("x", code="invalid_time"), 2),
            (errors.RenderError("x"), 1),
            (errors.IntegrityError("x"), 1),
            (errors.Unauthenticated("x"), 3),
            (errors.Refused("x"), 3),
            (errors.Conflict("x"), 3),
            (errors.StaleRevision("x"), 3),
            (errors.NotFound("x"), 4),
            (errors.Gone("x"), 4),
            (errors.Unavailable("x"), 5),
            (errors.OutcomeUnknown("x"), 5),
        ],
    )
    def test_exit_status(self, error: errors.PointsmanError, code: int) -> None:
        assert exit_code(error) == code

    def test_no_server(self) -> None:
        ran = Cli(POINTSMAN_URL="http://127.0.0.1:1", POINTSMAN_API_KEY="pm_x_y").run("list")
        assert ran.code == 5
        assert ran.err.startswith("Error: http://127.0.0.1:1 doesn't answer")

    def test_no_traceback_from_a_process(self, cli: Cli) -> None:
        ran = cli.process("show", "nothing")
        assert (ran.code, ran.out) == (4, "")
        assert ran.err.startswith("Error: ")
        assert "Traceback" not in ran.err

    def test_doctor_fails_on_findings(self, cli: Cli, tmp_path: Path) -> None:
        with SqlitePlace(tmp_path / "data").raw() as raw:
            raw.execute("UPDATE artifact SET newest = 7")
        ran = cli.run("doctor")
        assert ran.code == 1
        assert "x: its newest version is 7 in the store, but 1 by the journal." in ran.out
        assert ", 0 aliases, 0 tags, 0 keys, " in ran.out
        assert ran.out.endswith(". 1 finding.\n")
        assert "Checked 3 entries, 1 artifact, 1 version, " in ran.out
        assert cli.run("doctor", "--json").json["healthy"] is False

    def test_findings_are_sentences(self, cli: Cli, tmp_path: Path) -> None:
        cli("promote", "x:1", "deployment", "-m", "go")
        cli("tag", "set", "x:1", "note=b")
        cli("key", "create", "k")
        with SqlitePlace(tmp_path / "data").raw() as raw:
            raw.execute("UPDATE alias SET revision = 9, moved_by = 'eve', moved_at = 5")
            raw.execute("UPDATE tag SET value = 'it is 3 in the store, yes'")
            raw.execute("UPDATE api_key SET role = 'admin'")
            raw.execute("UPDATE artifact SET archived_at = 5")
        told = cli.run("doctor").out
        for sentence in (
            "x@deployment: its revision is 9 in the store, but 1 by the journal; ",
            "its time is 1970-01-01 00:00:00.000005+00:00 in the store, but 20",
            "its mover is “eve” in the store, but “",
            "x: its tag 'note' of version 1 is “it is 3 in the store, yes” in the store, "
            "but “b” by the journal.\n",
            "its role is “admin” in the store, but “viewer” by the journal.\n",
            "x: its time of archiving is 1970-01-01",
        ):
            assert sentence in told, told
        assert "KeyRow" not in told
        assert "{" not in told

    def test_a_journal_with_a_gap_is_not_exported(self, cli: Cli, tmp_path: Path) -> None:
        with SqlitePlace(tmp_path / "data").raw(guarded=False) as raw:
            raw.execute("DELETE FROM journal WHERE type = 'artifact.created'")
        ran = cli.run("export")
        assert ran.code == 1
        assert "does not follow" in ran.err


class TestWhichRegistry:
    def test_none(self) -> None:
        ran = Cli().run("list")
        assert ran.code == 2
        for name in ("POINTSMAN_URL", "POINTSMAN_DATA", "POINTSMAN_DATABASE", "pointsman serve"):
            assert name in ran.err

    def test_a_key_alone_means_this_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("POINTSMAN_URL", "POINTSMAN_DATA", "POINTSMAN_DATABASE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("POINTSMAN_API_KEY", "pm_x_y")
        assert find_place(None, None, None, None) == Place("http://127.0.0.1:8080", "pm_x_y")

    def test_a_server_wants_a_key(self) -> None:
        ran = Cli(POINTSMAN_URL="http://127.0.0.1:1").run("list")
        assert ran.code == 2
        assert "POINTSMAN_API_KEY" in ran.err

    def test_two(self, tmp_path: Path) -> None:
        ran = Cli().run("list", "--data", tmp_path, "--url", "http://127.0.0.1:1")
        assert ran.code == 2
        assert "different registries" in ran.err

    def test_an_empty_option_is_a_mistake(self, cli: Cli) -> None:
        # As in --data "$DIRECTORY", where that is not set.
        ran = cli.run("list", "--data", "")
        assert ran.code == 2
        assert "--data is empty" in ran.err

    def test_options_count_before_the_environment(self, cli: Cli, tmp_path: Path) -> None:
        other = Cli(POINTSMAN_URL="http://127.0.0.1:1", POINTSMAN_API_KEY="pm_x_y")
        shown = other("show", "x", "--raw", "--data", tmp_path / "data")
        assert shown.out == "Hello {{ name }}"

    @pytest.mark.parametrize("command", [("list",), ("publish", "-", "--name", "x")])
    @pytest.mark.parametrize("path", ["file", "file/below"])
    def test_a_file_is_no_folder(self, tmp_path: Path, command: tuple[str, ...], path: str) -> None:
        (tmp_path / "file").write_text("x")
        ran = Cli().run(*command, "--data", tmp_path / path, stdin="x")
        assert ran.code == 2
        assert "is a file, not a folder." in ran.err
        assert "Errno" not in ran.err

    def test_a_folder_without_a_registry(self, tmp_path: Path) -> None:
        for path, why in (("", "is empty"), ("nosuch", "there is no such folder")):
            ran = Cli().run("list", "--data", tmp_path / path)
            assert ran.code == 4
            assert why in ran.err
        (tmp_path / "x").write_text("x")
        assert "has no registry.db" in Cli().run("list", "--data", tmp_path).err

    @pytest.mark.parametrize("command", [("list",), ("publish", "-", "--name", "x")])
    def test_a_folder_of_somebody_else(self, cli: Cli, command: tuple[str, ...]) -> None:
        cli("list")  # what is imported late is there before the rights are gone
        folder = Path(cli.environment["POINTSMAN_DATA"])
        folder.chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65_534)  # root may do anything
        try:
            ran = cli.run(*command, stdin="x")
        finally:
            os.seteuid(user)
            folder.chmod(0o700)
        assert ran.code == 5
        assert ran.err.startswith(f"Error: You may not read and write {str(folder)!r}.")

    @pytest.mark.parametrize("command", [("list",), ("publish", "-", "--name", "x", "--dry-run")])
    def test_a_misspelt_folder_is_not_made(self, tmp_path: Path, command: tuple[str, ...]) -> None:
        ran = Cli().run(*command, "--data", tmp_path / "dta", stdin="x")
        assert ran.code == 4
        assert not (tmp_path / "dta").exists()


class TestPipes:
    def test_no_colours(self, cli: Cli) -> None:
        for arguments in (("list",), ("show", "x"), ("history",), ("show", "nothing"), ("-h",)):
            ran = cli.process(*arguments)
            assert ESCAPE not in ran.out + ran.err

    def test_what_is_raw_stays_as_it_is(self, cli: Cli) -> None:
        text = f"{ESCAPE}[31mred\u202e \x07"
        cli.publish("raw", text)
        assert cli.process("show", "raw", "--raw").out == text

    def test_whoever_stops_reading_is_no_error(self, cli: Cli) -> None:
        for number in range(40):
            cli.publish("x", str(number), "-m", "word " * 1_900)
        cli.publish("long", "word " * 40_000)
        started = cli.start("export")
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.readline()
        started.stdout.close()
        told = started.stderr.read()
        started.stderr.close()
        assert (started.wait(PATIENCE), told) == (141, "")
        big = cli.start("show", "long", "--json")
        assert big.stdout is not None
        assert big.stderr is not None
        big.stdout.close()
        told = big.stderr.read()
        big.stderr.close()
        assert (big.wait(PATIENCE), told) == (141, "")

    def test_interruption_is_quiet(self, cli: Cli) -> None:
        started = cli.start("watch", "--after", "0")
        assert started.stdout is not None
        started.stdout.readline()
        started.send_signal(signal.SIGINT)
        _, err = started.communicate(timeout=PATIENCE)
        assert started.returncode == 130
        assert err.strip() == ""

    @pytest.mark.parametrize("path", ["nothing.prompt", "nothing"])
    def test_files_that_are_not_there(self, cli: Cli, tmp_path: Path, path: str) -> None:
        ran = cli.run("publish", tmp_path / path)
        assert ran.code == 1
        assert path in ran.err


class TestTerminals:
    def test_colours(self, cli: Cli) -> None:
        assert f"{ESCAPE}[" in on_a_terminal(cli, "show", "x")
        assert f"{ESCAPE}[31m" in on_a_terminal(cli, "show", "nothing")
        table = on_a_terminal(cli, "list")
        assert "NAME" in table
        assert "today " in table

    def test_no_color(self, cli: Cli) -> None:
        for arguments in (("show", "x"), ("list",), ("show", "nothing"), ("diff", "x", "x")):
            assert not re.search(
                rf"{ESCAPE}\[[0-9;]*3[0-9]", on_a_terminal(cli, *arguments, plain=True)
            )

    def test_diff(self, cli: Cli) -> None:
        cli.publish("x", "Hello {{ name }}, and welcome")
        shown = on_a_terminal(cli, "diff", "x:1", "x:2")
        assert "and welcome" in shown
        assert f"{ESCAPE}[32m" in shown
        assert "1 line added" in shown

    def test_nothing_that_users_wrote_steers_the_terminal(self, cli: Cli) -> None:
        bad = f"{ESCAPE}]0;title\x07{ESCAPE}[2J\u202e\x9b31m[bold red]"
        cli.publish("bad", f"{bad}\n{{{{ name }}}}", "-m", bad, "--tag", f"a={bad}")
        cli("promote", "bad", "deployment", "-m", bad)
        cli("tag", "set", "bad", f"a={bad}")
        for arguments in (
            ("show", "bad@deployment"),
            ("show", "bad", "--raw"),
            ("show", "bad", "--prompt"),
            ("list",),
            ("versions", "bad"),
            ("history",),
            ("alias", "list", "bad"),
            ("diff", "x", "bad"),
            ("at", "now", "bad@deployment"),
            ("tag", "list", "bad:1"),
        ):
            shown = on_a_terminal(cli, *arguments)
            ours = re.sub(rf"{ESCAPE}\[[0-9;]*m", "", shown)
            for character in (ESCAPE, "\x07", "\u202e", "\x9b"):
                assert character not in ours, arguments
            assert "[bold" in ours, arguments

    def test_asking_before_content_goes(self, cli: Cli) -> None:
        asked = on_a_terminal(cli, "tombstone", "x:1", "-m", "why", answer="n\n")
        assert "Remove the content of x:1 for good?" in asked
        assert cli.json("show", "x:1")["content"] is not None
        on_a_terminal(cli, "tombstone", "x:1", "-m", "why", answer="y\n")
        assert cli.json("show", "x:1")["content"] is None

    def test_a_key_is_explained(self, cli: Cli) -> None:
        shown = on_a_terminal(cli, "key", "create", "app", "--expires", "1d")
        assert "shown this once" in shown
        assert "pointsman key revoke" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 語 👩‍🚀\n\tx", "plain é 語 👩‍🚀\n\tx"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\rb", "a\\rb"),
        ("\u202e\u2028\x85", "\\u202e\\u2028\\x85"),
        ("\ud800", "\\ud800"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


class TestStart:
    def test_reading_needs_no_server(self, cli: Cli) -> None:
        heavy = "uvicorn starlette uvloop rich prometheus_client"
        code = (
            "import sys; from pointsman.cli.program import pointsman\n"
            "try: pointsman.main(['show', 'x'])\n"
            "except SystemExit: pass\n"
            f"print([name for name in {heavy.split()} if name in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env=clean_environment(cli.environment),
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == "[]"

    def test_help_loads_nothing_but_the_command_line(self) -> None:
        code = (
            "import sys; from pointsman.cli.program import pointsman\n"
            "try: pointsman.main(['--help'])\n"
            "except SystemExit: pass\n"
            "print(sorted(n for n in sys.modules if n.startswith('pointsman.')\n"
            "    and not n.startswith(('pointsman.cli', 'pointsman.errors'))))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env=clean_environment({}),
        )  # fmt: skip
        assert done.stdout.splitlines()[-1] == "[]"

    def test_every_command_has_help_and_json(self) -> None:
        from click import Context, Group

        with Context(pointsman) as ctx:
            for name in pointsman.list_commands(ctx):
                command = pointsman.get_command(ctx, name)
                assert command is not None
                assert command.name == name
                for one in command.commands.values() if isinstance(command, Group) else [command]:
                    assert one.help, name
                    assert any(option.name == "as_json" for option in one.params), name

    def test_exit_statuses_are_told(self) -> None:
        shown = Cli()("--help").out
        for code in ("0", "1", "2", "3", "4", "5", "130"):
            assert re.search(rf"^\s+{code} +\w", shown, re.MULTILINE)

    def test_version(self) -> None:
        assert re.fullmatch(r"pointsman \d+\.\d+\S*\n", Cli()("--version").out)

    def test_an_unknown_command(self) -> None:
        ran = Cli().run("lst")
        assert ran.code == 2
        assert "No such command 'lst'" in ran.err


def on_a_terminal(cli: Cli, *arguments: str, answer: str = "", plain: bool = False) -> str:
    """What a command shows on a terminal, errors included."""
    ours, theirs = pty.openpty()
    environment = clean_environment({**cli.environment, "TERM": "xterm-256color"})
    environment.pop("COLUMNS", None)
    if plain:
        environment["NO_COLOR"] = "1"
    process = subprocess.Popen(
        [sys.executable, "-m", "pointsman", *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
    )  # fmt: skip
    os.close(theirs)
    if answer:
        os.write(ours, answer.encode())
    shown = b""
    with suppress(OSError):  # the other end is closed
        while data := os.read(ours, 65_536):
            shown += data
    os.close(ours)
    process.wait(PATIENCE)
    return shown.decode()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("graph", "no/such"), 4),
        (("graph", "x:9"), 4),
        (("graph", "--upstream"), 2),
        (("graph", "x:1", "--affected"), 2),
        (("graph", "x", "--depth", "0"), 2),
        (("provider", "show", "nowhere"), 4),
        (("provider", "delete", "nowhere"), 4),
        (("provider", "set", "local", "--base-url", "http://127.0.0.1:1", "--if-revision", "7"), 3),
        (("provider", "set", "Not A Name"), 2),
        (("provider", "set", "local", "--price", "much"), 2),
        (("worker", "--data", "misspelt"), 4),
        (("worker", "--data", "a", "--database", "b"), 2),
        (("worker", "--database", "postgresql://x@127.0.0.1:1/x"), 5),
        (("eval", "list", "--url", "http://127.0.0.1:1", "--key", "k"), 5),
    ],
)
def test_how_commands_of_the_gate_end(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = cli.run(*arguments)
    assert ran.code == code, ran
    assert ran.out == ""
    assert ran.err
    assert not (tmp_path / "misspelt").exists()


def test_json_is_json_everywhere(cli: Cli) -> None:
    for arguments in (("list",), ("show", "x"), ("versions", "x"), ("history",), ("key", "list"),
                      ("alias", "list", "x"), ("tag", "list", "x"), ("doctor",)):  # fmt: skip
        assert isinstance(json.loads(cli.process(*arguments, "--json").out), dict)


def test_any_script_in_any_locale(cli: Cli) -> None:
    cli.publish("yu", "héllo → 语\n", "-m", "→")
    for locale in ("C", "POSIX"):
        latin = Cli(**cli.environment, LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
        assert latin.process("show", "yu", "--raw").out == "héllo → 语"
        assert "→" in latin.process("versions", "yu").out
