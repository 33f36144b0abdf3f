"""`.prompt` files: a prompt as people keep it in a folder, read and written.

A file is YAML between two lines of three dashes, and then the template::

    ---
    model: openai/gpt-4o
    config:
      temperature: 0.2
    input:
      schema:
        question: string, what the customer asks
    ---
    {{role "system"}}
    You answer for {{ company }}.
    {{role "user"}}
    {{ question }}

The form is dotprompt's, so its files can be read, and are what is written wherever it has the
words. Reading what was written gives the same content, whatever the content is.

**The template.** Text is the template as it stands, without one empty line at its start (below
the dashes) and without the last line's end. Where there is a marker, it is a chat:

==================================  ======================================================
``{{role "system"}}``               a message of this role begins (``model`` is dotprompt's
                                    word for ``assistant``; both are read)
``{{placeholder "turns"}}``         messages given when rendering; ``optional=true`` before
                                    the braces close: none will do
``{{history}}``                     on a line of its own right before a role, and if no
                                    variable of that name is declared: dotprompt's word for
                                    ``{{placeholder "history" optional=true}}``
``{{include "greeting:3"}}``        the messages of another prompt
==================================  ======================================================

The line ends right after and before a marker belong to it. Text before the first marker is a
message of the user. A chat that says more (parts, tool calls, further keys), and a text that
would be read as something else, stands under ``template:`` in the front matter instead.

**The front matter.** Pointsman's own fields, ``template``, ``format`` (``curly`` unless it says
otherwise), ``variables``, ``model``, ``tools``, ``response_format`` and ``config``, are as
everywhere. Of dotprompt's fields,

- ``model: provider/name`` is a model, and then ``config`` holds its parameters;
- ``input`` (``schema`` and ``default``) declares variables, ``output`` (``format: json`` and
  ``schema``) is a response format; schemas are `picoschema` or JSON Schema;
- ``tools`` may hold names, which are kept beside the definitions;
- ``name`` is the artifact's name; ``message`` (ours) says why this version was made.

Whatever else there is, and whatever of the above is not understood, is kept as it is in the
content, under ``config`` → ``dotprompt``, and written back to its place. A key that neither
Pointsman nor dotprompt knows, and that is no extension's (``myext.flag``), is noted: it may be a
slip of the pen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, cast

from pointsman.cli.picoschema import (
    NotUnderstoodError,
    read_schema,
    read_variables,
    write_variables,
)
from pointsman.cli.yamltext import read_yaml, write_yaml
from pointsman.core.canonical import JSON, canonical_json
from pointsman.errors import InvalidContent, InvalidInput, TooLarge

MAX_FILE: Final = 8 * 1024 * 1024
"""Characters of a file that is read."""
KEPT: Final = "dotprompt"
"""The key in the content's ``config`` under which everything foreign is kept."""
_FIELDS: Final = ("template", "format", "variables", "model", "tools", "response_format", "config")
_OURS: Final = frozenset((*_FIELDS, "name", "message", "input", "output"))
_DOTPROMPTS: Final = frozenset(
    ("variant", "version", "description", "metadata", "ext", "raw", "toolDefs", "maxTurns")
)
"""What dotprompt has and Pointsman only keeps."""


@dataclass(frozen=True, slots=True)
class PromptFile:
    """What a file says. `notes` tell of what is kept but has no effect."""

    content: dict[str, JSON]
    name: str = ""
    message: str = ""
    notes: tuple[str, ...] = ()


def read_prompt_file(text: str) -> PromptFile:
    """What a `.prompt` file says. The content is as written: publishing checks it.

    Raises:
        TooLarge: it has more than `MAX_FILE` characters.
        InvalidInput: the front matter is not YAML, or not an object, or has no end.
        InvalidContent: it says two things at once.
    """
    if len(text) > MAX_FILE:
        raise TooLarge(
            f"The file has {len(text):,} characters; {MAX_FILE:,} are read at most.",
            hint="Pass long texts as variables.",
        )
    front, body = _split(normal_text(text))
    kept = {key: value for key, value in front.items() if key not in _OURS}
    notes = list(_unknown_keys(kept))
    content: dict[str, JSON] = {}
    if "format" in front:
        content["format"] = front["format"]
    fields = {
        "variables": _variables(front, kept, notes),
        "tools": _tools(front, kept, notes),
        "response_format": _response_format(front, kept, notes),
    }
    content |= {field: value for field, value in fields.items() if value is not None}
    _read_model(front, content)
    content["template"] = _template(front, body, content.get("variables"))
    if kept:
        content["config"] = _with_kept(content.get("config"), kept)
    return PromptFile(content, _text(front, "name"), _text(front, "message"), notes=tuple(notes))


