"""What importing costs, counted in modules: a clock would measure the machine."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import pointsman


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after this code, and not before."""
    program = (
        "import sys\nbefore = set(sys.modules)\n"
        f"{code}\nafter = set(sys.modules) - before\nimport json\nprint(json.dumps(sorted(after)))"
    )
    command = [sys.executable, "-S", "-c", program]
    path = {"PYTHONPATH": ":".join(entry for entry in sys.path if entry)}
    done = subprocess.run(command, env=path, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_the_package_loads_nothing_else() -> None:
    assert modules_after("import pointsman") == {"pointsman"}


def test_making_a_client_loads_no_network() -> None:
    loaded = modules_after(
        "from pointsman import Client\nClient('http://localhost', snapshot=False)"
    )
    assert loaded & {"urllib3", "ssl", "asyncio", "http.client", "socket", "email"} == set()
    assert {name for name in loaded if name.startswith("pointsman.")} <= {
        name for name in loaded if name.startswith(("pointsman.sdk", "pointsman.core"))
    } | {"pointsman.errors", "pointsman._version"}


@pytest.mark.parametrize("name", pointsman.__all__)
def test_everything_promised_is_there(name: str) -> None:
    assert getattr(pointsman, name) is not None
    assert name in dir(pointsman)


def test_what_is_not_promised_is_not_there() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = pointsman.nonsense
