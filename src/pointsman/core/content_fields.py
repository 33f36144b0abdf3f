"""The parts of a prompt's content that surround the template, each in its normal form.

Every reader takes what a user wrote, adds what is wrong with it to the `Faults`, and returns
the one form that equal meaning has: what says nothing (an empty object, a default spelled
out) is left out. Where something is wrong the return value has no meaning.

=================  =======================================================================
``model``          ``{provider?, name, parameters?, fallbacks?}`` or ``{uses, parameters?}``;
                   parameters are the provider's own, kept as they are
``tools``          function definitions become ``{"type": "function", "function": {name,
                   description?, parameters?, strict?}}`` (OpenAI's form); the short form
                   ``{name, description?, parameters? | input_schema?}`` is understood; tools
                   of any other type are the provider's own, kept as they are
``response_format``  ``{"type": "json_schema", "json_schema": {name, schema, …}}`` (OpenAI's
                   form) or ``{"type": "json_object"}``; a JSON Schema by itself and
                   ``{"type": "json_schema", "schema": …}`` are understood (and are named
                   ``response``); ``{"type": "text"}`` is the default, so it is left out
``variables``      name → ``{schema?, default?, description?, required?}``
=================  =======================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pointsman.core.canonical import JSON, json_pointer, quoted
from pointsman.core.schemas import check_schema, check_value_schema, compile_schema
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.variables import NOTHING, Declaration, suggestion
from pointsman.errors import InvalidContent, InvalidName, PointsmanError, Reason

MAX_VARIABLES: Final = 500


class Faults:
    """Everything that is wrong with a value, gathered before it is refused."""

    def __init__(self) -> None:
        self.reasons: list[Reason] = []

    def add(self, code: str, field: str, message: str, hint: str = "") -> None:
        """Note one thing that is wrong. `message` goes on after the field's name."""
        self.reasons.append(Reason(code, f"{field or 'The content'} {message}.", hint, field))

    def unknown(self, value: Iterable[str], known: tuple[str, ...], field: str) -> None:
        """Note every key that nobody would read."""
        for key in value:
            if key not in known:
                hint = suggestion(key, known) or f"Known are: {', '.join(known)}."
                self.add(
                    "unknown_field", field + json_pointer((key,)), "is not a known field", hint
                )

    def is_object(self, value: JSON, field: str) -> bool:
        """Whether `value` is an object; noted if it is not."""
        if isinstance(value, dict):
            return True
        self.add("wrong_type", field, "must be an object", "Write {…}.")
        return False

    def is_text(self, value: JSON, field: str) -> bool:
        """Whether `value` is text with something in it; noted if it is not."""
        if isinstance(value, str) and value.strip():
            return True
        self.add("wrong_type", field, "must be text, and not empty")
        return False

    def check(self) -> None:
        """Raise what has been noted.

        Raises:
            InvalidContent: something was.
        """
        if not self.reasons:
            return
        first = self.reasons[0]
        alone = len(self.reasons) == 1
        raise InvalidContent(
            " ".join(reason.message for reason in self.reasons[:10]),
            code=first.code if alone else "",
            hint=first.hint if alone else "",
            field=first.field,
            reasons=self.reasons,
        )


# -- model


def read_model(value: JSON, field: str, faults: Faults) -> dict[str, Any] | None:
    """The model that a prompt is meant for."""
    if value is None or not faults.is_object(value, field):
        return None
    assert isinstance(value, dict)
    if "uses" in value:
        faults.unknown(value, ("uses", "parameters"), field)
        used = value["uses"]
        if faults.is_text(used, f"{field}/uses"):
            _model_selector(str(used), f"{field}/uses", faults)
        return {"uses": used, **_parameters(value, field, faults)}
    model = _named_model(value, field, faults, ("fallbacks",))
    fallbacks = value.get("fallbacks")
    if isinstance(fallbacks, list):
        read = [
            _named_model(item, f"{field}/fallbacks/{index}", faults)
            for index, item in enumerate(fallbacks)
        ]
        if read:
            model["fallbacks"] = read
    elif fallbacks is not None:
        faults.add("wrong_type", f"{field}/fallbacks", "must be a list of models")
    return model


def model_selector(text: str) -> Selector:
    """The registered model that ``uses`` names.

    Raises:
        InvalidName: it is no selector of a model.
    """
    return parse_selector(text, kind="model")


