"""The content of a prompt as fields of a form: nothing is lost on the way there and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.content import parse_prompt
from pointsman.web import deeds, forms
from pointsman.web.drafts import draft_of

TEXT = st.text(st.sampled_from("ab \n<é\"'&"), max_size=8)
NAME = st.sampled_from(["a", "b_c", "d-e", "who"])
SCHEMA = st.sampled_from(
    [True, {"type": "string"}, {"type": "integer"}, {"enum": [1, "a", None]}, {"type": "array"}]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-2, 2, width=16) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAME, inner, max_size=2),
    max_leaves=4,
)
OBJECT = st.dictionaries(NAME, JSON, max_size=2)
MESSAGES = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"role": st.sampled_from(["system", "user", "critic"]), "content": TEXT},
            optional={"name": NAME},
        ),
        st.fixed_dictionaries(
            {"role": st.just("assistant"), "tool_calls": st.just([{"id": "1"}])},
            optional={"content": TEXT},
        ),
        st.fixed_dictionaries(
            {"role": st.just("user"), "content": st.just([{"type": "text", "text": "a"}])}
        ),
        st.sampled_from(
            [{"placeholder": "h"}, {"placeholder": "h", "optional": True}, {"include": "x@y"}]
        ),
    ),
    max_size=4,
)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.sampled_from([0, 0.5, "hot", True, None]),
        "max_tokens": st.integers(1, 9),
        "stop": st.sampled_from(["END", ["a", "b"], ["a\nb"], [], [""]]),
        "seed": JSON,
    },
)
NAMED = st.fixed_dictionaries({"name": NAME}, optional={"provider": NAME, "parameters": PARAMETERS})
TOOL = st.sampled_from(
    [
        {"name": "f", "description": "does\nit", "parameters": {"type": "object"}},
        {"type": "function", "function": {"name": "g", "strict": True}},
        {"type": "web_search"},
    ]
)
DECLARED = st.fixed_dictionaries(
    {}, optional={"schema": SCHEMA, "description": TEXT, "required": st.booleans()}
) | st.sampled_from(
    [
        {"default": ""},
        {"default": "7"},
        {"default": 7},
        {"default": None},
        {"schema": "string", "default": "a\nb"},
        {"schema": {"enum": ["x", 1]}, "default": "x"},
        {"schema": "array", "default": []},
    ]
)
CONTENT = st.fixed_dictionaries(
    {"template": TEXT | MESSAGES},
    optional={
        "variables": st.dictionaries(NAME, DECLARED, max_size=3),
        "model": st.sampled_from([{"uses": "m@c"}])
        | st.builds(
            lambda one, others: {**one, "fallbacks": others}, NAMED, st.lists(NAMED, max_size=2)
        ),
        "tools": st.lists(TOOL, max_size=3, unique_by=json.dumps),
        "response_format": st.sampled_from(
            [
                {"type": "json_object"},
                {"type": "object"},
                {"type": "json_schema", "name": "n", "schema": {}, "strict": True},
            ]
        ),
        "config": OBJECT,
        "format": st.sampled_from(["curly", "f-string", "jinja2"]),
    },
)


@given(CONTENT)
def test_a_content_written_into_a_form_is_read_from_it(content: dict[str, Any]) -> None:
    parsed = parse_prompt(content)
    form = forms.write(parsed.to_json())
    raw, faults = forms.read(form)
    assert not faults
    assert parse_prompt(raw).digest == parsed.digest


@given(CONTENT)
def test_turning_to_json_and_back_changes_nothing(content: dict[str, Any]) -> None:
    parsed = parse_prompt(content)
    form = deeds.done(forms.write(parsed.to_json()), "to-json")
    assert draft_of(form).content == parsed
    assert draft_of(deeds.done(form, "to-form")).content == parsed


def test_messages_are_rearranged_with_all_that_is_theirs() -> None:
    form = forms.write(
        {
            "template": [
                {"role": "system", "content": "one"},
                {"role": "user", "content": "two", "name": "x"},
                {"placeholder": "h"},
            ]
        }
    )
    moved = deeds.done(form, "up-1")
    assert forms.read(moved)[0]["template"][0] == {"role": "user", "content": "two", "name": "x"}
    assert forms.read(deeds.done(moved, "down-0")) == forms.read(form)
    assert len(forms.read(deeds.done(form, "remove-1"))[0]["template"]) == 2
    for nothing in ("up-0", "down-2", "up-9", "remove-9", "look", "up--1"):
        assert deeds.done(form, nothing) == form


@pytest.mark.parametrize(
    ("fields", "slot", "message"),
    [
        ({"text": "a\n{{ b }"}, "/template", "Line 2, column 1"),
        ({"text": "x", "config": "{"}, "/config", "Config is not JSON at line 1"),
        ({"text": "x", "temperature": "warm"}, "/model", "Temperature is not JSON"),
        ({"text": "x", "config": "[]"}, "/config", "Config must be an object"),
        ({"text": "x", "parameters": '{"a": NaN}'}, "/model", "not JSON"),
        ({"text": "x", "provider": "openai"}, "/model", "Model (name) must be text"),
        (
            {"shape": "chat", "role": "user", "content": "{{ a }"},
            "/template/0",
            "Line 1, column 1: ",
        ),
        ({"shape": "chat", "role": "User", "content": "a"}, "/template/0", "The role of message 1"),
        (
            {"text": "{{ a }}", "variable": "a", "type": "integer", "default": "1.5"},
            "/variables/a",
            "The variable a (default)",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_place(
    fields: dict[str, str], slot: str, message: str
) -> None:
    draft = draft_of({name: [value] for name, value in fields.items()})
    assert draft.content is None
    (fault,) = draft.at(slot)
    assert message in fault.message
    assert "/" not in fault.message.replace("“", "")


def test_every_text_of_a_chat_tells_its_own_mistake() -> None:
    form = {"shape": ["chat"], "role": ["user", "user"], "content": ["ok {{ a }", "b\n\n {{ c"]}
    draft = draft_of(form)
    assert [(one.slot, one.line, one.column) for one in draft.faults] == [
        ("/template/0", 1, 4),
        ("/template/1", 3, 2),
    ]


def test_variables_are_shown_in_the_order_of_their_use() -> None:
    form = {
        "text": ["{{ b }} {{ a }}"],
        "variable": ["a", "old", "unused"],
        "about": ["first", "", "told"],
    }
    rows = [(one.name, one.about, one.used) for one in draft_of(form).variables]
    assert rows == [("b", "", True), ("a", "first", True), ("unused", "told", False)]
    broken = {**form, "text": ["{{ b }} {{ a }"], "format": ["f-string"]}
    assert [one.name for one in draft_of(broken).variables] == ["a", "old", "unused"]
