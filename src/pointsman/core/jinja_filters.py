"""The filters of the jinja2 format, each paid for before it works.

abs, batch, capitalize, count, d, default, dictsort, e, escape, first, float, format, indent,
int, items, join, last, length, list, lower, map, max, min, reject, rejectattr, replace,
reverse, round, safe, select, selectattr, sort, string, sum, title, tojson, trim, truncate,
unique, upper, wordcount. They do what Jinja2's do, ``tojson`` excepted.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any, Final

from pointsman.core.jinja_methods import TESTS, Function, guarded, joined, paid, replaced
from pointsman.core.jinja_runtime import Missing, Run, add, attribute, refuse

FILTERS: Final[dict[str, Function]] = {}


def _filter(*names: str) -> Callable[[Function], Function]:
    def register(work: Function) -> Function:
        for name in names:
            FILTERS[name] = guarded(name, work)
        return work

    return register


# -- filters of text


def _of_text(name: str, work: Callable[[str], Any]) -> None:
    FILTERS[name] = guarded(name, lambda run, value: work(paid(run, value)))


_of_text("upper", str.upper)
_of_text("lower", str.lower)
_of_text("capitalize", str.capitalize)
_of_text("string", str)
_of_text("safe", str)
_of_text("wordcount", lambda text: len(re.findall(r"\w+", text)))
_of_text(
    "title",
    lambda text: "".join(
        [part[:1].upper() + part[1:].lower() for part in re.split(r"([-\s({\[<]+)", text) if part]
    ),
)


@_filter("escape", "e")
def _escape(run: Run, value: Any) -> str:
    text = run.text(value)
    run.room_for(6 * len(text))
    return html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")


@_filter("trim")
def _trim(run: Run, value: Any, chars: str | None = None) -> str:
    return paid(run, value).strip(chars)


@_filter("replace")
def _replace(run: Run, value: Any, old: Any, new: Any, count: int = -1) -> str:
    return replaced(run, paid(run, value), run.text(old), run.text(new), count)


@_filter("indent")
def _indent(run: Run, value: Any, width: Any = 4, first: bool = False, blank: bool = False) -> str:
    text = run.text(value)
    lines = text.count("\n") + 1
    run.room_for(len(text) + lines * (width if isinstance(width, int) else len(width)))
    margin = " " * width if isinstance(width, int) else str(width)
    rows = (text + "\n").splitlines()
    head = rows[:1]
    tail = [margin + row if row or blank else row for row in rows[1:]]
    return (margin if first else "") + "\n".join(head + tail)


@_filter("truncate")
def _truncate(
    run: Run,
    value: Any,
    length: int = 255,
    killwords: bool = False,
    end: str = "...",
    leeway: int = 5,
) -> str:
    text = paid(run, value)
    if length < len(end):
        raise ValueError
    if len(text) <= length + leeway:
        return text
    kept = text[: length - len(end)]
    return (kept if killwords else kept.rsplit(" ", 1)[0]) + end


@_filter("format")
def _format(run: Run, value: Any, *given: Any) -> str:
    text = run.text(value)
    if not _FORMAT.fullmatch(text):
        raise ValueError
    if not all(isinstance(item, (str, int, float)) for item in given):
        raise TypeError
    run.room_for(len(text) * 2 + sum(len(run.text(item)) + 1000 for item in given))
    return text % given


@_filter("tojson")
def _tojson(run: Run, value: Any, indent: int | None = None) -> str:
    characters = run.weigh(value)
    if indent is not None and not 0 <= indent <= 16:
        raise ValueError
    run.room_for(2 * characters)
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    run.room_for(len(text))
    return text


_FORMAT: Final = re.compile(
    r"(?:[^%]++|%%|%[-+ 0#]{0,3}[0-9]{0,3}(?:\.[0-9]{1,2})?[sdifgxX])*", re.DOTALL
)


# -- filters of numbers


@_filter("abs")
def _abs(run: Run, value: Any) -> Any:
    return abs(value)


@_filter("int")
def _int(run: Run, value: Any, default: int = 0, base: int = 10) -> int:
    try:
        if isinstance(value, str):
            return _small(int(value[:400], base))
        return int(value)
    except (TypeError, ValueError, OverflowError):
        try:
            return int(float(value))
        except (TypeError, ValueError, OverflowError):
            return default


def _small(number: int) -> int:
    if number.bit_length() > 1024:
        raise ValueError
    return number


@_filter("float")
def _float(run: Run, value: Any, default: float = 0.0) -> float:
    try:
        return float(value[:400] if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        return default


@_filter("round")
def _round(run: Run, value: Any, precision: int = 0, method: str = "common") -> float:
    if (
        not isinstance(value, (int, float))
        or abs(precision) > 100
        or method not in ("common", "ceil", "floor")
    ):
        raise ValueError
    if method == "common":
        return round(value, precision)
    scaled = value * 10**precision
    whole = -(-scaled // 1) if method == "ceil" else scaled // 1
    return float(whole / 10**precision)


# -- filters of lists and objects


@_filter("default", "d")
def _default(run: Run, value: Any, fallback: Any = "", boolean: bool = False) -> Any:
    if isinstance(value, Missing) or (boolean and not value):
        return fallback
    return value


@_filter("length", "count")
def _length(run: Run, value: Any) -> int:
    return len(value)


@_filter("list")
def _list(run: Run, value: Any) -> list[Any]:
    return run.items(value)


@_filter("items")
def _items(run: Run, value: Any) -> list[Any]:
    run.spend(2 * len(value))
    return list(value.items())


@_filter("first")
def _first(run: Run, value: Any) -> Any:
    items = run.items(value)
    return items[0] if items else Missing("the first item of an empty list")


@_filter("last")
def _last(run: Run, value: Any) -> Any:
    items = run.items(value)
    return items[-1] if items else Missing("the last item of an empty list")


@_filter("reverse")
def _reverse(run: Run, value: Any) -> Any:
    items = run.items(value)[::-1]
    return "".join(items) if isinstance(value, str) else items


@_filter("join")
def _join(run: Run, value: Any, d: Any = "", attribute: Any = None) -> str:
    return joined(run, run.text(d), [_dig(run, item, attribute) for item in run.items(value)])


@_filter("batch")
def _batch(run: Run, value: Any, linecount: int, fill_with: Any = None) -> list[Any]:
    if not 1 <= linecount <= 100_000:
        raise ValueError
    items = run.items(value)
    rows = [items[start : start + linecount] for start in range(0, len(items), linecount)]
    if rows and fill_with is not None:
        run.spend(linecount)
        rows[-1] += [fill_with] * (linecount - len(rows[-1]))
    return rows


@_filter("sum")
def _sum(run: Run, value: Any, attribute: Any = None, start: Any = 0) -> Any:
    total = start
    for item in run.items(value):
        run.spend(0)
        total = add(run, total, _dig(run, item, attribute))
    return total


@_filter("sort")
def _sort(
    run: Run,
    value: Any,
    reverse: bool = False,
    case_sensitive: bool = False,
    attribute: Any = None,
) -> list[Any]:
    return _ordered(run, run.items(value), attribute, case_sensitive, reverse)


@_filter("dictsort")
def _dictsort(
    run: Run, value: Any, case_sensitive: bool = False, by: str = "key", reverse: bool = False
) -> list[Any]:
    if by not in ("key", "value"):
        raise ValueError
    return _ordered(run, list(value.items()), int(by == "value"), case_sensitive, reverse)


@_filter("unique")
def _unique(run: Run, value: Any, case_sensitive: bool = False, attribute: Any = None) -> Any:
    kept: dict[Any, Any] = {}
    for item in run.items(value):
        key = _folded(run, _dig(run, item, attribute), case_sensitive)
        kept.setdefault(key if isinstance(key, str) else (type(key), run.text(key)), item)
    return list(kept.values())


@_filter("min")
def _min(run: Run, value: Any, case_sensitive: bool = False, attribute: Any = None) -> Any:
    items = _ordered(run, run.items(value), attribute, case_sensitive, reverse=False)
    return items[0] if items else Missing("the least of an empty list")


@_filter("max")
def _max(run: Run, value: Any, case_sensitive: bool = False, attribute: Any = None) -> Any:
    items = _ordered(run, run.items(value), attribute, case_sensitive, reverse=True)
    return items[0] if items else Missing("the greatest of an empty list")


@_filter("map")
def _map(run: Run, value: Any, *given: Any, **named: Any) -> list[Any]:
    items = run.items(value)
    if not given:
        fallback = named.get("default")
        found = [_dig(run, item, named["attribute"]) for item in items]
        if "default" in named:
            return [fallback if isinstance(item, Missing) else item for item in found]
        return found
    work = FILTERS[given[0]]
    return [work(run, item, *given[1:], **named) for item in items]


@_filter("select")
def _select(run: Run, value: Any, *given: Any) -> list[Any]:
    return [item for item in run.items(value) if _passes(run, item, given)]


@_filter("reject")
def _reject(run: Run, value: Any, *given: Any) -> list[Any]:
    return [item for item in run.items(value) if not _passes(run, item, given)]


@_filter("selectattr")
def _selectattr(run: Run, value: Any, name: Any, *given: Any) -> list[Any]:
    return [item for item in run.items(value) if _passes(run, _dig(run, item, name), given)]


@_filter("rejectattr")
def _rejectattr(run: Run, value: Any, name: Any, *given: Any) -> list[Any]:
    return [item for item in run.items(value) if not _passes(run, _dig(run, item, name), given)]


def _passes(run: Run, value: Any, given: tuple[Any, ...]) -> bool:
    if not given:
        return not isinstance(value, Missing) and bool(value)
    if given[0] in ("defined", "undefined"):
        return isinstance(value, Missing) is (given[0] == "undefined")
    return run.truth(TESTS[given[0]](run, value, *given[1:]))


def _dig(run: Run, value: Any, path: Any) -> Any:
    """What a path of keys and numbers, ``a.b.0``, leads to; the value itself without one."""
    if path is None:
        return value
    for step in str(path).split("."):
        value = attribute(run, value, int(step) if step.isdecimal() else step)
    return value


def _folded(run: Run, value: Any, case_sensitive: bool) -> Any:
    if isinstance(value, Missing):
        refuse(value, "")
    if isinstance(value, str) and not case_sensitive:
        run.spend(len(value) >> 4)
        return value.lower()
    return value


def _ordered(
    run: Run, items: list[Any], path: Any, case_sensitive: bool, reverse: bool
) -> list[Any]:
    keys = [
        [_folded(run, _dig(run, item, step), case_sensitive) for step in str(path).split(",")]
        if isinstance(path, str)
        else _folded(run, _dig(run, item, path), case_sensitive)
        for item in items
    ]
    rounds = len(items).bit_length()
    run.spend((run.weigh(keys) >> 4) * rounds + len(items) * rounds)
    order = sorted(range(len(items)), key=keys.__getitem__, reverse=reverse)
    return [items[index] for index in order]
