"""Whatever MLflow's clients, or others, send: an answer or a refusal, never a failure."""

from __future__ import annotations

import faulthandler
import http.client
import json
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pointsman.errors import InvalidInput
from pointsman.wire.mlflow.filters import (
    MAX_FILTER,
    MODELS,
    VERSIONS,
    Grammar,
    kind_wanted,
    parse_filter,
    parse_orders,
)
from pointsman.wire.mlflow.routes import PREFIXES, ROUTES, Route
from scale import SCALE
from serving import ServerProcess, ask

FILTERS = int(100_000 * SCALE)
"""Filters that are read."""
REQUESTS = int(3_000 * SCALE)
"""Requests that are sent."""
HANGS = 300
"""Seconds after which the whole run is taken to hang, and told where."""

WORDS = [
    *("name", "attribute.name", "attributes.name", "run_id", "source_path", "version_number"),
    *("tags.a", "tag.`a b`", 'tags."x"', "tags.'y'", "tags.a.b.c", "tags.", "tags.``", "foo.bar"),
    *("tags.`mlflow.prompt.is_prompt`", "TAGS.a", "mlflow.stage", "experiment_id", "é.é", "a" * 99),
]
SIGNS = [
    *("=", "!=", "<>", "==", "<", ">", "<=", ">=", "LIKE", "ILIKE", "like", "IN", "NOT IN", "not"),
    *("IS NULL", "RLIKE", "BETWEEN", "~", "||", "=" * 5),
]
VALUES = [
    *("'x'", '"x"', "'it''s'", "''", '""', "3", "-3", "1.0", "1e9", "9" * 30, "'3'", "'%_%'"),
    *("('a','b')", "('a',)", "()", "(", "('a'", "(1,2)", "true", "NULL", "x", "'" + "%" * 60 + "'"),
    *("'unclosed", '"unclosed', "`b`", "'\0'", "'\ud800'", "'İß😀'", "٣", "'\\'", "'a' 'b'"),
]
JOINS = [" AND ", " and ", " ", "  AND AND ", " OR ", ";", ", ", "\n", "\t", " -- ", "/**/", "\xa0"]
PIECES = [*WORDS, *SIGNS, *VALUES, *JOINS, *"'\"`().,;=<>!%_\\\n\0 aé1"]


@pytest.fixture(autouse=True)
def _noticed_if_it_hangs() -> Iterator[None]:
    assert sys.__stderr__ is not None
    faulthandler.dump_traceback_later(HANGS, exit=True, file=sys.__stderr__)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def chance() -> random.Random:
    return random.Random(f"pointsman {SCALE}")


def _comparison(chance: random.Random) -> str:
    gap = chance.choice([" ", " ", "", "  "])
    return f"{chance.choice(WORDS)}{gap}{chance.choice(SIGNS)}{gap}{chance.choice(VALUES)}"


def _filter(chance: random.Random) -> str:
    """A filter that is nearly right, or one with an error in it, or pieces in any order."""
    if chance.random() < 0.3:
        return "".join(chance.choices(PIECES, k=chance.randint(0, 12)))
    text = chance.choice(JOINS).join(_comparison(chance) for _ in range(chance.randint(1, 4)))
    if chance.random() < 0.4:
        at = chance.randrange(len(text) + 1)
        text = text[:at] + chance.choice(PIECES) + text[at + chance.randint(0, 3) :]
    return text


def _read_or_refused(text: str, grammar: Grammar) -> bool:
    """Whether a filter was read; what was read can be asked of anything."""
    try:
        found = parse_filter(text, grammar)
    except InvalidInput as error:
        if error.code != "invalid_filter" or not error.hint or not error.message.isprintable():
            raise AssertionError(text) from error
        return False
    kind_wanted(found)
    for one in found:
        assert one.of == "tag" or one.key in grammar.attributes, text
        for value in ("", "x", "a%b", "é" * 50, 3, None):
            one.holds(value)
    return True


def test_filters(chance: random.Random) -> None:
    read = sum(
        _read_or_refused(_filter(chance), chance.choice((MODELS, VERSIONS))) for _ in range(FILTERS)
    )
    assert FILTERS // 50 < read < FILTERS * 0.9


