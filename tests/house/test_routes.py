"""The native API's routes: each asks for a verb, and is described."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import pytest

from pointsman.core.vocabulary import Verb
from pointsman.wire.native.route import Route
from pointsman.wire.native.routes import RESOLVE, ROUTES

ALL = (*ROUTES, RESOLVE)


def _named(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("route", ALL, ids=_named)
def test_every_route_asks_for_a_verb(route: Route) -> None:
    assert route.verb in get_args(Verb)
    assert (route.verb == "read" and not route.own) <= (route.method == "GET")
    assert route.open <= route.own


@pytest.mark.parametrize("route", ALL, ids=_named)
def test_every_route_says_what_it_does(route: Route) -> None:
    assert route.summary
    assert not route.summary.endswith(".")


def test_no_route_is_there_twice() -> None:
    assert not [name for name, count in Counter(map(_named, ALL)).items() if count > 1]
