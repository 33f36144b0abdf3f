"""Whatever comes: an answer or a refusal, never a failure, and never a wait without end."""

from __future__ import annotations

import asyncio
import faulthandler
import random
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pointsman.app.keys import bootstrap
from pointsman.compose import open_store
from pointsman.core.content import parse_prompt
from pointsman.core.selectors import parse_selector
from pointsman.errors import PointsmanError
from pointsman.server import Service
from scale import SCALE

TIMES = int(2_000 * SCALE)
"""Inputs for each test; SCALE 17 makes 100,000 in all."""
HANGS = 300
"""Seconds after which the whole run is taken to hang, and told where."""

WORDS = [
    *"/:@%.?&=+-_~!#$'()*,;[]{}<>|\\^`\" \t\n\r\0",
    *("..", "//", "%2F", "%2f", "%00", "%ff", "%C3%A4", "%", "%2", "%%", "%25", "%u0041"),
    *("fuzz/reply", "deployment", "latest", "prompt", "model", "prompts:/", "models:/", "api/v1"),
    *("1", "0", "7", "-1", "2147483648", "9" * 30, "v1", "٣", "ä", "a\u0308", "\u202e", "\u200b"),
    *("😀", "\ud800", "\ufeff", "İ", "ß", "null", "true", "NaN", "x" * 300, "a/" * 50),
]
TAGS = [
    *("{", "}", "{{", "}}", "{{{", "}}}", "{%", "%}", "{#", "#}", "{{>", "{{ name }}", "{name}"),
    *("{{> a/b@c }}", "{{> a", '{{ "{{ x }}" }}', "{% raw %}", "{% endraw %}", "{% if x %}"),
    *("{% for a in b %}", "{% endfor %}", "{% endif %}", "{% set a = 1 %}", "{% macro a() %}"),
    *("{{ a.b.c }}", "{{ a | upper }}", "{{ a[0] }}", "{{ 1 + 1 }}", "{!r}", "{:>10}", "{0}"),
    *("if", "else", "in", "is", "not", "(", ")", "[", "]", "'", '"', "\\", "\n", "\r\n", " ", "a"),
    *("ä", "😀", "\ud800", "\0", "\u2028", "x" * 200, "{" * 50, "}" * 50),
]

LONG = ["{", "{{", "{{ ", "{%", "{{>", "{{ a", "{{ '", "}", "{ {", "{{{ }", "{#", "{{ (", "{{ a."]
"""What a pattern that looks back too far would choke on, many times over."""


