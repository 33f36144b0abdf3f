"""What runs when a jinja2 template is rendered: a budget, and the operations that draw on it.

Everything costs: a step one unit, text and lists a unit for so many characters or items, at
least as much as the work they make. So time and memory are bounded by the budget, whatever
the template says, and no operation is begun that can't be paid for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

FUEL: Final = 1_000_000
MAX_OUTPUT: Final = 10_000_000
MAX_RANGE: Final = 100_000
MAX_DEPTH: Final = 64
MAX_NESTING: Final = 100
MAX_CALLS: Final = 25
MAX_BITS: Final = 1_024


class Stopped(Exception):
    """Rendering ends here: an operation doesn't suit its values, or a limit is exceeded."""

    def __init__(self, problem: str, code: str = "render_error") -> None:
        super().__init__(problem)
        self.problem = problem
        self.code = code


class Missing:
    """An undefined value: it may be asked whether it is defined, and nothing else."""

    __slots__ = ("what",)

    def __init__(self, what: str) -> None:
        self.what = what


class Namespace:
    """What ``namespace()`` makes: values that outlive the scope in which they are set."""

    __slots__ = ("values",)

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values


@dataclass(frozen=True, slots=True)
class Macro:
    """What ``{% macro %}`` makes."""

    name: str
    call: Callable[[Run, list[Any], dict[str, Any]], str]


class Loop:
    """The variable ``loop`` inside a for block."""

    __slots__ = ("index0", "items", "last_seen")

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self.index0 = -1
        self.last_seen: Any = self  # equal to nothing a template can hold

    def get(self, name: str) -> Any:
        """The value of ``loop.<name>``."""
        index, items = self.index0, self.items
        match name:
            case "index":
                return index + 1
            case "index0":
                return index
            case "revindex":
                return len(items) - index
            case "revindex0":
                return len(items) - index - 1
            case "first":
                return index == 0
            case "last":
                return index == len(items) - 1
            case "length":
                return len(items)
            case "depth":
                return 1  # only recursive loops go deeper
            case "depth0":
                return 0
            case "previtem" if index > 0:
                return items[index - 1]
            case "nextitem" if index < len(items) - 1:
                return items[index + 1]
        return Missing(f"loop.{name}")


class Run:
    """One rendering: the names in scope, what has been written, what is left to spend."""

    __slots__ = ("calls", "fuel", "line", "names", "out", "size")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.names: dict[str, Any] = dict(values)
        self.out: list[str] = []
        self.size = 0
        self.fuel = FUEL
        self.line = 1
        self.calls = 0

    def spend(self, units: int) -> None:
        """Pay for work about to be done."""
        self.fuel -= units + 1
        if self.fuel < 0:
            raise Stopped("rendering takes more steps than allowed", "render_limit")

    def write(self, text: str) -> None:
        """Put text out, or into what is being captured."""
        self.size += len(text)
        self.spend(len(text) >> 6)
        if self.size > MAX_OUTPUT:
            raise Stopped(f"the text exceeds {MAX_OUTPUT:,} characters", "render_limit")
        self.out.append(text)

    def room_for(self, characters: int) -> None:
        """Pay for a text about to be made."""
        if characters > MAX_OUTPUT:
            raise Stopped(f"a text would exceed {MAX_OUTPUT:,} characters", "render_limit")
        self.spend(characters >> 4)

    def weigh(self, value: Any, depth: int = MAX_DEPTH) -> int:
        """Pay for looking at all of a value once; the characters in it.

        A value may hold another many times over, so what it weighs can be exponential in
        what it took to make it; this walk is where that ends.
        """
        if isinstance(value, str):
            self.spend(len(value) >> 4)
            return len(value)
        if value is None or isinstance(value, (bool, int, float)):
            self.spend(0)
            return 8
        if not depth:
            raise Stopped("a value is nested too deeply", "render_limit")
        if isinstance(value, (list, tuple)):
            self.spend(len(value))
            return sum([self.weigh(item, depth - 1) for item in value])
        if not isinstance(value, dict):
            refuse(value, "be used as a value")
        self.spend(2 * len(value))
        return sum([len(key) + self.weigh(item, depth - 1) for key, item in value.items()])

    def text(self, value: Any) -> str:
        """What a value reads like, by Jinja2's rules."""
        if isinstance(value, str):
            return value
        self.weigh(value)
        return str(value)

    def items(self, value: Any) -> list[Any]:
        """What a loop over a value goes through."""
        if not isinstance(value, (list, tuple, dict, str)):
            refuse(value, "be looped over")
        self.spend(len(value) >> 2)
        return list(value)

    def truth(self, value: Any) -> bool:
        """Whether a value counts as true."""
        if isinstance(value, Missing):
            refuse(value, "be tested")
        return bool(value)


def refuse(value: Any, use: str) -> NoReturn:
    """End rendering because a value can't be used so."""
    if isinstance(value, Missing):
        raise Stopped(f"{value.what} is undefined", "undefined")
    raise Stopped(f"{kind_of(value)} can't {use}")