def write_prompt_file(content: Mapping[str, Any], *, name: str = "") -> str:
    """A `.prompt` file that reads as this content of a prompt, in normal form.

    Raises `TooLarge` if it would have more than `MAX_FILE` characters.
    """
    wanted = canonical_json(dict(content))
    for lifted in (True, False):
        for in_body in (True, False):
            text = _written(content, name, lifted=lifted, in_body=in_body)
            if _says(text, wanted):
                return text
    # The last form holds everything, verbatim.
    raise TooLarge(
        f"As a .prompt file it has more than {MAX_FILE:,} characters.",
        hint="Take it as JSON: pointsman show --json.",
    )


def normal_text(text: str) -> str:
    """A file's text as it is on every machine: no byte order mark, lines end with ``\\n``."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


# -- reading


def _split(text: str) -> tuple[dict[str, JSON], str]:
    """The front matter and the template's text."""
    found = _OPENING.match(text)
    if found is None:
        return {}, text.removesuffix("\n")
    closing = _CLOSING.search(text, found.end())
    if closing is None:
        raise InvalidInput(
            "The front matter has no end.",
            code="malformed_yaml",
            hint="Close it with a line of three dashes. If the file begins with three dashes "
            "that are part of the template, put two such lines above them.",
        )
    front = read_yaml(text[found.end() : closing.start()], first_line=2)
    if front is None:
        front = {}
    if not isinstance(front, dict):
        raise InvalidInput(
            "The front matter is not an object.", code="wrong_type", hint="Write “name: value”."
        )
    return front, text[closing.end() :].removeprefix("\n").removesuffix("\n")


def _unknown_keys(kept: Mapping[str, JSON]) -> Iterator[str]:
    """Notes about the keys that nobody knows, with the one that was perhaps meant."""
    for key in kept:
        if key in _DOTPROMPTS or "." in key:
            continue
        close = get_close_matches(key, sorted(_OURS | _DOTPROMPTS), n=1)
        meant = f" Did you mean “{close[0]}”?" if close else ""
        yield f"“{key}” in the front matter is unknown: it is kept, but has no effect.{meant}"


def _template(front: dict[str, JSON], body: str, variables: JSON) -> JSON:
    if "template" not in front:
        declared = variables if isinstance(variables, dict) else {}
        return _read_chat(body, history_is_variable="history" in declared)
    if body.strip():
        raise InvalidContent(
            "There are two templates: one under “template:” and one below the front matter.",
            code="two_templates",
            hint="Leave one of them out.",
            field="/template",
        )
    return front["template"]


def _read_chat(body: str, *, history_is_variable: bool) -> JSON:
    """The entries of a chat; the text itself if no marker is in it."""
    if not history_is_variable:
        body = _HISTORY.sub('{{placeholder "history" optional=true}}', body)
    markers = list(_MARKER.finditer(body))
    if not markers:
        return body
    entries: list[JSON] = []
    before = body[: markers[0].start()]
    if before.strip():
        entries.append({"role": "user", "content": before.removesuffix("\n")})
    ends = [marker.start() for marker in markers[1:]] + [len(body)]
    for marker, end in zip(markers, ends, strict=True):
        text = body[marker.end() : end].removeprefix("\n")
        if end < len(body):  # the end of the last line is taken off already
            text = text.removesuffix("\n")
        word = marker["double"] if marker["double"] is not None else marker["single"]
        if marker["kind"] == "role":
            role = "assistant" if word == "model" else word
            entries.append({"role": role, "content": text})
            continue
        if text.strip():
            raise InvalidContent(
                f"The text after {marker[0]} belongs to no message: {text.strip()[:40]!r}.",
                code="no_role",
                hint='Begin a message with a marker, such as {{role "user"}}.',
                field="/template",
            )
        entry: dict[str, JSON] = {marker["kind"]: word}
        if marker["optional"]:
            entry["optional"] = True
        entries.append(entry)
    return entries


