"""docs/reference/api.md lists every operation of the API, with the least role that it needs."""

from __future__ import annotations

import pytest

from house.source_tree import ROOT
from pointsman.wire.native.route import Route
from pointsman.wire.native.routes import RESOLVE, ROUTES

PAGE = (ROOT / "docs" / "reference" / "api.md").read_text("utf-8")


@pytest.mark.parametrize("route", [RESOLVE, *ROUTES], ids=lambda r: f"{r.method} {r.path}")
def test_every_operation_is_documented(route: Route) -> None:
    assert f"| `{route.method} {route.path}` | {route.verb} | {route.summary} |" in PAGE
