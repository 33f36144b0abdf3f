"""Configurations of promptfoo become datasets and suites that mean the same, or it is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core import promptfoo
from pointsman.core.canonical import canonical_json
from pointsman.core.datasets import parse_dataset
from pointsman.core.promptfoo import Converted, convert
from pointsman.core.promptfoo_assertions import Models, checks_of, model_of
from pointsman.core.promptfoo_tests import Located, case_of_cells
from pointsman.core.suites import MAX_SCORERS, SuiteContent, parse_suite
from pointsman.errors import TooLarge
from pointsman.evals.outcome import Output
from pointsman.evals.scorers import Tools, score

MODELS = Models("openai:gpt-4o", "openai:text-embedding-3-small")
SUPPORT = """
description: Replies of the support desk
prompts: [file://reply.txt]
providers: [openai:gpt-4o-mini]
defaultTest:
  vars: {company: Acme}
  assert:
    - {type: latency, threshold: 3000}
    - {type: not-icontains, value: "as a language model"}
assertionTemplates:
  kind: {type: llm-rubric, value: "Greets {{name}} and is kind"}
tests:
  - description: late order
    vars: {name: Ana, message: "Where is my order?"}
    assert:
      - {type: contains, value: "{{name}}"}
      - {$ref: "#/assertionTemplates/kind"}
    metadata: {language: en, urgent: true}
  - description: late order
    vars: {name: Ben, message: ["Wo ist es?", "Wo?"]}
    assert:
      - {type: contains, value: Ben}
      - {type: contains, value: Paket}
      - {type: javascript, value: output.length < 400}
    metadata: {language: de}
  - vars: {name: Eva, message: "Price?"}
    options: {disableDefaultAsserts: true}
    assert:
      - {type: equals, value: {price: 7}}
      - type: assert-set
        assert: [{type: cost, threshold: 0.002}, {type: is-json}]
evaluateOptions: {repeat: 3}
"""


def _converted(text: str | dict[str, Any], models: Models = MODELS, **more: Any) -> Converted:
    config = yaml.safe_load(text) if isinstance(text, str) else text
    tests = [Located(f"/tests/{n}", one) for n, one in enumerate(config.get("tests", []))]
    scenarios = [Located(f"/scenarios/{n}", x) for n, x in enumerate(config.get("scenarios", []))]
    return convert(config, tests, scenarios, models, **more)


def _suite(found: Converted) -> SuiteContent:
    return parse_suite(found.suite(["support/*"], "support/tickets:1", "support/judge:1"))


def _one(assertion: dict[str, Any], models: Models = MODELS) -> Converted:
    return _converted({"tests": [{"vars": {"m": "x"}, "assert": [assertion]}]}, models)


def test_a_configuration_becomes_rows_and_criteria() -> None:
    found = _converted(SUPPORT)
    rows = found.dataset["rows"]
    assert [row["input"]["name"] for row in rows] == ["Ana", "Ben", "Ben", "Eva"]
    assert [row.get("id") for row in rows] == [
        "late order", "late order (2)", "late order (3)", None,
    ]  # fmt: skip
    assert rows[0]["input"]["company"] == "Acme"
    assert rows[0]["tags"]["language"] == "en"
    assert rows[0]["tags"]["urgent"] is True
    assert rows[0]["expected"] == {
        "not icontains": "as a language model",
        "contains": "Ana",
        "llm-rubric": "Greets Ana and is kind",
    }
    assert rows[1]["expected"]["contains 2"] == "Paket"
    assert rows[3]["expected"] == {"equals": {"price": 7}}
    suite = _suite(found)
    assert suite.trials == 3
    assert suite.description == "Replies of the support desk"
    told = {str(one) for one in suite.hold}
    assert "max latency at most 3, asserts.latency yes" in told
    assert "max cost at most 0.002, asserts.cost yes" in told
    assert "each contains at least 1, asserts.contains yes" in told
    assert "each contains 2 at least 1, asserts.contains 2 yes" in told
    for criterion in suite.hold:
        (tag,) = criterion.slice
        has = [tag in row["tags"] for row in rows]
        assert any(has)
        assert not all(has)
    parse_dataset(dict(found.dataset))


def test_what_has_no_equivalent_is_told_with_its_place() -> None:
    notes = {one.what: one for one in _converted(SUPPORT).notes}
    assert notes["javascript"].where == "/tests/1/assert/2"
    assert "runs code" in notes["javascript"].why
    assert notes["javascript"].do
    assert notes["llm-rubric"].where == "/tests/0/assert/1"
    assert notes["prompts"].where == "/prompts"
    assert notes.keys() == {"javascript", "llm-rubric", "prompts", "providers"}


def test_what_all_rows_have_needs_no_slice() -> None:
    found = _converted(
        {
            "defaultTest": {"assert": [{"type": "is-json"}]},
            "tests": [{"vars": {"m": "x"}}, {"vars": {"m": "y"}}],
        }
    )
    assert found.hold == [{"metric": "is-json", "each_at_least": 1.0}]
    assert found.dataset["rows"] == [{"input": {"m": "x"}}, {"input": {"m": "y"}}]


def test_values_of_one_kind_stand_by_themselves() -> None:
    tests = [{"vars": {"m": x}, "assert": [{"type": "equals", "value": x}]} for x in "abc"]
    found = _converted({"tests": tests})
    assert found.scorers == [{"name": "equals", "by": "exact"}]
    assert [row["expected"] for row in found.dataset["rows"]] == ["a", "b", "c"]


def test_scenarios_are_tried_in_all_combinations() -> None:
    found = _converted(
        """
        defaultTest: {assert: [{type: contains, value: "!"}]}
        scenarios:
          - config: [{vars: {to: fr, hi: Salut}}, {vars: {to: de, hi: Hallo}}]
            tests:
              - {vars: {text: Hi}, assert: [{type: icontains, value: "{{hi}}"}]}
              - {vars: {text: Ho}}
        """
    )
    rows = found.dataset["rows"]
    assert [(row["input"]["to"], row["input"]["text"]) for row in rows] == [
        ("fr", "Hi"), ("fr", "Ho"), ("de", "Hi"), ("de", "Ho"),
    ]  # fmt: skip
    assert [row["expected"].get("icontains") for row in rows] == ["Salut", None, "Hallo", None]


def test_the_judge_has_the_model_of_the_configuration() -> None:
    text = """
    defaultTest: {options: {provider: "anthropic:messages:claude-x"}}
    tests: [{vars: {m: x}, assert: [{type: llm-rubric, value: is kind}]}]
    """
    found = _converted(text, Models())
    assert found.judge is not None
    assert found.judge["model"] == {"provider": "anthropic", "name": "claude-x"}
    assert found.judge["template"] == promptfoo.JUDGE
    assert found.suite(["*"], "d:1", "j:4")["scorers"][0]["prompt"] == "j:4"
    assert found.dataset["rows"][0]["expected"] == "is kind"


# -- assertions mean the same


@pytest.mark.parametrize(
    ("assertion", "good", "bad"),
    [
        ({"type": "equals", "value": "4"}, "4", "4 "),
        ({"type": "equals", "value": 4}, "4", "four"),
        ({"type": "equals", "value": {"a": [1]}}, '{"a": [1.0]}', '{"a": []}'),
        ({"type": "not-equals", "value": "4"}, "5", "4"),
        ({"type": "contains", "value": "Paris"}, "in Paris", "in paris"),
        ({"type": "icontains", "value": "Paris"}, "in paris", "in Rome"),
        ({"type": "not-contains", "value": "Paris"}, "in Rome", "in Paris"),
        ({"type": "contains-any", "value": ["a.b", "(c"]}, "x (c y", "axb"),
        ({"type": "icontains-any", "value": "one, two"}, "TWO", "three"),
        ({"type": "not-contains-any", "value": ["a", "b"]}, "c", "cb"),
        ({"type": "contains-all", "value": ["a", "b"]}, "b a", "a"),
        ({"type": "starts-with", "value": "Dear $x"}, "Dear $x,\nhi", "My\nDear $x"),
        ({"type": "regex", "value": "\\d{4}"}, "in 2026", "in 26"),
        ({"type": "not-regex", "value": "^a"}, "ba", "ab"),
        ({"type": "is-json"}, '["x"]', "x"),
        ({"type": "is-json", "value": {"required": ["a"]}}, '{"a": 1}', "{}"),
        ({"type": "is-json", "value": '{"type": "array"}'}, "[]", "{}"),
        ({"type": "levenshtein", "value": "kitten", "threshold": 2}, "kittens", "sitting on"),
        (
            {"type": "equals", "value": "x", "transform": "JSON.parse(output).a[1]"},
            '{"a": ["y", "x"]}',
            '{"a": ["x", "y"]}',
        ),
    ],
)
def test_scorers_agree_with_assertions(assertion: dict[str, Any], good: str, bad: str) -> None:
    found = _one(assertion)
    suite = _suite(found)
    assert len(suite.hold) == len(suite.scorers)
    (row,) = parse_dataset(dict(found.dataset)).rows
    nothing: Any = None  # these ask no model
    tools = Tools(nothing, nothing)
    for output, wanted in ((good, True), (bad, False)):
        passed = []
        for scorer, criterion in zip(suite.scorers, suite.hold, strict=True):
            value = asyncio.run(score(scorer, Output(output), row, tools)).value
            assert value is not None
            passed.append(value >= criterion.bound)
        assert all(passed) is wanted


def test_assertions_that_ask_models() -> None:
    similar = _one({"type": "similar", "value": "x"})
    assert similar.scorers == [
        {
            "name": "similar",
            "by": "embedding",
            "provider": "openai",
            "model": "text-embedding-3-small",
        }
    ]
    assert similar.hold == [{"metric": "similar", "each_at_least": 0.75}]
    fact = _one({"type": "factuality", "value": "x", "provider": "openai:chat:o1"})
    assert fact.scorers[0]["scorer"] == "Factuality"
    assert fact.scorers[0]["model"] == "o1"
    for kind in ("similar", "factuality", "llm-rubric"):
        found = _one({"type": kind, "value": "x"}, Models())
        assert not found.scorers
        assert "names no model" in found.notes[0].why


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai:gpt-4o", {"provider": "openai", "model": "gpt-4o"}),
        ("openai:chat:gpt-4o", {"provider": "openai", "model": "gpt-4o"}),
        ({"id": "openai:embedding:e"}, {"provider": "openai", "model": "e"}),
        ("ollama:chat:llama3:8b", {"provider": "ollama", "model": "llama3:8b"}),
        ("gpt-4o", {}),
        ({"id": 3}, {}),
        (None, {}),
    ],
)
def test_providers_are_read(provider: Any, model: dict[str, str]) -> None:
    assert model_of(provider) == model


@pytest.mark.parametrize(
    ("assertion", "said"),
    [
        ({"type": "python", "value": "len(output) < 9"}, "runs code"),
        ({"type": "contains-json"}, "as a whole"),
        ({"type": "context-recall"}, "prompts of its own"),
        ({"type": "rouge-n", "value": "x"}, "rouge-n has no equivalent"),
        ({"value": "x"}, "has no type"),
        ({"type": ["contains"]}, "has no type"),
        ({"type": "regex", "value": "a(?!b)"}, "look-around"),
        ({"type": "regex", "value": "(a)\\1"}, "look-around"),
        ({"type": "not-contains-all", "value": ["a", "b"]}, "one scorer"),
        ({"type": "contains", "value": ""}, "empty text"),
        ({"type": "contains-any", "value": []}, "names no texts"),
        ({"type": "contains-any", "value": ["a", ""]}, "an empty text"),
        ({"type": "contains", "value": {"a": 1}}, "no text"),
        ({"type": "is-json", "value": "{"}, "no JSON Schema"),
        ({"type": "is-json", "value": "file://schema.json"}, "not read"),
        ({"type": "similar", "value": ["a", "b"]}, "several texts"),
        ({"type": "not-latency", "threshold": 1}, "one scorer"),
        ({"type": "cost"}, "no threshold"),
        ({"type": "contains", "value": "x", "transform": "output.trim()"}, "no code is run"),
        ({"type": "contains", "value": "{{ m | upper }}"}, "more than name variables"),
        ({"type": "contains", "value": "{% if m %}x{% endif %}"}, "more than name variables"),
        ({"type": "contains", "value": "{{ other }}"}, "{{other}} is no text"),
        ({"$ref": "#/nowhere"}, "leads nowhere"),
        ({"type": "assert-set", "threshold": 0.5, "assert": [{"type": "is-json"}]}, "a share"),
    ],
)
def test_what_can_not_be_told_here_says_why(assertion: dict[str, Any], said: str) -> None:
    found = _one(assertion)
    assert not found.scorers
    assert said in found.notes[0].why
    assert found.notes[0].do
    assert found.notes[0].where == "/tests/0/assert/0"
    assert found.notes[1].what == "nothing that must hold"


def test_a_weight_of_nothing_only_measures() -> None:
    found = _converted(
        {
            "tests": [
                {
                    "vars": {"m": "x"},
                    "assert": [
                        {"type": "contains", "value": "a", "weight": 0, "metric": "tone"},
                        {"type": "is-json"},
                    ],
                }
            ]
        }
    )
    assert [one["name"] for one in found.scorers] == ["tone", "is-json"]
    assert [one["metric"] for one in found.hold] == ["is-json"]


@pytest.mark.parametrize(
    ("test", "what"),
    [
        ({"vars": {"m": "file://x.png"}}, "file://x.png"),
        ({"vars": {"m": ["a", {"b": "package:x"}]}}, "package:x"),
        ({}, "a test without vars"),
        ({"vars": {"m": "x"}, "threshold": 0.5}, "threshold"),
        ({"vars": {"m": "x"}, "provider": "openai:x"}, "provider"),
        ({"vars": {"m": "x"}, "options": {"prefix": "Hi"}}, "prefix"),
        ({"vars": {"m": "x"}, "options": {"storeOutputAs": "y"}}, "storeOutputAs"),
        ({"vars": {"m": "x"}, "metadata": {"list": [1]}}, "metadata list"),
    ],
)
def test_what_a_test_can_not_have_here_is_told(test: dict[str, Any], what: str) -> None:
    found = _converted({"tests": [test]})
    assert what in [one.what for one in found.notes]
    assert len(found.dataset["rows"]) == ("m" in test.get("vars", {}) and ":" not in what)


def test_a_suite_has_room_for_so_many_scorers() -> None:
    tests = [
        {"vars": {"m": str(n)}, "assert": [{"type": "regex", "value": f"^{n}$"}]}
        for n in range(MAX_SCORERS + 4)
    ]
    found = _converted({"tests": tests})
    assert len(_suite(found).scorers) == MAX_SCORERS
    assert sum("at most 30 scorers" in one.why for one in found.notes) == 4


def test_lists_of_values_have_an_end() -> None:
    hundred = [str(n) for n in range(100)]
    with pytest.raises(TooLarge, match="more than 100,000 rows"):
        _converted({"tests": [{"vars": dict.fromkeys("abcdef", hundred)}]})
    one = {"vars": {"a": hundred}, "options": {"disableVarExpansion": True}}
    assert len(_converted({"tests": [one]}).dataset["rows"]) == 1


def test_assertions_that_refer_to_each_other_have_an_end() -> None:
    loop = {"$ref": "#/t/a"}
    found = _converted({"t": {"a": loop}, "tests": [{"vars": {"m": "x"}, "assert": [loop]}]})
    assert found.notes[0].what == "$ref #/t/a"


# -- cells


@pytest.mark.parametrize(
    ("cell", "assertion"),
    [
        ("Paris", {"type": "equals", "value": "Paris"}),
        ("contains: Paris", {"type": "contains", "value": "Paris"}),
        ("not-contains:a:b", {"type": "not-contains", "value": "a:b"}),
        ("similar(0.8):Hi there", {"type": "similar", "value": "Hi there", "threshold": 0.8}),
        ("grade: is kind", {"type": "llm-rubric", "value": "is kind"}),
        ("fn: x", {"type": "javascript", "value": "x"}),
        ("is-json", {"type": "is-json"}),
        ("latency(500):", {"type": "latency", "threshold": 500.0}),
        ("note: it is", {"type": "equals", "value": "note: it is"}),
        ("https://x", {"type": "equals", "value": "https://x"}),
        ("a\nb", {"type": "equals", "value": "a\nb"}),
    ],
)
def test_cells_are_assertions(cell: str, assertion: dict[str, Any]) -> None:
    assert case_of_cells({"m": "x", "__expected": cell})["assert"] == [assertion]


def test_columns_of_a_table_of_tests() -> None:
    cells = {
        "m": "x",
        "__expected1": "similar: a",
        "__expected2": " ",
        "__expected3": "contains: b",
        "__description": "first",
        "__metric": "tone",
        "__threshold": "0.5",
        "__prefix": "Hi",
        "__metadata:language": "en",
        "__config:__expected1:threshold": "0.9",
        "__other": "z",
    }
    assert case_of_cells(cells) == {
        "vars": {"m": "x"},
        "assert": [
            {"type": "similar", "value": "a", "threshold": 0.9, "metric": "tone"},
            {"type": "contains", "value": "b", "metric": "tone"},
        ],
        "options": {"prefix": "Hi"},
        "metadata": {"language": "en"},
        "description": "first",
        "threshold": 0.5,
        "metric": "tone",
    }


# -- any configuration

_scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.floats(0, 1),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
)  # fmt: skip
_values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=4,
)
_kinds = ["equals", "contains", "icontains-all", "contains-any", "regex", "is-json", "similar"]
_kinds += ["levenshtein", "llm-rubric", "factuality", "cost", "latency", "starts-with", "odd"]
_asserts = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(_kinds + [f"not-{kind}" for kind in _kinds])},
        optional={
            "value": _values,
            "threshold": _scalars,
            "weight": st.sampled_from([0, 1]),
            "metric": _scalars,
        },
    ),
    max_size=4,
)
_tests = st.fixed_dictionaries(
    {"vars": st.dictionaries(st.sampled_from(["m", "n"]), _values, min_size=1)},
    optional={"assert": _asserts, "metadata": _values, "description": _scalars, "options": _values},
)


@given(st.lists(_tests, min_size=1, max_size=4), _asserts)
def test_every_configuration_becomes_what_the_registry_takes(
    tests: list[dict[str, Any]], default: list[dict[str, Any]]
) -> None:
    found = _converted({"tests": tests, "defaultTest": {"assert": default}})
    if found.dataset["rows"]:
        parse_dataset(dict(found.dataset))
    if found.hold:
        _suite(found)
    canonical_json(list(found.scorers))
    names = [one["name"] for one in found.scorers]
    assert len(names) == len(set(names))
    assert all(one.where and one.what and one.why for one in found.notes)


def test_checks_are_of_the_assertion_alone() -> None:
    assertion = {"type": "contains", "value": "x"}
    assert [one.value for one in checks_of(assertion, Models())] == ["x"]
    assert assertion == {"type": "contains", "value": "x"}
