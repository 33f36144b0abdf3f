"""A rendered prompt as the keyword arguments of OpenAI's and Anthropic's Python clients.

Messages are in OpenAI's form, which is also the form in which content is kept; so for OpenAI
little is to be done. For Anthropic:

===========================  ==============================================================
system, developer messages   ``system``, joined by an empty line
tool calls                   ``tool_use`` blocks of the assistant
tool messages                ``tool_result`` blocks of one user message
image, file parts            ``image`` and ``document`` blocks (by URL or base64)
tools                        ``name``, ``description``, ``input_schema``, ``strict``
``stop``                     ``stop_sequences``
``max_tokens``               1,024 where the prompt says nothing: the API requires it
``tool_choice``              ``auto``, ``any``, ``none`` or ``tool``; needs tools
``parallel_tool_calls``      ``disable_parallel_tool_use`` of ``tool_choice``
``reasoning_effort``         ``output_config.effort``
``user``                     ``metadata.user_id``
``response_format``          ``output_config.format``; ``json_object`` has no counterpart
``temperature``, ``top_p``…  left out, see below
===========================  ==============================================================

Anthropic's client takes no parameter that it doesn't know, so what has no counterpart is left
out; `left_out` says what and why. ``extra_body``, ``extra_headers`` and ``extra_query`` reach the
request as they are: ``{"extra_body": {"temperature": 0.2}, "extra_headers":
{"anthropic-version": "2023-06-01"}}`` still sets the temperature of a model that has one.

Sources: the packages openai 3.52 (``types/chat``) and anthropic 2.11 (``types``), and
https://platform.claude.com/docs/en/api/migration-2026-10-21: since that version of the API
``temperature``, ``top_p`` and ``top_k`` are refused for every model, at any value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from pointsman.errors import Reason, RenderError

DEFAULT_MAX_TOKENS: Final = 1024


@dataclass(frozen=True, slots=True)
class Call:
    """What a model is to be asked: messages in OpenAI's form, and what goes with them."""

    messages: list[dict[str, Any]]
    model: Mapping[str, Any]
    tools: list[dict[str, Any]]
    response_format: dict[str, Any] | None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of the model."""
        return dict(self.model.get("parameters") or {})


def openai_call(call: Call) -> dict[str, Any]:
    """Keyword arguments for ``client.chat.completions.create(**…)``.

    The prompt's parameters are passed on by their own names; ``stop_sequences`` becomes
    ``stop``. The ``model`` is left out where the prompt names none or a registered one.
    """
    arguments: dict[str, Any] = {}
    if "name" in call.model:
        arguments["model"] = call.model["name"]
    arguments["messages"] = [_openai_message(message) for message in call.messages]
    if call.tools:
        arguments["tools"] = call.tools
    if call.response_format:
        arguments["response_format"] = call.response_format
    for name, value in call.parameters.items():
        arguments["stop" if name == "stop_sequences" else name] = value
    return arguments


def anthropic_call(call: Call) -> dict[str, Any]:
    """Keyword arguments for ``client.messages.create(**…)``; see the table above.

    Raises:
        RenderError: ``not_convertible``: a message has what Claude is never sent, such as
            audio, or a tool call whose arguments are not a JSON object.
    """
    arguments: dict[str, Any] = {}
    if "name" in call.model:
        arguments["model"] = call.model["name"]
    arguments["max_tokens"] = DEFAULT_MAX_TOKENS
    system, messages = _split_system(call.messages)
    if system:
        arguments["system"] = system
    arguments["messages"] = _anthropic_messages(messages)
    if call.tools:
        arguments["tools"] = [_anthropic_tool(tool) for tool in call.tools]
    for name, value in call.parameters.items():
        if name in _TRANSLATED:
            _TRANSLATED[name](arguments, value)
        elif name in _ANTHROPIC_PARAMETERS:
            _merge(arguments, name, value)
    if not call.tools:
        arguments.pop("tool_choice", None)  # refused where there is nothing to choose from
    schema = (call.response_format or {}).get("json_schema")
    if schema is not None:
        form = {"type": "json_schema", "schema": schema.get("schema", {})}
        _merge(arguments, "output_config", {"format": form})
    return arguments


def left_out(model: Mapping[str, Any], response_format: Mapping[str, Any] | None) -> dict[str, str]:
    """What `anthropic_call` leaves out of a prompt, and why."""
    reasons = {
        name: _SAMPLING if name in ("temperature", "top_p", "top_k") else "Claude has no such one."
        for name in model.get("parameters") or {}
        if name not in _TRANSLATED and name not in _ANTHROPIC_PARAMETERS
    }
    if response_format and "json_schema" not in response_format:
        reasons["response_format"] = "Claude takes a JSON Schema; ask for JSON in the prompt."
    return reasons


# -- OpenAI


def _openai_message(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, list):
        return {**message, "content": [_openai_part(part) for part in content]}
    return message


def _openai_part(part: dict[str, Any]) -> dict[str, Any]:
    """An image or document in Anthropic's form becomes OpenAI's; the rest is left alone."""
    source = part.get("source")
    if part.get("type") == "image" and isinstance(source, dict):
        return {"type": "image_url", "image_url": {"url": _url(source)}}
    if part.get("type") == "document" and isinstance(source, dict) and source.get("data"):
        name = str(part.get("title") or "document.pdf")
        return {"type": "file", "file": {"filename": name, "file_data": _url(source)}}
    if part.get("type") == "image_url" and isinstance(part.get("image_url"), str):
        return {**part, "image_url": {"url": part["image_url"]}}
    return part


def _url(source: Mapping[str, Any]) -> str:
    if source.get("type") == "base64":
        return f"data:{source.get('media_type')};base64,{source.get('data')}"
    return str(source.get("url", ""))


# -- Anthropic: messages


def _split_system(messages: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    system: list[str] = []
    others: list[dict[str, Any]] = []
    for message in messages:
        if message["role"] in ("system", "developer"):
            system.append(_plain_text(message))
        else:
            others.append(message)
    return "\n\n".join(text for text in system if text), others


def _plain_text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        for part in content:
            if part.get("type") != "text":
                _refuse(f"a {message['role']} message holds text only, not {part.get('type')!r}")
        return "\n".join(str(part.get("text", "")) for part in content)
    return content or ""


def _anthropic_messages(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    converted: list[dict[str, Any]] = []
    answering = False  # whether the last message gathers the results of tools
    for message in messages:
        role = message["role"]
        if role == "tool":
            result = _tool_result(message)
            if answering:
                converted[-1]["content"].append(result)
            else:
                converted.append({"role": "user", "content": [result]})
            answering = True
            continue
        answering = False
        if role not in ("user", "assistant"):
            _refuse(f"Claude knows no role {role!r}")
        converted.append({"role": role, "content": _anthropic_content(message)})
    return converted


def _anthropic_content(message: dict[str, Any]) -> str | list[dict[str, Any]]:
    content = message.get("content")
    calls = message.get("tool_calls") or []
    if not calls:
        if isinstance(content, list):
            return [_anthropic_block(part) for part in content]
        return content or ""
    blocks: list[dict[str, Any]] = []
    if isinstance(content, list):
        blocks += [_anthropic_block(part) for part in content]
    elif content:
        blocks.append({"type": "text", "text": content})
    return blocks + [_tool_use(call) for call in calls]


def _tool_use(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, dict):
        _refuse("a tool call names no function")
    given = function.get("arguments") or "{}"
    try:
        arguments = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        _refuse(f"the arguments of the tool call {call.get('id')!r} are not a JSON object")
    return {
        "type": "tool_use",
        "id": call.get("id"),
        "name": function.get("name"),
        "input": arguments,
    }


def _tool_result(message: Mapping[str, Any]) -> dict[str, Any]:
    if not message.get("tool_call_id"):
        _refuse("a tool message has no tool_call_id")
    content = message.get("content") or ""
    if isinstance(content, list):
        content = [_anthropic_block(part) for part in content]
    return {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": content}


def _anthropic_block(part: dict[str, Any]) -> dict[str, Any]:
    match part.get("type"):
        case "image_url":
            image = part.get("image_url")
            url = image.get("url") if isinstance(image, dict) else image
            return {"type": "image", "source": _source(str(url or ""))}
        case "file":
            return _document(part.get("file") or {})
        case "refusal":
            return {"type": "text", "text": part.get("refusal", "")}
        case "input_audio":
            _refuse("Claude takes no audio")
    return part  # a text part, or already a block of Anthropic's


def _document(file: Mapping[str, Any]) -> dict[str, Any]:
    if file.get("file_data"):
        source = _source(str(file["file_data"]))
    elif file.get("file_url"):
        source = {"type": "url", "url": file["file_url"]}
    else:
        _refuse("a file given by file_id is known to OpenAI only")
    document: dict[str, Any] = {"type": "document", "source": source}
    if file.get("filename"):
        document["title"] = file["filename"]
    return document


def _source(url: str) -> dict[str, Any]:
    data = _DATA_URL.fullmatch(url)
    if data:
        return {"type": "base64", "media_type": data["type"], "data": data["data"]}
    return {"type": "url", "url": url}


def _refuse(problem: str) -> NoReturn:
    message = f"The prompt can't be sent to Claude: {problem}."
    raise RenderError(
        message,
        code="not_convertible",
        hint="Change that message, or use to_openai.",
        reasons=[Reason("not_convertible", message)],
    )


# -- Anthropic: tools and parameters


def _anthropic_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict):
        return dict(tool)  # one of Anthropic's own, such as web search
    converted = {"name": function["name"]}
    if function.get("description"):
        converted["description"] = function["description"]
    schema = function.get("parameters") or {}
    converted["input_schema"] = schema if "type" in schema else {"type": "object", **schema}
    if function.get("strict"):
        converted["strict"] = True
    return converted


def _merge(arguments: dict[str, Any], name: str, value: Any) -> None:
    """Set an argument; of two objects, what was there first stays and the rest is added."""
    there = arguments.get(name)
    if isinstance(there, dict) and isinstance(value, dict):
        arguments[name] = {**value, **there}
    else:
        arguments[name] = value


def _set_stop(arguments: dict[str, Any], value: Any) -> None:
    if value:
        arguments["stop_sequences"] = [value] if isinstance(value, str) else value


def _set_tool_choice(arguments: dict[str, Any], value: Any) -> None:
    if isinstance(value, str):
        value = {"type": {"required": "any"}.get(value, value)}
    elif isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = {"type": "tool", "name": value["function"].get("name")}
    chosen = arguments.get("tool_choice") or {}  # `_set_parallel` may have come first
    if isinstance(value, dict) and chosen.get("disable_parallel_tool_use"):
        value = {"disable_parallel_tool_use": True, **value}
    if value:
        arguments["tool_choice"] = value


def _set_parallel(arguments: dict[str, Any], value: Any) -> None:
    if value is False:
        chosen = arguments.get("tool_choice") or {"type": "auto"}
        arguments["tool_choice"] = {**chosen, "disable_parallel_tool_use": True}


def _set_max_tokens(arguments: dict[str, Any], value: Any) -> None:
    if value is not None:
        arguments["max_tokens"] = value


_TRANSLATED: Final[dict[str, Callable[[dict[str, Any], Any], None]]] = {
    "stop": _set_stop,
    "stop_sequences": _set_stop,
    "max_tokens": _set_max_tokens,
    "max_completion_tokens": _set_max_tokens,
    "tool_choice": _set_tool_choice,
    "parallel_tool_calls": _set_parallel,
    "reasoning_effort": lambda arguments, value: _merge(
        arguments, "output_config", {"effort": value}
    ),
    "user": lambda arguments, value: _merge(arguments, "metadata", {"user_id": value}),
}
_ANTHROPIC_PARAMETERS: Final = frozenset(
    (
        *("cache_control", "container", "diagnostics", "inference_geo", "metadata"),
        *("output_config", "service_tier", "speed", "stream", "thinking", "user_profile_id"),
        *("workspace_id", "extra_headers", "extra_query", "extra_body", "timeout"),
    )
)
_SAMPLING: Final = (
    "Claude's API refuses it since version 2026-10-21; for an older model set it in extra_body."
)
_DATA_URL: Final = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,(?P<data>.*)", re.DOTALL)
