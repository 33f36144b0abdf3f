"""A prompt as an application gets it, and as the clients of model providers take it."""

import copy
import json
import pickle
from typing import Any

import pytest

from pointsman.core.content import parse_prompt
from pointsman.core.prompt import Prompt
from pointsman.core.providers import left_out
from pointsman.errors import RenderError


def prompt(value: Any, **further: Any) -> Prompt:
    content = parse_prompt({"template": value, **further} if further else value)
    return Prompt("support/reply", 7, content.digest, content, why="production")


TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "description": "Look it up",
        "parameters": {"type": "object", "properties": {"q": {"type": "string"}}},
    },
}
CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "look_up", "arguments": '{"q":"x"}'},
}
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}


class TestPrompt:
    def test_renders_text_and_chat(self) -> None:
        assert prompt("Hi {{ name }}").render(name="Ada") == "Hi Ada"
        assert prompt([{"role": "user", "content": "{{ self }}"}]).render(self="x") == [
            {"role": "user", "content": "x"}
        ]

    def test_cannot_be_changed(self) -> None:
        one = prompt("x", config={"a": {"b": 1}}, tools=[TOOL])
        with pytest.raises(AttributeError, match="can't be changed"):
            one.name = "y"
        with pytest.raises(AttributeError):
            del one.version
        one.config["a"]["b"] = 2
        one.tools[0]["function"]["name"] = "changed"
        one.to_openai()["tools"][0]["function"]["name"] = "changed"
        one.to_anthropic()["tools"][0]["input_schema"]["type"] = "changed"
        assert one.config == {"a": {"b": 1}}
        assert one.tools == one.to_openai()["tools"] == [TOOL]
        assert one.to_anthropic()["tools"][0]["input_schema"]["type"] == "object"

    def test_is_a_value(self) -> None:
        one = prompt("Hi {{ name }}")
        one.render(name="x")
        again = pickle.loads(pickle.dumps(one))
        assert again == one == copy.deepcopy(one)
        assert hash(again) == hash(one)
        assert again.render(name="Ada") == "Hi Ada"
        assert one != prompt("other")
        assert repr(one).startswith("<Prompt support/reply:7 text/curly ")

    def test_facts(self) -> None:
        one = prompt([{"placeholder": "h"}, {"role": "user", "content": "{{ q }}"}])
        assert [variable.name for variable in one.variables] == ["q"]
        assert [placeholder.name for placeholder in one.placeholders] == ["h"]
        assert (one.format, one.why, one.made_of) == ("curly", "production", ())
        assert one.model is None


class TestOpenAI:
    def test_text_becomes_a_user_message(self) -> None:
        assert prompt("Hi {{ a }}").to_openai(a=1) == {
            "messages": [{"role": "user", "content": "Hi 1"}]
        }

    def test_everything(self) -> None:
        one = prompt(
            [{"role": "developer", "content": "S"}, {"role": "user", "content": "{{ q }}"}],
            model={
                "provider": "openai",
                "name": "gpt-5",
                "parameters": {"temperature": 0, "max_tokens": 9, "stop_sequences": ["x"]},
            },
            tools=[TOOL],
            response_format=SCHEMA,
        )
        assert one.to_openai(q="?") == {
            "model": "gpt-5",
            "messages": [{"role": "developer", "content": "S"}, {"role": "user", "content": "?"}],
            "tools": [TOOL],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "response", "schema": SCHEMA},
            },
            "temperature": 0,
            "max_tokens": 9,
            "stop": ["x"],
        }

    def test_a_registered_model_names_none(self) -> None:
        one = prompt("x", model={"uses": "model:churn@champion", "parameters": {"seed": 1}})
        assert one.to_openai() == {"messages": [{"role": "user", "content": "x"}], "seed": 1}

    def test_images_in_anthropics_form(self) -> None:
        source = {"type": "base64", "media_type": "image/png", "data": "QUJD"}
        one = prompt([{"role": "user", "content": [{"type": "image", "source": source}]}])
        assert one.to_openai()["messages"][0]["content"] == [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
        ]


