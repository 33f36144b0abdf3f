"""Prompts in MLflow's tags and as our contents: whatever was written is read back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.content import parse_prompt
from pointsman.errors import InvalidInput
from pointsman.wire.mlflow.filters import IS_PROMPT
from pointsman.wire.mlflow.prompts import (
    MAX_TEXT,
    MODEL_CONFIG,
    RESPONSE_FORMAT,
    TEXT,
    TYPE,
    content_of,
    tags_of,
)

_PIECES = st.sampled_from(
    ["{", "}", "{{", "}}", "{%", "%}", "{#", "{{ a }}", "{{> b@c }}", '"', "'", "a", " ", "\n",
     "{% if x %}", "{% endif %}", "{{ x | upper }}", "ü", "\\"]
)  # fmt: skip
_TEXTS = st.lists(_PIECES, max_size=12).map("".join)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1_000, 1_000) | st.floats(-9, 9) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
_MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "system", "Human", ""]), "content": _TEXTS},
        optional={"name": _TEXTS, "placeholder": _TEXTS},
    ),
    max_size=3,
)
_FORMATS = st.sampled_from(
    [
        {"type": "object"},
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "response", "schema": {}}},
        {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}},
    ]
)
_CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "provider": st.sampled_from(["openai", "", None, 3]),
        "model_name": st.sampled_from(["gpt", "", None, 3]),
        "temperature": st.floats(0, 2),
        "parameters": _JSON,
        "uses": _TEXTS,
        "fallbacks": _JSON,
    },
)


def _read_back(tags: dict[str, str]) -> dict[str, str]:
    """What a client reads of a prompt that was written so, after all of our normal forms."""
    stored = json.loads(parse_prompt(content_of(tags)).canonical)
    return tags_of(stored)


@given(_TEXTS)
def test_a_text_is_read_back_to_the_letter(text: str) -> None:
    written = {IS_PROMPT: "true", TYPE: "text", TEXT: text}
    assert _read_back(written) == written


@given(_MESSAGES)
def test_a_chat_is_read_back(messages: list[dict[str, Any]]) -> None:
    found = _read_back({IS_PROMPT: "true", TYPE: "chat", TEXT: json.dumps(messages)})
    assert found[TYPE] == "chat"
    assert json.loads(found[TEXT]) == messages


@given(_CONFIGS | _JSON, _FORMATS | _JSON)
def test_the_rest_is_read_back(config: object, response_format: object) -> None:
    found = _read_back(
        {
            IS_PROMPT: "true",
            TYPE: "text",
            TEXT: "x",
            MODEL_CONFIG: json.dumps(config),
            RESPONSE_FORMAT: json.dumps(response_format),
        }
    )
    assert json.loads(found[MODEL_CONFIG]) == config
    assert json.loads(found[RESPONSE_FORMAT]) == response_format


def test_what_is_no_json_is_kept_as_it_is() -> None:
    written = {IS_PROMPT: "true", TYPE: "odd", TEXT: "x", MODEL_CONFIG: "{", RESPONSE_FORMAT: "NaN"}
    assert _read_back(written) == written


def test_what_we_can_say_stands_in_our_own_words() -> None:
    content = content_of(
        {
            TEXT: '[{"role": "user", "content": "Hi {{ who }}"}]',
            TYPE: "chat",
            MODEL_CONFIG: '{"provider": "openai", "model_name": "gpt", "temperature": 1.0}',
            RESPONSE_FORMAT: '{"type": "object"}',
        }
    )
    assert content == {
        "template": [{"role": "user", "content": "Hi {{ who }}"}],
        "model": {"provider": "openai", "name": "gpt", "parameters": {"temperature": 1.0}},
        "response_format": {"type": "object"},
    }


def test_a_text_that_is_refused_natively_is_literal_there() -> None:
    content = content_of({TEXT: "{{ who } and {{ you }}"})
    assert parse_prompt(content).compiled.render({}) == "{{ who } and {{ you }}"


def test_what_is_no_prompt_is_refused() -> None:
    for tags in ({}, {TEXT: "x" * (MAX_TEXT + 1)}, {TEXT: "x", TYPE: "chat"}, {TEXT: "a\0b"}):
        with pytest.raises(InvalidInput):
            content_of(tags)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ({"template": "a {b} {{c}}", "format": "f-string"}, "a {{ b }} {c}"),
        ({"template": "{{ a }} {% b %}", "format": "jinja2"}, "{{ a }} {% b %}"),
        ({"template": "{{> x@y }} z"}, "{{> x@y }} z"),
    ],
)
def test_texts_are_told_as_mlflow_reads_them(content: dict[str, Any], wanted: str) -> None:
    assert tags_of(content)[TEXT] == wanted


def test_entries_that_are_no_messages_are_told_as_messages() -> None:
    template = [{"placeholder": "past"}, {"include": "x@y"}, {"role": "user", "content": "{q}"}]
    found = json.loads(tags_of({"template": template, "format": "f-string"})[TEXT])
    assert [one["content"] for one in found] == ["{{ past }}", "{{> x@y }}", "{{ q }}"]
