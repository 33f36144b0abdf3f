"""The published client with runs and models, against a real server on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving import server_on
from wire.mlflow.compatibility import TRACKED
from wire.mlflow.published import behaviours, keys_for, run
from wire.published import require_clients

_Results = dict[str, str | None]


@pytest.fixture(scope="module", params=TRACKED)
def scenario(request: pytest.FixtureRequest) -> str:
    """The name of a scenario."""
    return str(request.param)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def results(
    request: pytest.FixtureRequest, scenario: str, tmp_path_factory: pytest.TempPathFactory
) -> _Results:
    """What became of the scenario's behaviours, on a server of its own."""
    require_clients()
    folder: Path = tmp_path_factory.mktemp(scenario)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("POINTSMAN_BLOBS", f"file://{folder}/kept")
        with server_on(request, folder) as server:
            found = run(server, scenario, keys_for(server), folder)
            assert server.get("/doctor").json["findings"] == []
    return found


def test_the_published_client(results: _Results, scenario: str) -> None:
    troubles = [f"{name}:\n{trouble}" for name, trouble in results.items() if trouble]
    assert not troubles, "\n\n".join(troubles)
    assert set(results) == set(behaviours(scenario))
