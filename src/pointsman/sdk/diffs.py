"""Reading a diff that the registry made."""

from __future__ import annotations

from typing import Any

from pointsman.core.diff import ContentDiff, DiffSummary, MessageDiff, Setting, TextDiff
from pointsman.core.plain import from_plain
from pointsman.errors import IntegrityError
from pointsman.sdk.calls import NOT_A_REGISTRY


def read_diff(value: Any) -> ContentDiff:
    """A diff from its JSON, in which values may be any JSON. Raises `IntegrityError`."""
    try:
        template = value["template"]
        return ContentDiff(
            template=None if template is None else from_plain(TextDiff, template),
            messages=tuple([_message(one) for one in value["messages"]]),
            settings=tuple([_setting(one) for one in value["settings"]]),
            summary=from_plain(DiffSummary, value["summary"]),
        )
    except (KeyError, TypeError) as error:
        raise IntegrityError(
            f"The answer is not a diff: {error!r}.", code="unexpected_answer", hint=NOT_A_REGISTRY
        ) from error


def _message(value: dict[str, Any]) -> MessageDiff:
    return MessageDiff(
        kind=value["kind"],
        old=value["old"],
        new=value["new"],
        old_label=value["old_label"],
        new_label=value["new_label"],
        before=value["before"],
        after=value["after"],
        text=from_plain(TextDiff, value["text"]),
    )


def _setting(value: dict[str, Any]) -> Setting:
    return Setting(value["kind"], value["path"], value["before"], value["after"])
