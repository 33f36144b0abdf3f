"""Evaluations as they run: real prompts, a real registry, a real endpoint."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from evals.endpoint import Endpoint, Request, broken, hung_up, limited
from pointsman.app.evaluating import asking, runs
from pointsman.app.evaluating.asking import Request as Wish
from pointsman.compose import Registry
from pointsman.core.evaluation import CaseResult, Evaluation
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Dependency
from pointsman.evals.worker import Terms, Worker

MODEL: dict[str, Any] = {"provider": "local", "name": "m"}
TICKETS: list[dict[str, Any]] = [
    {
        "input": {"message": f"Ticket {n}: I want my money back" if n % 2 else f"Hello {n}"},
        "expected": "refund" if n % 2 else "other",
        "tags": {"kind": "money" if n % 2 else "talk"},
    }
    for n in range(40)
]


def model(request: Request) -> str:
    """A model whose answers depend on the prompt, as far as these tests go."""
    task, _, text = request.text.partition(": ")
    if task == "Shorten":
        return text.split(":")[0]
    if task == "Classify":
        return "refund" if "money" in text else "other"
    if task == "Judge":
        return json.dumps({"score": 1.0 if "refund" in text else 0.25, "reason": "by the word"})
    return text


class Bench:
    """An embedded registry with a provider, whose evaluations run when they are asked to."""

    def __init__(self, folder: Path, endpoint: Endpoint) -> None:
        self.registry = Registry.open(folder)
        self.endpoint = endpoint
        self.app = self.registry._app
        self.registry.set_provider(
            "local", api="openai", base_url=endpoint.base_url, concurrency=16, key="secret"
        )

    def publish(self, name: str, content: Any, *, kind: str = "prompt", live: bool = True) -> int:
        """Publish a version, and point production at it."""
        if kind == "prompt" and isinstance(content, str):
            content = {"template": content, "model": MODEL}
        number = self.registry.publish(name, content, kind=kind).version.number
        if live:
            self.live(name, number, kind)
        return number

    def consuming(self, name: str, template: str, *upstream: str, live: bool = True) -> int:
        """Publish a prompt that takes the outputs of others, by variables of their names."""
        takes = [Dependency("consumes", f"{one}@production", one) for one in upstream]
        content: dict[str, Any] = {"template": template, "model": MODEL}
        number = self.registry.publish(name, content, dependencies=takes).version.number
        if live:
            self.live(name, number)
        return number

    def live(self, name: str, number: int, kind: str = "prompt") -> None:
        start = "" if kind == "prompt" else f"{kind}:"
        self.registry.promote(f"{start}{name}:{number}", "production", reason="live")

    def rows(self, rows: Sequence[Any] = TICKETS) -> None:
        self.publish("tickets", {"rows": list(rows)}, kind="dataset")

    def suite(self, pattern: str, **more: Any) -> None:
        """Publish the suite of an artifact."""
        content = {
            "for": [pattern],
            "dataset": "tickets@production",
            "output": {"by": "chain"},
            "scorers": [{"name": "correct", "by": "exact"}],
            "hold": [{"metric": "correct", "at_least": 0.9}],
            **more,
        }
        self.publish(f"{pattern.partition(':')[2] or pattern}-suite", content, kind="suite")

    def ask(self, selector: str, **more: Any) -> tuple[Evaluation, ...]:
        wish = Wish(parse_selector(selector), **more)
        return self.registry._write(lambda w: asking.evaluate(w, wish))

    def run(self, selector: str, *, terms: Terms | None = None, **more: Any) -> Evaluation:
        """Ask for one evaluation and run it."""
        asked = self.ask(selector, **more)
        Worker(self.app, None, terms).work_off()
        return self.show(asked[0].number)

    def show(self, number: int) -> Evaluation:
        return self.registry._read(lambda v: runs.show(v, number))

    def cases(self, number: int) -> tuple[CaseResult, ...]:
        return self.registry._read(
            lambda v: runs.cases(v, number, worst_first=False, limit=1_000)
        ).items

    def calls(self, act: Callable[[], object]) -> list[str]:
        """The texts that the endpoint was asked meanwhile."""
        before = len(self.endpoint.requests)
        act()
        return sorted(one.text for one in self.endpoint.requests[before:])


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(model) as made:
        yield made


@pytest.fixture
def bench(tmp_path: Path, endpoint: Endpoint) -> Iterator[Bench]:
    made = Bench(tmp_path / "data", endpoint)
    yield made
    made.registry.close()


def story(bench: Bench) -> None:
    """shorten → classify, both live and with a suite for the second."""
    bench.rows()
    bench.publish("shorten", "Keep: {{ message }}")
    bench.consuming("classify", "Classify: {{ shorten }}", "shorten")
    bench.suite("classify", hold=[{"metric": "correct", "not_worse_by": 0.02}])


# Outputs, and what is reused


def test_a_chain_is_run_from_upstream_on(bench: Bench) -> None:
    story(bench)
    done = bench.run("classify:1")
    assert done.report is not None
    assert (done.state, done.report.rows) == ("passed", 40), done.summary
    assert {one.candidate.output for one in bench.cases(done.number)} == {"refund", "other"}
    texts = [one.text for one in bench.endpoint.requests]
    assert len(texts) == 40 + 40, "both sides are the same, so each call was made once"


def test_a_worse_upstream_is_found_downstream(bench: Bench) -> None:
    story(bench)
    bench.run("classify:1")
    bench.publish("shorten", "Shorten: {{ message }}", live=False)
    asked = bench.ask("shorten:2", affected=True) if _suite_of_shorten(bench) else ()
    calls = bench.calls(lambda: Worker(bench.app, None).work_off())
    classify = bench.show(next(one.number for one in asked if one.name == "classify"))
    assert classify.state == "failed"
    assert classify.report is not None
    (held,) = classify.report.held
    assert (held.candidate, held.baseline) == (0.5, 1.0)
    worst = [TICKETS[row]["expected"] for row in held.rows]
    assert worst == ["refund"] * 20, "the rows that decided are those that got worse"
    assert sum(one.startswith("Keep") for one in calls) == 0, "the baseline was made before"
    assert sum(one.startswith("Shorten") for one in calls) == 40


def test_nothing_is_asked_twice(bench: Bench) -> None:
    story(bench)
    first = bench.run("classify:1")
    assert bench.calls(lambda: bench.run("classify:1", again=True)) == []
    again = bench.run("classify:1", again=True)
    assert again.report is not None
    assert (again.report.outputs_made, again.report.outputs_reused) == (0, 160)
    case = bench.cases(again.number)[1]
    assert case.candidate.via == {"prompt:shorten:1": TICKETS[1]["input"]["message"]}
    assert first.report is not None
    assert again.report.held == first.report.held
    fresh = bench.calls(lambda: bench.run("classify:1", fresh=True))
    assert len(fresh) == 80


def test_changing_one_of_a_long_chain_reruns_what_follows_and_no_more(bench: Bench) -> None:
    bench.rows([{"input": {"message": "x"}}, {"input": {"message": "y"}}])
    bench.publish("p0", "Zero: {{ message }}")
    for n in range(1, 50):
        bench.consuming(f"p{n}", f"Step {n}: {{{{ p{n - 1} }}}}", f"p{n - 1}")
    bench.suite("p49", scorers=[], hold=[{"metric": "tokens", "at_most": 1e9}])
    assert len(bench.calls(lambda: bench.run("p49:1"))) == 2 * 50
    changed = bench.consuming("p30", "Thirty: not {{ p29 }}", "p29")
    calls = bench.calls(lambda: bench.run("p49:1", again=True))
    assert changed == 2
    assert len(calls) == 2 * 20, calls


def test_trials_are_asked_apart_and_count_by_their_mean(bench: Bench) -> None:
    bench.rows([{"input": {"message": "x"}, "expected": "yes"}])
    answers = iter(["yes", "no", "yes", "no"])
    bench.endpoint.behaviour = lambda request: next(answers)
    bench.publish("flip", "Flip: {{ message }}")
    bench.suite("flip", trials=4, hold=[{"metric": "correct", "at_least": 0.5}])
    done = bench.run("flip:1")
    assert done.state == "passed", done.summary
    (case,) = bench.cases(done.number)
    assert case.candidate.scores == {"correct": 0.5}
    assert len(bench.endpoint.requests) == 4


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ({"template": "Keep: {{ message }}!", "model": MODEL}, 40),
        ({"template": "Keep: {{ message }}", "model": {**MODEL, "name": "n"}}, 40),
        ({"template": "Keep: {{ message }}", "model": {**MODEL, "parameters": {"top_p": 0.5}}}, 40),
        ({"template": "Keep: {{ message }}", "model": MODEL, "config": {"note": 1}}, 0),
    ],
)
def test_an_output_is_made_anew_when_anything_that_makes_it_is_another(
    bench: Bench, change: dict[str, Any], asked: int
) -> None:
    bench.rows()
    bench.publish("keep", "Keep: {{ message }}")
    bench.suite("keep", scorers=[], hold=[{"metric": "tokens", "at_most": 1e9}])
    bench.run("keep:1")
    bench.publish("keep", change, live=False)
    assert len(bench.calls(lambda: bench.run("keep:2"))) == asked


def test_another_address_is_another_model(bench: Bench) -> None:
    bench.rows()
    bench.publish("keep", "Keep: {{ message }}")
    bench.suite("keep", scorers=[], hold=[{"metric": "tokens", "at_most": 1e9}])
    bench.run("keep:1")
    with Endpoint(model) as other:
        bench.registry.set_provider("local", api="openai", base_url=other.base_url, key="k")
        bench.run("keep:1", again=True)
        assert len(other.requests) == 40


def test_a_judge_is_a_prompt_and_its_change_is_another_evaluation(bench: Bench) -> None:
    bench.rows()
    bench.publish("keep", "Keep: {{ message }}")
    bench.publish("tone", "Judge: {{ output }} for {{ expected }}")
    bench.suite(
        "keep",
        scorers=[{"name": "tone", "by": "judge", "prompt": "tone@production"}],
        hold=[{"metric": "tone", "at_least": 0.5}],
    )
    first = bench.run("keep:1")
    assert first.report is not None
    assert first.report.metrics[0].candidate.mean == pytest.approx(0.625)
    assert bench.calls(lambda: bench.run("keep:1", again=True)) == []
    bench.publish("tone", "Judge: again {{ output }} for {{ expected }}")
    second = bench.run("keep:1")
    assert second.seal != first.seal
    assert second.number != first.number
    assert len([one for one in bench.endpoint.requests if "again" in one.text]) == 40


def test_a_judge_that_judges_itself_is_judged_by_what_is_live(bench: Bench) -> None:
    bench.rows([{"input": {"output": "refund", "expected": "x"}, "expected": "x"}])
    bench.publish("tone", "Judge: {{ output }} for {{ expected }}")
    bench.suite(
        "tone",
        scorers=[{"name": "tone", "by": "judge", "prompt": "tone@production"}],
        hold=[{"metric": "tone", "at_least": 0.5}],
    )
    bench.publish("tone", "Judge: refund {{ output }}", live=False)
    done = bench.run("tone:2")
    judged = [one.text for one in bench.endpoint.requests if "score" in one.text]
    assert judged
    assert all(' for "x"' in one for one in judged), "the new one has no say in itself"
    assert done.state == "failed"


def test_slices_and_figures_are_told(bench: Bench) -> None:
    story(bench)
    done = bench.run("classify:1")
    assert done.report is not None
    correct = done.report.metrics[0]
    assert correct.name == "correct"
    assert {part: one[0].rows for part, one in correct.slices.items()} == {
        "kind=money": 20,
        "kind=talk": 20,
    }
    tokens = next(one for one in done.report.metrics if one.name == "tokens")
    assert tokens.candidate.total
    assert tokens.candidate.total > 0


# What goes wrong


def test_a_row_that_lacks_a_variable_makes_it_inconclusive(bench: Bench) -> None:
    bench.rows([*TICKETS, {"input": {"other": "x"}, "expected": "x"}])
    bench.publish("classify", "Classify: {{ message }}")
    bench.suite("classify", hold=[{"metric": "correct", "not_worse_by": 0.0}])
    bench.publish("classify", "Classify: now {{ message }}", live=False)
    done = bench.run("classify:2")
    assert done.state == "inconclusive"
    assert "message" in done.summary
    assert done.report is not None
    assert done.report.held[0].rows == (40,)


def test_a_row_without_a_score_does_not_hide_a_failure(bench: Bench) -> None:
    bench.rows([*TICKETS, {"input": {"other": "x"}, "expected": "x"}])
    bench.publish("classify", "Wrong: {{ message }}")
    bench.suite("classify")
    assert bench.run("classify:1").state == "failed"


@pytest.mark.parametrize(
    ("fault", "told"), [(broken(500), "500"), (limited("0"), "429"), (hung_up(), "")]
)
def test_a_provider_that_is_down_makes_it_inconclusive(bench: Bench, fault: Any, told: str) -> None:
    bench.rows(TICKETS[:3])
    bench.publish("classify", "Classify: {{ message }}")
    bench.suite("classify")
    bench.endpoint.behaviour = lambda request: fault
    done = bench.run("classify:1")
    assert done.state == "inconclusive"
    assert told in done.summary


def test_a_provider_that_nobody_set_up(bench: Bench) -> None:
    bench.rows()
    bench.publish(
        "classify", {"template": "{{ message }}", "model": {"provider": "gone", "name": "m"}}
    )
    bench.suite("classify")
    done = bench.run("classify:1")
    assert done.state == "inconclusive"
    assert "gone" in done.summary


def test_a_prompt_that_names_no_model(bench: Bench) -> None:
    bench.rows()
    bench.publish("classify", {"template": "{{ message }}"})
    bench.suite("classify")
    done = bench.run("classify:1")
    assert done.state == "inconclusive"
    assert "model" in done.summary


def test_a_budget_that_is_used_up_half_way(bench: Bench) -> None:
    story(bench)
    done = bench.run("classify:1", budget_calls=30)
    assert done.state == "inconclusive"
    assert "30" in done.summary
    assert len(bench.endpoint.requests) <= 30
    assert done.report is not None
    assert done.report.outputs_made == len(bench.endpoint.requests), "what is on the bill is told"
    more = bench.run("classify:1", again=True)
    assert more.state == "passed"
    assert len(bench.endpoint.requests) == 80, "what was paid for was not asked again"


def test_a_chain_that_ends_nowhere(bench: Bench) -> None:
    story(bench)
    bench.registry.promote("shorten:1", "staging", reason="x")
    bench.registry.publish(
        "loose",
        {"template": "Classify: {{ shorten }}", "model": MODEL},
        dependencies=[Dependency("consumes", "shorten@staging", "shorten")],
    )
    bench.suite("loose")
    bench.registry.delete_alias("shorten@staging", reason="gone")
    done = bench.run("loose:1")
    assert done.state == "inconclusive"
    assert "means nothing" in done.summary


def test_a_chain_that_never_ends_asks_for_a_depth(bench: Bench) -> None:
    bench.rows(TICKETS[:2])
    bench.publish("ping", "Ping: {{ message }}")
    bench.consuming("pong", "Pong: {{ ping }}", "ping")
    bench.consuming("ping", "Ping: {{ pong }}", "pong")
    bench.suite("ping", scorers=[], hold=[{"metric": "tokens", "at_most": 1e9}])
    endless = bench.run("ping:2")
    assert endless.state == "inconclusive"
    assert "depth" in endless.summary
    bench.suite(
        "ping",
        output={"by": "chain", "depth": 1},
        inputs={"ping": "message"},
        scorers=[],
        hold=[{"metric": "tokens", "at_most": 1e9}],
    )
    assert bench.run("ping:2").state == "passed"


def test_half_a_character_in_an_output_costs_nobody_anything(bench: Bench) -> None:
    bench.endpoint.behaviour = lambda request: "bad \ud800 half"
    bench.rows(TICKETS[:2])
    bench.publish("keep", "Keep: {{ message }}")
    bench.suite("keep")
    done = bench.run("keep:1")
    assert done.state == "failed", done.summary
    assert {one.candidate.output for one in bench.cases(done.number)} == {"bad ? half"}


def test_an_output_that_is_no_json_is_worth_nothing(bench: Bench) -> None:
    bench.rows(TICKETS[:4])
    bench.publish("classify", "Classify: {{ message }}")
    bench.suite(
        "classify",
        scorers=[{"name": "shape", "by": "json_schema", "schema": {"type": "object"}}],
        hold=[{"metric": "shape", "at_least": 0.5}],
    )
    done = bench.run("classify:1")
    assert done.state == "failed"
    assert all(one.candidate.scores == {"shape": 0.0} for one in bench.cases(done.number))


def test_a_million_rows_are_refused_and_one_is_too_few_to_compare(bench: Bench) -> None:
    bench.rows(TICKETS[:1])
    bench.publish("classify", "Classify: {{ message }}")
    bench.publish("classify", "Classify: well {{ message }}", live=False)
    bench.suite("classify", hold=[{"metric": "correct", "not_worse_by": 0.1}])
    done = bench.run("classify:2")
    assert done.state == "inconclusive"
    assert "too few" in done.summary


# Commands


def test_a_command_makes_the_outputs(bench: Bench, tmp_path: Path) -> None:
    program = _program(
        tmp_path,
        """
        making = json.load(open(os.environ["POINTSMAN_MAKING"]))
        content = making["parts"][making["root"]]["content"]
        for line in sys.stdin:
            row = json.loads(line)
            label = "refund" if content["word"] in row["input"]["message"] else "other"
            print(json.dumps({"row": row["row"], "output": label, "seconds": 0.5}), flush=True)
        """,
    )
    bench.rows()
    bench.publish("labels", {"word": "money"}, kind="model")
    bench.publish("labels", {"word": "nothing"}, kind="model", live=False)
    bench.suite(
        "model:labels",
        output={"by": "command", "argv": [sys.executable, str(program)]},
        hold=[{"metric": "correct", "not_worse_by": 0.02}],
    )
    refused = bench.run("model:labels:2")
    assert refused.state == "inconclusive"
    assert "--allow-commands" in refused.summary
    done = bench.run("model:labels:2", again=True, terms=Terms(commands_allowed=True))
    assert done.state == "failed", done.summary
    assert done.report is not None
    assert (done.report.held[0].candidate, done.report.held[0].baseline) == (0.5, 1.0)


def test_a_command_that_fails_makes_it_inconclusive(bench: Bench, tmp_path: Path) -> None:
    program = _program(tmp_path, "sys.exit('no luck today')")
    bench.rows()
    bench.publish("labels", {"word": "money"}, kind="model")
    bench.suite("model:labels", output={"by": "command", "argv": [sys.executable, str(program)]})
    done = bench.run("model:labels:1", terms=Terms(commands_allowed=True))
    assert done.state == "inconclusive"
    assert "no luck today" in done.summary


def _program(folder: Path, body: str) -> Path:
    import textwrap

    file = folder / "program.py"
    file.write_text("import json, os, sys\n" + textwrap.dedent(body))
    return file


def _suite_of_shorten(bench: Bench) -> bool:
    bench.suite("shorten", scorers=[], hold=[{"metric": "tokens", "at_most": 1e9}])
    return True
