"""`pointsman import` of a configuration of promptfoo: what is read, and what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli.commands import Cli, Ran, write

CONFIG = """
description: Replies
prompts: ["Reply to {{message}}"]
defaultTest: file://default.yaml
tests:
  - vars: &first {message: file://data/long.txt, kind: yes}
    assert: [{type: contains, value: order}, {type: is-json, value: file://schema.json}]
  - vars: {<<: *first, kind: 2026-01-02}
  - file://data/*.csv
  - file://more.jsonl
  - tests.yaml
"""
FILES = {
    "promptfooconfig.yaml": CONFIG,
    "default.yaml": "assert: [{type: latency, threshold: 500}]\n",
    "schema.json": '{"type": "object"}',
    "data/long.txt": "Where is my order?\n",
    "data/a.csv": 'message,__expected\n"two\nlines",contains: two\n',
    "data/b.csv": "message,__expected\nx,x\n",
    "more.jsonl": '{"vars": {"message": "y"}, "assert": ["llm-rubric: kind"]}\n',
    "tests.yaml": "- vars: {message: z}\n",
}


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    cli = Cli(POINTSMAN_DATA=str(tmp_path / "registry"))
    cli.publish("support/reply", "Reply to {{ message }}")
    return cli


def _import(cli: Cli, path: Path, *more: object) -> Ran:
    return cli.run("import", path, "--name", "support/q", "--for", "support/*", *more)


def test_tests_become_a_dataset_and_a_suite(cli: Cli, tmp_path: Path) -> None:
    folder = write(tmp_path / "evals", FILES)
    config = folder / "promptfooconfig.yaml"
    plan = _import(cli, config, "--grader", "openai:gpt-4o", "--dry-run", "--json").json
    assert [row["input"] for row in plan["dataset"]["rows"]] == [
        {"message": "Where is my order?\n", "kind": "yes"},
        {"message": "Where is my order?\n", "kind": "2026-01-02"},
        {"message": "two\nlines"},
        {"message": "x"},
        {"message": "y"},
        {"message": "z"},
    ]
    assert cli.run("show", "dataset:support/q").code == 4
    ran = _import(cli, config, "--grader", "openai:gpt-4o")
    assert ran.code == 0, ran
    assert "dataset:support/q:1 is published." in ran.out
    assert "6 rows, 4 scorers, 5 criteria." in ran.out
    suite = cli.json("show", "suite:support/q")["content"]
    assert suite["dataset"] == "dataset:support/q:1"
    assert suite["for"] == ["support/*"]
    assert {"metric": "latency", "at_most": 0.5, "of": "max"} in suite["hold"]
    judge = next(one for one in suite["scorers"] if one["by"] == "judge")
    assert judge["prompt"] == "support/q-judge:1"
    schema = next(one for one in suite["scorers"] if one["by"] == "json_schema")
    assert schema["schema"] == {"type": "object"}
    shown = cli.json("show", "support/q-judge")["content"]
    assert shown["model"] == {"provider": "openai", "name": "gpt-4o"}
    again = _import(cli, config, "--grader", "openai:gpt-4o", "--json").json
    assert [one["created"] for one in again["published"]] == [False, False, False]
    assert [one["what"] for one in again["notes"]] == ["llm-rubric", "prompts"]


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ("file://../secret.csv", "no other is read"),
        ("file:///etc/passwd", "no other is read"),
        ("file://link.csv", "no other is read"),
        ("file://../*.csv", "no other is read"),
        ("file://missing.csv", "no other is read"),
        ("file://make.py:tests", "code, which is never run"),
        ("https://example.com/tests.csv", "no other is read"),
        ("huggingface://datasets/x", "no other is read"),
        ("file://tests.xlsx", "Only data is read"),
    ],
)
def test_no_other_file_is_read(cli: Cli, tmp_path: Path, named: str, why: str) -> None:
    write(tmp_path, {"secret.csv": "message\nsecret\n"})
    folder = write(tmp_path / "evals", {"make.py": "1/0", "tests.xlsx": "x"})
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    text = f"tests: [{{vars: {{message: a}}}}, {named!r}]"
    write(folder, {"c.yaml": text})
    ran = _import(cli, folder / "c.yaml", "--dry-run", "--json").json
    assert [row["input"] for row in ran["dataset"]["rows"]] == [{"message": "a"}]
    assert why in ran["notes"][0]["why"]


def test_values_from_elsewhere_are_not_read(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, {"secret.txt": "secret"})
    tests = "[{vars: {message: a}}, {vars: {message: 'file://../secret.txt'}}]"
    write(tmp_path / "evals", {"c.yaml": f"tests: {tests}"})
    ran = _import(cli, tmp_path / "evals/c.yaml", "--dry-run", "--json").json
    assert "secret" not in str(ran["dataset"])
    assert len(ran["dataset"]["rows"]) == 1


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]\n"
    for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tests: !!python/object/apply:os.system [true]", "not YAML"),
        ("tests: [", "not YAML"),
        ("- 1", "neither tests nor scenarios"),
        ("prompts: [x]", "neither tests nor scenarios"),
        ("tests: []", "no test that can be taken over"),
        ("tests: file://gone.csv", "no test that can be taken over"),
        ("tests: &a [*a]", ""),
        ("tests: " + "[" * 5_000, "nested"),
        (BOMB + "tests: *i", "larger"),
        ("tests: [{vars: {m: 99999999999999999999}}]", "c.yaml: "),
        ("tests: [{vars: {m: .nan}}]", "c.yaml: "),
        ("tests: file://ragged.csv", "ragged.csv: line 3 has 1 columns"),
    ],
)
def test_what_is_no_configuration_is_refused(
    cli: Cli, tmp_path: Path, text: str, said: str
) -> None:
    folder = write(tmp_path / "evals", {"c.yaml": text, "ragged.csv": "a,b\n1,2\n3\n"})
    ran = _import(cli, folder / "c.yaml")
    assert ran.code == 1, ran
    assert said in ran.err
    assert cli.run("show", "dataset:support/q").code == 4


@pytest.mark.parametrize(
    "more",
    [["--name", "x"], ["--for", "x"], [], ["--name", "x", "--for", "y", "--grader", "gpt-4o"]],
)
def test_options_that_are_needed(cli: Cli, tmp_path: Path, more: list[Any]) -> None:
    write(tmp_path, {"c.yaml": "tests: [{vars: {m: a}}]"})
    assert cli.run("import", tmp_path / "c.yaml", *more).code == 2


def test_options_of_tests_go_with_a_file(cli: Cli, tmp_path: Path) -> None:
    ran = cli.run("import", tmp_path, "--name", "x")
    assert ran.code == 2
    assert "go with a file of tests" in ran.err


def test_tests_without_assertions_are_a_dataset(cli: Cli, tmp_path: Path) -> None:
    write(tmp_path, {"c.json": '{"tests": [{"vars": {"m": "a"}}]}'})
    ran = _import(cli, tmp_path / "c.json")
    assert ran.code == 0, ran
    assert "nothing that must hold" in ran.out
    assert cli.run("show", "suite:support/q").code == 4


def test_strict_publishes_nothing_where_something_is_lacking(cli: Cli, tmp_path: Path) -> None:
    lacking = "tests: [{vars: {message: a}, assert: [{type: javascript, value: 'true'}]}]\n"
    config = write(tmp_path / "evals", {"promptfooconfig.yaml": lacking}) / "promptfooconfig.yaml"
    ran = _import(cli, config, "--strict")
    assert ran.code == 1, ran
    assert "javascript" in ran.out
    assert "Nothing was done." in ran.out
    assert cli.run("show", "dataset:support/q").code == 4
    told = cli.run("import", config, "--name", "q", "--for", "support/*", "--strict", "--json")
    assert told.code == 1
    assert [one["what"] for one in told.json["notes"]]
    assert _import(cli, config).code == 0
    whole = "tests: [{vars: {message: a}, assert: [{type: contains, value: b}]}]\n"
    config.write_text(whole)
    strict = _import(cli, config, "--strict")
    assert strict.code == 0, strict
    assert "is published" in strict.out


def test_strict_goes_with_tests(cli: Cli, tmp_path: Path) -> None:
    assert cli.run("import", tmp_path, "--strict").code == 2
