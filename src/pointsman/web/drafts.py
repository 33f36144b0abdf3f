"""A prompt that is being written: checked, its variables found, and shown with sample values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pointsman.app.application import View
from pointsman.app.including import compose_content
from pointsman.core.content import PromptContent, parse_prompt
from pointsman.core.curly import unclosed_tags
from pointsman.core.schemas import admits_any_text
from pointsman.core.tags import FORMATS, Format
from pointsman.core.templates import compile_template, syntax_errors, texts_of
from pointsman.core.variables import Declaration
from pointsman.errors import PointsmanError, Reason, TemplateSyntaxError
from pointsman.web import forms

_STEP: Final = re.compile(r"/template/(\d+)(?:/(\w+))?")
_PLACE: Final = re.compile(r"At (line \d+, column \d+)(?: of \S+)?: ")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, where it is shown, and its place in the text if it has one."""

    slot: str
    message: str
    hint: str = ""
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A variable in the editor, with what is said of it; `used` if the template has it."""

    name: str
    kind: str = ""
    schema: str = ""
    need: str = ""
    default: str = ""
    about: str = ""
    used: bool = True


@dataclass(frozen=True, slots=True)
class Draft:
    """What a form says: its content, what is wrong with it, and the variables to be shown."""

    form: forms.Form
    raw: Any
    content: PromptContent | None
    faults: tuple[Fault, ...]
    variables: tuple[Row, ...]

    def at(self, slot: str) -> list[Fault]:
        """What is wrong at one place of the form."""
        return [one for one in self.faults if one.slot == slot]


@dataclass(frozen=True, slots=True)
class Preview:
    """A prompt filled in: its messages (one without a role where it is text), or why not."""

    messages: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    made_of: tuple[str, ...] = field(default=())


def draft_of(form: forms.Form) -> Draft:
    """What a form says, checked."""
    raw, unread = forms.read(form)
    faults = [_fault(one, {}) for one in unread]
    content = None
    if not (unread and forms.Reader(form).one("mode") == "json"):
        try:
            content = parse_prompt(raw)
        except PointsmanError as error:
            faults += _faults(error, raw)
    rows = _rows(form, raw)
    return Draft(form, raw, None if faults else content, tuple(faults), tuple(rows))


def preview(view: View, content: PromptContent, samples: Mapping[str, str]) -> Preview:
    """A prompt as applications would get it, with what it includes and these values.

    Where a value is missing its name stands in for it, if any text will do.
    """
    view.require("read")
    try:
        composition, _ = compose_content(view, content, "this draft")
    except PointsmanError as error:
        return Preview(problems=(error.message,))
    whole = composition.content
    names = tuple(one.name for one in whole.compiled.variables)
    lists = tuple(one.name for one in whole.compiled.placeholders)
    made_of = tuple(f"{one.origin.name}:{one.origin.version}" for one in composition.made_of)
    try:
        values = values_of(whole, samples, stand_in=True)
        rendered = whole.compiled.render(values)
    except PointsmanError as error:
        problems = tuple(one.message for one in error.reasons) or (error.message,)
        return Preview((), problems, names, lists, made_of)
    if isinstance(rendered, str):
        return Preview((("", rendered),), (), names, lists, made_of)
    shown = tuple((str(one["role"]), _shown(one)) for one in rendered)
    return Preview(shown, (), names, lists, made_of)


def values_of(
    content: PromptContent, samples: Mapping[str, str], *, stand_in: bool = False
) -> dict[str, Any]:
    """The values that texts typed for them mean: JSON where a variable takes that.

    Raises `PointsmanError` for a text that is no JSON where it has to be. With `stand_in`,
    names stand in for values that are missing.
    """
    values: dict[str, Any] = {}
    for one in content.compiled.variables:
        said = content.variables.get(one.name, Declaration())
        text = samples.get(one.name, "")
        if text:
            values[one.name] = text if _takes_text(said.schema) else _json(one.name, text)
        elif stand_in and not said.has_default and admits_any_text(said.schema):
            values[one.name] = f"⟨{one.name}⟩"
    for each in content.compiled.placeholders:
        text = samples.get(each.name, "")
        if text or stand_in:
            values[each.name] = _json(each.name, text) if text else []
    return values


def samples_in(form: forms.Form) -> dict[str, str]:
    """The sample values in a form, by the names of their variables."""
    rows = forms.Reader(form).rows("sample_of", "sample")
    return {name: text for name, text in rows if text}


def _takes_text(schema: Any) -> bool:
    if admits_any_text(schema):
        return True
    wanted = schema.get("type") if isinstance(schema, dict) else None
    return wanted == "string" or (wanted is None and isinstance(schema, dict) and "enum" in schema)


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise PointsmanError(f"The value of {name} is not JSON.", field=name) from error


def _shown(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    further = {key: value for key, value in message.items() if key not in ("role", "content")}
    parts = [content] if isinstance(content, str) else [forms.pretty(content)] if content else []
    return "\n".join(parts + ([forms.pretty(further)] if further else []))


# -- what is wrong


def _faults(error: PointsmanError, raw: Any) -> list[Fault]:
    reasons = list(error.reasons) or [Reason(error.code, error.message, error.hint, error.field)]
    places: dict[str, tuple[int, int]] = {}
    known = {one.message for one in reasons}
    for each in _syntax_errors(raw) if isinstance(raw, dict) else ():
        places[each.message] = (each.details["line"], each.details["column"])
        if each.message not in known:  # publishing tells those of the first text only
            pointer = f"/template{each.field}"
            reasons.append(Reason(each.code, each.message, each.hint, pointer))
    return [_fault(one, places) for one in reasons]


def _syntax_errors(raw: Mapping[str, Any]) -> Iterable[TemplateSyntaxError]:
    template, form = raw.get("template"), _format(raw)
    if not _whole(template):
        return
    if form == "curly":
        for pointer, text in texts_of(template):  # type: ignore[arg-type]
            yield from unclosed_tags(text, pointer)
    yield from syntax_errors(template, form)  # type: ignore[arg-type]


def _fault(reason: Reason, places: Mapping[str, tuple[int, int]]) -> Fault:
    line, column = places.get(reason.message, (0, 0))
    return Fault(_slot(reason.field), _told(reason), reason.hint, line, column)


def _slot(pointer: str) -> str:
    """The place of the form at which what is wrong with a field is shown."""
    parts = pointer.split("/")
    if parts[1:2] in (["template"], ["variables"]) and len(parts) > 2:
        return "/".join(parts[:3])
    return "/".join(parts[:2]) if pointer.startswith("/") else pointer


def _told(reason: Reason) -> str:
    """The message in the words of the form, which has no pointers."""
    message = _PLACE.sub(lambda found: f"{found[1].capitalize()}: ", reason.message)
    if reason.field and message.startswith(reason.field):
        message = _named(reason.field) + message[len(reason.field) :]
    return message


def _named(pointer: str) -> str:
    step = _STEP.match(pointer)
    if step is not None:
        number = int(step[1]) + 1
        what = {"content": "The text", "role": "The role"}.get(step[2] or "", "")
        return f"{what} of message {number}" if what else f"Message {number}"
    parts = [part for part in pointer.split("/") if part]
    if not parts:
        return "The content"
    if len(parts) == 1:
        return {"response_format": "The form of the answer"}.get(parts[0], parts[0].capitalize())
    if parts[0] == "variables":
        rest = f" ({', '.join(parts[2:])})" if parts[2:] else ""
        return f"The variable {parts[1]}{rest}"
    return f"{parts[0].capitalize()} ({', '.join(parts[1:])})"


# -- the variables that are shown


def _rows(form: forms.Form, raw: Any) -> list[Row]:
    """The variables of the template in the order of their use, then those only declared."""
    columns = ("variable", "type", "schema", "need", "default", "about")
    known = {
        name: Row(name, kind, schema, need, default, about)
        for name, kind, schema, need, default, about in forms.Reader(form).rows(*columns)
        if name
    }
    used = _used(raw)
    if used is None:  # it can't be parsed just now: nothing goes, nothing comes
        return list(known.values())
    shown = [known.get(name, Row(name)) for name in used]
    for name, row in known.items():
        said = (row.kind, row.schema, row.need, row.default, row.about)
        if name not in used and any(said):
            shown.append(Row(name, *said, used=False))
    return shown


def _used(raw: Any) -> list[str] | None:
    template = raw.get("template") if isinstance(raw, dict) else None
    if not _whole(template):
        return None
    try:
        compiled = compile_template(template, _format(raw))  # type: ignore[arg-type]
    except PointsmanError:
        return None
    return [one.name for one in compiled.variables]


def _whole(template: Any) -> bool:
    """Whether a template has the shape of one, so that its texts can be found."""
    if isinstance(template, str):
        return True
    return isinstance(template, list) and all(
        isinstance(one, dict) and ("role" in one or "placeholder" in one or "include" in one)
        for one in template
    )


def _format(raw: Mapping[str, Any]) -> Format:
    return next((one for one in FORMATS if one == raw.get("format")), "curly")
