"""The page of what other systems' clients can do: it says what the tests show, and no more."""

from __future__ import annotations

import pytest

from compatibility import Section, called_in
from house import compatibility_page
from house.compatibility_page import SECTIONS
from house.source_tree import listed

_SECTION = pytest.mark.parametrize("section", SECTIONS, ids=lambda one: one.title)


def test_the_page_is_what_the_tests_declare() -> None:
    assert compatibility_page.PAGE.read_text("utf-8") == compatibility_page.page(), (
        "run `make reference`"
    )


@_SECTION
def test_each_call_is_shown_by_behaviours_that_make_it(section: Section) -> None:
    known = section.behaviours()
    wrong = []
    for call in section.calls:
        names = {call.name, *call.spelt}
        wrong += [f"{call.name}: {one} is no behaviour" for one in {*call.shown_by} - {*known}]
        wrong += [
            f"{call.name}: {one} does not make that call"
            for one in call.shown_by
            if one in known and not names & called_in(known[one])
        ]
    assert not wrong, listed(wrong)


@_SECTION
def test_each_call_stands_there_once_with_what_there_is_to_say(section: Section) -> None:
    names = [call.name for call in section.calls]
    assert len(names) == len(set(names))
    unsaid = [call.name for call in section.calls if call.verdict != "works" and not call.told]
    assert not unsaid, listed(unsaid)
    assert all(call.shown_by for call in section.calls)


def test_what_is_called_is_found_in_source() -> None:
    assert called_in("client().set_it(1)\nwith x: load('a')\n") >= {"client", "set_it", "load"}