def _model_selector(text: str, field: str, faults: Faults) -> None:
    try:
        model_selector(text)
    except InvalidName as error:
        faults.add(error.code, field, f"selects no model: {error.message.rstrip('.')}", error.hint)


def _named_model(
    value: JSON, field: str, faults: Faults, further: tuple[str, ...] = ()
) -> dict[str, Any]:
    if not faults.is_object(value, field):
        return {}
    assert isinstance(value, dict)
    faults.unknown(value, ("provider", "name", "parameters", *further), field)
    model: dict[str, Any] = {}
    if value.get("provider") is not None and faults.is_text(value["provider"], f"{field}/provider"):
        model["provider"] = value["provider"]
    if faults.is_text(value.get("name"), f"{field}/name"):
        model["name"] = value["name"]
    return {**model, **_parameters(value, field, faults)}


def _parameters(value: Mapping[str, JSON], field: str, faults: Faults) -> dict[str, Any]:
    parameters = value.get("parameters")
    if not parameters and (parameters is None or parameters == {}):
        return {}
    return {"parameters": parameters} if faults.is_object(parameters, f"{field}/parameters") else {}


# -- tools


def read_tools(value: JSON, field: str, faults: Faults) -> list[dict[str, Any]]:
    """The tools that the model may call."""
    if value is None:
        return []
    if not isinstance(value, list):
        faults.add("wrong_type", field, "must be a list of function definitions")
        return []
    tools = [_read_tool(tool, f"{field}/{index}", faults) for index, tool in enumerate(value)]
    seen: set[str] = set()
    for index, tool in enumerate(tools):
        name = tool.get("function", {}).get("name")
        if name in seen:
            faults.add("duplicate", f"{field}/{index}", f"defines {quoted(name)} a second time")
        elif name:
            seen.add(name)
    return tools


def _read_tool(value: JSON, field: str, faults: Faults) -> dict[str, Any]:
    if not faults.is_object(value, field):
        return {}
    assert isinstance(value, dict)
    kind = value.get("type", "function")
    if kind != "function" and "function" not in value and isinstance(kind, str):
        if kind == "custom" and "input_schema" in value:  # Anthropic's name for a function
            return _function({**value, "type": "function"}, field, faults)
        return value
    if "function" not in value:
        return _function(value, field, faults)
    faults.unknown(value, ("type", "function"), field)
    inner = value["function"]
    if not faults.is_object(inner, f"{field}/function"):
        return {}
    assert isinstance(inner, dict)
    return _function(inner, f"{field}/function", faults)


def _function(value: Mapping[str, JSON], field: str, faults: Faults) -> dict[str, Any]:
    known = ("name", "description", "parameters", "strict")
    faults.unknown((key for key in value if key not in ("type", "input_schema")), known, field)
    function: dict[str, Any] = {}
    name = value.get("name")
    if isinstance(name, str) and _FUNCTION_NAME.fullmatch(name):
        function["name"] = name
    else:
        faults.add(
            "invalid_name",
            f"{field}/name",
            "must be 1 to 64 letters (a–z), digits, “_” or “-”",
            "Providers allow nothing else.",
        )
    description = value.get("description")
    if description is not None and not isinstance(description, str):
        faults.add("wrong_type", f"{field}/description", "must be text")
    elif description:
        function["description"] = description
    key = "input_schema" if "input_schema" in value else "parameters"
    schema = value.get(key)
    if schema is not None and _is_schema(schema, f"{field}/{key}", faults):
        function["parameters"] = schema
    if value.get("strict") is not None:
        if not isinstance(value["strict"], bool):
            faults.add("wrong_type", f"{field}/strict", "must be true or false")
        elif value["strict"]:
            function["strict"] = True
    return {"type": "function", "function": function}


def _is_schema(schema: JSON, field: str, faults: Faults) -> bool:
    problem = check_schema(schema) if isinstance(schema, dict) else "it must be an object"
    if problem:
        faults.add("invalid_schema", field, f"is not a JSON Schema: {problem.rstrip('.')}")
    return not problem


# -- response format