@pytest.mark.parametrize("piece", list(dict.fromkeys(PIECES)), ids=ascii)
def test_long_filters_of_one_piece(piece: str) -> None:
    """What a pattern that looks back too far would choke on, many times over."""
    for text in (piece * (MAX_FILTER // len(piece)), f"name LIKE '{piece * 400}' "):
        for start in ("", "name = 'a' AND ", "name IN ('a', "):
            _read_or_refused(f"{start}{text}"[:MAX_FILTER], VERSIONS)


def test_patterns_take_no_time_on_what_nearly_fits() -> None:
    (condition,) = parse_filter("name LIKE '" + "%a_" * 25 + "b'", MODELS)
    assert not condition.holds("ax" * 50_000)
    assert condition.holds("ax" * 50_000 + "b")


def test_orders(chance: random.Random) -> None:
    words = [*WORDS, *JOINS, "ASC", "DESC", " desc", "name", "timestamp", "`", "1", ""]
    read = 0
    for _ in range(FILTERS // 10):
        texts = [
            "".join(chance.choices(words, k=chance.randint(1, 3)))
            for _ in range(chance.randint(0, 3))
        ]
        try:
            read += len(parse_orders(texts, chance.choice((MODELS, VERSIONS)))) > 0
        except InvalidInput as error:
            if error.code != "invalid_order":
                raise AssertionError(texts) from error
    assert read > FILTERS // 1_000


# -- requests

NAMES = [
    "fuzz-prompt",
    "fuzz-model",
    "new",
    "a/b",
    "a:b",
    "..",
    "",
    " ",
    "Fuzz-Model",
    "é",
    "x" * 300,
]
KEYS = [
    "k",
    "mlflow.prompt.text",
    "mlflow.prompt.is_prompt",
    "mlflow.stage",
    "../x",
    "",
    "é k",
    "a/b",
]
URLS = ["s3://b/m", "models:/fuzz-model/1", "models:/m-1", "file:///x", "runs:/r/m", "dummy-source"]
ALIASES = ["live", "production", "latest", "v1", "7", "ünï", "", "a b"]
EVENTS = [{"entity": "PROMPT_ALIAS", "action": "CREATED"}, {"entity": "x"}, 3]
TAGS = [
    *({"key": "mlflow.prompt.is_prompt", "value": flag} for flag in ("true", "false", "TRUE", "")),
    *({"key": "mlflow.prompt.text", "value": text} for text in ("Hi {{ x }}", "[{", "{% x", "")),
    {"key": "_mlflow_prompt_type", "value": "chat"},
    {"key": "_mlflow_prompt_model_config", "value": '{"model_name": 1e999}'},
    {"key": "_mlflow_prompt_response_format", "value": "[" * 500},
    {"key": "k"},
    {"value": 3},
    "x",
]
STRANGE: list[object] = [
    None,
    3,
    -1,
    1e308,
    True,
    [],
    {},
    [[]],
    {"a": {}},
    "\ud800",
    "a\0b",
    "x" * 5_000,
    "٣",
    "null",
]

FIELDS: dict[str, Callable[[random.Random], object]] = {
    "name": lambda c: c.choice(NAMES),
    "new_name": lambda c: c.choice(NAMES),
    "version": lambda c: c.choice(["1", "2", "3", "0", "-1", "1.0", "9" * 30, "", 1]),
    "alias": lambda c: c.choice(ALIASES),
    "key": lambda c: c.choice(KEYS),
    "value": lambda c: c.choice(["v", "", "x" * 3_000, "é", "true"]),
    "description": lambda c: c.choice(["d", "", "é\n", "x" * 20_000]),
    "source": lambda c: c.choice(URLS),
    "run_id": lambda c: c.choice(["r", "", "é"]),
    "model_id": lambda c: c.choice(["m-1", ""]),
    "tags": lambda c: c.choices(TAGS, k=c.randint(0, 4)),
    "stage": lambda c: c.choice(["None", "Staging", "production", "Archived", "x", ""]),
    "stages": lambda c: c.choices(["None", "Staging", "x"], k=c.randint(0, 3)),
    "archive_existing_versions": lambda c: c.choice([True, False, "true", "x"]),
    "filter": _filter,
    "order_by": lambda c: c.choices(["name", "name DESC", "timestamp", "x", ""], k=c.randint(0, 2)),
    "max_results": lambda c: c.choice([0, 1, 100, 1_001, 10_000, -1, "x", 10**20]),
    "page_token": lambda c: c.choice(["", "x", "eyJvZmZzZXQiOiAyfQ==", "é"]),
    "url": lambda c: c.choice(["https://192.0.2.1/x", "http://127.0.0.1/", "x", "", "é://é"]),
    "events": lambda c: c.choices(EVENTS, k=c.randint(0, 2)),
    "event": lambda c: c.choice(EVENTS),
    "secret": lambda c: c.choice(["s", "", "é", "x" * 2_000]),
    "status": lambda c: c.choice(["ACTIVE", "DISABLED", "x", ""]),
}


def _values(chance: random.Random) -> dict[str, object]:
    """Parameters as they might be: most of them, some of them strange."""
    most = chance.choice([1.0, 1.0, 0.6])
    values = {name: make(chance) for name, make in FIELDS.items() if chance.random() < most}
    for name in chance.sample(sorted(values), k=min(len(values), chance.choice([0, 0, 0, 1, 2]))):
        values[name] = chance.choice(STRANGE)
    return values


def _body(chance: random.Random) -> bytes:
    """A body: of parameters, or broken."""
    text = json.dumps(_values(chance))
    if chance.random() < 0.1:
        at = chance.randrange(len(text))
        text = text[:at] + chance.choice(["", "[", '"', "\0", "}", "9" * 400]) + text[at + 2 :]
    return text.encode()


def _path(route: Route, chance: random.Random, webhook: str) -> str:
    found = chance.choice([webhook, webhook, "wh_none", "%FF", "%00", "..", "x" * 300])
    return chance.choice(PREFIXES) + route.path.replace("{webhook_id}", found)


def test_requests(chance: random.Random, tmp_path: Path) -> None:
    """Every operation of a real server, with parameters that are nearly right."""
    answered: dict[tuple[str, int], int] = {}
    with ServerProcess(data=tmp_path) as server:
        server.publish("fuzz-prompt", "Hello {{ who }}", aliases=["live"])
        model = {"kind": "model", "name": "fuzz-model", "content": {"uri": "s3://b/m"}}
        assert server.post("/versions", model).status == 201
        hook = {"name": "x", "url": "https://192.0.2.1/x", "format": "mlflow"}
        made = server.post("/webhooks", {**hook, "url": "https://hooks.example.org/"})
        webhook = str(made.json["webhook"]["id"])
        server.post(f"/webhooks/{webhook}/disable", {})
        with server.connect() as connection:
            for _ in range(REQUESTS):
                route = chance.choice(ROUTES)
                status = _send(connection, route, chance, webhook, server.own_key)
                key = f"{route.method} {route.path}", status
                answered[key] = answered.get(key, 0) + 1
        assert server.get("/doctor").json["findings"] == []
    assert {status for _, status in answered if status >= 500} == set(), answered
    fine = {route for route, status in answered if status == 200}
    assert len(fine) > len(ROUTES) * 0.7, sorted(fine)


def _sayable(value: object) -> object:
    """The value as a query string can have it."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _send(
    connection: http.client.HTTPConnection,
    route: Route,
    chance: random.Random,
    webhook: str,
    secret: str,
) -> int:
    """Send one request; the status of its answer, which is always one in MLflow's words."""
    path = f"/{_path(route, chance, webhook)}"
    if route.method == "GET":
        values = {
            name: json.dumps(value, ensure_ascii=True) if isinstance(value, dict) else value
            for name, value in _values(chance).items()
        }
        plain = {
            name: str(value).encode("utf-8", "replace").decode()
            if isinstance(value, str)
            else value
            for name, value in values.items()
        }
        answer = ask(connection, "GET", path, key=secret, query=plain)
    else:
        answer = ask(connection, route.method, path, _body(chance), key=secret)
    assert answer.status < 500, (route, path, answer)
    if answer.status >= 400:
        assert answer.json["error_code"], (route, path, answer)
    else:
        assert isinstance(answer.json, dict), (route, path, answer)
    return answer.status
