"""What suites and datasets may say, in one normal form, with every mistake named."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.contents import parse_content
from pointsman.core.datasets import MAX_ROWS, Row, parse_dataset, restore_dataset
from pointsman.core.making import Making, Need, Orders, Part, split_label
from pointsman.core.plain import from_plain, to_plain
from pointsman.core.suites import Maker, SuiteContent, parse_suite
from pointsman.errors import InvalidContent, InvalidInput, TooLarge

SUITE: dict[str, Any] = {
    "for": ["support/*"],
    "dataset": "support/tickets@production",
    "scorers": [{"name": "correct", "by": "exact"}],
    "hold": [{"metric": "correct", "at_least": 0.8}],
}
FULL: dict[str, Any] = {
    **SUITE,
    "for": ["support/*", "model:churn"],
    "output": {"by": "chain", "depth": 2},
    "inputs": {"text": "message"},
    "scorers": [
        {"name": "correct", "by": "exact", "ignore_case": True, "path": "/label"},
        {"name": "tone", "by": "judge", "prompt": "judges/tone@production"},
        {"name": "own", "by": "command", "argv": ["python", "score.py"]},
    ],
    "trials": 3,
    "minimum": 30,
    "hold": [
        {"metric": "correct", "not_worse_by": 0.02, "confidence": 0.9, "slice": {"lang": "de"}},
        {"metric": "tone", "each_at_least": 0.5},
        {"metric": "latency", "at_most": 2.0, "of": "p95"},
    ],
    "description": "How good replies are.",
}


def faults(value: Any) -> list[str]:
    """The places of all that is wrong with a suite."""
    with pytest.raises(InvalidContent) as refused:
        parse_suite(value)
    return [one.field for one in refused.value.reasons] or [refused.value.field]


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in SUITE.items() if key != name}


# Suites


@pytest.mark.parametrize("value", [SUITE, FULL])
def test_a_suite_comes_back_from_its_normal_form(value: dict[str, Any]) -> None:
    content = parse_suite(value)
    again = parse_suite(content.to_json())
    assert again == content
    assert again.digest == content.digest
    assert parse_content("suite", value) == content


def test_what_says_nothing_is_left_out() -> None:
    spelt = {**SUITE, "output": {"by": "prompt"}, "trials": 1, "minimum": 20, "inputs": {}}
    assert parse_suite(spelt).digest == parse_suite(SUITE).digest
    short = {**SUITE, "for": "support/*", "scorers": [{"name": "correct", "by": "exact"}]}
    assert parse_suite(short).digest == parse_suite(SUITE).digest


def test_what_a_suite_is_for_and_uses() -> None:
    content = parse_suite(FULL)
    assert content.is_for("prompt", "support/reply")
    assert content.is_for("model", "churn")
    assert not content.is_for("model", "support/reply")
    assert not content.is_for("prompt", "sales/pitch")
    assert [str(one) for one in content.uses] == [
        "dataset:support/tickets@production",
        "judges/tone@production",
    ]
    assert content.compares
    assert not parse_suite(SUITE).compares


def test_depths() -> None:
    assert parse_suite(SUITE).maker.depth == 0
    assert parse_suite({**SUITE, "output": "chain"}).maker.depth == 50
    assert parse_suite(FULL).maker.depth == 2


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ([], [""]),
        ({}, ["/for", "/dataset", "/hold"]),
        (without("for"), ["/for"]),
        ({**SUITE, "for": ["**"]}, ["/for/0"]),
        ({**SUITE, "dataset": "prompt:x"}, ["/dataset"]),
        ({**SUITE, "dataset": 7}, ["/dataset"]),
        ({**SUITE, "hold": []}, ["/hold"]),
        ({**SUITE, "output": "magic"}, ["/output/by"]),
        ({**SUITE, "output": {"by": "command"}}, ["/output/argv"]),
        ({**SUITE, "output": {"by": "command", "argv": "rm -rf /"}}, ["/output/argv"]),
        ({**SUITE, "output": {"by": "http", "url": "file:///etc"}}, ["/output/url"]),
        *(
            ({**SUITE, "output": {"by": "http", "url": "https://x", "headers": headers}},
             ["/output/headers"])
            for headers in ({"Host": "inside"}, {"transfer-encoding": "chunked"},
                            {"a b": "c"}, {"a": "b\r\nHost: inside"}, {"a": "\u00e4"}, {"": "b"})
        ),
        ({**SUITE, "output": {"by": "chain", "depth": 0}}, ["/output/depth"]),
        ({**SUITE, "output": {"by": "prompt", "depth": 1}}, ["/output/depth"]),
        ({**SUITE, "trials": 0}, ["/trials"]),
        ({**SUITE, "trials": True}, ["/trials"]),
        ({**SUITE, "more": 1}, ["/more"]),
        ({**SUITE, "scorers": [{"by": "gut"}], "hold": [{"metric": "cost", "at_most": 1}]},
         ["/scorers/0/by"]),
        ({**SUITE, "scorers": [*SUITE["scorers"], {"name": "correct", "by": "contains"}]},
         ["/scorers/1/name"]),
        ({**SUITE, "scorers": [*SUITE["scorers"], {"name": "cost", "by": "contains"}]},
         ["/scorers/1/name"]),
        ({**SUITE, "scorers": [*SUITE["scorers"], {"by": "regex"}]}, ["/scorers/1/pattern"]),
        ({**SUITE, "scorers": [*SUITE["scorers"], {"by": "judge", "prompt": "model:x"}]},
         ["/scorers/1/prompt"]),
        ({**SUITE, "scorers": [*SUITE["scorers"], {"by": "exact", "path": "label"}]},
         ["/scorers/1/path"]),
        ({**SUITE, "scorers": [*SUITE["scorers"], {"by": "contains", "slice": ["a"]}]},
         ["/scorers/1/slice"]),
        ({**SUITE, "scorers": [*SUITE["scorers"], {"by": "json_schema", "schema": 7}]},
         ["/scorers/1/schema"]),
        ({**SUITE, "hold": [{"metric": "gone", "at_least": 1}]}, ["/hold/0/metric"]),
        ({**SUITE, "hold": [{"metric": "correct"}]}, ["/hold/0"]),
        ({**SUITE, "hold": [{"metric": "correct", "at_least": 1, "at_most": 2}]}, ["/hold/0"]),
        ({**SUITE, "hold": [{"metric": "correct", "not_worse_by": -1}]},
         ["/hold/0/not_worse_by"]),
        ({**SUITE, "hold": [{"metric": "correct", "at_least": float("inf")}]}, None),
        ({**SUITE, "hold": [{"metric": "correct", "not_worse_by": 0.1, "confidence": 1}]},
         ["/hold/0/confidence"]),
        ({**SUITE, "hold": [{"metric": "correct", "each_at_least": 0.1, "of": "max"}]},
         ["/hold/0/of"]),
        ({**SUITE, "hold": [{"metric": "correct", "at_least": 0.1, "slice": {"a": 1}}]},
         ["/hold/0/slice"]),
    ],
)  # fmt: skip
def test_mistakes_are_named_where_they_are(value: Any, places: list[str] | None) -> None:
    if places is None:
        with pytest.raises(Exception, match=r"finite|JSON|number"):
            parse_suite(value)
    else:
        assert faults(value) == places


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*FULL, "by", "name", "x"]), inner)
    ),
)


@given(json_values)
def test_nonsense_is_refused_and_never_more(value: Any) -> None:
    for kind in ("suite", "dataset"):
        with suppress(InvalidInput):
            parse_content(kind, value)


# Datasets


def test_a_dataset_comes_back_from_its_normal_form() -> None:
    rows: list[Any] = [
        {"input": {"a": "x"}, "expected": None, "tags": ["hard"], "id": "one"},
        {"input": {"a": [1, {"b": None}]}, "tags": {"lang": "de", "n": 3, "on": True}},
    ]
    content = parse_dataset(rows)
    assert content == parse_dataset({"rows": rows})
    assert parse_dataset(content.to_json()) == content
    assert restore_dataset(content.to_json()) == content
    first, second = content.rows
    assert (first.has_expected, second.has_expected) == (True, False)
    assert first.tags == {"hard": "yes"}
    assert second.tags == {"lang": "de", "n": "3", "on": "true"}
    assert first.lies_in({"hard": "yes"})
    assert first.lies_in({})
    assert not first.lies_in({"hard": "yes", "lang": "de"})


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ("x", [""]),
        ({}, ["/rows"]),
        ({"rows": []}, ["/rows"]),
        ({"rows": [1]}, ["/rows/0"]),
        ({"rows": [{"input": {}}]}, ["/rows/0/input"]),
        ({"rows": [{"inputs": {"a": 1}}]}, ["/rows/0/inputs", "/rows/0/input"]),
        ({"rows": [{"input": {"a": 1}, "id": 7}]}, ["/rows/0/id"]),
        ({"rows": [{"input": {"a": 1}, "tags": {"a": {}}}]}, ["/rows/0/tags"]),
        ({"rows": [{"input": {"a": 1}, "id": "x"}] * 2}, ["/rows/1/id"]),
        ({"rows": [{"input": {"a": 1}}], "more": 1}, ["/more"]),
    ],
)
def test_rows_that_are_none(value: Any, places: list[str]) -> None:
    with pytest.raises(InvalidContent) as refused:
        parse_dataset(value)
    assert ([one.field for one in refused.value.reasons] or [refused.value.field]) == places


def test_reading_stops_after_twenty_faults() -> None:
    with pytest.raises(InvalidContent) as refused:
        parse_dataset([1] * 10_000)
    assert len(refused.value.reasons) == 20


def test_too_many_rows_and_too_much_of_them() -> None:
    row: Any = {"input": {"a": "x"}}
    with pytest.raises(TooLarge) as refused:
        parse_dataset([row] * (MAX_ROWS + 1))
    assert refused.value.code == "too_many_rows"
    with pytest.raises(TooLarge) as refused:
        parse_dataset([{"input": {"a": "x" * 1_000_000}}] * 40)
    assert refused.value.code == "too_large"


# What an output is made of

CHAIN = Making(
    "prompt:c:1",
    {
        "prompt:a:1": Part("da"),
        "prompt:b:1": Part(
            "db",
            (
                Need("consumes", "a@production", "prompt:a:1", "a"),
                Need("includes", "tone@production", "prompt:tone:1"),
            ),
        ),
        "prompt:tone:1": Part("dt"),
        "prompt:c:1": Part("dc", (Need("consumes", "b@production", "prompt:b:1", "b"),)),
    },
)


def kept(maker: Maker) -> set[str]:
    return set(CHAIN.within(maker).parts)


def test_what_takes_part_depends_on_how_it_is_made() -> None:
    assert kept(Maker("prompt")) == {"prompt:c:1"}
    assert kept(Maker("chain", {"depth": 1})) == {"prompt:c:1", "prompt:b:1", "prompt:tone:1"}
    assert kept(Maker("chain")) == set(CHAIN.parts)
    assert kept(Maker("command", {"argv": ["x"]})) == set(CHAIN.parts)
    alone = CHAIN.within(Maker("prompt")).parts["prompt:c:1"]
    assert alone.needs == (), "what is upstream has no part in it"


def test_a_seal_is_for_all_of_it_and_no_budget() -> None:
    orders = Orders("suite:s:1", "ds", "dataset:d:1", "dd", CHAIN, CHAIN, {"j@production": CHAIN})
    assert from_plain(Orders, to_plain(orders)) == orders
    seals = {orders.seal}
    for other in (
        Orders("suite:s:2", "ds", "dataset:d:1", "dd", CHAIN, CHAIN, orders.judges),
        Orders("suite:s:1", "other", "dataset:d:1", "dd", CHAIN, CHAIN, orders.judges),
        Orders("suite:s:1", "ds", "dataset:d:1", "other", CHAIN, CHAIN, orders.judges),
        Orders("suite:s:1", "ds", "dataset:d:1", "dd", CHAIN, None, orders.judges),
        Orders("suite:s:1", "ds", "dataset:d:1", "dd", CHAIN, CHAIN, {}),
        Orders("suite:s:1", "ds", "dataset:d:1", "dd", CHAIN.within(Maker()), CHAIN, orders.judges),
    ):
        assert other.seal not in seals
        seals.add(other.seal)
    capped = Orders(
        "suite:s:1", "ds", "dataset:d:1", "dd", CHAIN, CHAIN, orders.judges, budget_calls=3
    )
    assert capped.seal == orders.seal
    assert orders.is_blind


def test_labels() -> None:
    assert split_label("prompt:support/reply:8") == ("prompt", "support/reply", 8)
    assert isinstance(parse_suite(SUITE), SuiteContent)
    assert Row({"a": 1}).lies_in({})