def read_response_format(value: JSON, field: str, faults: Faults) -> dict[str, Any] | None:
    """The form that the model's answer must have; None where it is free."""
    if value is None or not faults.is_object(value, field):
        return None
    assert isinstance(value, dict)
    match value.get("type"):
        case "text":
            faults.unknown(value, ("type",), field)
            return None
        case "json_object":
            faults.unknown(value, ("type",), field)
            return {"type": "json_object"}
        case "json_schema" if "json_schema" in value:
            faults.unknown(value, ("type", "json_schema"), field)
            inner = value["json_schema"]
            if not faults.is_object(inner, f"{field}/json_schema"):
                return None
            assert isinstance(inner, dict)
            return _schema_format(inner, f"{field}/json_schema", faults)
        case "json_schema":
            faults.unknown(value, ("type", "name", "schema", "strict", "description"), field)
            return _schema_format(value, field, faults)
    _is_schema(value, field, faults)
    return {"type": "json_schema", "json_schema": {"name": "response", "schema": value}}


def _schema_format(value: Mapping[str, JSON], field: str, faults: Faults) -> dict[str, Any]:
    keys = (key for key in value if key != "type")
    faults.unknown(keys, ("name", "schema", "strict", "description"), field)
    name = value.get("name") or "response"
    if not isinstance(name, str) or not _FUNCTION_NAME.fullmatch(name):
        faults.add("invalid_name", f"{field}/name", "must be 1 to 64 letters, digits, “_” or “-”")
    inner: dict[str, Any] = {"name": name}
    if _is_schema(value.get("schema"), f"{field}/schema", faults):
        inner["schema"] = value["schema"]
    if value.get("description"):
        inner["description"] = value["description"]
    if value.get("strict"):
        inner["strict"] = True
    return {"type": "json_schema", "json_schema": inner}


# -- variables


def read_variables(value: JSON, field: str, faults: Faults) -> dict[str, Declaration]:
    """What is declared of each variable."""
    if value is None or not faults.is_object(value, field):
        return {}
    assert isinstance(value, dict)
    if len(value) > MAX_VARIABLES:
        faults.add("too_many", field, f"has {len(value):,} variables; {MAX_VARIABLES} are allowed")
        return {}
    return {
        name: _read_declaration(name, item, field + json_pointer((name,)), faults)
        for name, item in value.items()
    }


def _read_declaration(name: str, value: JSON, field: str, faults: Faults) -> Declaration:
    if not _VARIABLE_NAME.fullmatch(name):
        faults.add(
            "invalid_name",
            field,
            "is not a variable's name: it begins with a letter or “_” and goes on with letters, "
            "digits, “_”, “-” and “.”",
        )
    if not faults.is_object(value, field):
        return Declaration()
    assert isinstance(value, dict)
    faults.unknown(value, ("schema", "default", "description", "required"), field)
    schema = value.get("schema", True)
    if isinstance(schema, str):
        schema = {"type": schema}
    problem = check_value_schema(schema)
    if problem:
        faults.add("invalid_schema", f"{field}/schema", f"is not valid: {problem.rstrip('.')}")
    description = value.get("description") or ""
    if not isinstance(description, str):
        faults.add("wrong_type", f"{field}/description", "must be text")
    required = value.get("required")
    if required is not None and not isinstance(required, bool):
        faults.add("wrong_type", f"{field}/required", "must be true or false")
    if "default" not in value:
        return Declaration(schema if schema != {} else True, NOTHING, str(description), required)  # type: ignore[arg-type]
    if required:
        faults.add(
            "contradiction",
            f"{field}/required",
            "can't be true where there is a default",
            "Leave one of them out.",
        )
    default = value["default"]
    if not problem:
        _check_default(schema, default, f"{field}/default", faults)
    # With a default a variable is never required, so saying so says nothing.
    return Declaration(schema if schema != {} else True, default, str(description))


def _check_default(schema: JSON, default: JSON, field: str, faults: Faults) -> None:
    try:
        misfits = compile_schema(schema)(default)
    except PointsmanError:  # the package for this schema is absent: rendering will tell
        return
    if misfits:
        faults.add("wrong_type", field, f"does not fit the schema: {misfits[0]}")


def write_declaration(declaration: Declaration) -> dict[str, JSON]:
    """The normal form of what `read_variables` reads."""
    written: dict[str, JSON] = {}
    if declaration.schema is not True:
        written["schema"] = declaration.schema
    if declaration.has_default:
        written["default"] = declaration.default  # type: ignore[assignment]
    if declaration.description:
        written["description"] = declaration.description
    if declaration.required is not None:
        written["required"] = declaration.required
    return written


_FUNCTION_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VARIABLE_NAME: Final = re.compile(r"[^\W\d][\w.-]{0,199}")