ANTHROPIC_PROMPT = prompt(
    [
        {"role": "system", "content": "S"},
        {"role": "developer", "content": [{"type": "text", "text": "D"}]},
        {"placeholder": "history"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "{{ q }}"},
                {"type": "image_url", "image_url": {"url": "{{ image }}"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {
                    "type": "file",
                    "file": {
                        "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,QUJD",
                    },
                },
            ],
        },
    ],
    model={
        "provider": "anthropic",
        "name": "claude-opus-5-5",
        "parameters": {
            "max_completion_tokens": 500,
            "temperature": 0.5,
            "stop": "END",
            "tool_choice": "required",
            "parallel_tool_calls": False,
            "reasoning_effort": "high",
            "user": "u1",
            "seed": 7,
            "extra_headers": {"anthropic-version": "2023-06-01"},
        },
    },
    tools=[TOOL, {"type": "web_search_20250305", "name": "web_search"}],
    response_format=SCHEMA,
)
HISTORY: list[dict[str, Any]] = [
    {"role": "user", "content": "before"},
    {
        "role": "assistant",
        "content": "Let me see",
        "tool_calls": [CALL, {**CALL, "id": "2"}],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "found"},
    {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "more"}]},
]
USE: dict[str, Any] = {"type": "tool_use", "name": "look_up", "input": {"q": "x"}}
ANTHROPIC_CALL: dict[str, Any] = {
    "model": "claude-opus-5-5",
    "max_tokens": 500,
    "system": "S\n\nD",
    "messages": [
        {"role": "user", "content": "before"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me see"},
                {**USE, "id": "call_1"},
                {**USE, "id": "2"},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "found"},
                {
                    "type": "tool_result",
                    "tool_use_id": "2",
                    "content": [{"type": "text", "text": "more"}],
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "?"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"},
                },
                {
                    "type": "image",
                    "source": {"type": "url", "url": "https://example.com/a.png"},
                },
                {
                    "type": "document",
                    "source": {
                        "type": "base64",
                        "media_type": "application/pdf",
                        "data": "QUJD",
                    },
                    "title": "a.pdf",
                },
            ],
        },
    ],
    "tools": [
        {
            "name": "look_up",
            "description": "Look it up",
            "input_schema": TOOL["function"]["parameters"],  # type: ignore[index]
        },
        {"type": "web_search_20250305", "name": "web_search"},
    ],
    "stop_sequences": ["END"],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "metadata": {"user_id": "u1"},
    "output_config": {
        "effort": "high",
        "format": {"type": "json_schema", "schema": SCHEMA},
    },
    "extra_headers": {"anthropic-version": "2023-06-01"},
}


class TestAnthropic:
    def test_text_becomes_a_user_message(self) -> None:
        assert prompt("Hi").to_anthropic() == {
            "max_tokens": 1024,
            "messages": [{"role": "user", "content": "Hi"}],
        }

    def test_everything(self) -> None:
        made = ANTHROPIC_PROMPT.to_anthropic(
            q="?", image="data:image/png;base64,QUJD", history=HISTORY
        )
        assert made == ANTHROPIC_CALL
        assert json.loads(json.dumps(made)) == made

    def test_what_is_left_out_is_told(self) -> None:
        model = {"name": "m", "parameters": {"temperature": 0, "seed": 1, "max_tokens": 2}}
        reasons = left_out(model, {"type": "json_object"})
        assert set(reasons) == {"temperature", "seed", "response_format"}
        assert "2026-10-21" in reasons["temperature"]

    @pytest.mark.parametrize(
        ("choice", "expected"),
        [
            ("auto", {"type": "auto"}),
            ("none", {"type": "none"}),
            ({"type": "function", "function": {"name": "f"}}, {"type": "tool", "name": "f"}),
            ({"type": "tool", "name": "f"}, {"type": "tool", "name": "f"}),
        ],
    )
    def test_tool_choice(self, choice: Any, expected: Any) -> None:
        parameters = {"parallel_tool_calls": False, "tool_choice": choice}
        one = prompt("x", model={"name": "m", "parameters": parameters}, tools=[TOOL])
        expected = {**expected, "disable_parallel_tool_use": True}
        assert one.to_anthropic()["tool_choice"] == expected

    def test_no_tool_choice_without_tools(self) -> None:
        one = prompt("x", model={"name": "m", "parameters": {"tool_choice": "auto"}})
        assert "tool_choice" not in one.to_anthropic()

    @pytest.mark.parametrize(
        "message",
        [
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]},
            {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]},
            {"role": "system", "content": [{"type": "image_url", "image_url": {"url": "u"}}]},
            {"role": "critic", "content": "x"},
            {"role": "tool", "content": "x"},
            {"role": "assistant", "tool_calls": [{"id": "1"}]},
            {
                "role": "assistant",
                "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "[1"}}],
            },
        ],
    )
    def test_what_has_no_counterpart_is_refused(self, message: dict[str, Any]) -> None:
        with pytest.raises(RenderError) as caught:
            prompt([message]).to_anthropic()
        assert caught.value.code == "not_convertible"
