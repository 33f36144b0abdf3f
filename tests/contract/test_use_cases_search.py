"""Finding artifacts: every condition, every order, page by page, the same on both databases."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changes import HARD_TEXT
from pointsman.compose import Registry, open_store
from pointsman.core.canonical import canonical_json, digest
from pointsman.core.search import matches, parse_tags
from pointsman.core.vocabulary import Artifact
from pointsman.errors import InvalidInput
from scale import SCALE
from stores import Databases, PostgresPlace, SqlitePlace

TICK = timedelta(microseconds=1)


def fill(registry: Registry) -> None:
    """Forty artifacts of all sorts, some moved, archived or published to again."""
    items: list[dict[str, Any]] = []
    names = ["support/reply", "support/refund/ask", "supporter", "sales/pitch", "Über/uns", "中/文"]
    for n in range(40):
        kind = ("prompt", "prompt", "model", "dataset")[n % 4]
        name = f"{names[n % len(names)]} {n // 6}"
        content: Any = f"Text {n} about Straße and {HARD_TEXT if n % 9 == 0 else 'nothing'}"
        if kind != "prompt":
            content = {"note": [content], "Straße in a key": n}
        if kind == "dataset":
            content = {"rows": [{"input": content}]}
        items.append({"name": name, "kind": kind, "content": content})
    registry.publish_many(items)
    for n, item in enumerate(items):
        selector = f"{item['kind']}:{item['name']}" if item["kind"] != "prompt" else item["name"]
        if n % 2:
            registry.set_tag(selector, "team", ("support", "sales", "Support", "")[n % 8 // 2])
        if n % 3 == 0:
            registry.set_tag(selector, "size", str(n))
        if n % 5 == 0:
            registry.set_tag(selector, "sprache ä", "x" * (60 + n % 7))
            registry.set_tag(selector + ":1", "team", "nobody")
        if n % 4 == 1:
            registry.promote(selector, "prod")
        if n % 8 == 1:
            registry.promote(selector, "staging")
        if n % 16 == 1:
            registry.delete_alias(f"{selector}@prod")
        if n % 7 == 0:
            registry.archive(item["name"], kind=item["kind"])
        elif n % 6 == 0:
            registry.publish(item["name"], {"template": f"newer {n}"}, kind=item["kind"])


def all_pages(ask: Callable[..., Any], limit: int) -> list[Artifact]:
    items: list[Artifact] = []
    cursor = None
    while True:
        page = ask(limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        items += page.items
        cursor = page.cursor
        if cursor is None:
            return items


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def filled(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    """A registry with forty artifacts, on each database, for all tests that only read."""
    if request.param == "sqlite":
        with closing(SqlitePlace(tmp_path_factory.mktemp("filled")).open()) as store:
            registry = Registry(store)
            fill(registry)
            yield registry
        return
    databases: Databases = request.getfixturevalue("databases")
    name = databases.migrated()
    with closing(PostgresPlace(databases.url(name)).open()) as store:
        registry = Registry(store)
        fill(registry)
        yield registry
    databases.drop(name)


def everything(registry: Registry) -> list[Artifact]:
    found = registry.search(archived=None, limit=1_000).items
    assert len(found) == 40
    return list(found)


def key(artifact: Artifact) -> tuple[str, str]:
    return artifact.kind, artifact.name


@pytest.mark.parametrize(
    ("where", "test"),
    [
        ({}, lambda a: True),
        ({"archived": True}, lambda a: a.archived_at is not None),
        ({"kind": "prompt"}, lambda a: a.kind == "prompt"),
        ({"kind": "model"}, lambda a: a.kind == "model"),
        ({"folder": "support"}, lambda a: a.name.startswith("support/")),
        ({"folder": "/support/refund/"}, lambda a: a.name.startswith("support/refund/")),
        ({"folder": "Über"}, lambda a: a.name.startswith("Über/")),
        ({"folder": "supp"}, lambda a: False),
        ({"name": "REPLY"}, lambda a: "reply" in a.name),
        ({"name": "über"}, lambda a: "Über" in a.name),
        ({"name": "%"}, lambda a: False),
        ({"name": "_"}, lambda a: False),
        ({"name": "t/re"}, lambda a: "t/re" in a.name),
        ({"with_aliases": ["prod"]}, lambda a: "prod" in [x.name for x in a.aliases]),
        ({"with_aliases": ["Prod"]}, lambda a: False),
        ({"without_aliases": ["prod"]}, lambda a: "prod" not in [x.name for x in a.aliases]),
        (
            {"with_aliases": ["staging"], "without_aliases": ["prod"]},
            lambda a: [x.name for x in a.aliases] == ["staging"],
        ),
        (
            {"with_aliases": ["staging", "prod"]},
            lambda a: [x.name for x in a.aliases] == ["prod", "staging"],
        ),
        ({"author": "nobody"}, lambda a: False),
        ({"tags": "team"}, lambda a: "team" in a.tags),
        ({"tags": "team = support"}, lambda a: a.tags.get("team") == "support"),
        ({"tags": "team = ''"}, lambda a: a.tags.get("team") == ""),
        ({"tags": "team = nobody"}, lambda a: False),
        ({"tags": "not team"}, lambda a: "team" not in a.tags),
        ({"tags": "team != support"}, lambda a: a.tags.get("team", "support") != "support"),
        ({"tags": "team ~ upp"}, lambda a: "upp" in a.tags.get("team", "")),
        (
            {"tags": f"'sprache ä' = '{'x' * 64}'"},
            lambda a: a.tags.get("sprache ä") == "x" * 64,
        ),
        (
            {"tags": f"'sprache ä' = '{'x' * 65}' and not team"},
            lambda a: a.tags.get("sprache ä") == "x" * 65 and "team" not in a.tags,
        ),
        (
            {"kind": "prompt", "folder": "support", "tags": "size or team", "name": "r"},
            lambda a: (
                a.kind == "prompt"
                and a.name.startswith("support/")
                and ("size" in a.tags or "team" in a.tags)
            ),
        ),
    ],
)
def test_every_condition(
    filled: Registry, where: dict[str, Any], test: Callable[[Artifact], bool]
) -> None:
    archived = where.get("archived", False)
    expected = [
        one for one in everything(filled) if test(one) and (one.archived_at is not None) == archived
    ]
    for order in ("name", "created", "updated"):
        for limit in (3, 50):
            got = all_pages(lambda **p: filled.search(order=order, **where, **p), limit)  # noqa: B023
            assert sorted(got, key=key) == sorted(expected, key=key), (order, limit)
            assert got == sorted(got, key=_ORDERS[order])


_ORDERS: dict[str, Callable[[Artifact], Any]] = {
    "name": lambda a: a.name.encode(),
    "created": lambda a: -a.created_at.timestamp(),
    "updated": lambda a: -a.updated_at.timestamp(),
}


def test_the_author_of_the_newest_version(filled: Registry) -> None:
    author = filled.version("support/reply 0").author
    assert len(filled.search(author=author, archived=None, limit=100).items) == 40


def test_times_bound_the_last_update(filled: Registry) -> None:
    every = sorted(everything(filled), key=lambda a: a.updated_at)
    middle = every[20].updated_at

    def names(**where: Any) -> set[tuple[str, str]]:
        return {key(a) for a in filled.search(archived=None, limit=100, **where).items}

    assert names(since=middle) == {key(a) for a in every[20:]}
    assert names(until=middle) == {key(a) for a in every[:21]}
    assert names(since=middle, until=middle) == {key(every[20])}
    assert names(since=middle + TICK, until=middle) == set()


@pytest.mark.parametrize(
    ("text", "count"), [("STRASSE", 40), ("text 1 ", 1), ("newer", 0), ("in a key", 0), ("", 40)]
)
def test_texts_of_the_newest_version(filled: Registry, text: str, count: int) -> None:
    """Anywhere in the content without regard to case, but not in the names of its fields."""
    for order in ("name", "created", "updated"):
        found = all_pages(
            lambda **p: filled.search(text=text, order=order, archived=None, **p),  # noqa: B023
            7,
        )
        for artifact in found:
            content = filled.version(f"{artifact.kind}:{artifact.name}").content
            assert text.casefold() in json.dumps(content, ensure_ascii=False).casefold()
        if text in ("text 1 ", ""):
            assert len(found) == count
    superseded = [a for a in everything(filled) if a.newest == 2]
    assert superseded
    with_newer = all_pages(lambda **p: filled.search(text="newer", archived=None, **p), 50)
    assert {key(a) for a in with_newer} == {key(a) for a in superseded}


@pytest.mark.parametrize("order", ["name", "created", "updated"])
def test_pages_are_stable_while_new_artifacts_arrive(registry: Registry, order: str) -> None:
    fill(registry)
    filled = registry
    whole = all_pages(lambda **p: filled.search(order=order, archived=None, **p), 1_000)
    got: list[Artifact] = []
    cursor = None
    added = 0
    while True:
        page = filled.search(order=order, archived=None, limit=7, cursor=cursor)
        got += page.items
        cursor = page.cursor
        for name in ("!first", "zz last"):
            filled.publish(f"{name} {added}", "new")
            added += 1
        if cursor is None:
            break
    old = [one for one in got if not one.name.startswith(("!first", "zz last"))]
    assert old == whole, "each of the old ones once, in order"


def test_a_folder_holds_every_name_below_it(registry: Registry) -> None:
    below = ["f/!", "f/a", "f/z", "f/zz/z", "f/ä", "f/中", "f/𐐷"]
    beside = ["f", "f!", "f0", "g"]
    registry.publish_many([{"name": name, "content": "x"} for name in (*beside, *below)])
    found = registry.search(folder="f", limit=100).items
    assert [one.name for one in found] == below


def test_kinds_of_one_name_are_in_one_list(registry: Registry) -> None:
    contents: list[tuple[str, Any]] = [
        ("dataset", {"rows": [{"input": {"a": 1}}]}),
        ("model", {"a": 1}),
        ("prompt", {"template": "x"}),
    ]
    for kind, content in contents:
        registry.publish("same", content, kind=kind)
    for order in ("name", "created", "updated"):
        found = all_pages(lambda **p: registry.search(name="SAME", order=order, **p), 1)  # noqa: B023
        assert sorted(one.kind for one in found) == ["dataset", "model", "prompt"]


# Cursors


def _seal(text: str) -> str:
    return base64.urlsafe_b64encode(f"{digest(text)[:8]}{text}".encode()).decode().rstrip("=")


@pytest.mark.parametrize("order", ["name", "created", "updated"])
def test_tampered_cursors_are_refused(filled: Registry, order: str) -> None:
    cursor = filled.search(order=order, limit=5).cursor
    assert cursor is not None
    plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    fingerprint, *position = json.loads(plain[8:])
    wrong: list[str] = [
        "",
        "x",
        "%%%",
        "ä",
        "\0",
        cursor[:-2],
        cursor + "AAAA",
        "A" + cursor[1:],
        cursor[::-1],
        _seal("null"),
        _seal("[]"),
        _seal("[" * 5_000),
        _seal(canonical_json([fingerprint])),
        _seal(canonical_json([fingerprint, *position, 1])),
        _seal(canonical_json([fingerprint, *[None for _ in position]])),
        _seal(canonical_json([fingerprint, *[True for _ in position]])),
        _seal(canonical_json([fingerprint, *[1.5 for _ in position]])),
        _seal(canonical_json([fingerprint, *[[1] for _ in position]])),
        _seal(json.dumps([fingerprint, *[2**70 if isinstance(p, int) else p for p in position]])),
        _seal(canonical_json(["0" * 16, *position])),
    ]
    for one in wrong:
        with pytest.raises(InvalidInput) as caught:
            filled.search(order=order, limit=5, cursor=one)
        assert caught.value.code == "invalid_cursor", one
    for other in ({"kind": "prompt"}, {"tags": "a"}, {"archived": None}, {"text": "x"}):
        with pytest.raises(InvalidInput):
            filled.search(order=order, cursor=cursor, **other)
    filled.search(order=order, limit=3, cursor=cursor)  # another limit is the same question


@pytest.mark.parametrize(
    "where",
    [
        {"name": "\0"},
        {"name": "x" * 60_000},
        {"name": "%" * 200},
        {"name": "\ud800"},
        {"text": "\0"},
        {"text": "\ud800"},
        {"author": "\0"},
        {"author": "\ud800"},
        {"tags": "a = '\0'"},
        {"tags": "a ~ '\ud800'"},
        {"tags": "'\0'"},
        {"tags": "a = "},
        {"tags": "a and and b"},
        {"tags": "(" * 30 + "a" + ")" * 30},
        {"tags": " or ".join(["a"] * 51)},
        {"tags": "a" * 2_001},
        {"folder": "../x"},
        {"folder": "a//b"},
        {"kind": "prompts"},
        {"with_aliases": ["\0"]},
        {"without_aliases": ["a b"]},
        {"order": "random"},
        {"order": "name; DROP TABLE artifact"},
    ],
)
def test_what_cannot_be_looked_for_is_refused_or_not_found(
    filled: Registry, where: dict[str, Any]
) -> None:
    try:
        found = filled.search(**where)
    except InvalidInput:
        return
    assert found.items == ()


# The language of tags, against its own definition, on both databases


_KEYS = ("a", "b", "or", "ä b")
_VALUES: tuple[str, ...] = ("", "x", "X", "xy", "ä", "a b", "%", "_", "' OR 1=1", '"', "\\", "\n")
_VALUES = (*_VALUES, "x" * 64, "x" * 65)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_quoted_key = st.sampled_from(_KEYS).map(_quoted)
_quoted_value = st.sampled_from(_VALUES).map(_quoted)
_condition = st.one_of(
    _quoted_key,
    st.tuples(_quoted_key, st.sampled_from(["=", "!=", "~"]), _quoted_value).map(" ".join),
    st.tuples(_quoted_key, st.lists(_quoted_value, min_size=1, max_size=3)).map(
        lambda both: f"{both[0]} in ({', '.join(both[1])})"
    ),
)
_expression = st.recursive(
    _condition,
    lambda inner: st.one_of(
        inner.map(lambda e: f"not ({e})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def tagged(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Registry, Registry, dict[str, dict[str, str]]]]:
    """Two registries with the same artifacts, one on each database, and their tags."""
    tags: dict[str, dict[str, str]] = {}
    for n in range(60):
        chosen = {
            name: _VALUES[(n * (3 + 2 * i)) % len(_VALUES)]
            for i, name in enumerate(_KEYS)
            if (n >> i) % 2
        }
        tags[f"p{n:02}"] = chosen
    name = databases.migrated()
    folder = tmp_path_factory.mktemp("tagged")
    with (
        closing(SqlitePlace(folder).open()) as sqlite,
        closing(open_store(database=databases.url(name))) as postgres,
    ):
        both = Registry(sqlite), Registry(postgres)
        for registry in both:
            registry.publish_many([{"name": one, "content": "x"} for one in tags])
            for one, chosen in tags.items():
                for tag, value in chosen.items():
                    registry.set_tag(one, tag, value)
        yield (*both, tags)
    databases.drop(name)


@settings(max_examples=int(60 * SCALE))
@given(expression=_expression, order=st.sampled_from(["name", "created"]), limit=st.integers(1, 70))
def test_tag_expressions_mean_the_same_everywhere(
    tagged: tuple[Registry, Registry, dict[str, dict[str, str]]],
    expression: str,
    order: str,
    limit: int,
) -> None:
    sqlite, postgres, tags = tagged
    parsed = parse_tags(expression)
    expected = [name for name, chosen in tags.items() if matches(parsed, chosen)]
    if order == "created":
        expected.reverse()
    for registry in (sqlite, postgres):
        ask = lambda **p: registry.search(tags=expression, order=order, **p)  # noqa: B023, E731
        assert [one.name for one in all_pages(ask, limit)] == expected


def test_both_databases_answer_alike(tmp_path: Path, postgres_url: str) -> None:
    answers = []
    for store in (open_store(tmp_path / "data"), open_store(database=postgres_url)):
        with closing(store):
            registry = Registry(store)
            fill(registry)
            answers.append(
                [
                    [(a.kind, a.name, dict(a.tags)) for a in registry.search(**where).items]
                    for where in (
                        {"archived": None, "limit": 100},
                        {"order": "updated", "limit": 100},
                        {"order": "created", "tags": "team and not size", "limit": 100},
                        {"text": "straße", "limit": 5},
                        {"name": "Ü", "limit": 100},
                        {"folder": "中"},
                    )
                ]
            )
    assert answers[0] == answers[1]
    assert all(answers[0])
