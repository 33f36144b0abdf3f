"""The dependency graph on the command line: publishing with what is needed, trees, DOT."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from cli.commands import Cli
from pointsman import Registry
from pointsman.cli.graph import _quoted
from pointsman.core.vocabulary import Dependency


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """On a folder of its own: a model, a classifier, a reply that takes its label."""
    made = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    why = ("--reason", "a test")
    with Registry.open(tmp_path / "data") as registry:
        registry.publish("gpt", {"uri": "x"}, kind="model", aliases=["champion"])
    made.publish("classify", "{{ text }}", "--uses", "model:gpt", "--alias", "production", *why)
    label = "label=classify@production"
    made.publish("reply", "Hi {{ label }}", "--consumes", label, "--alias", "production", *why)
    return made


def test_what_a_version_consumes(cli: Cli) -> None:
    shown = cli.json("show", "reply")
    assert shown["dependencies"] == [
        {"relation": "consumes", "selector": "classify@production", "variable": "label"}
    ]
    assert "consumes classify@production as label" in cli("show", "reply").out
    cli.publish("plain", "Hi", "--consumes", "classify:1")
    assert cli.json("show", "plain")["dependencies"][0]["variable"] == ""


def test_what_can_not_be_consumed(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_text("Hi {{ label }}")
    ran = cli.run("publish", file, "--name", "x", "--consumes", "labl=classify")
    assert ran.code != 0
    assert "Did you mean 'label'?" in ran.err
    ran = cli.run("publish", tmp_path, "--consumes", "label=classify")
    assert ran.code == 2
    assert "is a folder" in ran.err


def test_a_tree_of_what_it_needs(cli: Cli) -> None:
    lines = cli("graph", "reply").out.splitlines()
    assert lines == [
        "reply@production (version 1)",
        "  consumes classify@production as label → classify@production (version 1)",
        "    uses model:gpt → model:gpt@champion (version 1)",
    ]
    assert len(cli("graph", "reply", "--depth", "1").out.splitlines()) == 2


def test_a_tree_of_what_needs_it(cli: Cli) -> None:
    lines = cli("graph", "model:gpt@champion", "--downstream").out.splitlines()
    assert lines == [
        "model:gpt@champion (version 1)",
        "  classify@production (version 1) uses model:gpt",
        "    reply@production (version 1) consumes classify@production as label",
    ]
    ran = cli("graph", "model:gpt", "--alias", "champion", "--affected")
    assert ran.out.splitlines() == lines
    assert "2 nodes are affected." in ran.err
    assert len(cli.json("graph", "classify", "--affected")["affected"]) == 1


def test_what_is_met_again_is_not_drawn_again(cli: Cli) -> None:
    with Registry.open(cli.environment["POINTSMAN_DATA"]) as registry:
        for name, needs in (("a", "reply"), ("reply", "a")):
            registry.publish(
                name, "x", aliases=["production"], reason="a test",
                dependencies=[Dependency("consumes", needs)],
            )  # fmt: skip
    lines = cli("graph", "a").out.splitlines()
    assert lines == [
        "a@production (version 1)",
        "  consumes reply → reply@production (version 2)",
        "    consumes a → a@production (version 1) (see above)",
    ]
    assert "In a circle: a@production, reply@production." in cli("graph", "--problems").out


def test_the_whole_graph(cli: Cli) -> None:
    lines = [line.split() for line in cli("graph").out.splitlines()]
    assert lines[1:] == [
        ["model:gpt@champion", "1"],
        ["classify@production", "1", "uses", "model:gpt"],
        ["reply@production", "1", "consumes", "classify@production", "as", "label"],
    ]
    first = cli("graph", "--limit", "1")
    assert len(first.out.splitlines()) == 2
    assert "--cursor" in first.err
    assert len(cli.json("graph", "--limit", "1", "--all")["nodes"]) == 3
    assert "Nothing goes round" in cli("graph", "--problems").out


def test_dead_ends(cli: Cli) -> None:
    cli("promote", "classify:1", "old", "-m", "a test")
    cli.publish("user", "x", "--consumes", "classify@old")
    cli("alias", "delete", "classify@old", "-m", "a test")
    assert "user:1 (version 1) consumes classify@old: no alias." in cli("graph", "--problems").out
    assert "  consumes classify@old: no alias" in cli("graph", "user").out
    assert (
        '-> "classify@old (no alias)" [label="consumes", style=dashed]' in cli("graph", "--dot").out
    )


def test_dot(cli: Cli) -> None:
    out = cli("graph", "--dot").out
    assert out.splitlines()[0] == 'digraph "production" {'
    assert '  "prompt:reply@production" [label="reply@production\\nversion 1"];' in out
    arrow = '"prompt:reply@production" -> "prompt:classify@production"'
    assert f'  {arrow} [label="consumes as label"];' in out
    assert out == cli("graph", "--dot", "--limit", "1").out, "a drawing has all of it"
    program = shutil.which("dot")
    if program is not None:
        subprocess.run([program, "-Tsvg"], input=out, text=True, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('a" -> "b', '"a\\" -> \\"b"'),
        ("a\\", '"a\\\\"'),
        ("a\nb", '"a\\nb"'),
        ("\x1b[31m", '"\\\\x1b[31m"'),
        ("<b>é", '"<b>é"'),
    ],
)
def test_names_in_dot_stay_names(text: str, quoted: str) -> None:
    assert _quoted(text) == quoted


@pytest.mark.parametrize(
    "arguments",
    [
        ("--affected",),
        ("--downstream",),
        ("--depth", "2"),
        ("reply", "--problems"),
        ("reply", "--affected", "--depth", "2"),
        ("reply:1", "--affected"),
        ("reply", "--depth", "0"),
    ],
)
def test_what_does_not_go_together(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli.run("graph", *arguments).code == 2


def test_as_of_a_moment(cli: Cli) -> None:
    assert cli("graph", "reply", "--at", "now").out == cli("graph", "reply").out
    assert cli.run("graph", "reply", "--at", "2020-01-01").code == 4


def test_an_export_takes_variables_along(cli: Cli, tmp_path: Path) -> None:
    cli("export", "--folder", tmp_path / "out", "--history")
    other = Cli(POINTSMAN_DATA=str(tmp_path / "other"))
    other("import", tmp_path / "out", "--reason", "a test")
    needs = [cli.json("show", name)["dependencies"] for name in ("reply", "classify")]
    assert needs[0][0]["variable"] == "label"
    assert [other.json("show", name)["dependencies"] for name in ("reply", "classify")] == needs