def kind_of(value: Any) -> str:
    """What a value is, in the words of a template's author."""
    return _KINDS.get(type(value), "that")


# -- operators


def attribute(run: Run, value: Any, name: Any) -> Any:
    """``value.name`` and ``value["name"]``: keys, items and nothing else."""
    run.spend(0)
    if isinstance(value, dict):
        if isinstance(name, (str, int, float)) and name in value:
            return value[name]
    elif isinstance(value, (list, tuple, str)):
        if (
            isinstance(name, int)
            and not isinstance(name, bool)
            and -len(value) <= name < len(value)
        ):
            return value[name]
    elif isinstance(value, Loop):
        return value.get(str(name))
    elif isinstance(value, Namespace) and isinstance(name, str) and name in value.values:
        return value.values[name]
    elif isinstance(value, Missing):
        refuse(value, "")
    shown = f"{name[:80]!r}" if isinstance(name, str) else str(name)[:80]
    return Missing(f"the key {shown} of {kind_of(value)}")


def cut(run: Run, value: Any, start: Any, stop: Any, step: Any) -> Any:
    """``value[start:stop:step]``."""
    if not isinstance(value, (list, tuple, str)):
        refuse(value, "be sliced")
    for part in (start, stop, step):
        if part is not None and not isinstance(part, int):
            refuse(part, "be the bound of a slice")
    if step == 0:
        raise Stopped("a slice can't go on in steps of 0")
    run.spend(len(value) >> 2)
    return value[start:stop:step]


def add(run: Run, left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        run.room_for(len(left) + len(right))
        return left + right
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        run.spend(len(left) + len(right))
        return [*left, *right]
    _numbers(left, right, "be added")
    return _computed(lambda: left + right)


def subtract(run: Run, left: Any, right: Any) -> Any:
    _numbers(left, right, "be subtracted")
    return _computed(lambda: left - right)


def multiply(run: Run, left: Any, right: Any) -> Any:
    if isinstance(right, (str, list, tuple)):
        left, right = right, left
    if isinstance(left, (str, list, tuple)):
        if not isinstance(right, int):
            refuse(right, "repeat anything")
        size = len(left) * max(right, 0)
        if isinstance(left, str):
            run.room_for(size)
        else:
            run.spend(size)
        return left * right
    _numbers(left, right, "be multiplied")
    return _computed(lambda: left * right)


def divide(run: Run, left: Any, right: Any) -> Any:
    _numbers(left, right, "be divided")
    return _computed(lambda: left / right)


def floor_divide(run: Run, left: Any, right: Any) -> Any:
    _numbers(left, right, "be divided")
    return _computed(lambda: left // right)


def modulo(run: Run, left: Any, right: Any) -> Any:
    _numbers(left, right, "be divided")
    return _computed(lambda: left % right)


def power(run: Run, left: Any, right: Any) -> Any:
    _numbers(left, right, "be a power")
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * right > MAX_BITS:
        raise Stopped("a number is too large", "render_limit")
    result = _computed(lambda: left**right)
    if isinstance(result, complex):
        raise Stopped("the root of a negative number is not a number")
    return result


def negate(run: Run, value: Any) -> Any:
    _numbers(value, 0, "be negated")
    return -value


def plus(run: Run, value: Any) -> Any:
    _numbers(value, 0, "have a sign")
    return value


def compare(run: Run, operator: str, left: Any, right: Any) -> bool:
    """One comparison: eq, ne, lt, lteq, gt, gteq, in, notin."""
    for value in (left, right):
        if not isinstance(value, (int, float, type(None))):
            run.weigh(value)
    try:
        match operator:
            case "eq":
                return bool(left == right)
            case "ne":
                return bool(left != right)
            case "lt":
                return bool(left < right)
            case "lteq":
                return bool(left <= right)
            case "gt":
                return bool(left > right)
            case "gteq":
                return bool(left >= right)
            case "in":
                return bool(left in right)
            case _:
                return left not in right
    except TypeError:
        raise Stopped(f"{kind_of(left)} and {kind_of(right)} can't be compared so") from None


def _numbers(left: Any, right: Any, use: str) -> None:
    for value in (left, right):
        if not isinstance(value, (int, float)):
            refuse(value, use)


def _computed(compute: Callable[[], Any]) -> Any:
    try:
        number = compute()
    except ZeroDivisionError:
        raise Stopped("division by zero") from None
    except OverflowError:
        raise Stopped("a number is too large", "render_limit") from None
    if isinstance(number, int) and number.bit_length() > MAX_BITS:
        raise Stopped("a number is too large", "render_limit")
    return number


_KINDS: Final = {
    str: "text",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "a list",
    tuple: "a list",
    dict: "an object",
    type(None): "none",
    Namespace: "a namespace",
    Loop: "loop",
    Macro: "a macro",
}
