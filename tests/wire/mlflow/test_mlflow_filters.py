"""MLflow's filters: what they mean, and that no text gets anything but an answer."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import InvalidInput
from pointsman.wire.mlflow.filters import (
    MAX_CONDITIONS,
    MAX_FILTER,
    MAX_WILDCARDS,
    MODELS,
    VERSIONS,
    Condition,
    kind_wanted,
    like,
    parse_filter,
    parse_orders,
)


def _keys(text: str) -> list[tuple[str, str, str, object]]:
    return [(one.of, one.key, one.operator, one.value) for one in parse_filter(text, VERSIONS)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("name = 'a'", ("attribute", "name", "=", "a")),
        ("attribute.name='a'", ("attribute", "name", "=", "a")),
        ('  name\n!=\t"a\'b"  ', ("attribute", "name", "!=", "a'b")),
        ("name = 'it''s'", ("attribute", "name", "=", "it's")),
        ("name not  in ('a','b',)", ("attribute", "name", "NOT IN", ("a", "b"))),
        ("version_number>=3", ("attribute", "version_number", ">=", 3)),
        ("version_number = '-3'", ("attribute", "version_number", "=", -3)),
        ("tags.a.b = 'x'", ("tag", "a.b", "=", "x")),
        ("tag.`a b` Like 'x'", ("tag", "a b", "LIKE", "x")),
        ("tags.\"a-b\" ilike 'x'", ("tag", "a-b", "ILIKE", "x")),
        ("tags.größe = '1'", ("tag", "größe", "=", "1")),
    ],
)
def test_a_comparison_is_read(text: str, wanted: tuple[object, ...]) -> None:
    assert _keys(text) == [wanted]


def test_comparisons_are_joined() -> None:
    text = "name = 'a' AND tags.x = 'b' and run_id = 'AND'"
    assert [one[1] for one in _keys(text)] == ["name", "x", "run_id"]
    assert _keys("") == _keys("  and AND ") == []


def test_limits() -> None:
    one = "name = 'a' "
    assert len(_keys(one * MAX_CONDITIONS)) == MAX_CONDITIONS
    for text in (one * (MAX_CONDITIONS + 1), "x" * (MAX_FILTER + 1)):
        with pytest.raises(InvalidInput):
            parse_filter(text, VERSIONS)
    assert _keys(f"name LIKE '{'_' * MAX_WILDCARDS}'")
    assert _keys(f"name = '{'_' * 1_000}'")
    with pytest.raises(InvalidInput):
        parse_filter(f"name LIKE '{'%' * (MAX_WILDCARDS + 1)}'", VERSIONS)


_PIECES = st.sampled_from(
    ["name", "tags.", "`", "'", '"', " ", "=", "!=", "LIKE", "IN", "NOT", "(", ")", ",", "AND",
     "OR", "a", "1", ".", "\\", ";", "--", "\0", "é", "version_number", ">", "'x'"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=40).map("".join) | st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for grammar in (MODELS, VERSIONS):
        try:
            found = parse_filter(text, grammar)
        except InvalidInput:
            continue
        assert all(one.of == "tag" or one.key in grammar.attributes for one in found)
        for one in found:
            one.holds("a")


@given(st.text(st.sampled_from("ab%_\n"), max_size=8), st.text(st.sampled_from("ab\n"), max_size=8))
def test_like_is_what_sql_says(pattern: str, text: str) -> None:
    shape = "".join({"%": ".*", "_": "."}.get(sign, re.escape(sign)) for sign in pattern)
    assert like(text, pattern) == bool(re.fullmatch(shape, text, re.DOTALL))


def test_operators() -> None:
    def holds(text: str, value: str | int | None) -> bool:
        (condition,) = parse_filter(text, VERSIONS)
        return condition.holds(value)

    assert [holds("version_number > 2", n) for n in (1, 2, 3)] == [False, False, True]
    assert [holds("version_number >= 2", n) for n in (1, 2, 3)] == [False, True, True]
    assert [holds("version_number < 2", n) for n in (1, 2, 3)] == [True, False, False]
    assert [holds("version_number <= 2", n) for n in (1, 2, 3)] == [True, True, False]
    assert [holds("name IN ('a')", x) for x in ("a", "b")] == [True, False]
    assert [holds("name NOT IN ('a')", x) for x in ("a", "b")] == [False, True]
    assert [holds("name ILIKE 'A%'", x) for x in ("ab", "b")] == [True, False]
    assert not any(holds(text, None) for text in ("tags.a != 'x'", "name NOT IN ('x')"))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "model"),
        ("= 'true'", "prompt"),
        ("ILIKE 'TRUE'", "prompt"),
        ("!= 'x'", "prompt"),
        ("= 'false'", "model"),
        ("!= 'true'", "model"),
        ("= 'x'", None),
    ],
)
def test_which_kind_is_meant(text: str, kind: str | None) -> None:
    tag = f"tags.`mlflow.prompt.is_prompt` {text}" if text else ""
    assert kind_wanted(parse_filter(f"name = 'a' {tag}", MODELS)) == kind


def test_orders_are_read() -> None:
    texts = ["name", "`version_number` desc", "attribute.creation_timestamp  ASC"]
    found = parse_orders(texts, VERSIONS)
    assert [(one.key, one.ascending) for one in found] == [
        ("name", True),
        ("number", False),
        ("created", True),
    ]
    for wrong in (
        ["name x"],
        [""],
        ["nope"],
        ["name", "name"],
        ["timestamp", "last_updated_timestamp"],
    ):
        with pytest.raises(InvalidInput):
            parse_orders(wrong, MODELS)


def test_a_tag_of_another_kind_of_value_is_just_unequal() -> None:
    assert not Condition("attribute", "version_number", "=", 3).holds("3")
