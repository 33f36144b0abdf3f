"""One door: nobody but `app.releases` moves an alias, and every way to it is a known one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doors import DOORS, EMBEDDED, TRIED
from house.source_tree import Module, listed, modules

_USE_CASES = {
    "releases": {"release", "roll_back_alias", "roll_back_release", "carry_out"},
    "publishing": {"publish", "publish_many"},
    "changes": {"apply"},
    "proposing": {"release_or_propose"},
}
"""The use cases that reach `releases.carry_out`."""


def test_only_the_door_writes_an_alias() -> None:
    wrong = [
        f"{module.place}:{node.lineno}"
        for module in modules()
        if module.room != "storage" and module.name != "pointsman.app.releases"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr == "put_alias"
    ]
    assert not wrong, listed(wrong)


def test_every_use_case_that_reaches_the_door_is_known() -> None:
    """Whoever calls `carry_out`, or a use case that does, is in the list above."""
    known = {
        f"pointsman.app.{module}:{name}" for module, names in _USE_CASES.items() for name in names
    }
    inside = {
        where
        for where in _reaching("app")
        if where not in {"pointsman.app.publishing:_move_aliases", "pointsman.app.applying:_apply"}
    }
    assert inside <= known, listed(sorted(inside - known))


def test_every_surface_that_reaches_the_door_is_tried() -> None:
    outside = {
        where
        for room in {module.room for module in modules()} - {"app", "core", "storage"}
        for where in _reaching(room)
    }
    assert outside == set(DOORS), listed(sorted(outside ^ set(DOORS)))
    tried = {way for ways in DOORS.values() for way in ways}
    assert tried <= TRIED.keys() | EMBEDDED.keys()


def _reaching(room: str) -> set[str]:
    """The functions of a room that call a use case which moves aliases: `module:function`."""
    return {
        f"{module.name}:{name}"
        for module in modules()
        if module.room == room
        for name in _callers(module)
    }


def _callers(module: Module) -> Iterator[str]:
    bodies = [module.tree.body]
    bodies += [node.body for node in module.tree.body if isinstance(node, ast.ClassDef)]
    for function in (node for body in bodies for node in body):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            match node:
                case ast.Attribute(value=ast.Name(id=owner), attr=name) if name in _USE_CASES.get(
                    owner, ()
                ):
                    yield function.name
