"""`pointsman eval show --format` and `pointsman eval history`, on evaluations that were run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from cli.commands import Cli
from evals.endpoint import Endpoint
from evals.refunds import ROWS, answer, make_project
from pointsman import Registry


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A registry with an evaluation that passed, and two by which it failed."""
    data = tmp_path_factory.mktemp("reports") / "data"
    with Endpoint(answer) as endpoint:
        with Registry.open(data) as registry:
            whole: Any = registry
            make_project(whole, endpoint.base_url)
        cli = Cli(POINTSMAN_DATA=str(data))
        cli.run("eval", "run", "summarise:3")
        cli.run("eval", "run", "summarise:2", "--affected")
        yield cli


@pytest.fixture(scope="module")
def failed(cli: Cli) -> int:
    """The number of the evaluation of `classify`, which failed."""
    (one,) = cli.json("eval", "list", "classify")["items"]
    return int(one["number"])


def test_reports_are_written(cli: Cli, failed: int, tmp_path: Path) -> None:
    told = cli("eval", "show", failed, "--format", "markdown").out
    assert told.startswith("### ❌ Failed: classify:1, made of other versions, by labels:1\n")
    assert "<summary>Row 1: worse by 1</summary>" in told
    file = tmp_path / "evaluation.xml"
    ran = cli("eval", "show", failed, "--format", "junit", "-o", file)
    assert ran.out == ""
    root = ET.parse(file).getroot()
    assert root.attrib == {"name": "pointsman", "tests": "2", "failures": "2", "errors": "0"}
    page = cli("eval", "show", failed, "--format", "html", "--cases", 2).out
    # Two of the rows that got worse most, and all by which it was decided.
    assert ROWS // 2 <= page.count('class="case"') < ROWS
    plain = json.loads(cli("eval", "show", failed, "--format", "json").out)
    assert plain["evaluation"]["number"] == failed
    assert len(plain["cases"]) == ROWS


def test_options_that_do_not_go_together(cli: Cli, failed: int, tmp_path: Path) -> None:
    for more in (["-o", "x"], ["--format", "html", "--json"], ["--format", "json", "--slices"]):
        assert cli.run("eval", "show", failed, *more).code == 2
    ran = cli.run("eval", "show", failed, "--format", "html", "-o", tmp_path / "no" / "x.html")
    assert ran.code == 2
    assert f"there is no folder {tmp_path / 'no'}" in " ".join(ran.err.split())
    assert not (tmp_path / "no").exists()


def test_history_goes_from_version_to_version(cli: Cli) -> None:
    told = cli("eval", "history", "summarise", "--metric", "tokens").out.splitlines()
    assert told[0] == "tokens of summarise by suite:short"
    assert [line.split()[1] for line in told[2:4]] == ["3", "2"]
    assert "passed" in told[2]
    series = cli.json("eval", "history", "summarise")["series"]
    assert [one["metric"] for one in series] == ["cost", "latency", "tokens"]
    assert [point["version"] for point in series[2]["points"]] == [3, 2]
    (correct,) = cli.json("eval", "history", "classify", "--metric", "correct")["series"]
    assert (correct["points"][0]["mean"], correct["points"][0]["before"]) == (0.5, 1.0)
    missing = cli.run("eval", "history", "summarise", "--metric", "correct")
    assert missing.code == 4
    assert "There are cost, latency, tokens." in missing.err


def test_rows_that_were_dropped_are_told(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Endpoint(answer) as endpoint, Registry.open(data) as registry:
        whole: Any = registry
        make_project(whole, endpoint.base_url)
        (asked,) = registry.evaluate("summarise:3")
        assert registry.run_evaluations() == 1
        registry.tombstone("dataset:tickets:1", reason="personal data")
    cli = Cli(POINTSMAN_DATA=str(data))
    for more in ([], ["--cases", "3"]):
        told = cli("eval", "show", asked.number, *more).out
        assert "Its rows were dropped " in told
        assert ": the content of dataset:tickets:1 was removed." in told
        assert "tokens" in told  # the figures are there
    for form in ("markdown", "html"):
        told = cli("eval", "show", asked.number, "--format", form).out
        assert "The rows were dropped on " in told.replace("&#", "")
    plain = cli.json("eval", "show", asked.number, "--cases", "3")
    assert plain["rows_dropped"] == "the content of dataset:tickets:1 was removed"
    assert plain["cases"] == []
