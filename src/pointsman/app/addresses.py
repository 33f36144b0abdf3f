"""Where the URL of a webhook leads to: its name is resolved once, and what it leads to checked.

The server sends to where users tell it, from inside a network that those users may not reach:
so addresses that are not of the open internet are refused, when a webhook is saved and at
each connection, redirects included. `POINTSMAN_WEBHOOK_PRIVATE=1` lets them through.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import NamedTuple

from pointsman.core.webhooks import public, refuse_private, split_url


class SafeUrl(NamedTuple):
    """A URL that was checked, where it leads included."""

    text: str


class Destination(NamedTuple):
    """Where a URL leads to. `addresses` are the resolved ones, all of them allowed."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query."""
    addresses: tuple[str, ...]


def private_allowed() -> bool:
    """Whether events may be sent to addresses inside a network."""
    return os.environ.get("POINTSMAN_WEBHOOK_PRIVATE") == "1"


def safe_url(url: str) -> SafeUrl:
    """The URL, checked for keeping. May take as long as its name takes to be resolved.

    A name that leads nowhere now is let through: it is looked up again at each connection.
    Raises `InvalidInput`.
    """
    split_url(url, private=private_allowed())
    with suppress(OSError):
        destination(url)
    return SafeUrl(url)


def destination(url: str) -> Destination:
    """Where a URL leads to now.

    Raises `InvalidInput` if that is refused (one refused address among several is enough,
    lest chance decide), and `OSError` if its name leads nowhere.
    """
    allowed = private_allowed()
    parts = split_url(url, private=allowed)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError(f"{host} is not a name") from error
    addresses = tuple(dict.fromkeys(str(one[4][0]) for one in found))
    if not allowed and not all(map(public, addresses)):
        refuse_private(host)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(parts.scheme, host, port, target, addresses)
