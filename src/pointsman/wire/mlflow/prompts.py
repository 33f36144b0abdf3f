"""Prompts as MLflow writes them, in five reserved tags of a version, and as our contents.

==================================  ======================================================
``mlflow.prompt.text``              ``template``; a chat as the JSON text of its messages
``_mlflow_prompt_type``             whether ``template`` is text or chat
``_mlflow_prompt_response_format``  ``response_format``
``_mlflow_prompt_model_config``     ``model``: ``provider`` and ``model_name``, the rest are
                                    its ``parameters``
``mlflow.prompt.is_prompt``         that it is a prompt at all
==================================  ======================================================

A client reads back what it wrote. What our content can't say in the same words (a text that
our formats refuse, a model config without a model's name) stands as it was written in
``config.mlflow``, which goes before the rest when MLflow's client reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from pointsman.core.canonical import JSON, check_text, parse_json
from pointsman.core.content import parse_prompt
from pointsman.core.fstring import scan_fstring
from pointsman.core.tags import IncludeTag, Slot
from pointsman.errors import InvalidInput, PointsmanError
from pointsman.wire.mlflow.filters import IS_PROMPT

TEXT: Final = "mlflow.prompt.text"
TYPE: Final = "_mlflow_prompt_type"
RESPONSE_FORMAT: Final = "_mlflow_prompt_response_format"
MODEL_CONFIG: Final = "_mlflow_prompt_model_config"
RESERVED: Final = frozenset({IS_PROMPT, TEXT, TYPE, RESPONSE_FORMAT, MODEL_CONFIG})
"""The tags that are a prompt's content: they are part of what never changes."""

MAX_TEXT: Final = 100_000
_AS_WRITTEN: Final = "mlflow"
"""The key in `config` under which stands what can't be said otherwise."""


def content_of(tags: Mapping[str, str]) -> dict[str, JSON]:
    """The content of a prompt version that was written in these tags.

    Raises `InvalidInput` where there is no text, too much of it, or a chat that is no list.
    """
    text = tags.get(TEXT)
    if text is None:
        raise InvalidInput(
            f"A version of a prompt needs the tag {TEXT}.",
            code="missing_prompt_text",
            hint="Use register_prompt, which sends the template in it.",
            field="tags",
        )
    check_text(text, field=TEXT)
    if len(text) > MAX_TEXT:
        raise InvalidInput(
            f"Prompt text exceeds max length of {MAX_TEXT} characters.",
            code="prompt_text_too_long",
            hint="Pass long texts as variables.",
            field="tags",
        )
    content = _template(text, chat=tags.get(TYPE) == "chat")
    for key, field, read in (
        (RESPONSE_FORMAT, "response_format", _any_json),
        (MODEL_CONFIG, "model", _model),
    ):
        if key in tags:
            check_text(tags[key], field=key)
            value = read(tags[key])
            if value is not None and _parses({"template": "", field: value}):
                content[field] = value
    told = tags_of(parse_prompt(content).to_json())
    written = {key: tags[key] for key in (TYPE, *_JSON_TAGS) if key in tags}
    if told[TEXT] != text and not (written.get(TYPE) == "chat" and same(told[TEXT], text)):
        written[TEXT] = text
    kept = {key: value for key, value in written.items() if not same(told.get(key), value)}
    if kept:
        content["config"] = {_AS_WRITTEN: cast("JSON", kept)}
    return content


def tags_of(content: Mapping[str, Any]) -> dict[str, str]:
    """The reserved tags in which MLflow's client finds this content."""
    template = content["template"]
    plain = isinstance(template, str)
    form = content.get("format", "curly")
    tags = {
        IS_PROMPT: "true",
        TYPE: "text" if plain else "chat",
        TEXT: _text(template, form) if plain else json.dumps(_messages(template, form)),
    }
    if (response_format := content.get("response_format")) is not None:
        tags[RESPONSE_FORMAT] = json.dumps(_bare_schema(response_format))
    if (model := content.get("model")) is not None:
        tags[MODEL_CONFIG] = json.dumps(_flat(model))
    kept = content.get("config", {}).get(_AS_WRITTEN)
    if isinstance(kept, dict):
        tags |= {k: v for k, v in kept.items() if k in RESERVED and isinstance(v, str)}
    return tags


