"""The published client of a Hugging Face Hub against a real server, each behaviour by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serving import ServerProcess
from wire import published

HERE = Path(__file__).parent
BEHAVIOURS = published.behaviours(HERE / "scenarios" / "downloads.py")
DATABASES = ("sqlite", "postgres")


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str | None]:
    """What became of the behaviours on one database."""
    published.require_clients()
    folder: Path = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("POINTSMAN_BLOBS", f"file://{folder}/blobs")
        if request.param == "sqlite":
            server = ServerProcess(data=folder / "data")
        else:
            databases = request.getfixturevalue("databases")
            name = databases.migrated()
            server = ServerProcess(database=databases.url(name))
    with server:
        found = published.run("wire.huggingface.scenarios.downloads", _given(server), folder)
    if request.param == "postgres":
        databases.drop(name)
    return found


def _given(server: ServerProcess) -> dict[str, str]:
    """The environment of the client: where the server is, and the keys."""
    keys = {
        "admin": server.own_key,
        "viewer": server.make_key("viewer")[1],
        "narrow": server.make_key("viewer", artifacts="org/*")[1],
    }
    return {
        "HF_ENDPOINT": server.url,
        "HF_TOKEN": keys["admin"],
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "POINTSMAN_TEST_URL": server.url,
        "POINTSMAN_TEST_KEYS": json.dumps(keys),
    }


@pytest.mark.parametrize("name", BEHAVIOURS)
@pytest.mark.parametrize("results", DATABASES, indirect=True)
def test_the_published_client(results: dict[str, str | None], name: str) -> None:
    trouble = results[name]
    assert trouble is None, trouble


def test_the_scenario_has_behaviours() -> None:
    assert len(BEHAVIOURS) >= 24
