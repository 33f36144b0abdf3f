"""Content: what is refused and why, the one normal form, its digest."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.canonical import canonical_json, digest
from pointsman.core.content import parse_prompt, restore_prompt
from pointsman.core.contents import parse_content
from pointsman.core.models import ModelContent
from pointsman.core.tags import FORMATS
from pointsman.errors import (
    InvalidContent,
    InvalidInput,
    PointsmanError,
    TemplateSyntaxError,
    TooLarge,
)

HISTORIES = Path(__file__).parents[3] / "shared" / "data" / "prompt-histories.jsonl"

FULL: dict[str, Any] = {
    "template": [
        {"role": "system", "content": "You are {{ persona }}. {{> tone@production }}"},
        {"include": "few-shot:3"},
        {"placeholder": "history", "optional": True},
        {"role": "user", "content": [{"type": "text", "text": "{{ question }}"}]},
    ],
    "variables": {
        "persona": {"schema": {"type": "string"}, "default": "kind", "description": "Who speaks"},
        "spare": {},
    },
    "model": {
        "provider": "openai",
        "name": "gpt-5-2026-08-07",
        "parameters": {"temperature": 0.2, "stop": ["\n"]},
        "fallbacks": [{"provider": "anthropic", "name": "claude-opus-5-5"}],
    },
    "tools": [
        {
            "type": "function",
            "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}},
        }
    ],
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": True},
    },
    "config": {"owner": "support"},
}

# Ways of writing the same: each list has one digest, and no two lists share one.
SAME: list[list[Any]] = [
    [
        "Hi {{ a }}",
        {"template": "Hi {{ a }}"},
        {"template": "Hi {{ a }}", "format": "curly"},
        {"format": None, "template": "Hi {{ a }}", "variables": {}, "tools": [], "config": {}},
        {"template": "Hi {{ a }}", "variables": {"a": {}}},
        {"template": "Hi {{ a }}", "variables": {"a": {"schema": {}, "description": ""}}},
        {"template": "Hi {{ a }}", "variables": {"a": {"schema": True, "required": True}}},
        {"template": "Hi {{ a }}", "model": None, "response_format": {"type": "text"}},
    ],
    ["Hi {{ a }} ", {"template": "Hi {{ a }} "}],
    [{"template": "Hi {{ a }}", "format": "jinja2"}],
    [{"template": "Hi {{ a }}", "variables": {"b": {}}}],
    [{"template": "Hi {{ a }}", "variables": {"a": {"required": False}}}],
    [
        {"template": "Hi {{ a }}", "variables": {"a": {"default": "x"}}},
        {"template": "Hi {{ a }}", "variables": {"a": {"default": "x", "required": False}}},
    ],
    [{"template": "Hi {{ a }}", "variables": {"a": {"default": None}}}],
    [
        {"template": "Hi {{ a }}", "variables": {"a": {"schema": {"type": "string"}}}},
        {"template": "Hi {{ a }}", "variables": {"a": {"schema": "string"}}},
    ],
    [
        [{"role": "user", "content": "x"}],
        {"template": [{"content": "x", "role": "user"}]},
    ],
    [
        [{"placeholder": "h"}],
        [{"placeholder": "h", "optional": False}],
    ],
    [[{"placeholder": "h", "optional": True}]],
    [
        [{"role": "assistant", "tool_calls": [{"id": "1"}]}],
        [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}],
    ],
    [
        {"template": "x", "tools": [{"name": "f", "parameters": {"type": "object"}}]},
        {"template": "x", "tools": [{"name": "f", "input_schema": {"type": "object"}}]},
        {
            "template": "x",
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "strict": False, "parameters": {"type": "object"}},
                }
            ],
        },
    ],
    [
        {"template": "x", "response_format": {"type": "object", "properties": {}}},
        {
            "template": "x",
            "response_format": {
                "type": "json_schema",
                "schema": {"type": "object", "properties": {}},
            },
        },
        {
            "template": "x",
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "response",
                    "schema": {"type": "object", "properties": {}},
                },
            },
        },
    ],
    [{"template": "x", "response_format": {"type": "json_object"}}],
    [
        {"template": "x", "model": {"name": "m"}},
        {"template": "x", "model": {"name": "m", "parameters": {}, "fallbacks": []}},
    ],
    [{"template": "x", "model": {"name": "m", "provider": "p"}}],
    [{"template": "x", "model": {"uses": "model:m"}}],
]

REFUSED: list[tuple[Any, list[tuple[str, str]]]] = [
    (7, [("wrong_type", "")]),
    ({}, [("missing", "/template")]),
    ({"template": 7}, [("wrong_type", "/template")]),
    ({"template": "x", "tempalte": "y"}, [("unknown_field", "/tempalte")]),
    ({"template": "x", "format": "mustache"}, [("unknown_format", "/format")]),
    ([{"role": "user"}], [("missing", "/template/0/content")]),
    ([{"role": "USER", "content": "x"}], [("invalid_role", "/template/0/role")]),
    ([{"role": "user", "content": 7}], [("wrong_type", "/template/0/content")]),
    ([{"role": "user", "content": [{}]}], [("wrong_type", "/template/0/content/0/type")]),
    (
        [{"role": "user", "content": [{"type": "text"}]}, 7],
        [("wrong_type", "/template/0/content/0/text"), ("wrong_type", "/template/1")],
    ),
    ([{"placeholder": "a b"}], [("invalid_name", "/template/0/placeholder")]),
    ([{"placeholder": "a", "x": 1}], [("unknown_field", "/template/0/x")]),
    ([{"include": 7}], [("wrong_type", "/template/0/include")]),
    (
        {"template": [{"placeholder": "h"}], "variables": {"h": {"description": "x"}}},
        [("name_clash", "/variables/h")],
    ),
    (
        [{"placeholder": "h"}, {"role": "user", "content": "{{ h }}"}],
        [("name_clash", "/template/0")],
    ),
    (
        {"template": "x", "variables": {"a b": {}, "c": 7, "d": {"schem": {}}}},
        [
            ("invalid_name", "/variables/a b"),
            ("wrong_type", "/variables/c"),
            ("unknown_field", "/variables/d/schem"),
        ],
    ),
    (
        {"template": "x", "variables": {"a": {"schema": {"type": "strin"}}}},
        [("invalid_schema", "/variables/a/schema")],
    ),
    (
        {"template": "x", "variables": {"a": {"schema": {"$ref": "https://example.com/x"}}}},
        [("invalid_schema", "/variables/a/schema")],
    ),
    (
        {"template": "x", "variables": {"a": {"schema": {"allOf": [{"$ref": "file:///etc"}]}}}},
        [("invalid_schema", "/variables/a/schema")],
    ),
    (
        {"template": "x", "variables": {"a": {"schema": {"type": "integer"}, "default": "x"}}},
        [("wrong_type", "/variables/a/default")],
    ),
    (
        {"template": "x", "variables": {"a": {"default": "x", "required": True}}},
        [("contradiction", "/variables/a/required")],
    ),
    (
        {"template": "x", "model": {"provider": 7, "parameters": [], "top": 1}},
        [
            ("unknown_field", "/model/top"),
            ("wrong_type", "/model/provider"),
            ("wrong_type", "/model/name"),
            ("wrong_type", "/model/parameters"),
        ],
    ),
    ({"template": "x", "model": {"uses": "prompt:a"}}, [("invalid_selector", "/model/uses")]),
    (
        {"template": "x", "model": {"name": "m", "fallbacks": [{"uses": "model:a"}]}},
        [("unknown_field", "/model/fallbacks/0/uses"), ("wrong_type", "/model/fallbacks/0/name")],
    ),
    (
        {"template": "x", "tools": [{"name": "f"}, {"name": "f"}, {"name": "a b"}, 7]},
        [
            ("invalid_name", "/tools/2/name"),
            ("wrong_type", "/tools/3"),
            ("duplicate", "/tools/1"),
        ],
    ),
    (
        {"template": "x", "tools": [{"name": "f", "parameters": {"type": "objekt"}}]},
        [("invalid_schema", "/tools/0/parameters")],
    ),
    (
        {"template": "x", "response_format": {"type": "strin"}},
        [("invalid_schema", "/response_format")],
    ),
    ({"template": "x", "config": []}, [("wrong_type", "/config")]),
]


class TestNormalForm:
    def test_round_trip(self) -> None:
        content = parse_prompt(FULL)
        written = content.to_json()
        assert parse_prompt(written) == content
        assert restore_prompt(written) == content
        assert content.canonical == canonical_json(written)
        assert content.digest == digest(content.canonical)

    @pytest.mark.parametrize("ways", SAME, ids=lambda ways: json.dumps(ways[0]))
    def test_equal_meaning_has_one_digest(self, ways: list[Any]) -> None:
        assert len({parse_prompt(way).canonical for way in ways}) == 1

    def test_other_meaning_has_another_digest(self) -> None:
        assert len({parse_prompt(ways[0]).digest for ways in SAME}) == len(SAME)

    def test_what_was_given_or_got_can_be_changed_freely(self) -> None:
        given = json.loads(json.dumps(FULL))
        content = parse_prompt(given)
        before = content.canonical
        given["template"][0]["content"] = "changed"
        given["model"]["parameters"]["temperature"] = 1
        written: Any = content.to_json()
        written["tools"][0]["function"]["name"] = "changed"
        assert canonical_json(content.to_json()) == before

    def test_facts(self) -> None:
        content = parse_prompt(FULL)
        assert content.shape == "chat/curly"
        assert [str(selector) for selector in content.includes] == ["tone@production", "few-shot:3"]
        assert content.uses == ()
        assert parse_prompt({"template": "x", "format": "f-string"}).shape == "text/f-string"
        used = parse_prompt({"template": "x", "model": {"uses": "model:churn@champion"}}).uses
        assert [str(one) for one in used] == ["model:churn@champion"]
        used = parse_prompt({"template": "x", "model": {"uses": "churn:3"}}).uses
        assert [str(one) for one in used] == ["model:churn:3"]

    def test_tools_of_other_types_are_kept(self) -> None:
        tool: dict[str, Any] = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
        assert parse_prompt({"template": "x", "tools": [tool]}).tools == [tool]


class TestRefusals:
    @pytest.mark.parametrize(("value", "expected"), REFUSED, ids=lambda value: str(value)[:60])
    def test_all_reasons_are_told(self, value: Any, expected: list[tuple[str, str]]) -> None:
        with pytest.raises(InvalidContent) as caught:
            parse_prompt(value)
        found = [(reason.code, reason.field) for reason in caught.value.reasons]
        assert (found or [(caught.value.code, caught.value.field)]) == expected
        assert caught.value.message

    @pytest.mark.parametrize(
        "schema",
        [
            {"$defs": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}, "$ref": "#/$defs/a"},
            {"items": {"$ref": "#"}},
            {"$ref": "#/$defs/missing"},
            {"$ref": "#anchor", "$defs": {"a": {"$anchor": "anchor"}}},
            {
                "$ref": "#/$defs/d30",
                "$defs": {
                    "d0": {"type": "string"},
                    **{
                        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n - 1}"}] * 2}
                        for n in range(1, 31)
                    },
                },
            },
        ],
    )
    def test_schemas_whose_check_may_not_end(self, schema: Any) -> None:
        value: Any = {"template": "x", "variables": {"a": {"schema": schema, "default": "x"}}}
        with pytest.raises(InvalidContent) as caught:
            parse_prompt(value)
        assert caught.value.field == "/variables/a/schema"

    def test_references_within_a_schema(self) -> None:
        schema = {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "integer"}}}
        value: Any = {"template": "{{ x }}", "variables": {"x": {"schema": schema}}}
        compiled = parse_prompt(value).compiled
        assert compiled.render({"x": 1}) == "1"
        with pytest.raises(PointsmanError):
            compiled.render({"x": "a"})

    def test_near_misses_are_suggested(self) -> None:
        with pytest.raises(InvalidContent) as caught:
            parse_prompt({"template": "x", "tempalte": "y"})
        assert caught.value.hint == "Did you mean 'template'?"

    def test_a_syntax_error_alone_keeps_its_type_and_place(self) -> None:
        with pytest.raises(TemplateSyntaxError) as caught:
            parse_prompt(
                {"template": [{"role": "user", "content": "a\n {b.c}"}], "format": "f-string"}
            )
        assert caught.value.field == "/template/0/content"
        assert caught.value.details == {"line": 2, "column": 2}

    def test_every_text_with_an_error_is_named(self) -> None:
        messages: list[Any] = [{"role": "user", "content": text} for text in ("{a", "{b}", "c}")]
        with pytest.raises(InvalidContent) as caught:
            parse_prompt({"template": messages, "format": "f-string", "tools": 1})
        assert [reason.field for reason in caught.value.reasons] == [
            "/tools",
            "/template/0/content",
            "/template/2/content",
        ]

    @pytest.mark.parametrize(
        "value",
        [
            "x" * 1_000_001,
            "é" * 500_001,
            [{"role": "user", "content": "x" * 600_000}] * 2,
            [{"role": "user", "content": "x"}] * 1_001,
            "".join(f"{{{{ v{number} }}}}" for number in range(501)),
            "{{> x }}" * 1_001,
        ],
        ids=["text", "bytes", "messages", "count", "variables", "includes"],
    )
    def test_limits(self, value: Any) -> None:
        with pytest.raises(TooLarge):
            parse_prompt(value)

    def test_too_many_declarations(self) -> None:
        declared: dict[str, Any] = {f"v{number}": {} for number in range(501)}
        with pytest.raises(InvalidContent, match="501 variables"):
            parse_prompt({"template": "x", "variables": declared})

    @pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
    def test_text_that_cannot_be_stored(self, text: str) -> None:
        for value in (text, {"template": text, "config": {}}, [{"role": "user", "content": text}]):
            with pytest.raises(InvalidInput):
                parse_prompt(value)  # type: ignore[arg-type]


class TestOtherKinds:
    def test_any_object(self) -> None:
        content = parse_content("model", {"b": [1], "a": {}})
        assert content == ModelContent({"b": [1], "a": {}})
        assert content.canonical == '{"a":{},"b":[1]}'
        assert content.digest == digest(content.canonical)
        assert (content.shape, content.includes, content.uses) == (None, (), ())
        assert content.to_json() == {"b": [1], "a": {}}

    @pytest.mark.parametrize("value", [None, [], "x"])
    def test_nothing_else(self, value: Any) -> None:
        with pytest.raises(InvalidContent):
            parse_content("model", value)

    def test_prompts(self) -> None:
        assert parse_content("prompt", "x") == parse_prompt("x")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["x", "{{ a }}", "user", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "template",
                    "format",
                    "variables",
                    "model",
                    "tools",
                    "response_format",
                    "config",
                    "role",
                    "content",
                    "type",
                    "text",
                    "name",
                    "parameters",
                    "schema",
                    "default",
                    "placeholder",
                    "include",
                    "optional",
                    "uses",
                    "fallbacks",
                    "function",
                    "required",
                    "json_schema",
                    "description",
                    "strict",
                    "a",
                    "$ref",
                    "properties",
                    "items",
                    "enum",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=3000, deadline=None)
@given(json_values, st.sampled_from(FORMATS))
def test_anything_is_either_understood_or_refused(value: Any, form: str) -> None:
    if isinstance(value, dict):
        value = {"template": "x", "format": form, **value}
    try:
        content = parse_prompt(value)
    except PointsmanError:
        return
    written = content.to_json()
    again = parse_prompt(written)
    assert again == content
    assert again.canonical == content.canonical
    assert restore_prompt(written).canonical == content.canonical


@pytest.mark.skipif(not HISTORIES.exists(), reason=f"the real prompts are not at {HISTORIES}")
def test_real_prompts() -> None:
    with HISTORIES.open(encoding="utf-8") as lines:
        texts = [version["text"] for line in lines for version in json.loads(line)["versions"]]
    for text in texts:
        content = parse_prompt(text)
        assert parse_prompt(content.to_json()) == content
    assert len({parse_prompt(text).digest for text in texts}) == len(set(texts))


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("Hello {{ name", 1, 7),
        ("Hello {{ name }, and goodbye", 1, 7),
        ("First line\nthen {{ name } and {{ other }}", 2, 6),
        ("{{> tone@production", 1, 1),
        ("{{name", 1, 1),
    ],
)
def test_a_tag_that_is_not_closed_is_refused_where_it_begins(
    text: str, line: int, column: int
) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        parse_prompt(text)
    assert caught.value.details == {"line": line, "column": column}
    assert caught.value.field == "/template"
    assert "closing braces" in caught.value.message
    assert "{{ name }}" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "style={{color: 'red'}}",
        "style={{\n  color: 'red',\n}}",
        r"\frac{{a}{b}}",
        '{"a": {"b": {}}}',
        "$${x}{{",
        '{{ "{{ name" }}',
        "{{ a b }}",
    ],
)
def test_braces_of_other_languages_are_not_taken_for_unclosed_tags(text: str) -> None:
    assert parse_prompt(text).template == text
    assert parse_prompt([{"role": "user", "content": text}]).shape == "chat/curly"
