"""`pointsman eval`, over a folder and over a server, with a real endpoint as the model."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from cli.commands import PATIENCE, Cli
from evals.endpoint import Endpoint
from evals.refunds import ROWS, SHORT, answer, make_project
from pointsman import Client, Registry
from pointsman.cli import following
from serving import ServerProcess

Wait = Callable[[Callable[[], object]], None]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(answer) as started:
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, endpoint: Endpoint) -> Cli:
    """A registry in a folder: what is evaluated runs in this process."""
    data = tmp_path_factory.mktemp("evals") / "data"
    with Registry.open(data) as registry:
        make_project(registry, endpoint.base_url)
    return Cli(POINTSMAN_DATA=str(data))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, endpoint: Endpoint) -> Iterator[Cli]:
    """A server with a worker in it."""
    with ServerProcess(data=tmp_path_factory.mktemp("served")) as server:
        with Client(server.url, server.own_key, snapshot=False, follow=False) as client:
            make_project(client, endpoint.base_url)
        yield Cli(POINTSMAN_URL=server.url, POINTSMAN_API_KEY=server.own_key)


@pytest.fixture(params=["folder", "served"])
def cli(request: pytest.FixtureRequest) -> Cli:
    made: Cli = request.getfixturevalue(request.param)
    return made


def numbers(cli: Cli, name: str = "") -> list[int]:
    """The evaluations of an artifact, the newest first."""
    return [one["number"] for one in cli.json("eval", "list", *([name] if name else []))["items"]]


def state(cli: Cli, number: int) -> str:
    found: str = cli.json("eval", "show", number)["state"]
    return found


# How it ends


def test_what_passes_ends_with_0(cli: Cli) -> None:
    ran = cli.run("eval", "run", "summarise:3")
    assert ran.code == 0, ran
    (number,) = numbers(cli, "summarise")[:1]
    assert "summarise:3 with suite:short:1 against version 1: passed" in ran.out
    assert f"{ROWS} rows; outputs: {2 * ROWS} made, 0 from memory" in ran.out
    assert "passed  “tokens at most 1000” holds" in ran.out
    assert "Rows that decided" not in ran.out
    assert f"Evaluation {number} (summarise:3 with suite:short:1): passed" in ran.err
    again = cli.run("eval", "run", "summarise:3", "--against", "production", "--json")
    assert (again.code, again.err) == (0, "")
    assert again.json["outcome"] == "passed"
    assert [one["number"] for one in again.json["evaluations"]] == [number]
    repeated = cli.json("eval", "run", "summarise:3", "--again")["evaluations"][0]
    assert repeated["number"] > number
    assert repeated["report"]["outputs_reused"] == 2 * ROWS
    fresh = cli.json("eval", "run", "summarise:3", "--fresh")["evaluations"][0]
    assert (fresh["fresh"], fresh["report"]["outputs_reused"]) == (True, 0)


def test_what_fails_ends_with_1_and_tells_by_which_rows(cli: Cli) -> None:
    listed = cli("eval", "affected", "summarise:2").out.splitlines()
    assert [line.split()[:2] for line in listed[1:]] == [
        ["summarise:2", "suite:short:1"],
        ["classify:1", "suite:labels:1"],
    ]
    assert listed[2].split()[2:] == ["not", "run", "1"]
    ran = cli.run("eval", "affected", "summarise:2", "--run")
    assert ran.code == 1, ran
    assert "classify:1 with suite:labels:1 against version 1: failed" in ran.out
    assert "failed  “correct at least 0.9” does not hold: it is 0.5, and was 1 before." in ran.out
    shown = ran.out[ran.out.index("Rows that decided:") :].splitlines()
    assert shown[1:7] == [
        "  row 1, -1, wants refund",
        "    message   Order 1 broke, I want a refund now",
        "    expected  refund",
        "    before    refund  [correct 1]",
        "    now       other  [correct 0]",
        "              correct: 'other' is not 'refund'.",
    ]
    assert [line for line in shown if line.startswith("  row")] == [
        f"  row {row}, -1, wants refund" for row in (1, 3, 5)
    ]
    number = numbers(cli, "classify")[0]
    assert f"more decided: pointsman eval show {number} --cases" in shown[-1]
    assert cli.run("eval", "run", "summarise:2", "--affected", "--json").code == 1
    (requirement,) = [
        one
        for one in cli.json("eval", "affected", "summarise:2")["requirements"]
        if one["distance"]
    ]
    assert (requirement["state"], requirement["evaluation"]) == ("failed", number)


def test_what_can_t_be_told_ends_with_2(cli: Cli) -> None:
    ran = cli.run("eval", "run", "summarise:1", "--against", 2, "--budget-calls", 1, "--fresh")
    assert ran.code == 2, ran
    assert "summarise:1 with suite:short:1 against version 2: inconclusive" in ran.out
    assert "cap on calls" in ran.out
    lost = ("publish", "-", "--kind", "suite", "--name", "lost", "--as", "json")
    cli(*lost, "-m", "x", stdin=json.dumps(SHORT))
    cli("tombstone", "suite:lost:1", "-m", "personal data", "--yes")
    unusable = cli.run(
        *("eval", "run", "summarise:3", "--suite", "short:1", "--suite", "lost", "--json")
    )
    assert unusable.code == 2, unusable
    assert "summarise:3 can't be evaluated with suite:lost" in unusable.err
    assert unusable.json["outcome"] == "inconclusive"
    assert [one["state"] for one in unusable.json["evaluations"]] == ["passed"]
    assert [one["suite"] for one in unusable.json["gaps"]] == ["suite:lost"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("run", "summarise:99"), 4, "no version 99"),
        (("run", "no/such"), 4, "no/such"),
        (("run", "suite:short"), 2, "not evaluated"),
        (("run", "summarise@staging:1"), 2, "selector"),
        (("run", "summarise", "--against", "staging", "--alias", "qa"), 2, "different aliases"),
        (("run", "summarise", "--alias", "staging"), 3, "no suite that has the alias"),
        (("run", "summarise", "--suite", "labels"), 3, "is not for it"),
        (("run", "summarise", "--suite", "no-such"), 4, "no suite 'no-such'"),
        (("run", "summarise", "--suite", "short", "--suite", "no-such"), 4, "no suite 'no-such'"),
        (("run", "summarise", "--suite", "short:9"), 4, "no version 9"),
        (("affected", "summarise", "--suite", "no-such"), 4, "no suite 'no-such'"),
        (("affected", "no/such"), 4, "no/such"),
        (("status", "no/such"), 4, "no/such"),
        (("status", "summarise@nowhere"), 4, "nowhere"),
        (("history", "no/such"), 4, "no/such"),
        (("list", "no/such"), 4, "no/such"),
        (("show", "0"), 2, "0"),
        (("show", "999999", "--format", "html", "-o", "no/x.html"), 2, "no folder no"),
        (("show", "999999", "--format", "html", "-o", "."), 2, "is a folder"),
        (("run", "summarise", "--budget-calls", "0"), 2, "--budget-calls"),
        (("show", "999999"), 4, "no evaluation 999999"),
        (("cancel", "999999"), 4, "no evaluation 999999"),
        (("list", "summarise:1"), 2, "give the artifact"),
        (("change", "999999"), 4, "no change 999999"),
    ],
)
def test_what_is_wrong_is_told(folder: Cli, arguments: Any, code: int, said: str) -> None:
    before = numbers(folder)
    ran = folder.run("eval", *arguments)
    assert ran.code == code, ran
    assert said in ran.err
    assert numbers(folder) == before


# Looking


def test_an_evaluation_is_listed_and_shown(folder: Cli) -> None:
    assert folder.run("eval", "run", "summarise:2", "--affected").code == 1
    number = numbers(folder, "classify")[0]
    listed = folder("eval", "list", "classify").out.splitlines()
    assert listed[1].split()[:5] == [str(number), "classify:1", "suite:labels:1", "1", "failed"]
    shown = folder("eval", "show", number)
    for part in (
        f"Evaluation {number}: failed",
        "version: classify:1",
        "against: version 1",
        "failed  “correct at least 0.9”",
        "Rows that decided",
    ):
        assert part in shown.out
    (figures,) = [line for line in shown.out.splitlines() if line.startswith("correct ")]
    assert figures.split() == ["correct", "0.5", "1", "0.5", "1", str(ROWS // 2), str(ROWS)]
    assert "wants=refund" not in shown.out
    assert "correct, wants=refund" in folder("eval", "show", number, "--slices").out
    cases = folder("eval", "show", number, "--cases", 2).out
    assert cases.count("  row ") == 2
    as_json = folder.json("eval", "show", number, "--cases", 2)
    assert [one["row"] for one in as_json["cases"]] == [1, 3]
    assert as_json["report"]["outcome"] == "failed"
    told = folder("history", "--type", "evaluation.finished").out
    assert f"evaluation {number} of " in told
    assert "failed: “correct at least 0.9”" in told
    asked = folder("history", "--type", "evaluation.requested").out
    assert "classify:1 to be evaluated with suite:labels:1" in asked


def test_rows_that_decided_are_found_where_nothing_is_compared(
    folder: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pointsman.cli.evaluating._PAGE", 7)
    each = {
        **SHORT,
        "scorers": [{"name": "kind", "by": "contains", "value": "Hello 2", "invert": True}],
        "hold": [{"metric": "kind", "each_at_least": 1}],
    }
    with Registry.open(folder.environment["POINTSMAN_DATA"]) as registry:
        registry.publish("each", each, kind="suite")
    ran = folder.run("eval", "run", "summarise:1", "--alias", "qa", "--suite", "each:1")
    assert ran.code == 1, ran
    rows = [line for line in ran.out.splitlines() if line.startswith("  row")]
    assert rows == [f"  row {row}, wants other" for row in (2, 20, 22)]
    assert "before" not in ran.out
    assert "    now       Hello 20, how are you today  [kind 0]" in ran.out


def test_a_policy_and_a_change_with_evaluations(folder: Cli) -> None:
    folder(
        *("policy", "set", "--name", "gate", "--aliases", "gated", "--evaluate", "affected"),
        *("--suite", "short:1", "--without-suite", "warn"),
    )
    policy = folder.json("policy", "show", "gate")["policy"]
    assert (policy["evaluate"], policy["suites"]) == ("affected", ["suite:short:1"])
    assert policy["without_suite"] == "warn"
    folder("policy", "set", "--name", "gate", "--reason", 3)
    assert folder.json("policy", "show", "gate")["policy"] == {**policy, "reason": 3}
    listed = folder("policy", "list").out
    assert "evaluate, suites, without suite" in listed
    change = folder.json("change", "propose", "summarise:3", "gated", "-m", "good")["number"]
    shown = folder("change", "show", change).out
    assert "Evaluation not run: summarise:3 with suite:short:1" in shown
    ran = folder.run("eval", "change", change)
    assert ran.code == 0, ran
    number = numbers(folder, "summarise")[0]
    assert f"Evaluation passed: summarise:3 with suite:short:1, evaluation {number}" in (
        folder("change", "show", change).out
    )
    assert folder.json("eval", "show", number)["change"] == change
    assert folder.json("eval", "change", change)["evaluations"][0]["number"] == number
    assert folder.json("eval", "change", change, "--again")["evaluations"][0]["number"] > number
    folder("change", "withdraw", change)
    ended = folder.run("eval", "change", change)
    assert (ended.code, "has ended" in ended.err) == (3, True)
    free = folder.json("change", "propose", "summarise:3", "free", "-m", "why not")["number"]
    assert "No policy asks" in folder("eval", "change", free).out


# Meanwhile


def test_asking_alone_ends_at_once(served: Cli, eventually: Wait) -> None:
    ran = served("eval", "run", "summarise:4", "--no-wait")
    number = numbers(served, "summarise")[0]
    assert ran.out == f"Evaluation {number}: summarise:4 with suite:short:1\n"
    same = served.json("eval", "run", "summarise:4", "--no-wait")
    assert [one["number"] for one in same["evaluations"]] == [number]
    eventually(lambda: state(served, number) == "running")
    shown = served("eval", "show", number).out
    assert "worker:" in shown
    assert f"Evaluation {number} is cancelled." in served("eval", "cancel", number).out
    assert state(served, number) == "cancelled"
    assert served.run("eval", "cancel", number).code == 3


def test_an_interruption_leaves_it_running_on_a_server(served: Cli, eventually: Wait) -> None:
    with served.start("eval", "run", "summarise:4", "--again") as process:
        number = _running(process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert f"Evaluation {number} goes on. Look at it: pointsman eval show {number}" in said
    assert f"pointsman eval cancel {number}" in said
    assert state(served, number) == "running"
    with served.start("eval", "run", "summarise:4") as process:
        assert _running(process) == number, "what runs already is waited for"
        served("eval", "cancel", number)
        printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2, "what was cancelled has not passed"
    assert f"Evaluation {number}." in printed
    assert "cancelled" in printed


def test_an_interruption_leaves_it_in_order_in_a_folder(folder: Cli) -> None:
    with folder.start("eval", "run", "summarise:4", "--again") as process:
        number = _running(process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert f"Evaluation {number} is left where it was" in said
    assert "Traceback" not in said
    assert state(folder, number) == "queued", "others can take it up at once"
    folder("eval", "cancel", number)


def test_bars_show_how_far_it_is_on_a_terminal(served: Cli) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = served.start(
            "eval", "run", "summarise:3", "--fresh", stderr=theirs, stdout=subprocess.DEVNULL
        )
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # how Linux says that nobody writes any more
            while part := terminal.read(4_096):
                shown += part
        assert process.wait(PATIENCE) == 0
    assert b"summarise:3 with suite:short:1" in shown
    assert b"passed" in shown
    assert "━".encode() in shown


def test_where_no_worker_is_that_is_said(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "QUEUED", 0.0)
    with Registry.open(database=postgres_url) as registry:
        registry.publish("summarise", "Summarise: {{ message }}")
        registry.publish("tickets", {"rows": [{"input": {"message": "x"}}]}, kind="dataset")
        registry.publish("short", SHORT, kind="suite")
        cli = Cli(POINTSMAN_DATABASE=postgres_url)
        stop = threading.Thread(target=lambda: _cancel_when_queued(registry))
        stop.start()
        ran = cli.run("eval", "run", "summarise:1", "--suite", "short:1")
        stop.join()
    assert ran.code == 2, ran
    assert ran.err.count("no worker has taken it up: start one with pointsman worker") == 1
    assert "cancelled" in ran.out


def test_commands_are_allowed_where_they_run(folder: Cli, served: Cli) -> None:
    with Registry.open(folder.environment["POINTSMAN_DATA"]) as registry:
        argv = [sys.executable, "-c", _PROGRAM]
        echo = {**SHORT, "output": {"by": "command", "argv": argv}}
        registry.publish("echo", echo, kind="suite")
    arguments = ("eval", "run", "summarise:1", "--suite", "echo:1")
    forbidden = folder.run(*arguments)
    assert forbidden.code == 2, forbidden
    allowed = folder.run(*arguments, "--again", "--allow-commands", "--json")
    assert allowed.code == 0, allowed
    assert allowed.json["evaluations"][0]["report"]["outputs_made"] > 0
    elsewhere = served.run(*arguments, "--allow-commands")
    assert elsewhere.code == 2
    assert "pointsman worker --allow-commands" in elsewhere.err


_PROGRAM = """
import json, sys
for line in sys.stdin:
    print(json.dumps({"row": json.loads(line)["row"], "output": "fine", "tokens": 3}))
"""


def _running(process: subprocess.Popen[str]) -> int:
    """The number of the evaluation that a command follows, once it runs."""
    assert process.stderr is not None
    for line in process.stderr:
        if ": running" in line or " steps" in line:
            return int(line.split()[1])
    raise AssertionError("it ended before it ran")


def _cancel_when_queued(registry: Registry) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := registry.evaluations().items:
            time.sleep(1.0)  # long enough to have been looked at
            registry.cancel_evaluation(found[0].number)
            return
        time.sleep(0.05)
