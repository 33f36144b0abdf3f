"""Paths are matched part by part, as they were sent."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response

from pointsman.wire.native.paths import Paths


async def one(request: Request) -> Response:
    return Response("one")


async def other(request: Request) -> Response:
    return Response("other")


@pytest.fixture
def paths() -> Paths:
    paths = Paths()
    paths.add("GET", "/a/{name}", one)
    paths.add("PUT", "/a/{name}", other)
    paths.add("GET", "/a/word", other)
    paths.add("POST", "/a/{name}/b/{key}", one)
    return paths


def test_a_word_goes_before_a_variable(paths: Paths) -> None:
    word, variable = paths.find("/a/word"), paths.find("/a/words")
    assert word is not None
    assert variable is not None
    assert word.methods == {"GET": other, "HEAD": other}
    assert variable.methods == {"GET": one, "HEAD": one, "PUT": other}


def test_parts_stay_encoded(paths: Paths) -> None:
    found = paths.find("/a/support%2Freply/b/%00")
    assert found is not None
    assert found.parameters == {"name": "support%2Freply", "key": "%00"}


@pytest.mark.parametrize("path", ["", "/", "/a", "/a/", "/a//b/c", "/a/x/b", "/a/x/b/", "/A/x"])
def test_what_fits_nothing_is_not_found(paths: Paths, path: str) -> None:
    assert paths.find(path) is None
