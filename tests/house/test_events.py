"""The types of events: the list that webhooks are checked against is what is recorded."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from house.source_tree import ROOT, Module, listed, modules
from pointsman.core.events import SIGNED, TYPES, TYPES_OF_INSTALLATION
from pointsman.core.patterns import matches

PASSED_ON = {"src/pointsman/app/application.py"}
"""Where the type is a parameter."""


def test_every_type_that_is_recorded_is_in_the_list_and_no_other() -> None:
    recorded = {text for module in modules() for text in _recorded(module)}
    assert {"alias.moved", "artifact.archived", "change.applied", "project.created"} <= recorded
    of_projects = {one for one in recorded if not _of_installation(one)}
    hint = "Add them to TYPES in core/events.py, and to docs/webhooks.md."
    assert not of_projects - set(TYPES), f"{sorted(of_projects - set(TYPES))}: {hint}"
    assert not set(TYPES) - of_projects, f"never recorded: {sorted(set(TYPES) - of_projects)}"


def test_every_pattern_of_the_installation_s_is_of_something_recorded() -> None:
    recorded = {text for module in modules() for text in _recorded(module)}
    unused = [
        pattern
        for pattern in TYPES_OF_INSTALLATION
        if not any(matches(pattern, one) for one in recorded)
    ]
    assert not unused, listed(unused)


def test_the_documentation_lists_them() -> None:
    text = (ROOT / "docs" / "webhooks.md").read_text("utf-8")
    missing = [one for one in (*TYPES, SIGNED) if f"`{one}`" not in text]
    assert not missing, listed(missing)


def test_a_checkpoint_is_no_entry() -> None:
    assert SIGNED not in TYPES


def _of_installation(recorded: str) -> bool:
    return any(matches(pattern, recorded) for pattern in TYPES_OF_INSTALLATION)


def _recorded(module: Module) -> Iterator[str]:
    """The types in the calls of `record` and `follow`, with what their names are assigned."""
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or module.place in PASSED_ON:
            continue
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        types = [word.value for word in node.keywords if word.arg == "type"]
        if called == "record" and isinstance(node.func, ast.Attribute) and node.args:
            types = [node.args[0]]
        elif called != "follow":
            continue
        for given in types:
            found = list(_spelt(given, module))
            assert found, f"{module.place}:{node.lineno}: {ast.unparse(given)} can't be followed"
            yield from found


def _spelt(given: ast.expr, module: Module) -> Iterator[str]:
    """The texts that an expression can be."""
    match given:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=other):
            yield from _spelt(body, module)
            yield from _spelt(other, module)
        case ast.Subscript(value=table):
            yield from _spelt(table, module)
        case ast.Dict(values=values):
            for value in values:
                yield from _spelt(value, module)
        case ast.Name(id=name):
            for node in ast.walk(module.tree):
                match node:
                    case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                        yield from _spelt(value, module)
