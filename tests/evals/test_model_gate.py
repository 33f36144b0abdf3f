"""The gate around a model: a challenger is trained, held against the champion, let by or not.

The data is real (scikit-learn's scanned digits), and so is the training: the suite's program
trains what a version's content says on the first part, and reads the digits of the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_digits

from pointsman import Registry
from pointsman.core.changes import Change
from pointsman.core.evaluation import Evaluation
from pointsman.core.vocabulary import Published
from pointsman.errors import Refused

TRAINED_ON = 1_200
NAME = "digits/reader"
SELECTOR = f"model:{NAME}@champion"
PROGRAM = f"""
import json
import os
import sys

from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

with open(os.environ["POINTSMAN_MAKING"], encoding="utf-8") as file:
    making = json.load(file)
content = making["parts"][os.environ["POINTSMAN_VERSION"]]["content"]
known = {{"SVC": SVC, "KNeighborsClassifier": KNeighborsClassifier}}
model = known[content["estimator"]](**content["parameters"])
images, digits = load_digits(return_X_y=True)
model.fit(images[:{TRAINED_ON}], digits[:{TRAINED_ON}])
rows = [json.loads(line) for line in sys.stdin]
read = model.predict([row["input"]["pixels"] for row in rows])
for row, digit in zip(rows, read, strict=True):
    print(json.dumps({{"row": row["row"], "output": str(digit)}}))
"""


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    """A champion that is live, with a suite, and a policy that asks for it."""
    program = tmp_path / "read_digits.py"
    program.write_text(PROGRAM)
    images, digits = load_digits(return_X_y=True)
    rows: list[Any] = [
        {"input": {"pixels": image.tolist()}, "expected": str(digit), "tags": {"digit": str(digit)}}
        for image, digit in zip(images[TRAINED_ON:], digits[TRAINED_ON:], strict=True)
    ]
    suite: dict[str, Any] = {
        "for": [f"model:{NAME}"],
        "dataset": "digits/scanned:1",
        "output": {"by": "command", "argv": [sys.executable, str(program)]},
        "scorers": [{"name": "accuracy", "by": "exact"}],
        "hold": [{"metric": "accuracy", "not_worse_by": 0.02}],
        "minimum": 200,
    }
    with Registry.open(tmp_path / "data") as opened:
        opened.publish("digits/scanned", rows, kind="dataset")
        opened.publish("digits/accuracy", suite, kind="suite", aliases=["champion"])
        trained(opened, "SVC", gamma=0.001)
        opened.promote(f"model:{NAME}:1", "champion", reason="the first")
        opened.set_policy(
            {"name": "digits", "artifacts": "digits/*", "aliases": "champion", "evaluate": "self"}
        )
        yield opened


def trained(registry: Registry, estimator: str, **parameters: Any) -> Published:
    """Register a model by what it is trained with."""
    content: dict[str, Any] = {
        "uri": f"https://models.example.org/digits/{estimator}",
        "estimator": estimator,
        "parameters": parameters,
    }
    return registry.publish(NAME, content, kind="model")


def challenged(registry: Registry, challenger: Published) -> tuple[Change, Evaluation]:
    """Propose a challenger, and have it evaluated."""
    move = {
        "kind": "model",
        "name": NAME,
        "alias": "champion",
        "version": challenger.version.number,
    }
    change = registry.propose("A challenger", [move], reason="it may be better")
    (asked,) = registry.evaluate_change(change.number)
    assert registry.run_evaluations(allow_commands=True) == 1
    return registry.change(change.number), registry.evaluation(asked.number)


def live(registry: Registry) -> int:
    return registry.resolve(SELECTOR).version


def test_a_challenger_that_is_worse_is_refused_by_the_digits_that_prove_it(
    registry: Registry,
) -> None:
    champion = live(registry)
    challenger = trained(registry, "SVC", gamma=0.004)
    change, evaluation = challenged(registry, challenger)
    assert (change.state, evaluation.against) == ("open", champion)
    assert evaluation.report is not None
    (held,) = evaluation.report.held
    assert evaluation.state == held.outcome == "failed", held
    assert held.candidate is not None
    assert held.baseline is not None
    assert held.candidate < held.baseline - 0.02
    number = challenger.version.number
    with pytest.raises(Refused) as caught:
        registry.apply(change.number)
    with pytest.raises(Refused) as directly:
        registry.promote(f"model:{NAME}:{number}", "champion", reason="it may be better")
    for refused in (caught.value, directly.value):
        assert [one.code for one in refused.reasons] == ["evaluation_not_passed"]
        assert held.message in refused.message
    assert live(registry) == champion
    (worst,) = registry.evaluation_cases(evaluation.number, limit=1).items
    assert worst.row in held.rows
    assert worst.baseline is not None
    assert worst.baseline.output == worst.expected != worst.candidate.output
    (accuracy,) = [one for one in evaluation.report.metrics if one.name == "accuracy"]
    assert sum(now.rows for now, _ in accuracy.slices.values()) == evaluation.report.rows
    assert set(accuracy.slices) == {f"digit={digit}" for digit in range(10)}


def test_a_challenger_of_which_nobody_can_tell_is_refused(registry: Registry) -> None:
    champion = live(registry)
    change, evaluation = challenged(registry, trained(registry, "SVC", gamma=0.003))
    assert evaluation.report is not None
    (held,) = evaluation.report.held
    assert evaluation.state == "inconclusive", held
    assert held.lower is not None
    assert held.candidate is not None
    assert held.baseline is not None
    assert held.lower < -0.02 < held.candidate - held.baseline < 0, "worse, and who knows how much"
    with pytest.raises(Refused):
        registry.apply(change.number)
    assert live(registry) == champion


def test_a_challenger_that_is_not_worse_becomes_champion(registry: Registry) -> None:
    challenger = trained(registry, "KNeighborsClassifier", n_neighbors=3)
    change, evaluation = challenged(registry, challenger)
    assert (evaluation.state, change.state) == ("passed", "ready"), evaluation.summary
    assert evaluation.report is not None
    assert evaluation.report.rows == 597
    registry.apply(change.number)
    assert live(registry) == challenger.version.number
    (told,) = registry.evidence(SELECTOR).evaluations
    assert told["evaluation"] == evaluation.number
    assert (told["version"], told["state"]) == (f"model:{NAME}:{live(registry)}", "passed")


def test_a_worker_that_may_run_no_commands_runs_none(registry: Registry) -> None:
    number = trained(registry, "SVC", gamma=0.0012).version.number
    (asked,) = registry.evaluate(f"model:{NAME}:{number}", alias="champion")
    assert registry.run_evaluations() == 1
    found = registry.evaluation(asked.number)
    assert found.state == "inconclusive"
    assert "--allow-commands" in found.summary
    assert not registry.evaluation_cases(asked.number).items
