"""Scorers: what outputs are worth, and that what goes wrong is never worth anything."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.scoring import NOTHING, find_judge, plain, plainly, row, scorer, worth
from pointsman.core.suites import SCORERS, Scorer
from pointsman.evals.models import Models
from pointsman.evals.outcome import MAX_NOTE, Output, Score
from pointsman.evals.scorers import Tools, check_pattern_text, score
from pointsman.evals.scorers.distances import distance
from pointsman.evals.scorers.documents import difference
from pointsman.evals.scorers.numbers import number_of

# -- the score itself


@pytest.mark.parametrize("value", [1.5, -0.1, float("nan"), float("inf"), True, "1", [1]])
def test_what_is_no_worth_is_no_score(value: Any) -> None:
    found = Score(value, "because")
    assert found.value is None
    assert "not a number from 0 to 1" in found.note
    assert "because" in found.note


def test_notes_are_clipped_in_the_middle() -> None:
    note = Score(1.0, "a" * 5_000 + "z").note
    assert len(note) <= MAX_NOTE
    assert note.startswith("aaa")
    assert note.endswith("az")


def test_one_by_itself() -> None:
    async def scored() -> Score:
        async with Models({}) as models:
            return await score(scorer("exact"), Output("a"), row("a"), Tools(models, find_judge))

    assert asyncio.run(scored()).value == 1


def test_there_is_a_scorer_for_each_name() -> None:
    needs: dict[str, dict[str, Any]] = {
        "regex": {"pattern": "a"},
        "json_schema": {"schema": {}},
        "embedding": {"model": "m"},
        "judge": {"prompt": "judge"},
        "autoevals": {"scorer": "ExactMatch"},
        "command": {"argv": ["true"]},
    }
    for by in SCORERS:
        found = worth(scorer(by, **needs.get(by, {})), "1", 1, commands_allowed=True)
        assert "failed" not in found.note, by


# -- exact, contains


@pytest.mark.parametrize(
    ("options", "text", "expected", "value"),
    [
        ({}, "yes", "yes", 1),
        ({}, "Yes", "yes", 0),
        ({}, "yes\n", "yes", 0),
        ({"trim": True}, " yes\n", "yes ", 1),
        ({"ignore_case": True}, "STRASSE", "straße", 1),
        ({}, "5", 5, 1),
        ({}, "true", True, 1),
        ({}, "null", None, 1),
        ({}, '{"a":1}', {"a": 1}, 1),
        ({"invert": True}, "yes", "yes", 0),
        ({"invert": True}, "no", "yes", 1),
    ],
)
def test_exact(options: Any, text: str, expected: Any, value: float) -> None:
    assert plain(scorer("exact", **options), text, expected).value == value


@pytest.mark.parametrize(
    ("options", "text", "expected", "value"),
    [
        ({}, "It is Paris.", "Paris", 1),
        ({}, "It is paris.", "Paris", 0),
        ({"ignore_case": True}, "It is PARIS.", "Paris", 1),
        ({"value": "error"}, "an error", NOTHING, 1),
        ({"value": "error", "invert": True}, "an error", NOTHING, 0),
        ({"value": "error"}, "a Paris", "Paris", 0),
        ({}, "It is 42.", 42, 1),
        ({"value": ""}, "anything", "thing", None),
        ({"value": "", "invert": True}, "anything", "thing", None),
        ({}, "anything", "", None),
    ],
)
def test_contains(options: Any, text: str, expected: Any, value: float | None) -> None:
    assert plain(scorer("contains", **options), text, expected).value == value


@pytest.mark.parametrize("by", ["exact", "contains", "json_equal", "numeric", "edit_distance"])
@pytest.mark.parametrize("invert", [False, True])
def test_a_row_that_expects_nothing_has_no_score(by: str, invert: bool) -> None:
    found = plain(scorer(by, invert=invert), "1")
    assert found.value is None
    assert "The row has no expected value" in found.note


# -- parts


@pytest.mark.parametrize(
    ("options", "text", "expected", "value"),
    [
        ({"path": "/label"}, '{"label": "a"}', "a", 1),
        ({"path": "/label", "expected": "/want/0"}, '{"label": "a"}', {"want": ["a"]}, 1),
        ({"path": "/0/a~1b/m~0n"}, '[{"a/b": {"m~n": "x"}}]', "x", 1),
        ({"path": "/"}, '{"": "x"}', "x", 1),
        ({"path": "/n"}, '{"n": 1.0}', 1, 1),
        ({"path": "/n"}, '{"n": {"b": 1, "a": 2}}', {"a": 2, "b": 1}, 1),
    ],
)
def test_parts_count(options: Any, text: str, expected: Any, value: float) -> None:
    assert plain(scorer("exact", **options), text, expected).value == value


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/label", "not JSON"),
        ("/label", ""),
        ("/label", '{"other": 1}'),
        ("/label", '"label"'),
        ("/01", "[1, 2]"),
        ("/-", "[1, 2]"),
        ("/2", "[1, 2]"),
        ("/-1", "[1, 2]"),
        ("/label", '{"label": 1, "label": 2}'),
        ("/" + "9" * 5_000, "[1]"),
    ],
)
@pytest.mark.parametrize("invert", [False, True])
def test_an_output_without_the_part_is_worth_nothing(path: str, text: str, invert: bool) -> None:
    found = plain(scorer("contains", value="zzz", path=path, invert=invert), text)
    assert found.value == 0
    assert "The output" in found.note


def test_a_row_without_the_part_has_no_score() -> None:
    found = plain(scorer("exact", expected="/want"), "a", {"other": 1})
    assert (found.value, "nothing at '/want'" in found.note) == (None, True)


def test_json_that_a_maker_gave_is_taken_as_it_is() -> None:
    assert plain(scorer("exact", path="/a"), "what it looks like", "x", {"a": "x"}).value == 1
    assert plain(scorer("exact"), '"x"', "x", "x").value == 1


# -- regex


@pytest.mark.parametrize(
    ("pattern", "text", "value"),
    [
        (r"^\d{3}$", "123", 1),
        (r"^\d{3}$", "1234", 0),
        ("b", "abc", 1),
        ("(?i)PARIS", "paris", 1),
        (r"\p{Lu}", "straße", 0),
        ("a.c", "a\nc", 0),
        ("(?s)a.c", "a\nc", 1),
        ("x", "\ud800x", 1),
        ("x", "y" * 150_000 + "x", 1),
    ],
)
def test_regex(pattern: str, text: str, value: float) -> None:
    assert plain(scorer("regex", pattern=pattern), text).value == value


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "(?<!a)b", "a{5000}", "\ud800"])
@pytest.mark.parametrize("invert", [False, True])
def test_a_pattern_that_is_none(pattern: str, invert: bool) -> None:
    assert check_pattern_text(pattern)
    found = plainly(
        Scorer("r", "regex", {"pattern": pattern, "invert": invert}), [(Output("a"), row())]
    )[0]
    assert found.value is None
    assert "The pattern can't be used" in found.note


def test_good_patterns_are_told_so(capfd: pytest.CaptureFixture[str]) -> None:
    assert check_pattern_text(r"^(a|b)+\w*$") == ""
    assert check_pattern_text("(") != ""
    assert capfd.readouterr().err == ""


def test_patterns_that_blow_up_elsewhere_end() -> None:
    assert plain(scorer("regex", pattern="(x+x+)+y"), "x" * 100_000).value == 0


def test_too_long_a_text_for_a_pattern() -> None:
    assert plain(scorer("regex", pattern="x"), "x" * 300_000).value is None


# -- json_equal, json_schema

TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text("ab/~", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "expected", "told"),
    [
        ('{"b": 1, "a": [1.0, 2]}', {"a": [1, 2.0], "b": 1}, ""),
        ("true", 1, "The output is true, not 1."),
        ("0", False, "The output is 0, not false."),
        ("null", None, ""),
        ('{"a": {"b": 1}}', {"a": {"b": 2}}, "'/a/b' is 1, not 2."),
        ('{"a": 1}', {"a": 1, "b/c": 2}, "'/b~1c' is missing."),
        ('{"a": 1, "b": 2}', {"a": 1}, "'/b' is not expected."),
        ("[1, 2]", [1, 2, 3], "The output has 2 items, not 3."),
        ("[[], {}]", [[], []], "'/1' is an object, not a list."),
        ('"1"', 1, "The output is '1', not 1."),
        ("1e0", 1, ""),
        ("[1", [1], "The output is not JSON"),
        ("NaN", 1, "The output is not JSON"),
    ],
)
def test_json_equal(text: str, expected: Any, told: str) -> None:
    found = plain(scorer("json_equal"), text, expected)
    assert found.value == (0 if told else 1)
    assert told in found.note
    assert bool(told) == bool(found.note)


@given(TREES, TREES)
def test_json_is_equal_when_its_texts_are(left: Any, right: Any) -> None:
    def normal(value: Any) -> str:
        if isinstance(value, dict):
            return f"object {sorted((key, normal(one)) for key, one in value.items())}"
        if isinstance(value, list):
            return str([normal(one) for one in value])
        if isinstance(value, int | float) and not isinstance(value, bool):
            return f"number {float(value) + 0.0}"
        return repr(value)

    assert (difference(left, right) == "") == (normal(left) == normal(right))
    assert difference(left, json.loads(json.dumps(left))) == ""
    assert (difference(left, right) == "") == (difference(right, left) == "")


@pytest.mark.parametrize(
    ("schema", "text", "value", "told"),
    [
        ({"type": "object", "required": ["a"]}, '{"a": 1}', 1, ""),
        ({"type": "object", "required": ["a"]}, "{}", 0, "the key 'a' is missing"),
        ({"type": "string", "pattern": "^a+$"}, '"aab"', 0, "aab"),
        ({"type": "integer"}, "sorry, no", 0, "not JSON"),
        ({"type": "array", "items": {"type": "integer"}}, json.dumps(["x"] * 30), 0, "20 more"),
    ],
)
def test_json_schema(schema: Any, text: str, value: float, told: str) -> None:
    found = plain(scorer("json_schema", schema=schema), text)
    assert found.value == value
    assert told in found.note


def test_a_schema_that_never_ends() -> None:
    schema = {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
    found = plainly(Scorer("s", "json_schema", {"schema": schema}), [(Output("1"), row())])[0]
    assert (found.value, "can't be used" in found.note) == (None, True)


# -- numeric


@pytest.mark.parametrize(
    ("options", "text", "expected", "value"),
    [
        ({}, "42", 42, 1),
        ({}, " 42.0\n", 42, 1),
        ({}, "4.2e1", "42", 1),
        ({}, "+.5", 0.5, 1),
        ({}, "43", 42, 0),
        ({"tolerance": 1}, "43", 42, 1),
        ({"tolerance": 0.1}, "1.1", 1.0, 1),
        ({"tolerance": 0.3}, "1.3", 1.0, 1),
        ({"tolerance": 0.1}, "1.1001", 1.0, 0),
        ({"tolerance": 0.05, "relative": True}, "-105", -100, 1),
        ({"tolerance": 0.05, "relative": True}, "106", 100, 0),
        ({"tolerance": 0.5, "relative": True}, "0.1", 0, 0),
        ({"path": "/n"}, '{"n": 42}', 42, 1),
        ({"path": "/n"}, '{"n": "42"}', 42, 1),
        ({"path": "/n"}, '{"n": true}', 1, 0),
        ({"tolerance": 1e308}, "-1e308", 1e308, 0),
    ],
)
def test_numeric(options: Any, text: str, expected: Any, value: float) -> None:
    assert plain(scorer("numeric", **options), text, expected).value == value


@pytest.mark.parametrize(
    "text",
    ["", "about 42", "42 %", "1,000", "1_000", "NaN", "Infinity", "-inf", "1e999", "0x10", "٤٢",
     "1e", "--1", "1e99999999999", "1" * 5_000],
)  # fmt: skip
@pytest.mark.parametrize("invert", [False, True])
def test_what_is_no_number_is_worth_nothing(text: str, invert: bool) -> None:
    assert number_of(text) is None
    assert plain(scorer("numeric", tolerance=1e9, invert=invert), text, 42).value == 0


@pytest.mark.parametrize("expected", ["many", None, True, [1]])
def test_a_row_that_expects_no_number(expected: Any) -> None:
    assert plain(scorer("numeric"), "1", expected).value is None


# -- edit_distance


def slow_distance(left: str, right: str) -> int:
    before = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        now = [i]
        for j, b in enumerate(right, 1):
            now.append(min(before[j] + 1, now[-1] + 1, before[j - 1] + (a != b)))
        before = now
    return before[-1]


@given(st.text("abä", max_size=40), st.text("abä", max_size=40))
def test_distances_are_those_of_the_plain_table(left: str, right: str) -> None:
    assert distance(left, right) == slow_distance(left, right)


@given(st.text("ab", max_size=40), st.text("ab", max_size=40), st.integers(1, 9))
def test_distances_block_by_block(left: str, right: str, bits: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pointsman.evals.scorers.distances._BLOCK", bits)
        assert distance(left, right) == slow_distance(left, right)


def test_long_texts_are_compared() -> None:
    left, right = "abc" * 12_000, "acb" * 12_000 + "x" * 7
    assert distance(left, left[100:]) == 100
    assert distance("y" * 20_000, "x" * 30_000) == 30_000
    assert 12_000 <= distance(left, right) <= 24_007


@pytest.mark.parametrize(
    ("options", "text", "expected", "value"),
    [
        ({}, "kitten", "sitting", 1 - 3 / 7),
        ({}, "", "", 1),
        ({}, "", "abcd", 0),
        ({}, "ABCD", "abcd", 0),
        ({"ignore_case": True}, "ABCD", "abcd", 1),
        ({}, "x" * 100_001, "y", None),
        ({}, "a" * 60_000, "a" * 30_000, 0.5),
    ],
)
def test_edit_distance(options: Any, text: str, expected: Any, value: float | None) -> None:
    assert plain(scorer("edit_distance", **options), text, expected).value == value


# -- everything


@given(st.text(max_size=60), TREES, st.booleans(), st.sampled_from(["", "/a", "/0"]))
def test_no_output_makes_a_scorer_raise(text: str, expected: Any, invert: bool, path: str) -> None:
    every = [
        scorer("exact", invert=invert, path=path, ignore_case=True, trim=True),
        scorer("contains", invert=invert, path=path),
        scorer("regex", pattern="a", invert=invert, path=path),
        scorer("json_equal", invert=invert, expected=path),
        scorer("json_schema", schema={"type": "object"}, invert=invert, path=path),
        scorer("numeric", tolerance=1, invert=invert, path=path),
        scorer("edit_distance", invert=invert, expected=path),
    ]
    for one in every:
        found = plain(one, text, expected)
        assert found.value is None or 0 <= found.value <= 1
        assert "failed" not in found.note
