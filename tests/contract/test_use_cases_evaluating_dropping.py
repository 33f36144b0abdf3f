"""Texts of evaluations go with what they were made of, and with time; figures stay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from contract.evaluating import SECOND, Lab
from contract.governing import HOUR
from evals.endpoint import Answer, Endpoint, Request
from pointsman.app import archiving, doctor
from pointsman.app.evaluating import asking, dropping, runs
from pointsman.app.evaluating.asking import Request as Wish
from pointsman.app.evaluating.kept import KEPT
from pointsman.app.evaluating.runs import Lost
from pointsman.app.ports import Store
from pointsman.compose import Registry
from pointsman.core.evaluation import CaseResult, Evaluation, Side
from pointsman.core.selectors import parse_selector
from pointsman.errors import Gone
from stores import Place

SECRET = "tangerine-4711"
OTHER = "harmless"
MODEL: dict[str, Any] = {"provider": "local", "name": "small"}
SUITE: dict[str, Any] = {
    "for": ["reply"],
    "dataset": "rows@production",
    "scorers": [{"name": "correct", "by": "exact"}],
    "hold": [{"metric": "correct", "at_least": 0.9}],
}
SEARCHED = ("evaluation", "evaluation_case", "evaluation_end", "evaluation_work", "made")


def _answer(request: Request) -> Answer:
    if "fails" in request.text:
        raise ConnectionError
    return f"You said: {request.text}"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(_answer) as running:
        yield running


def _registry(store: Store, endpoint: Endpoint) -> Registry:
    """A project whose rows have a secret in their first version, and none in the second."""
    registry = Registry(store)
    registry.set_provider("local", base_url=endpoint.base_url)
    registry.publish("reply", {"template": "Answer {{ message }}", "model": MODEL})
    for text in (SECRET, OTHER):
        rows: list[Any] = [
            {"input": {"message": f"{text} {n}"}, "expected": text, "tags": {"of": text}}
            for n in range(3)
        ]
        registry.publish("rows", {"rows": rows}, kind="dataset")
    registry.promote("dataset:rows:1", "production", reason="to begin with")
    registry.publish("suite", SUITE, kind="suite")
    registry.promote("suite:suite:1", "production", reason="to begin with")
    return registry


def _evaluated(registry: Registry, rows: int) -> Evaluation:
    registry.promote(f"dataset:rows:{rows}", "production", reason="these rows")
    (asked,) = registry.evaluate("reply:1")
    assert registry.run_evaluations() == 1
    return registry.evaluation(asked.number)


def _tables_with(place: Place, text: str) -> list[str]:
    """The tables whose raw rows have a text anywhere."""
    with place.raw() as raw:
        return [one for one in SEARCHED if text in str(list(raw.execute(f"SELECT * FROM {one}")))]


def test_what_was_made_of_a_removed_version_is_erased(
    place: Place, store: Store, endpoint: Endpoint
) -> None:
    registry = _registry(store, endpoint)
    with_secret, without = _evaluated(registry, 1), _evaluated(registry, 2)
    assert _tables_with(place, SECRET) == ["evaluation_case", "evaluation_end", "made"]
    registry.tombstone("dataset:rows:1", reason="personal data")
    assert _tables_with(place, SECRET) == []
    after = registry.evaluation(with_secret.number)
    assert (after.state, after.seal) == (with_secret.state, with_secret.seal)
    assert after.rows_dropped_at is not None
    assert after.rows_dropped == "the content of dataset:rows:1 was removed"
    assert after.report is not None
    assert with_secret.report is not None
    assert [(one.name, one.candidate) for one in after.report.metrics] == [
        (one.name, one.candidate) for one in with_secret.report.metrics
    ]
    with pytest.raises(Gone):
        registry.evaluation_cases(with_secret.number)
    # The other evaluation keeps its rows, and its outputs serve again.
    assert registry.evaluation(without.number) == without
    assert len(registry.evaluation_cases(without.number).items) == 3
    assert "made" in _tables_with(place, OTHER)
    assert not registry._read(doctor.examine).findings


def test_what_nobody_noted_the_maker_of_is_erased_as_well(
    place: Place, store: Store, endpoint: Endpoint
) -> None:
    """Outputs from before it was noted for which evaluation they were made."""
    registry = _registry(store, endpoint)
    _evaluated(registry, 1)
    with place.raw() as raw:
        raw.execute("UPDATE made SET number = 0")
    registry.tombstone("dataset:rows:2", reason="another one")
    assert "made" not in _tables_with(place, SECRET)


@pytest.fixture
def lab(store: Store) -> Lab:
    return Lab(store)


def _case(text: str) -> list[CaseResult]:
    return [CaseResult(0, {"message": text}, Side(text))]


def test_a_worker_that_is_at_it_can_write_no_text_any_more(place: Place, lab: Lab) -> None:
    (asked,) = lab.does("eva", lambda w: asking.evaluate(w, Wish(parse_selector("reply:1"))))
    taken = lab.take(lease=600 * SECOND)
    assert taken is not None
    lab.app.write(lab.worker, lambda w: runs.keep_cases(w, taken, _case(SECRET)))
    made = [("key", SECRET)]
    lab.app.write(lab.worker, lambda w: runs.keep_made(w, asked.number, made, 0))
    lab.publish("rows", [{"input": {"message": "other"}}], kind="dataset")
    lab.points("dataset", "rows", 2, "production")
    lab.does("ada", lambda w: archiving.tombstone(w, "dataset", "rows", 1, "personal data"))
    assert _tables_with(place, SECRET) == []
    with pytest.raises(Lost):
        lab.app.write(lab.worker, lambda w: runs.keep_cases(w, taken, _case(SECRET)))
    lab.app.write(lab.worker, lambda w: runs.keep_made(w, asked.number, made, 0))
    assert _tables_with(place, SECRET) == []
    again = lab.take()
    assert again is not None
    assert again.number == asked.number
    lab.end(again, "inconclusive")
    assert [
        one for one in lab.sees("ada", doctor.examine).findings if "person" not in one.subject
    ] == []


def _ended(lab: Lab, selector: str) -> int:
    """The number of an evaluation that ended, with a row."""
    wish = Wish(parse_selector(selector))
    (asked,) = lab.does("eva", lambda w: asking.evaluate(w, wish))
    taken = lab.take()
    assert taken is not None
    lab.app.write(lab.worker, lambda w: runs.keep_cases(w, taken, _case(SECRET)))
    lab.end(taken)
    return asked.number


def test_versions_whose_labels_look_alike_keep_their_rows(lab: Lab, place: Place) -> None:
    """One may begin as another does, or hold what stands for any character in a search."""
    lab.suite("ten-suite", "ten")
    for n in range(10):
        lab.publish("ten", f"{n}: {{{{ message }}}}")
    lab.publish("re_ly", "Say {{ message }}")
    numbers = _ended(lab, "ten:10"), _ended(lab, "reply:1")
    for name in ("ten", "re_ly"):
        lab.does("ada", lambda w, n=name: archiving.tombstone(w, "prompt", n, 1, "no more"))  # type: ignore[misc]
    assert all(_has_rows(lab, number) for number in numbers)
    assert lab.sees("ana", lambda v: runs.show(v, numbers[0])).rows_dropped_at is None


def test_rows_are_dropped_when_they_are_old(place: Place, lab: Lab) -> None:
    numbers = []
    for selector in ("reply:1", "classify:1"):
        numbers.append(_ended(lab, selector))
        lab.now += HOUR
    lab.now += KEPT - 2 * HOUR - SECOND
    dropping.drop_old(lab.app)
    assert all(_has_rows(lab, number) for number in numbers)
    lab.now += HOUR
    dropping.drop_old(lab.app)
    dropping.drop_old(lab.app)
    assert [_has_rows(lab, number) for number in numbers] == [False, True]
    shown = lab.sees("ana", lambda v: runs.show(v, numbers[0]))
    assert shown.rows_dropped == "rows are kept for 90 days"
    assert shown.report is not None
    with pytest.raises(Gone) as caught:
        lab.sees("ana", lambda v: runs.cases(v, numbers[0]))
    assert caught.value.code == "rows_dropped"
    assert f"{shown.rows_dropped_at:%Y-%m-%d}" in caught.value.message
    lab.now += HOUR
    dropping.drop_old(lab.app)
    assert _tables_with(place, SECRET) == []
    assert lab.sees("ana", lambda v: runs.show(v, numbers[0])) == shown


def _has_rows(lab: Lab, number: int) -> bool:
    with lab.app.store.read() as reader:
        return bool(reader.evaluation_cases(lab.project.id, number, -1, 1))
