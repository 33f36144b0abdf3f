"""What `import pointsman` gives, and how little it loads."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import pointsman
from house.source_tree import PACKAGE

AT_ONCE = {"pointsman", "pointsman._version", "pointsman.errors"}
"""The modules that `import pointsman` may load: whatever else it exports waits until asked for."""

_LOADED = """
import json, sys
before = set(sys.modules)
{statement}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_exports_are_there() -> None:
    assert {"Client", "AsyncClient", "Registry"} <= set(pointsman.__all__)
    for name in pointsman.__all__:
        assert getattr(pointsman, name) is not None
    assert set(pointsman.__all__) <= set(dir(pointsman))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Clientele"):
        getattr(pointsman, "Clientele")  # noqa: B009


def test_import_loads_next_to_nothing() -> None:
    loaded = _loaded_by("import pointsman")
    assert {name for name in loaded if _is_ours(name)} <= AT_ONCE
    assert len(loaded) <= 15, loaded


@pytest.mark.parametrize(
    "statement",
    [
        "import pointsman",
        "from pointsman import Client",
        "from pointsman import AsyncClient",
        "import pointsman.errors, pointsman.core.vocabulary, pointsman.core.templates",
    ],
)
def test_packages_of_others_are_loaded_when_they_are_needed(statement: str) -> None:
    loaded = _loaded_by(statement)
    others = {name.partition(".")[0] for name in loaded if not _is_ours(name)}
    assert others <= sys.stdlib_module_names


def _loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads in an interpreter of its own."""
    run = subprocess.run(
        [sys.executable, "-I", "-c", _LOADED.format(statement=statement)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))


def _is_ours(name: str) -> bool:
    return name == PACKAGE or name.startswith(f"{PACKAGE}.")