@pytest.fixture(autouse=True)
def _noticed_if_it_hangs() -> Iterator[None]:
    assert sys.__stderr__ is not None
    faulthandler.dump_traceback_later(HANGS, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def chance() -> random.Random:
    return random.Random(f"pointsman {SCALE}")


def some(chance: random.Random, words: list[str], most: int = 12) -> str:
    return "".join(chance.choices(words, k=chance.randint(0, most)))


def test_selectors(chance: random.Random) -> None:
    read = 0
    for _ in range(TIMES):
        text = some(chance, WORDS)
        with refused_or_read(text):
            selector = parse_selector(text)
            assert parse_selector(str(selector)) == selector, text
            read += 1
    assert read > TIMES // 1_000


@pytest.mark.parametrize("kind", ["curly", "f-string", "jinja2"])
def test_templates(chance: random.Random, kind: str) -> None:
    read = 0
    for _ in range(TIMES // 3):
        text = some(chance, TAGS)
        with refused_or_read(text):
            content = parse_prompt({"template": text, "format": kind})
            again = parse_prompt(content.to_json())
            assert again.digest == content.digest, text
            read += 1
    assert read > TIMES // 100


@pytest.mark.parametrize("kind", ["curly", "f-string", "jinja2"])
@pytest.mark.parametrize("word", LONG)
def test_long_templates_of_one_word(kind: str, word: str) -> None:
    text = word * (200_000 // len(word))
    with refused_or_read(word):
        parse_prompt({"template": text, "format": kind})


@contextmanager
def refused_or_read(text: str) -> Iterator[None]:
    try:
        yield
    except PointsmanError as error:
        if not error.code or not error.message.isprintable():
            raise AssertionError(text) from error


def test_requests(chance: random.Random, tmp_path: Path) -> None:
    """The whole application without a socket, which sends what no HTTP parser lets through."""
    with closing(Service(open_store(tmp_path))) as service:
        secret = bootstrap(service.app, None)
        assert secret is not None
        statuses = asyncio.run(_ask_all(service, secret, chance))
    assert statuses.get(200, 0) > 0
    assert statuses.get(400, 0) > TIMES // 10
    assert {status for status in statuses if status >= 500} == set(), statuses


async def _ask_all(service: Service, secret: str, chance: random.Random) -> dict[int, int]:
    bearer = (b"authorization", b"Bearer " + secret.encode())
    made = b'{"name": "fuzz/reply", "content": "x", "aliases": ["deployment"]}'
    assert await _ask(service, "POST", b"/api/v1/versions", b"", [bearer], made) == 201
    statuses: dict[int, int] = {}
    for _ in range(TIMES * 3):
        path = chance.choice(PREFIXES) + _wire(some(chance, WORDS, chance.choice(SIZES)), chance)
        query = _query(chance) if chance.random() < 0.5 else b""
        headers = [bearer] * chance.choice([1, 1, 1, 1, 1, 0, 2])
        headers += [_header(chance) for _ in range(chance.randint(0, 2))]
        method = chance.choice(["GET"] * 6 + ["HEAD", "POST", "PUT", "DELETE", "PATCH", "X"])
        body = some(chance, BODY).encode("utf-8", "surrogatepass")
        if path == b"/api/v1/watch" and method == "GET":
            continue
        status = await _ask(service, method, path, query, headers, body)
        assert status < 500, (method, path, query, headers, body)
        statuses[status] = statuses.get(status, 0) + 1
    return statuses


PREFIXES = [
    *[b"/api/v1/resolve/", b"/api/v1/resolve/fuzz/reply"] * 3,
    b"/api/v1/artifacts",
    b"/api/v1/artifacts/prompt/fuzz%2Freply",
    b"/api/v1/artifacts/prompt/fuzz%2Freply/versions/",
    b"/api/v1/artifacts/prompt/fuzz%2Freply/aliases/",
    b"/api/v1/artifacts/prompt/fuzz%2Freply/tags/",
    b"/api/v1/artifacts/",
    b"/api/v1/releases/",
    b"/api/v1/releases",
    b"/api/v1/versions",
    *[b"/api/v1/journal"] * 2,
    b"/api/v1/diff",
    b"/api/v1/differences",
    b"/api/v1/keys/",
    b"/api/v1/",
    b"/",
    b"",
]
SIZES = [0, 0, 1, 2, 3, 12]
PARAMETERS = [
    *("at", "key", "limit", "cursor", "after", "before", "since", "until", "kind", "name"),
    *("tags", "alias", "without_alias", "type", "order", "archived", "folder", "text", "actor"),
]
VALUES = [
    *("2026-11-21T10:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "fuzz/reply:1"),
    *("2026-11-21T10:00:00", "10", "team = x and (", "not ", "9999-12-31T23:59:59-23:59", "any"),
    *("fuzz", "deployment", "prompt", "alias.moved", "created", "team = 'x'", "fuzz/reply"),
]
BODY = [
    *("{", "}", "[", "]", ",", ":", '"', "1", "-", "e", ".", "null", "true", '"name"', '"x"'),
    *('{"version": 1}', '{"version": ', '{"split": {"1": 1}}', '{"moves": [', '{"reason": "'),
    *('{"value": "', '"}', "\\u0000", "\\ud800", "\ud800", "\0", "ä", " ", "9" * 400, "1e999"),
]


def _wire(text: str, chance: random.Random) -> bytes:
    """The text as bytes of an address: as it should be, as it is, or broken."""
    data = text.encode("utf-8", "surrogatepass")
    if chance.random() < 0.5:
        return quote(data, safe="").encode()
    if chance.random() < 0.2:
        at = chance.randrange(len(data) + 1)
        data = data[:at] + bytes(chance.randrange(256) for _ in range(3)) + data[at:]
    return data.replace(b"?", b"%3F").replace(b"#", b"%23")


def _query(chance: random.Random) -> bytes:
    pairs = []
    for _ in range(chance.choice([1, 1, 2, 3])):
        value = chance.choice(VALUES) if chance.random() < 0.7 else some(chance, WORDS, 3)
        pairs.append(chance.choice(PARAMETERS).encode() + b"=" + _wire(value, chance))
    return b"&".join(pairs)


def _header(chance: random.Random) -> tuple[bytes, bytes]:
    names = [b"if-match", b"if-none-match", b"idempotency-key", b"content-length"]
    values = [
        b"",
        b"*",
        b'"1"',
        b"1",
        b"W/",
        b"\xff",
        b'"' * 9,
        b",",
        b"x" * 300,
        b"-1",
        b"9" * 40,
    ]
    return chance.choice([*names, b"authorization", b"accept"]), chance.choice(values)


async def _ask(
    service: Service,
    method: str,
    path: bytes,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
) -> int:
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])
    status = 0

    async def receive() -> MutableMapping[str, Any]:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]

    await service(scope, receive, send)
    return status
