"""The requests that tasks are made of: asking, changing something once, reading a list."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeVar

from pointsman.core.plain import from_plain
from pointsman.core.vocabulary import Page
from pointsman.sdk.calls import Reply, Request, Steps, Subjects, checked

T = TypeVar("T")

_NO_KEY = object()


def nothing(_: Any) -> list[tuple[str, str]]:
    """The artifacts that a request changes which is not about any."""
    return []


def get(path: str, query: tuple[tuple[str, str], ...] = ()) -> Steps[Reply]:
    """Ask for something."""
    return checked((yield Request("GET", path, query, repeatable=True)))


def send(
    method: str,
    path: str,
    body: Any = None,
    changes: Subjects = nothing,
    *,
    query: tuple[tuple[str, str], ...] = (),
    key: Any = _NO_KEY,
    headers: Mapping[str, str] | None = None,
    repeatable: bool = False,
) -> Steps[Reply]:
    """Send a change. With an idempotency `key` (None: a new one), sent twice it is made once."""
    headers = dict(headers or {})
    if key is not _NO_KEY:
        headers["Idempotency-Key"] = os.urandom(16).hex() if key is None else key
        repeatable = True
    request = Request(
        method, path, query, body=body, headers=headers, repeatable=repeatable, changes=changes
    )
    return checked((yield request))


def listed(cls: type[T], reply: Reply, field: str) -> tuple[T, ...]:
    """The things of a list that an object has in a field."""
    body = reply.body if isinstance(reply.body, dict) else {}
    return from_plain(Page[cls], {"items": body.get(field)}).items  # type: ignore[valid-type]
