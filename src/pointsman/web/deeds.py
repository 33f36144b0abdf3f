"""What the buttons of the editor do to its form, where no script does it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final

from pointsman.core.content import parse_prompt
from pointsman.errors import PointsmanError
from pointsman.web import forms

Fields = dict[str, list[str]]

_ENTRY: Final = ("role", "content", "more")
_NEW: Final = {
    "message": ("user", "", ""),
    "list": (forms.LIST, "", ""),
    "include": (forms.INCLUDE, "", ""),
}
_BLANK: Final = {
    "tool": ("tool_name", "tool_about", "tool_schema", "tool_strict"),
    "fallback": ("fallback_provider", "fallback_model", "fallback_parameters"),
    "dependency": ("relation", "selector", "takes"),
}


def done(form: forms.Form, deed: str) -> Fields:
    """The form after a button was pressed; as it was for a button that changes nothing."""
    fields = {name: list(values) for name, values in form.items()}
    moved = re.fullmatch(r"(up|down|remove)-(\d{1,4})", deed)
    if moved is not None:
        _rearrange(fields, moved[1], int(moved[2]))
    elif deed.startswith("add-"):
        _add(fields, deed.removeprefix("add-"))
    elif deed in _TURNS:
        _TURNS[deed](fields)
    return fields


def _rearrange(fields: Fields, what: str, place: int) -> None:
    other = place - 1 if what == "up" else place + 1
    for name in _ENTRY:
        column = fields.get(name, [])
        if what == "remove" and place < len(column):
            del column[place]
        elif what != "remove" and place < len(column) and 0 <= other < len(column):
            column[place], column[other] = column[other], column[place]


def _add(fields: Fields, what: str) -> None:
    if what in _NEW:
        for name, text in zip(_ENTRY, _NEW[what], strict=True):
            fields.setdefault(name, []).append(text)
    for name in _BLANK.get(what, ()):
        fields.setdefault(name, []).append("")


def _to_chat(fields: Fields) -> None:
    """What was a text is what the user says."""
    text = forms.Reader(fields).one("text")
    fields["shape"] = ["chat"]
    if not fields.get("role"):
        fields |= {"role": ["system", "user"], "content": ["", text], "more": ["", ""]}


def _to_text(fields: Fields) -> None:
    """All that is said, one after the other."""
    said = forms.Reader(fields).rows("role", "content")
    texts = [text for role, text in said if not role.startswith(":") and text]
    fields["shape"] = ["text"]
    fields["text"] = ["\n\n".join(texts)]
    for name in _ENTRY:
        fields.pop(name, None)


def _to_json(fields: Fields) -> None:
    raw, unread = forms.read(fields)
    if not unread:
        fields |= {"mode": ["json"], "json": [forms.pretty(raw)]}


def _to_form(fields: Fields) -> None:
    try:
        content = parse_prompt(json.loads(forms.Reader(fields).one("json"))).to_json()
    except (PointsmanError, ValueError, RecursionError):
        return  # what is wrong is shown beside it
    for name in forms.write({"template": []}):
        fields.pop(name, None)
    fields |= forms.write(content)
    fields["mode"] = [""]


_TURNS: Final[dict[str, Callable[[Fields], None]]] = {
    "to-chat": _to_chat,
    "to-text": _to_text,
    "to-json": _to_json,
    "to-form": _to_form,
}
