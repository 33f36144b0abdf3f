"""Errors: one tree that is drawn as it is, and codes that mean one thing each."""

from __future__ import annotations

import ast
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from house.source_tree import Module, listed, modules
from pointsman import errors
from pointsman.errors import PointsmanError
from pointsman.wire.native.errors import problem_of

CLASSES = {
    name: cls
    for name, cls in vars(errors).items()
    if inspect.isclass(cls) and issubclass(cls, PointsmanError)
}
_CODE = re.compile(r"[a-z]+(_[a-z0-9]+)*")
_DRAWN = re.compile(r"^ {4}(?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+)", re.MULTILINE)

PASSED_ON = {
    "src/pointsman/sdk/calls.py",  # rebuilds what the registry raised
    "src/pointsman/wire/native/errors.py",  # writes it down for that
}
"""Where a code is taken over from an error, a reason or an answer that has one."""


def test_the_tree_is_drawn_as_it_is() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for match in _DRAWN.finditer(errors.__doc__ or ""):
        depth = len(match["branch"]) // 4
        above[depth:] = [match["name"]]
        drawn[match["name"]] = above[depth - 1] if depth else "Exception"
    assert drawn == {name: cls.__bases__[0].__name__ for name, cls in CLASSES.items()}


def test_every_error_is_exported() -> None:
    assert {*CLASSES, "Reason"} == set(errors.__all__)


def test_every_error_has_a_code_and_says_what_it_is() -> None:
    codes = [cls.default_code for cls in CLASSES.values()]
    assert len(codes) == len(set(codes))
    assert all(_CODE.fullmatch(code) for code in codes)
    assert all(cls.__doc__ for cls in CLASSES.values())


def test_codes_are_literal_words() -> None:
    wrong = []
    for module in modules():
        for made in _made_with_codes(module):
            codes = list(_spelt(made.code, module))
            if not codes and not made.passed_on and module.place not in PASSED_ON:
                wrong.append(f"{made.place}: {made.name}(code={ast.unparse(made.code)})")
            wrong += [f"{made.place}: {code!r}" for code in codes if not _CODE.fullmatch(code)]
    assert not wrong, listed(wrong)


def test_a_code_is_answered_with_one_status_only() -> None:
    statuses: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for name, cls in CLASSES.items():
        statuses[cls.default_code][_status(cls, "")] = name
    for module in modules():
        for made in _made_with_codes(module):
            if made.name in CLASSES:
                for code in _spelt(made.code, module):
                    status = _status(CLASSES[made.name], code)
                    statuses[code].setdefault(status, f"{made.name} in {made.place}")
    wrong = [
        f"{code}: " + ", ".join(f"{status} ({place})" for status, place in found.items())
        for code, found in statuses.items()
        if len(found) > 1
    ]
    assert not wrong, listed(wrong)


@dataclass(frozen=True)
class Made:
    """An error or a reason that is made with a code."""

    name: str
    place: str
    code: ast.expr
    passed_on: bool
    """Whether the code is another error's, or what a helper was given."""


def _made_with_codes(module: Module) -> Iterator[Made]:
    for node, given in _calls(module.tree, frozenset()):
        function = node.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in CLASSES or name == "Reason":
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            code = named.get("code") or (node.args[0] if name == "Reason" and node.args else None)
            if code is not None and not isinstance(code, ast.Starred):
                yield Made(name, f"{module.place}:{node.lineno}", code, _is_taken(code, given))


def _calls(node: ast.AST, given: frozenset[str]) -> Iterator[tuple[ast.Call, frozenset[str]]]:
    """Every call, with the parameters of the functions around it."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = node.args
        every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
        given |= {argument.arg for argument in every}
    if isinstance(node, ast.Call):
        yield node, given
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, given)


def _is_taken(code: ast.expr, given: frozenset[str]) -> bool:
    match code:
        case ast.Name(id=name):
            return name in given
        case ast.IfExp(body=body, orelse=other):
            return all(_is_taken(one, given) or _is_empty(one) for one in (body, other))
    return isinstance(code, ast.Attribute) and code.attr in ("code", "default_code")


def _is_empty(code: ast.expr) -> bool:
    return isinstance(code, ast.Constant) and code.value == ""


def _spelt(code: ast.expr, module: Module) -> Iterator[str]:
    """The codes that an expression can be: for a name, whatever the module assigns to it."""
    match code:
        case ast.Constant(value=str(text)) if text:
            yield text
        case ast.IfExp(body=body, orelse=other):
            yield from _spelt(body, module)
            yield from _spelt(other, module)
        case ast.Name(id=name):
            for node in ast.walk(module.tree):
                match node:
                    case (
                        ast.Assign(targets=[ast.Name(id=target)], value=value)
                        | ast.AnnAssign(target=ast.Name(id=target), value=ast.Constant() as value)
                    ) if target == name:
                        yield from _spelt(value, module)


def _status(cls: type[PointsmanError], code: str) -> int:
    return problem_of(cls("", code=code), "")[0]
