"""What callers write, as the use cases want it: checks that every surface shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, get_args

from pointsman.app.changes import Proposal, Wanted
from pointsman.app.evaluating import asking
from pointsman.app.publishing import Publish
from pointsman.app.releases import Wish
from pointsman.core.canonical import check_text
from pointsman.core.names import (
    MAX_NAME,
    MAX_TEXT,
    check_alias,
    check_kind,
    check_list,
    check_name,
    check_version_number,
)
from pointsman.core.policy import EVALUATED
from pointsman.core.releases import single, split
from pointsman.core.search import Order, Query, parse_tags
from pointsman.core.selectors import Selector, parse_selector
from pointsman.core.vocabulary import Dependency, Target, micros
from pointsman.errors import InvalidInput, InvalidName, TooLarge

MAX_SUITES = 100
"""Suites that can be named at once."""
_PUBLISH = {field.name for field in fields(Publish)}
_MOVE = {"kind", "name", "alias", "version", "split", "delete", "if_revision"}


def alias_place(selector: str) -> tuple[str, str, str]:
    """Kind, name and alias of a selector that must name an alias."""
    parsed = parse_selector(selector)
    if parsed.alias is None:
        raise InvalidName(
            f"{selector!r} does not name an alias.",
            code="invalid_selector",
            hint="Write it as name@alias, for example support/reply@production.",
            field="selector",
        )
    return parsed.kind, parsed.name, parsed.alias


def version_place(selector: str, *, required: bool = False) -> tuple[str, str, int | None]:
    """Kind, name and number of a selector that names an artifact or one of its versions."""
    parsed = parse_selector(selector)
    if parsed.alias is not None or (required and parsed.version is None):
        raise InvalidName(
            f"{selector!r} does not name {'a version' if required else 'an artifact or version'}.",
            code="invalid_selector",
            hint="Write it as name:7" + ("." if required else ", or as the name alone."),
            field="selector",
        )
    return parsed.kind, parsed.name, parsed.version


def publish_request(item: Mapping[str, Any]) -> Publish:
    """The request that one item of a bulk publish spells, by the parameters of `publish`."""
    _known(item, _PUBLISH)
    for needed in ("name", "content"):
        if needed not in item:
            raise _missing(needed)
    values = dict(item)
    values["dependencies"] = tuple(
        one if isinstance(one, Dependency) else _dependency(one)
        for one in item.get("dependencies", ())
    )
    values["aliases"] = check_list(item.get("aliases", ()), field="aliases")
    values["tags"] = dict(item.get("tags") or {})
    return Publish(**values)


def _dependency(item: Mapping[str, Any]) -> Dependency:
    return Dependency(item["relation"], item["selector"], item.get("variable", ""))


def wish(move: Mapping[str, Any]) -> Wish:
    """The move that one item of a release spells: exactly one of version, split, delete."""
    _known(move, _MOVE)
    for needed in ("name", "alias"):
        if needed not in move:
            raise _missing(needed)
    return Wish(
        kind=check_kind(move.get("kind", "prompt")),
        name=check_name(move["name"]),
        alias=check_alias(move["alias"]),
        to=target(move.get("version"), move.get("split"), delete=bool(move.get("delete"))),
        if_revision=move.get("if_revision"),
    )


def change_proposal(given: Mapping[str, Any]) -> Proposal:
    """The change that the parameters of `propose` spell; times are datetimes."""
    values = dict(given)
    values["moves"] = tuple(proposed_move(one) for one in given["moves"])
    for name in ("apply_at", "expires_at"):
        at = given.get(name)
        values[name] = None if at is None else micros(at)
    return Proposal(**values)


def proposed_move(move: Mapping[str, Any]) -> Wanted:
    """The move that one item of a change spells."""
    given = {key: value for key, value in move.items() if value is not None}
    source = given.pop("from_alias", None)
    if source is None:
        plain = wish(given)
        return Wanted(plain.kind, plain.name, plain.alias, plain.to)
    if {"version", "split"} & given.keys() or given.get("delete"):
        raise InvalidInput(
            "A move needs exactly one of version, split, delete and from_alias.",
            code="invalid_target",
            hint='For example {"from_alias": "staging"}.',
            field="from_alias",
        )
    plain = wish({**given, "delete": True})
    selector = Selector(check_kind(plain.kind), plain.name, alias=check_alias(source))
    return Wanted(plain.kind, plain.name, plain.alias, None, selector)


def target(
    version: int | None, weights: Mapping[Any, int] | None, *, delete: bool = False
) -> Target | None:
    """The target that is asked for: a version, a split, or none where `delete`."""
    given = [version is not None, weights is not None, delete]
    if sum(given) != 1:
        raise InvalidInput(
            "A move needs exactly one of version, split and delete.",
            code="invalid_target",
            hint='For example {"version": 7}.',
            field="version",
        )
    if version is not None:
        return single(check_version_number(version))
    if weights is not None:
        arms = {_number(number): weight for number, weight in weights.items()}
        if len(arms) != len(weights):
            raise InvalidInput(
                "The split names a version twice.",
                code="invalid_split",
                hint="Give each version one weight.",
                field="split",
            )
        return split(arms)
    return None


def evaluation_request(
    selector: str,
    *,
    alias: str = asking.DEFAULT_ALIAS,
    against: int | None = None,
    suites: Sequence[str] = (),
    affected: bool = False,
    fresh: bool = False,
    again: bool = False,
    budget_calls: int | None = None,
    budget_money: float | None = None,
) -> asking.Request:
    """The request that the parameters of `evaluate` spell."""
    wanted = parse_selector(selector)
    if wanted.kind not in EVALUATED:
        raise InvalidInput(
            f"A {wanted.kind} is not evaluated: it is what others are evaluated with.",
            code="not_evaluated",
            hint=f"Name a {' or a '.join(EVALUATED)}.",
            field="selector",
        )
    named = tuple(dict.fromkeys(check_list(suites, field="suites")))
    if len(named) > MAX_SUITES:
        raise TooLarge(
            f"{len(named):,} suites are named.",
            code="too_large",
            hint=f"Name at most {MAX_SUITES} at once, or none for those that have the alias.",
            field="suites",
        )
    return asking.Request(
        selector=wanted,
        alias=check_alias(alias),
        against=None if against is None else check_version_number(against, field="against"),
        suites=named,
        affected=affected,
        fresh=fresh,
        again=again,
        budget_calls=budget_calls,
        budget_money=budget_money,
    )


def search_query(
    *,
    kind: str | None = None,
    folder: str = "",
    name: str = "",
    text: str = "",
    tags: str = "",
    with_aliases: Sequence[str] = (),
    without_aliases: Sequence[str] = (),
    author: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    archived: bool | None = False,
    order: str = "name",
) -> Query:
    """The query that the parameters of `search` spell."""
    if order not in get_args(Order):
        raise InvalidInput(
            f"{order!r} is not an order.",
            code="invalid_order",
            hint="Order by name, created or updated.",
            field="order",
        )
    return Query(
        kind=None if kind is None else check_kind(kind),
        folder=check_name(folder.strip("/"), field="folder") if folder.strip("/") else "",
        name=check_text(name, field="name", max_chars=MAX_NAME),
        text=check_text(text, field="text", max_chars=MAX_TEXT),
        tags=parse_tags(check_text(tags, field="tags")) if tags.strip() else None,
        with_aliases=tuple(
            check_alias(one) for one in check_list(with_aliases, field="with_aliases")
        ),
        without_aliases=tuple(
            check_alias(one) for one in check_list(without_aliases, field="without_aliases")
        ),
        author=check_text(author, field="author", max_chars=MAX_TEXT),
        since=None if since is None else micros(since),
        until=None if until is None else micros(until),
        archived=archived,
        order=order,  # type: ignore[arg-type]
    )


def _number(text: Any) -> int:
    if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 12:
        return check_version_number(int(text), field="split")
    return check_version_number(text, field="split")


def _known(item: Mapping[str, Any], allowed: set[str]) -> None:
    unknown = sorted(set(item) - allowed)
    if unknown:
        raise InvalidInput(
            f"There is no field {unknown[0]!r}.",
            code="unknown_field",
            hint=f"The fields are {', '.join(sorted(allowed))}.",
            field=unknown[0],
        )


def _missing(field: str) -> InvalidInput:
    return InvalidInput(f"The field {field!r} is missing.", code="missing_field", field=field)
