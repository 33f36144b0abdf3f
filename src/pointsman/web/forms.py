"""The content of a prompt as the fields of a form, and back.

A form is what browsers send: texts by the names of their fields. What repeats (messages,
variables, tools) are fields of one name, in order: the third `role` belongs to the third
`content`. `write` and `read` are each other's inverse for every valid content; what no field
can hold stands as JSON in a field for that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pointsman.errors import Reason

Form = Mapping[str, Sequence[str]]

LIST: Final = ":list"
LIST_OR_NONE: Final = ":list?"
INCLUDE: Final = ":include"
"""What stands where a message has its role, for entries that are no messages."""
TYPES: Final = ("", "string", "number", "integer", "boolean", "array", "object")
NUMBERS: Final = ("temperature", "max_tokens", "top_p")
SPARE: Final = "spare"
"""Of a variable that is declared, and of which nothing is said."""
_RAW: Final = ("", "string")
"""Types whose defaults are written as they are, not as JSON."""


class Reader:
    """Takes a form apart, and notes what can't be read."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self.faults: list[Reason] = []

    def one(self, name: str) -> str:
        """The text of a field."""
        return (self._form.get(name) or [""])[0].replace("\r\n", "\n")

    def rows(self, *names: str) -> list[tuple[str, ...]]:
        """Fields that repeat together; those that are missing at the end are empty."""
        columns = [
            [one.replace("\r\n", "\n") for one in self._form.get(name, ())] for name in names
        ]
        most = max(map(len, columns), default=0)
        filled = [column + [""] * (most - len(column)) for column in columns]
        return list(zip(*filled, strict=True))

    def json(self, text: str, pointer: str, what: str) -> Any:
        """The JSON of a field; None, and a fault, where it is none."""
        if not text.strip():
            return None
        try:
            return json.loads(text, parse_constant=_refuse)
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, column {error.colno}"
            self._note(pointer, f"{what} is not JSON at {place}: {error.msg}.")
        except (ValueError, RecursionError) as error:
            self._note(pointer, f"{what} is not JSON: {error}.")
        return None

    def object(self, text: str, pointer: str, what: str) -> dict[str, Any]:
        """The JSON object of a field; empty where there is none."""
        value = self.json(text, pointer, what)
        if value is None or isinstance(value, dict):
            return value or {}
        self._note(pointer, f"{what} must be an object: {{…}}.")
        return {}

    def _note(self, pointer: str, message: str) -> None:
        self.faults.append(Reason("invalid_json", message, "", pointer))


def read(form: Form) -> tuple[Any, list[Reason]]:
    """The content that a form describes, unchecked, and what of the form can't be read."""
    reader = Reader(form)
    if reader.one("mode") == "json":
        return reader.json(reader.one("json"), "", "The content"), reader.faults
    content: dict[str, Any] = {"template": _read_template(reader)}
    form_of = reader.one("format")
    content |= {"format": form_of} if form_of and form_of != "curly" else {}
    parts = {
        "variables": _read_variables(reader),
        "model": _read_model(reader),
        "tools": _read_tools(reader),
        "response_format": _read_answer(reader),
        "config": reader.object(reader.one("config"), "/config", "Config"),
    }
    content |= {name: part for name, part in parts.items() if part}
    return content, reader.faults


def write(content: Mapping[str, Any]) -> dict[str, list[str]]:
    """The fields of a form that describe a content."""
    form: dict[str, list[str]] = {"format": [content.get("format", "curly")]}
    template = content.get("template", "")
    if isinstance(template, str):
        form |= {"shape": ["text"], "text": [template]}
    else:
        form |= {"shape": ["chat"]}
        _put(form, ("role", "content", "more"), map(_entry, template))
    variables = content.get("variables", {}).items()
    columns = ("variable", "type", "schema", "need", "default", "about")
    _put(form, columns, (_declared(name, said) for name, said in variables))
    _write_model(form, content.get("model") or {})
    _write_tools(form, content.get("tools") or [])
    _write_answer(form, content.get("response_format") or {})
    form["config"] = [pretty(content["config"]) if content.get("config") else ""]
    return form


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


# -- the template


