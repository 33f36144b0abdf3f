"""The locks: of this pyproject.toml, with a hash for all, and bound to no place they come from."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from house.source_tree import PACKAGE, ROOT

LOCKS = {"dev": ROOT / "requirements/dev.lock", "server": ROOT / "requirements/server.lock"}
EVERY = {**LOCKS, "mlflow": ROOT / "requirements/mlflow.lock"}
"""Also that of another system's client, which is tested with and is no part of the project."""

_PINNED = re.compile(r"^(?P<name>[a-z0-9-]+)==(?P<version>[\w.+!]+)(?: ;[^\\]*)?$")
_HASH = re.compile(r"^--hash=sha256:[0-9a-f]{64}$")


@pytest.mark.parametrize("extra", EVERY)
def test_every_line_is_a_version_with_hashes(extra: str) -> None:
    for entry in _entries(EVERY[extra]):
        pinned, *hashes = entry
        assert _PINNED.match(pinned), pinned
        assert hashes, f"{pinned} has no hash"
        assert all(_HASH.match(one) for one in hashes), entry


@pytest.mark.parametrize("extra", EVERY)
def test_no_line_says_where_to_look(extra: str) -> None:
    text = EVERY[extra].read_text("utf-8")
    assert not re.search(r"://|^ *-(?!-hash=)|@ |file:|/(?:opt|home|work|tmp)/", text, re.MULTILINE)


@pytest.mark.parametrize("extra", LOCKS)
def test_the_lock_is_of_this_project(extra: str) -> None:
    """After a change of a dependency: `make lock`."""
    pins = _pins(extra)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for line in [*wanted, *_wanted(extra, project["project"]["optional-dependencies"])]:
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} is not in the lock"
        assert requirement.specifier.contains(pins[name], prereleases=True), f"{line}: {pins[name]}"


def test_the_lock_of_a_client_is_of_what_is_asked_for() -> None:
    pins = _pins("mlflow")
    for line in (ROOT / "requirements/mlflow.in").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


def test_the_locks_agree() -> None:
    assert _pins("server").items() <= _pins("dev").items()


def _wanted(extra: str, extras: dict[str, list[str]]) -> list[str]:
    lines = []
    for line in extras[extra]:
        requirement = Requirement(line)
        if requirement.name == PACKAGE:
            lines += [one for inner in requirement.extras for one in _wanted(inner, extras)]
        else:
            lines.append(line)
    return lines


@cache
def _pins(extra: str) -> dict[str, str]:
    matches = (_PINNED.match(entry[0]) for entry in _entries(EVERY[extra]))
    return {match["name"]: match["version"] for match in matches if match}


def _entries(path: Path) -> list[list[str]]:
    """Each requirement and its hashes, without comments and continuation marks."""
    lines = (line.partition("#")[0].rstrip() for line in path.read_text("utf-8").splitlines())
    joined = "\n".join(line for line in lines if line).replace("\\\n", " ")
    return [
        [part.strip() for part in re.split(r"\s+(?=--hash)", line)] for line in joined.split("\n")
    ]
