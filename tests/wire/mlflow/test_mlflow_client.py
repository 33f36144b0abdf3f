"""The published client of MLflow against a real server: each behaviour, told by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving import ServerProcess
from wire.mlflow.compatibility import SCENARIOS
from wire.mlflow.published import behaviours, keys_for, run
from wire.published import require_clients

_SETTINGS = {"pointsman.core.deliveries.FIRST_WAIT": 200_000}
_Results = dict[str, dict[str, str | None]]


@pytest.fixture(scope="module")
def results() -> _Results:
    """What became of the behaviours, by scenario; each scenario is run when first asked for."""
    require_clients()
    return {}


@pytest.fixture(scope="module", params=SCENARIOS)
def scenario(
    request: pytest.FixtureRequest, results: _Results, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """A scenario that was run, on a server of its own."""
    name = str(request.param)
    if name not in results:
        folder: Path = tmp_path_factory.mktemp(name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("POINTSMAN_WEBHOOK_PRIVATE", "1")  # receivers are on the loopback
            server = ServerProcess(data=folder / "data", settings=_SETTINGS)
        with server:
            results[name] = run(server, name, keys_for(server), folder)
    return name


@pytest.mark.parametrize(
    ("scenario", "name"),
    [(scenario, name) for scenario in SCENARIOS for name in behaviours(scenario)],
    indirect=["scenario"],
)
def test_the_published_client(results: _Results, scenario: str, name: str) -> None:
    trouble = results[scenario][name]
    assert trouble is None, trouble


def test_every_scenario_has_behaviours() -> None:
    assert sum(len(behaviours(scenario)) for scenario in SCENARIOS) >= 120
    assert all(behaviours(scenario) for scenario in SCENARIOS)