def _variables(front: dict[str, JSON], kept: dict[str, JSON], notes: list[str]) -> JSON:
    if "input" not in front:
        return front.get("variables")
    try:
        declared = _read_input(front["input"])
    except NotUnderstoodError as error:
        kept["input"] = front["input"]
        notes.append(f"“input” is kept, but declares no variables: {error}.")
        return front.get("variables")
    if "variables" in front:
        raise _twice("variables", "input")
    return cast("JSON", declared) or None


def _read_input(value: JSON) -> dict[str, dict[str, JSON]]:
    if not isinstance(value, dict) or not value or set(value) - {"schema", "default"}:
        raise NotUnderstoodError("it has other fields than “schema” and “default”")
    declared = read_variables(value["schema"]) if "schema" in value else {}
    defaults = value.get("default", {})
    if not isinstance(defaults, dict):
        raise NotUnderstoodError("“default” is not an object")
    for name, default in defaults.items():
        declaration = declared.setdefault(name, {})
        declaration.pop("required", None)  # with a default it never is
        declaration["default"] = default
    return declared


def _response_format(front: dict[str, JSON], kept: dict[str, JSON], notes: list[str]) -> JSON:
    if "output" not in front:
        return front.get("response_format")
    try:
        form = _read_output(front["output"])
    except NotUnderstoodError as error:
        kept["output"] = front["output"]
        notes.append(f"“output” is kept, but is no response format: {error}.")
        return front.get("response_format")
    if "response_format" in front:
        raise _twice("response_format", "output")
    return form


def _read_output(value: JSON) -> JSON:
    if not isinstance(value, dict) or not value or set(value) - {"format", "schema"}:
        raise NotUnderstoodError("it has other fields than “format” and “schema”")
    if value.get("format", "json") != "json":
        raise NotUnderstoodError(f"the format {value['format']!r} is none that a model is told of")
    if "schema" not in value:
        return {"type": "json_object"}
    schema = read_schema(value["schema"])
    return {"type": "json_schema", "json_schema": {"name": "response", "schema": schema}}


def _tools(front: dict[str, JSON], kept: dict[str, JSON], notes: list[str]) -> JSON:
    tools = front.get("tools")
    if not isinstance(tools, list):
        return tools
    names = [tool for tool in tools if isinstance(tool, str)]
    if names:
        kept["tools"] = cast("JSON", names)
        notes.append(f"“tools” names {', '.join(names)}: kept, but not defined here.")
    return [tool for tool in tools if not isinstance(tool, str)] or None


def _read_model(front: dict[str, JSON], content: dict[str, JSON]) -> None:
    """The model, and the config, which beside a model in one word is its parameters."""
    model, config = front.get("model"), front.get("config")
    if not isinstance(model, str):
        if model is not None:
            content["model"] = model
        if config is not None:
            content["config"] = config
        return
    content["model"] = read = _read_model_name(model)
    if config not in (None, {}):
        read["parameters"] = config


def _read_model_name(text: str) -> dict[str, JSON]:
    provider, slash, name = text.partition("/")
    return {"provider": provider, "name": name} if slash else {"name": text}


def _with_kept(config: JSON, kept: dict[str, JSON]) -> JSON:
    if config is None:
        config = {}
    if not isinstance(config, dict):
        return config  # publishing will say that this can't be
    if KEPT in config:
        raise _twice(f"config/{KEPT}", next(iter(kept)))
    return {**config, KEPT: kept}


def _text(front: dict[str, JSON], key: str) -> str:
    value = front.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidContent(
            f"“{key}” in the front matter must be text.",
            code="wrong_type",
            hint="Put it into quotes.",
            field=key,
        )
    return value


def _twice(ours: str, theirs: str) -> InvalidContent:
    return InvalidContent(
        f"“{ours}” and “{theirs}” in the front matter say the same thing.",
        code="said_twice",
        hint="Leave one of them out.",
        field=ours,
    )


# -- writing


