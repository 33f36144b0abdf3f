"""Contents of prompts with MLflow's client: what was written is read back equal."""

from __future__ import annotations

from typing import Any

import mlflow
from mlflow.entities.model_registry import PromptModelConfig
from pydantic import BaseModel

from wire.mlflow.scenarios.told import behaviour, client, native, place, publish, refused, run

register = mlflow.genai.register_prompt
load = mlflow.genai.load_prompt

TEXTS = [
    "plain",
    "Hello {{ who }} and {{other.name}}",
    "{{ who }",
    "{{> greeting@production }} is no include here",
    '{{ "{{ who }}" }} stays as it is',
    "{{{ x }}} \\frac{1}{2} {% raw",
    "{% if who %}Hello {{ who | upper }}{% endif %}",
    "{% nonsense %} {{ x }}",
    '{"json": "text", "n": 1}',
    "[]",
    "  white space \n\t\r\n around ",
    "Grüße, 世界 🚂",
    "x" * 100_000,
]
CHATS: list[list[dict[str, Any]]] = [
    [{"role": "user", "content": "Hello {{ who }}"}],
    [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "{{ q }}"}],
    [{"role": "Human", "content": "a role of another house"}],
    [{"role": "system", "content": "{% if a %}A{% endif %}"}],
    [{"role": "user", "content": "{{ unclosed }"}],
    [{"role": "user", "content": "x", "name": "ana"}],
]
CONFIGS: list[dict[str, Any]] = [
    {"provider": "openai", "model_name": "gpt-5", "temperature": 0.5, "max_tokens": 100},
    {"model_name": "m", "top_p": 1.0, "stop_sequences": ["END"], "own": {"deep": [1, None]}},
    {"temperature": 0.25},
    {"provider": "somebody"},
]
FORMATS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]},
    {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    {"not": "what", "anybody": ["calls", "a schema"], "type": 3},
]


@behaviour
def texts_are_read_back_as_they_were_written() -> None:
    for number, text in enumerate(TEXTS, 1):
        register("texts", text)
        assert load("texts", version=number).template == text


@behaviour
def chats_are_read_back_as_they_were_written() -> None:
    for number, chat in enumerate(CHATS, 1):
        register("chats", chat)
        found = load("chats", version=number)
        assert found.template == chat
        assert not found.is_text_prompt


@behaviour
def model_configs_are_read_back_as_they_were_written() -> None:
    for number, config in enumerate(CONFIGS, 1):
        register("configs", "x", model_config=config)
        assert load("configs", version=number).model_config == config


@behaviour
def response_formats_are_read_back_as_they_were_written() -> None:
    for number, response_format in enumerate(FORMATS, 1):
        register("formats", "x", response_format=response_format)
        assert load("formats", version=number).response_format == response_format


@behaviour
def classes_describe_response_formats_and_model_configs() -> None:
    class Answer(BaseModel):
        text: str
        score: float

    config = PromptModelConfig(provider="anthropic", model_name="claude", max_tokens=10)
    register("classes", "x", response_format=Answer, model_config=config)
    found = load("classes", version=1)
    assert found.response_format == Answer.model_json_schema()
    assert found.model_config == config.to_dict()
    content = native("GET", place("classes", "versions", 1))["content"]
    assert content["model"] == {
        "provider": "anthropic",
        "name": "claude",
        "parameters": {"max_tokens": 10},
    }
    assert content["response_format"]["type"] == "json_schema"
    assert "config" not in content


@behaviour
def a_jinja_text_is_one_for_all() -> None:
    register("jinja", "{% for x in xs %}{{ x }};{% endfor %}")
    assert native("GET", place("jinja", "versions", 1))["content"]["format"] == "jinja2"
    assert "{% for" in load("jinja", version=1).template


@behaviour
def what_looks_like_an_include_includes_nothing() -> None:
    publish("greeting", "Hello")
    register("quoting", "say {{> greeting }} please")
    content = native("GET", "/resolve/quoting:1")["content"]
    assert content["template"] == 'say {{ "{{" }}> greeting }} please'
    assert load("quoting", version=1).template == "say {{> greeting }} please"


@behaviour
def native_includes_are_read_as_a_whole() -> None:
    publish("parts/greeting", "Hello {{ who }}")
    publish("composed", "{{> parts/greeting }}, welcome.")
    assert load("composed", version=1).template == "Hello {{who}}, welcome."


@behaviour
def native_f_strings_read_with_two_braces() -> None:
    publish("braces", {"template": "Hello {who}, {{literally}}", "format": "f-string"})
    found = load("braces", version=1)
    assert found.template == "Hello {{ who }}, {literally}"
    assert found.format(who="you") == "Hello you, {literally}"


@behaviour
def native_chats_with_placeholders_can_be_loaded() -> None:
    entries = [
        {"role": "system", "content": "Be kind to {{ who }}."},
        {"placeholder": "history"},
        {"role": "user", "content": "{{ question }}"},
    ]
    publish("talk", {"template": entries})
    found = load("talk", version=1)
    assert [one["role"] for one in found.template] == ["system", "placeholder", "user"]
    assert found.variables == {"who", "history", "question"}


@behaviour
def native_models_and_schemas_are_read() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    publish(
        "whole",
        {
            "template": "x",
            "model": {"provider": "openai", "name": "gpt-5", "parameters": {"temperature": 0}},
            "response_format": schema,
        },
    )
    found = load("whole", version=1)
    assert found.model_config == {"provider": "openai", "model_name": "gpt-5", "temperature": 0}
    assert found.response_format == schema


@behaviour
def messages_are_read_back_however_long() -> None:
    for number, message in enumerate(("", "short", "Grüße\n" * 5_000), 1):
        register("messages", "x", commit_message=message)
        assert (load("messages", version=number).commit_message or "") == message
        assert load("messages", version=number).tags == {}


@behaviour
def a_text_that_is_too_long_is_refused() -> None:
    client().create_prompt("long")
    with refused("INVALID_PARAMETER_VALUE", "100000"):
        client().create_prompt_version("long", "x" * 100_001)


@behaviour
def the_content_of_a_version_can_not_be_changed() -> None:
    config = {"provider": "openai", "model_name": "gpt-5"}
    register("stone", "text", model_config=config)
    with refused("INVALID_PARAMETER_VALUE", "Register a new version"):
        client().set_prompt_version_tag("stone", 1, "mlflow.prompt.text", "other")
    with refused("INVALID_PARAMETER_VALUE", "Register a new version"):
        mlflow.genai.set_prompt_model_config("stone", 1, {"model_name": "other"})
    with refused("INVALID_PARAMETER_VALUE", "Register a new version"):
        mlflow.genai.delete_prompt_model_config("stone", 1)
    for key in ("_mlflow_prompt_type", "mlflow.prompt.is_prompt", "mlflow.prompt.text"):
        with refused("INVALID_PARAMETER_VALUE"):
            client().delete_prompt_version_tag("stone", 1, key)
    found = load("stone", version=1, cache_ttl_seconds=0)
    assert (found.template, found.model_config) == ("text", config)


@behaviour
def writing_what_is_there_already_changes_nothing() -> None:
    config = {"temperature": 0.5, "model_name": "gpt-5"}
    register("again", "text", model_config=config)
    client().set_prompt_version_tag("again", 1, "mlflow.prompt.text", "text")
    mlflow.genai.set_prompt_model_config("again", 1, config)
    client().delete_prompt_version_tag("again", 1, "_mlflow_prompt_response_format")
    assert load("again", version=1, cache_ttl_seconds=0).model_config == config


if __name__ == "__main__":
    run()
