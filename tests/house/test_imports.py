"""Who may import whom: the rooms of the house, and the packages of others.

Every import counts: in a function, under TYPE_CHECKING, or by a name in a string.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.metadata import packages_distributions

import pytest

from house.source_tree import PACKAGE, ROOT, Import, Module, is_module, listed, modules, room_of

MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "app": {"core"},
    "storage": {"core", "app.ports"},
    "evals": {"core", "app"},
    "wire": {"app", "core"},
    "web": {"app", "core"},
    "sdk": {"core"},
    # What `compose.Registry` answers, topic by topic; `record` joins the command line to backups,
    # `evaluations` runs what waits in this process.
    "embedded": {"app", "core", "storage", "evals"},
    "compose": {"app", "core", "storage", "sdk", "embedded"},
    "server": {"compose", "app", "core", "evals", "wire", "web"},
    "cli": {"sdk", "compose", "embedded", "server", "core"},
    # The package itself: what it exports, imported when it is asked for.
    "": {"sdk", "compose", "core"},
    "__main__": {"cli"},
    "errors": set(),
    "_version": set(),
}
"""Each room may import itself, `errors`, `_version`, and these; the reason for each is in
docs/architecture.md."""

FOR_ALL = {"errors", "_version"}

EXTRAS: dict[str, set[str]] = {
    "core": {"jinja2", "types"},
    # Single sign-on is imported only where it is set up.
    "app": {"", "server", "oidc"},
    # Models, scorers and file formats that an evaluation names are imported when it runs.
    "evals": {"", "server", "llm", "autoevals", "parquet"},
    "sdk": {"", "jinja2", "types", "otel"},
    # Datasets from Parquet files are read when one is published.
    "cli": {"", "cli", "parquet"},
    "": set(),
    "errors": set(),
    "_version": set(),
}
"""Whose packages a room may import: of these extras, `""` for what is always installed. The
other rooms run only where the extra `server` is installed, and may import what that brings."""


def test_rooms_import_only_what_they_may() -> None:
    wrong = [
        f"{module.place}:{found.line}: {module.room or PACKAGE} imports {found.target}"
        for module in modules()
        for found in module.imports()
        if found.top == PACKAGE and not _allowed(module, found)
    ]
    assert not wrong, listed(wrong)


def test_adapters_do_not_import_each_other() -> None:
    wrong = []
    for module in modules():
        for found in module.imports():
            mine, theirs = _adapter(module.name), _adapter(found.target)
            if mine and theirs and mine != theirs:
                wrong.append(f"{module.place}:{found.line}: {mine} imports {found.target}")
    assert not wrong, listed(wrong)


def test_every_room_has_its_rule() -> None:
    assert {module.room for module in modules()} <= MAY_IMPORT.keys()


def test_imports_from_the_package_lead_to_a_module() -> None:
    wrong = [
        f"{module.place}:{found.line}: {found.target}"
        for module in modules()
        for found in module.imports()
        if found.top == PACKAGE and not is_module(found.target)
    ]
    assert not wrong, listed(wrong)


def test_packages_of_others_are_declared_where_they_are_used() -> None:
    wrong = []
    for module in modules():
        declared = _declared(module.room)
        wrong += [
            f"{module.place}:{found.line}: {found.target} "
            f"(declared for {module.room or PACKAGE}: {', '.join(sorted(declared)) or 'nothing'})"
            for found in module.imports()
            if found.third_party and not _distributions(found.top) & declared
        ]
    assert not wrong, listed(wrong)


@pytest.mark.parametrize(
    ("room", "target"),
    [
        ("core", "pointsman.app.ports"),
        ("core", "pointsman.compose"),
        ("core", "pointsman"),
        ("app", "pointsman.storage.sqlite"),
        ("storage", "pointsman.app.releases"),
        ("storage", "pointsman.app"),
        ("wire", "pointsman.storage.sqlite"),
        ("server", "pointsman.storage.sqlite"),
        ("sdk", "pointsman.app.ports"),
        ("cli", "pointsman.app.keys"),
    ],
)
def test_the_rule_refuses(room: str, target: str) -> None:
    module = next(module for module in modules() if module.room == room)
    assert not _allowed(module, Import(1, target))


def _allowed(module: Module, found: Import) -> bool:
    room = room_of(found.target)
    if room in FOR_ALL or (room and room == module.room):
        return True
    inside = found.target.removeprefix(PACKAGE).removeprefix(".")
    return any(
        inside == allowed or inside.startswith(f"{allowed}.")
        for allowed in MAY_IMPORT.get(module.room, ())
    )


def _adapter(name: str) -> str:
    parts = name.split(".")
    package = ".".join(parts[:3])
    path = ROOT / "src" / package.replace(".", "/")
    return package if parts[1:2] == ["wire"] and len(parts) > 2 and path.is_dir() else ""


def _declared(room: str) -> set[str]:
    return {name for extra in EXTRAS.get(room, {"", "server"}) for name in _extra(extra)}


@cache
def _extra(extra: str) -> frozenset[str]:
    """The distributions that an extra brings, its own extras included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = project["optional-dependencies"].get(extra, []) if extra else project["dependencies"]
    names: set[str] = set()
    for line in lines:
        name, inner = re.findall(r"^([\w.-]+)(?:\[([\w,\s-]+)\])?", line)[0]
        if name == PACKAGE:
            names |= {found for other in inner.split(",") for found in _extra(other.strip())}
        else:
            names.add(_normal(name))
    return frozenset(names)


@cache
def _distributions(top: str) -> set[str]:
    return {_normal(name) for name in packages_distributions().get(top, [top])}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