def _read_template(reader: Reader) -> Any:
    if reader.one("shape") != "chat":
        return reader.one("text")
    return [
        _read_entry(reader, number, *row)
        for number, row in enumerate(reader.rows("role", "content", "more"))
    ]


def _read_entry(reader: Reader, number: int, role: str, text: str, more: str) -> dict[str, Any]:
    if role == INCLUDE:
        return {"include": text.strip()}
    if role in (LIST, LIST_OR_NONE):
        optional = {"optional": True} if role == LIST_OR_NONE else {}
        return {"placeholder": text.strip(), **optional}
    what = f"What else message {number + 1} has"
    further = reader.object(more, f"/template/{number}", what)
    calls = further.get("tool_calls") or further.get("function_call")
    said = {} if "content" in further or (calls and not text) else {"content": text}
    return {"role": role, **said, **further}


def _entry(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    if "include" in entry:
        return INCLUDE, str(entry["include"]), ""
    if "placeholder" in entry:
        role = LIST_OR_NONE if entry.get("optional") else LIST
        return role, str(entry["placeholder"]), ""
    further = {key: value for key, value in entry.items() if key != "role"}
    text = ""
    if isinstance(further.get("content"), str) and (further["content"] or len(further) == 1):
        text = further.pop("content")
    return str(entry["role"]), text, pretty(further) if further else ""


# -- variables


def _read_variables(reader: Reader) -> dict[str, Any]:
    found: dict[str, Any] = {}
    columns = ("variable", "type", "schema", "need", "default", "about")
    for name, kind, schema, need, default, about in reader.rows(*columns):
        said: dict[str, Any] = {}
        pointer = f"/variables/{name.replace('~', '~0').replace('/', '~1')}"
        if kind == "schema":
            read = reader.json(schema, pointer, f"The schema of {name}")
            said |= {} if read is None or read is True else {"schema": read}
        elif kind:
            said["schema"] = {"type": kind}
        if need == "default" or default:
            said["default"] = default
            if kind not in _RAW:
                said["default"] = reader.json(default, pointer, f"The default of {name}")
        if need in ("yes", "no"):
            said["required"] = need == "yes"
        if about:
            said["description"] = about
        if name.strip() and (said or need == SPARE):
            found[name.strip()] = said
    return found


def _declared(name: str, said: Mapping[str, Any]) -> tuple[str, ...]:
    schema = said.get("schema", True)
    default = said.get("default")
    kind = ""
    if isinstance(schema, dict) and set(schema) == {"type"} and schema["type"] in TYPES:
        kind = str(schema["type"])
    elif schema is not True:
        kind = "schema"
    if "default" in said and kind in _RAW and not isinstance(default, str):
        kind = "schema"
    text = ""
    if "default" in said:
        text = default if kind in _RAW and isinstance(default, str) else pretty(default)
    need = {None: "", True: "yes", False: "no"}[said.get("required")]
    return (
        name,
        kind,
        pretty(schema) if kind == "schema" else "",
        "default" if "default" in said else need if said else SPARE,
        text,
        said.get("description", ""),
    )


# -- the model


def _read_model(reader: Reader) -> dict[str, Any]:
    parameters = reader.object(reader.one("parameters"), "/model", "Further parameters")
    for name in NUMBERS:
        text = reader.one(name).strip()
        if text:
            value = reader.json(text, "/model", name.replace("_", " ").capitalize())
            parameters |= {} if value is None else {name: value}
    stop = [line for line in reader.one("stop").split("\n") if line]
    parameters |= {"stop": stop} if stop else {}
    model: dict[str, Any] = {}
    for key, field in (("uses", "uses"), ("provider", "provider"), ("name", "model")):
        text = reader.one(field).strip()
        model |= {key: text} if text else {}
    model |= {"parameters": parameters} if parameters else {}
    fallbacks = []
    rows = reader.rows("fallback_provider", "fallback_model", "fallback_parameters")
    for provider, name, text in rows:
        one = {"provider": provider.strip(), "name": name.strip()}
        one = {key: value for key, value in one.items() if value}
        further = reader.object(text, "/model", "The parameters of a fallback")
        if one or further:
            fallbacks.append({**one, **({"parameters": further} if further else {})})
    return {**model, **({"fallbacks": fallbacks} if fallbacks else {})}


def _write_model(form: dict[str, list[str]], model: Mapping[str, Any]) -> None:
    further = dict(model.get("parameters") or {})
    for name in NUMBERS:
        number = isinstance(further.get(name), int | float) and further.get(name) is not True
        number = number and further.get(name) is not False
        form[name] = [json.dumps(further.pop(name)) if number else ""]
    stop = further.get("stop")
    lines = isinstance(stop, list) and all(isinstance(x, str) and x and "\n" not in x for x in stop)
    form["stop"] = ["\n".join(further.pop("stop")) if lines and stop else ""]
    form["parameters"] = [pretty(further) if further else ""]
    for key, field in (("uses", "uses"), ("provider", "provider"), ("name", "model")):
        form[field] = [model.get(key, "")]
    columns = ("fallback_provider", "fallback_model", "fallback_parameters")
    rows = (
        (
            one.get("provider", ""),
            one.get("name", ""),
            pretty(one["parameters"]) if one.get("parameters") else "",
        )
        for one in model.get("fallbacks") or ()
    )
    _put(form, columns, rows)


# -- tools and the form of the answer


def _read_tools(reader: Reader) -> list[Any]:
    tools: list[Any] = []
    rows = reader.rows("tool_name", "tool_about", "tool_schema", "tool_strict")
    for number, (name, about, schema, strict) in enumerate(rows):
        if not (name.strip() or about.strip() or schema.strip()):
            continue
        tool: dict[str, Any] = {"name": name.strip()}
        tool |= {"description": about} if about else {}
        read = reader.json(schema, f"/tools/{number}", f"What {name or 'a tool'} takes")
        tool |= {} if read is None else {"parameters": read}
        tool |= {"strict": True} if strict == "yes" else {}
        tools.append({"type": "function", "function": tool})
    further = reader.json(reader.one("tools"), "/tools", "Further tools")
    if further is not None and not isinstance(further, list):
        reader.faults.append(
            Reason("wrong_type", "Further tools must be a list: […].", "", "/tools")
        )
        return tools
    return tools + (further or [])


def _write_tools(form: dict[str, list[str]], tools: Sequence[Mapping[str, Any]]) -> None:
    # Their order counts, so from the first one that has no form on they stay JSON.
    split = next((n for n, one in enumerate(tools) if "function" not in one), len(tools))
    rows = (
        (
            one["function"].get("name", ""),
            one["function"].get("description", ""),
            pretty(one["function"]["parameters"]) if "parameters" in one["function"] else "",
            "yes" if one["function"].get("strict") else "",
        )
        for one in tools[:split]
    )
    _put(form, ("tool_name", "tool_about", "tool_schema", "tool_strict"), rows)
    form["tools"] = [pretty(list(tools[split:])) if tools[split:] else ""]


def _read_answer(reader: Reader) -> dict[str, Any]:
    kind = reader.one("answer")
    if kind == "json":
        return {"type": "json_object"}
    if kind != "schema":
        return {}
    inner: dict[str, Any] = {"name": reader.one("answer_name").strip() or "response"}
    schema = reader.json(reader.one("answer_schema"), "/response_format", "The schema")
    inner |= {"schema": {} if schema is None else schema}
    about = reader.one("answer_about")
    inner |= {"description": about} if about else {}
    inner |= {"strict": True} if reader.one("answer_strict") == "yes" else {}
    return {"type": "json_schema", "json_schema": inner}


def _write_answer(form: dict[str, list[str]], answer: Mapping[str, Any]) -> None:
    inner = answer.get("json_schema") or {}
    form["answer"] = [
        {"json_schema": "schema", "json_object": "json"}.get(answer.get("type", ""), "")
    ]
    form["answer_name"] = [inner.get("name", "")]
    form["answer_about"] = [inner.get("description", "")]
    form["answer_strict"] = ["yes" if inner.get("strict") else ""]
    form["answer_schema"] = [pretty(inner["schema"]) if "schema" in inner else ""]


def _put(form: dict[str, list[str]], names: Sequence[str], rows: Any) -> None:
    """Put rows into fields of these names, a column each."""
    taken = list(rows)
    for place, name in enumerate(names):
        form[name] = [row[place] for row in taken]


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no number that JSON has")