_JSON_TAGS: Final = (RESPONSE_FORMAT, MODEL_CONFIG)


# -- from MLflow


def _template(text: str, *, chat: bool) -> dict[str, JSON]:
    """The template, in the format that MLflow's client would read it in.

    A text that this format refuses, or in which it would see another prompt included, is kept
    as literal text: to MLflow it was never more than that.
    """
    template: JSON = text
    if chat:
        template = _any_json(text)
        if not isinstance(template, list):
            raise InvalidInput(
                "The text of a chat prompt is not a JSON list of messages.",
                code="invalid_chat",
                hint='Send [{"role": "user", "content": "…"}] as JSON, or the type "text".',
                field="tags",
            )
    ways: list[dict[str, JSON]] = [{"template": template}]
    if "{%" in text and "%}" in text:
        ways.insert(0, {"template": template, "format": "jinja2"})
    literal: dict[str, JSON] = {"template": text.replace("{{", '{{ "{{" }}')}
    return next((way for way in ways if _parses(cast("JSON", way))), literal)


def _parses(content: JSON) -> bool:
    """Whether it is a content that needs no other prompt."""
    try:
        return not parse_prompt(content).includes
    except PointsmanError:
        return False


def _any_json(text: str) -> JSON:
    try:
        return parse_json(text)
    except PointsmanError:
        return None


def _model(text: str) -> JSON:
    config = _any_json(text)
    if not isinstance(config, dict) or not isinstance(config.get("model_name"), str):
        return None
    model: dict[str, JSON] = {"name": config["model_name"]}
    if config.get("provider") is not None:
        model["provider"] = config["provider"]
    parameters = {k: v for k, v in config.items() if k not in ("model_name", "provider")}
    if parameters:
        model["parameters"] = parameters
    return model


def same(told: str | None, written: str) -> bool:
    """Whether two texts are equal, or are JSON of equal meaning."""
    if told is None or told == written:
        return told is not None
    value = _any_json(written)
    return value is not None and value == _any_json(told)


# -- to MLflow


def _text(text: str, form: str) -> str:
    """The text with its variables as MLflow's client looks for them: ``{{ name }}``."""
    if form != "f-string":
        return text
    return "".join(
        f"{{{{ {piece.name} }}}}"
        if isinstance(piece, Slot)
        else f"{{{{> {piece.selector} }}}}"
        if isinstance(piece, IncludeTag)
        else piece
        for piece in scan_fstring(text)
    )


def _messages(entries: list[dict[str, Any]], form: str) -> list[dict[str, Any]]:
    return [_message(entry, form) for entry in entries]


def _message(entry: dict[str, Any], form: str) -> dict[str, Any]:
    if "placeholder" in entry:
        return {"role": "placeholder", "content": f"{{{{ {entry['placeholder']} }}}}"}
    if "include" in entry:
        return {"role": "placeholder", "content": f"{{{{> {entry['include']} }}}}"}
    message: dict[str, Any] = {key: entry[key] for key in ("role", "content") if key in entry}
    if isinstance(message.get("content"), str):
        message["content"] = _text(message["content"], form)
    return {**message, **{key: value for key, value in entry.items() if key not in message}}


def _bare_schema(response_format: dict[str, Any]) -> Any:
    """The schema alone where nothing else is said: so do MLflow's clients write it."""
    match response_format.get("json_schema"):
        case {"name": "response", "schema": schema, **rest} if not rest:
            return schema
    return response_format


def _flat(model: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if "provider" in model:
        config["provider"] = model["provider"]
    config["model_name"] = model.get("name", model.get("uses"))
    config |= model.get("parameters", {})
    if "fallbacks" in model:
        config["fallbacks"] = model["fallbacks"]
    return config
