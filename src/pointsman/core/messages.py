"""The shape of a template: text, or the entries of a chat.

What an entry may be is told in `core.templates`. Like the readers of `core.content_fields`,
these add what is wrong to the `Faults` and return the normal form: ``"optional": false`` and
``"content": null`` say nothing.
"""

from __future__ import annotations

import re
from typing import Final, cast

from pointsman.core.canonical import JSON
from pointsman.core.content_fields import Faults
from pointsman.core.templates import Template
from pointsman.errors import TooLarge

MAX_MESSAGES: Final = 1_000


def read_template(value: JSON, given: bool, faults: Faults) -> Template:
    """The template of a prompt; `given` tells whether there is one at all.

    Raises:
        TooLarge: it has more than 1,000 messages.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        if len(value) > MAX_MESSAGES:
            raise TooLarge(
                f"The template has {len(value):,} messages; {MAX_MESSAGES:,} are allowed.",
                code="too_many_messages",
                hint="Give long histories through a placeholder.",
                field="/template",
            )
        return [
            _read_entry(entry, f"/template/{index}", faults) for index, entry in enumerate(value)
        ]
    if given:
        faults.add("wrong_type", "/template", "must be text or a list of messages")
    else:
        faults.add("missing", "/template", "is missing", "Give the text or the messages.")
    return ""


def _read_entry(value: JSON, pointer: str, faults: Faults) -> dict[str, JSON]:
    if not faults.is_object(value, pointer):
        return {}
    entry = cast("dict[str, JSON]", value)
    if "placeholder" in entry:
        return _read_placeholder(entry, pointer, faults)
    if "include" in entry:
        faults.unknown(entry, ("include",), pointer)
        faults.is_text(entry["include"], f"{pointer}/include")
        return entry
    role = entry.get("role")
    if not isinstance(role, str) or not _ROLE.fullmatch(role):
        faults.add(
            "invalid_role",
            f"{pointer}/role",
            "must be a lowercase word",
            "Use system, developer, user, assistant or tool; or write a placeholder or include.",
        )
    content = entry.get("content")
    if content is None:
        entry.pop("content", None)
        if not entry.get("tool_calls") and not entry.get("function_call"):
            faults.add(
                "missing",
                f"{pointer}/content",
                "is missing",
                "Only a message with tool_calls may have none.",
            )
    elif isinstance(content, list):
        for index, part in enumerate(content):
            _check_part(part, f"{pointer}/content/{index}", faults)
    elif not isinstance(content, str):
        faults.add("wrong_type", f"{pointer}/content", "must be text, a list of parts or null")
    return entry


def _read_placeholder(entry: dict[str, JSON], pointer: str, faults: Faults) -> dict[str, JSON]:
    faults.unknown(entry, ("placeholder", "optional"), pointer)
    name = entry["placeholder"]
    if not isinstance(name, str) or not _PLACEHOLDER.fullmatch(name):
        faults.add(
            "invalid_name",
            f"{pointer}/placeholder",
            "must be a name of letters, digits, “_”, “-” and “.”",
        )
    optional = entry.get("optional", False)
    if not isinstance(optional, bool):
        faults.add("wrong_type", f"{pointer}/optional", "must be true or false")
    return {"placeholder": name, "optional": True} if optional else {"placeholder": name}


def _check_part(value: JSON, pointer: str, faults: Faults) -> None:
    if not faults.is_object(value, pointer):
        return
    part = cast("dict[str, JSON]", value)
    if not faults.is_text(part.get("type"), f"{pointer}/type"):
        return
    if part["type"] == "text" and not isinstance(part.get("text"), str):
        faults.add("wrong_type", f"{pointer}/text", "must be text")


_ROLE: Final = re.compile(r"[a-z][a-z_-]{0,63}")
_PLACEHOLDER: Final = re.compile(r"[^\W\d][\w.-]{0,199}")
