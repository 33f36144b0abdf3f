"""Policies as people write them: JSON or YAML, checked field by field.

Every field but the name may be left out; what is unknown or of the wrong type is refused with
its place. `write_policy` leaves out what is as it would be anyhow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pointsman.core.access import ROLES
from pointsman.core.canonical import check_text, quoted
from pointsman.core.names import check_kind
from pointsman.core.patterns import check_pattern
from pointsman.core.policy import DAYS, EVALUATES, Freeze, Policy, Who
from pointsman.core.selectors import parse_selector
from pointsman.errors import InvalidInput, PointsmanError

T = TypeVar("T")

MAX_APPROVALS: Final = 20
MAX_SECONDS: Final = 366 * 24 * 3600
MAX_LIST: Final = 50
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CLOCK: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_CHECK: Final = re.compile(r"[^\x00-\x1f\x7f]{1,100}")


def read_policy(value: Any) -> Policy:
    """The policy that a JSON object spells. Raises `InvalidInput` naming the field."""
    given = _object(value, "policy", {one.name for one in fields(Policy)})
    name = given.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _wrong("name", "must be 1 to 64 letters, digits, dots, dashes or underscores")
    plain = Policy(name)
    return Policy(
        name=name,
        aliases=check_pattern(_text(given, "aliases", plain.aliases), field="aliases"),
        artifacts=check_pattern(_text(given, "artifacts", plain.artifacts), field="artifacts"),
        kind=check_kind(given["kind"]) if given.get("kind") else "",
        movers=_who(given, "movers", plain.movers),
        approvals=_number(given, "approvals", plain.approvals, MAX_APPROVALS),
        approvers=_who(given, "approvers", plain.approvers),
        self_approval=_flag(given, "self_approval", plain.self_approval),
        checks=_list(given, "checks", _check_name),
        reporters=_who(given, "reporters", plain.reporters),
        evaluate=_one_of(given, "evaluate", EVALUATES),  # type: ignore[arg-type]
        suites=_list(given, "suites", _suite),
        without_suite=_one_of(given, "without_suite", ("block", "warn")),  # type: ignore[arg-type]
        reason=_number(given, "reason", plain.reason, 1_000),
        cool_down=_number(given, "cool_down", plain.cool_down, MAX_SECONDS),
        freezes=_list(given, "freezes", _freeze),
        approvals_expire=_number(given, "approvals_expire", plain.approvals_expire, MAX_SECONDS),
        rollback=_one_of(given, "rollback", ("free", "governed")),  # type: ignore[arg-type]
        bypass=_who(given, "bypass", plain.bypass),
        instead=_one_of(given, "instead", ("refuse", "propose")),  # type: ignore[arg-type]
    )


def write_policy(policy: Policy) -> dict[str, Any]:
    """The policy as `read_policy` reads it."""
    plain = Policy(policy.name)
    written: dict[str, Any] = {"name": policy.name}
    for one in fields(Policy):
        value = getattr(policy, one.name)
        if one.name == "name" or value == getattr(plain, one.name):
            continue
        written[one.name] = _written(value)
    return written


def _written(value: Any) -> Any:
    if isinstance(value, Who | Freeze):
        parts = {one.name: _written(getattr(value, one.name)) for one in fields(value)}
        return {name: part for name, part in parts.items() if part not in ((), [], "", False)}
    if isinstance(value, tuple):
        return [_written(one) for one in value]
    return value


def _who(given: Mapping[str, Any], name: str, default: Who) -> Who:
    if name not in given:
        return default
    value = _object(given[name], name, {one.name for one in fields(Who)})
    roles = _list(value, "roles", lambda text, place: _role(text, place), name)
    return Who(
        roles=roles,  # type: ignore[arg-type]  # each was checked
        people=_list(value, "people", _person, name),
        groups=_list(value, "groups", _person, name),
        owners=_flag(value, "owners", False, name),
    )


def _role(text: Any, place: str) -> str:
    if text not in ROLES:
        raise _wrong(place, f"must be one of {', '.join(ROLES)}")
    return str(text)


def _person(text: Any, place: str) -> str:
    if not isinstance(text, str) or not 1 <= len(text) <= 254 or not text.isprintable():
        raise _wrong(place, "must be the e-mail address or name of somebody")
    return text.lower() if "@" in text else text


def _check_name(text: Any, place: str) -> str:
    if not isinstance(text, str) or not _CHECK.fullmatch(text) or text != text.strip():
        raise _wrong(place, "must be the name of a check, of 1 to 100 characters")
    return check_text(text, field=place)


def _suite(text: Any, place: str) -> str:
    try:
        selector = parse_selector(text, kind="suite")
    except PointsmanError as error:
        raise _wrong(place, "must be the selector of a suite") from error
    if selector.alias is None and selector.version is None:
        raise _wrong(place, "must name an alias or a version, or anybody could change what counts")
    return str(selector)


def _freeze(value: Any, place: str) -> Freeze:
    given = _object(value, place, {one.name for one in fields(Freeze)})
    zone = given.get("zone")
    if not isinstance(zone, str) or not _is_zone(zone):
        raise _wrong(f"{place}/zone", "must be an IANA time zone such as Europe/Berlin")
    days = _list(given, "days", _day, place)
    start, end = given.get("start"), given.get("end")
    for name, text in (("start", start), ("end", end)):
        if not isinstance(text, str) or not (_CLOCK.fullmatch(text) if days else _dated(text)):
            form = "HH:MM" if days else "a date and time such as 2026-12-24T18:00, without a zone"
            raise _wrong(f"{place}/{name}", f"must be {form}")
    assert isinstance(start, str)
    assert isinstance(end, str)
    if start == end or (not days and datetime.fromisoformat(end) <= datetime.fromisoformat(start)):
        raise _wrong(f"{place}/end", "must come after the start")
    if start == "24:00":
        raise _wrong(f"{place}/start", "must be a time of that day, from 00:00 to 23:59")
    note = given.get("note", "")
    if not isinstance(note, str) or len(note) > 200:
        raise _wrong(f"{place}/note", "must be a text of at most 200 characters")
    return Freeze(zone, start, end, days, check_text(note, field=f"{place}/note"))


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _dated(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is None and "T" in text
    except ValueError:
        return False


def _day(text: Any, place: str) -> str:
    if text not in DAYS:
        raise _wrong(place, f"must be one of {', '.join(DAYS)}")
    return str(text)


def _object(value: Any, place: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(place, "must be an object")
    for name in value:
        if name not in known:
            raise InvalidInput(
                f"{place} has no field {quoted(str(name))}.",
                code="unknown_field",
                hint=f"The fields are {', '.join(sorted(known))}.",
                field=str(name)[:100],
            )
    return value


def _list(
    given: Mapping[str, Any], name: str, read: Callable[[Any, str], T], within: str = ""
) -> tuple[T, ...]:
    value = given.get(name, ())
    place = f"{within}/{name}".lstrip("/")
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MAX_LIST:
        raise _wrong(place, f"must be a list of at most {MAX_LIST}")
    return tuple(dict.fromkeys(read(one, f"{place}/{n}") for n, one in enumerate(value)))


def _text(given: Mapping[str, Any], name: str, default: str) -> str:
    value = given.get(name, default)
    if not isinstance(value, str):
        raise _wrong(name, "must be text")
    return value


def _number(given: Mapping[str, Any], name: str, default: int, most: int) -> int:
    value = given.get(name, default)
    if type(value) is not int or not 0 <= value <= most:
        raise _wrong(name, f"must be a whole number from 0 to {most:,}")
    return value


def _flag(given: Mapping[str, Any], name: str, default: bool, within: str = "") -> bool:
    value = given.get(name, default)
    if type(value) is not bool:
        raise _wrong(f"{within}/{name}".lstrip("/"), "must be true or false")
    return value


def _one_of(given: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> str:
    value = given.get(name, choices[0])
    if value not in choices:
        raise _wrong(name, f"must be {' or '.join(choices)}")
    return str(value)


def _wrong(place: str, rule: str) -> InvalidInput:
    return InvalidInput(
        f"{place} {rule}.",
        code="invalid_policy",
        hint="`pointsman policy show` prints policies as they are written.",
        field=place,
    )