def _written(content: Mapping[str, Any], name: str, *, lifted: bool, in_body: bool) -> str:
    """One of the forms that the content can take; not each holds each content.

    `lifted`: what is foreign stands in its own place. `in_body`: so does the template.
    """
    config = dict(content.get("config", {}))
    kept: dict[str, Any] = {}
    if lifted and isinstance(config.get(KEPT), dict):
        kept = dict(config.pop(KEPT))
    front: dict[str, Any] = {"name": name} if name else {}
    front |= _written_model(content.get("model"), config)
    if "variables" in content:
        front |= _written_variables(content["variables"])
    if "response_format" in content:
        front |= _written_response_format(content["response_format"])
    names = kept.pop("tools") if isinstance(kept.get("tools"), list) else []
    tools = [*names, *content.get("tools", [])]
    if tools:
        front["tools"] = tools
    if "format" in content:
        front["format"] = content["format"]
    front |= kept
    body = _written_body(content["template"]) if in_body else None
    if body is None:
        front["template"] = content["template"]
        body = ""
    if not front and not _OPENING.match(body):
        return body
    head = f"---\n{write_yaml(front) if front else ''}---\n"
    return f"{head}\n{body}" if body.startswith("\n") else head + body


def _written_model(model: Any, config: dict[str, Any]) -> dict[str, Any]:
    if model is None:
        return {"config": config} if config else {}
    words = [model[key] for key in ("provider", "name") if key in model]
    text = "/".join(words)
    named = {key: value for key, value in model.items() if key != "parameters"}
    if config or _read_model_name(text) != named:
        return {"model": model, "config": config} if config else {"model": model}
    parameters = model.get("parameters")
    return {"model": text, "config": parameters} if parameters else {"model": text}


def _written_variables(declared: dict[str, Any]) -> dict[str, Any]:
    schema = write_variables(declared)
    if schema is None:
        return {"variables": declared}
    defaults = {name: item["default"] for name, item in declared.items() if "default" in item}
    return {"input": {"schema": schema, "default": defaults} if defaults else {"schema": schema}}


def _written_response_format(form: dict[str, Any]) -> dict[str, Any]:
    if form == {"type": "json_object"}:
        return {"output": {"format": "json"}}
    schema = form.get("json_schema", {}).get("schema")
    output = {"format": "json", "schema": schema}
    try:
        if _read_output(cast("JSON", output)) == form:
            return {"output": output}
    except NotUnderstoodError:
        pass
    return {"response_format": form}


def _written_body(template: Any) -> str | None:
    """The template below the front matter; None if it has no such form."""
    if isinstance(template, str):
        return f"{template}\n" if template else ""
    entries = [_written_entry(entry) for entry in template]
    return None if None in entries or not entries else "".join(_texts(entries))


def _written_entry(entry: dict[str, Any]) -> str | None:
    match entry:
        case {"role": role, "content": str(text), **rest} if not rest:
            return f'{{{{role "{"model" if role == "assistant" else role}"}}}}\n{text}\n'
        case {"placeholder": name, **rest}:
            optional = " optional=true" if rest.get("optional") else ""
            return f'{{{{placeholder "{name}"{optional}}}}}\n'
        case {"include": selector}:
            return f'{{{{include "{selector}"}}}}\n'
    return None


def _texts(entries: list[str | None]) -> Iterator[str]:
    return (entry for entry in entries if entry is not None)


def _says(text: str, wanted: str) -> bool:
    """Whether a file reads as the content with this canonical form."""
    try:
        return canonical_json(read_prompt_file(text).content) == wanted
    except InvalidInput:
        return False


_OPENING: Final = re.compile(r"---[ \t]*\n")
_CLOSING: Final = re.compile(r"^---[ \t]*(?:\n|\Z)", re.MULTILINE)
_MARKER: Final = re.compile(
    r"\{\{\s*(?P<kind>role|placeholder|include)\s+"
    r"(?:\"(?P<double>[^\"{}\n]*)\"|'(?P<single>[^'{}\n]*)')"
    r"(?P<optional>\s+optional=true)?\s*\}\}"
)
_HISTORY: Final = re.compile(
    r"^[ \t]*\{\{\s*history\s*\}\}[ \t]*$(?=\s*\{\{\s*role\s)", re.MULTILINE
)
