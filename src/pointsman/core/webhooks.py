"""Webhooks: who outside is told of what happens, in which form, and what was delivered.

The types cross the wire; the rules are pure. Where an address may lead is decided here from
what it is, and by `app.addresses` from what its name resolves to.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NoReturn, get_args
from urllib.parse import SplitResult, urlsplit

from pointsman.core.canonical import check_text
from pointsman.core.names import check_list, check_message
from pointsman.core.patterns import ANY, check_pattern, matches
from pointsman.errors import InvalidInput

Format = Literal["cloudevents", "slack", "github", "mlflow"]
State = Literal["pending", "delivered", "failed"]

FORMATS: Final[tuple[Format, ...]] = get_args(Format)
MAX_URL = 2_000
MAX_EVENTS = 50
"""Patterns of events of one webhook."""
MAX_WEBHOOKS = 100
"""Webhooks of one project."""
MAX_TOKEN = 1_000
_EVENT = re.compile(r"[a-z_*]+(\.[a-z_*]+)*")
_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook without its secret and its token.

    `position` is the number of the last journal entry that was looked at for it. Where it is
    disabled, `disabled_why` says what for. `description` is what MLflow's client said of it,
    `updated_at` when its terms changed last, if that is known.
    """

    id: str
    name: str
    url: str
    events: tuple[str, ...]
    artifacts: str
    aliases: str
    format: Format
    created_at: datetime
    created_by: str
    position: int
    has_token: bool = False
    disabled_at: datetime | None = None
    disabled_why: str = ""
    description: str = ""
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook just made, with the only copy of its secret that is ever shown."""

    webhook: Webhook
    secret: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that a webhook is told of, and how the last attempt ended.

    `event` is the id that the receiver sees, the same at every attempt. `seq` is the journal's
    entry, for a checkpoint the last one that it is about, None for a ping. `status`,
    `duration_ms`, `answer` (its beginning) and `error` are of the last attempt; `due_at` is when
    the next one comes, None if none does.
    """

    number: int
    event: str
    type: str
    subject: str
    seq: int | None
    state: State
    attempts: int
    created_at: datetime
    due_at: datetime | None = None
    attempted_at: datetime | None = None
    status: int | None = None
    duration_ms: int | None = None
    answer: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries a webhook is told of: of these events, artifacts and aliases."""

    events: tuple[str, ...] = (ANY,)
    artifacts: str = ANY
    aliases: str = ANY

    def wants(self, event: str, artifact: str, alias: str) -> bool:
        """Whether an entry is among them. Empty: it is about no artifact, or no alias.

        A pattern other than * wants what it fits, and so nothing that is about none.
        """
        return (
            any(matches(pattern, event) for pattern in self.events)
            and (self.artifacts == ANY or (bool(artifact) and matches(self.artifacts, artifact)))
            and (self.aliases == ANY or (bool(alias) and matches(self.aliases, alias)))
        )

    def asks_for(self, event: str) -> bool:
        """Whether an event that is no entry, and about no artifact, was asked for by name.

        The pattern * means all entries, and only those.
        """
        named = tuple(pattern for pattern in self.events if pattern != ANY)
        return Wanted(named, self.artifacts, self.aliases).wants(event, "", "")


def check_wanted(events: Iterable[str], artifacts: str, aliases: str) -> Wanted:
    """The filter of a webhook. No events mean all. Raises `InvalidInput`."""
    patterns = tuple(dict.fromkeys(check_list(events, field="events")))
    if len(patterns) > MAX_EVENTS:
        _refuse(
            f"{len(patterns)} patterns of events were given.",
            f"At most {MAX_EVENTS} fit; alias.* stands for all about aliases.",
            "events",
        )
    for pattern in patterns:
        check_text(pattern, field="events", max_chars=100)
        if _EVENT.fullmatch(pattern) is None:
            _refuse(
                f"{pattern!r} is not a type of event.",
                "Write a type of journal entry, such as alias.moved, or a pattern: alias.*",
                "events",
            )
    return Wanted(
        patterns or (ANY,),
        check_pattern(artifacts, field="artifacts"),
        check_pattern(aliases, field="aliases"),
    )


def check_webhook_name(name: str) -> str:
    """The name, without spaces around it. Raises `InvalidInput`."""
    name = check_message(name, field="name").strip()
    if not 1 <= len(name) <= 100 or not name.isprintable():
        _refuse(
            "A webhook needs a name of 1 to 100 printable characters.",
            "Name it after who or what is told.",
            "name",
        )
    return name


def check_form(form: str, token: str) -> Format:
    """The format, which for `github` needs a token. Raises `InvalidInput`."""
    if form not in FORMATS:
        _refuse(f"{form!r} is not a format.", f"Choose one of {', '.join(FORMATS)}.", "format")
    check_text(token, field="token", max_chars=MAX_TOKEN)
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        _refuse("The token has characters that no header carries.", "Copy it again.", "token")
    if form == "github" and not token:
        _refuse(
            "GitHub takes a repository_dispatch with a token only.",
            "Give one that may write to the contents of the repository.",
            "token",
        )
    return form


def split_url(url: str, *, private: bool = False) -> SplitResult:
    """The parts of a URL that events may be sent to: http(s), a host, nothing secret in front.

    Raises `InvalidInput`; also for an address in figures that is not `public`, unless
    `private`. What a name leads to shows only when it is resolved.
    """
    check_text(url, field="url", max_chars=MAX_URL)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.hostname or ""
    plain = url.isascii() and url.isprintable() and not set(' \\"<>^`{|}') & set(url)
    if parts.scheme not in ("http", "https") or not host or not plain or port == 0:
        refuse_url("This is not an address that events can be sent to.")
    if "@" in parts.netloc or parts.fragment:
        refuse_url("The address has a user, a password or a # in it.")
    if not _HOST.fullmatch(parts.netloc.removesuffix(f":{port}").removesuffix(":")):
        refuse_url("The address has no proper host.")
    if not private and _is_figures(host) and not public(host):
        refuse_private(host)
    return parts


def origin(url: str) -> str:
    """What may be told of a URL: where it leads to, without the path, which can be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def public(address: str) -> bool:
    """Whether an IP address is one of the open internet.

    Not so are loopback, private, link-local (with the metadata services of clouds), shared,
    multicast and reserved ones, and IPv6 forms that have such an IPv4 address in them.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is not None:
            return public(str(inner))
        if ip.teredo is not None or ip.is_site_local:
            return False
    closed = ip.is_multicast or ip.is_reserved or ip.is_unspecified
    return ip.is_global and not (closed or ip.is_loopback or ip.is_link_local or ip.is_private)


def refuse_private(host: str) -> NoReturn:
    """Raise `InvalidInput` for a host whose address is not of the open internet."""
    raise InvalidInput(
        f"{host} is an address inside a network, to which no events are sent.",
        code="private_address",
        hint="Use a public one; whoever runs the server allows others with "
        "POINTSMAN_WEBHOOK_PRIVATE=1.",
        field="url",
    )


def refuse_url(message: str) -> NoReturn:
    """Raise `InvalidInput` for a URL."""
    raise InvalidInput(
        message,
        code="invalid_webhook_url",
        hint="Write it like https://hooks.example.org/pointsman, in ASCII.",
        field="url",
    )


def _is_figures(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _refuse(message: str, hint: str, field: str) -> NoReturn:
    raise InvalidInput(message, code="invalid_webhook", hint=hint, field=field)
