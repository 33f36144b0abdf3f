"""docs/reference/api.md lists every operation of the API, with the least role that it needs."""

from __future__ import annotations

import pytest

from house.source_tree import ROOT
from pointsman.wire.huggingface.routes import ROUTES as HUB
from pointsman.wire.huggingface.routes import Route as HubRoute
from pointsman.wire.mlflow.routes import ROUTES as MLFLOW
from pointsman.wire.mlflow.routes import Route as ForeignRoute
from pointsman.wire.mlflow.tracking.artifacts import PREFIXES
from pointsman.wire.mlflow.tracking.artifacts import VERBS as FILES
from pointsman.wire.mlflow.tracking.routes import ROUTES as TRACKING
from pointsman.wire.native.route import Route
from pointsman.wire.native.routes import RESOLVE, ROUTES

PAGE = (ROOT / "docs" / "reference" / "api.md").read_text("utf-8")


@pytest.mark.parametrize("route", HUB, ids=lambda r: r.path)
def test_every_operation_of_a_hub_is_documented(route: HubRoute) -> None:
    named = f"{', '.join(route.methods)} {route.path}"
    assert f"| `{named}` | {route.verb} | {route.summary} |" in PAGE


@pytest.mark.parametrize("route", [RESOLVE, *ROUTES], ids=lambda r: f"{r.method} {r.path}")
def test_every_operation_is_documented(route: Route) -> None:
    assert f"| `{route.method} {route.path}` | {route.verb} | {route.summary} |" in PAGE


@pytest.mark.parametrize("route", [*MLFLOW, *TRACKING], ids=lambda r: f"{r.method} {r.path}")
def test_every_operation_for_mlflow_is_documented(route: ForeignRoute) -> None:
    assert f"| `{route.method} {route.path}` | {route.verb} |" in PAGE


def test_files_for_mlflow_are_documented() -> None:
    for method, verb in FILES.items():
        assert f"| `{method} {PREFIXES[0]}/{{path}}` | {verb} |" in PAGE
