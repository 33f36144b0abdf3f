"""Targets as people type them, and shares of readers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.releases import split
from pointsman.core.vocabulary import Target
from pointsman.errors import InvalidInput
from pointsman.web.swaps import effect_of_move, read_target, shared, write_target

numbers = st.integers(1, 500)
targets = st.one_of(
    numbers.map(lambda one: Target(version=one)),
    st.dictionaries(numbers, st.integers(1, 10_000), min_size=2, max_size=6).map(split),
)


@given(targets)
def test_a_target_is_read_as_it_is_written(target: Target) -> None:
    assert read_target(write_target(target), 1) == (target, "")


def test_targets_in_words() -> None:
    assert read_target(" newest ", 7) == (Target(version=7), "")
    assert read_target("version 3", 7) == (Target(version=3), "")
    assert read_target("nothing", 7) == (None, "")
    assert read_target("@staging", 7) == (None, "staging")
    assert read_target("7=90 %, 8=10 %", 9) == (split({7: 90, 8: 10}), "")


@pytest.mark.parametrize("text", ["", "seven", "7=", "=3", "7=90 8=10", "-1", "1.5", "7,8", "٣"])
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_target(text, 9)


@given(targets, numbers, st.integers(1, 99))
def test_a_share_goes_where_it_is_sent_and_the_rest_stays_in_proportion(
    current: Target, version: int, share: int
) -> None:
    before = {arm.version: arm.weight for arm in current.split} or {current.version or 0: 1}
    rest = {one: weight for one, weight in before.items() if one != version}
    if not rest:
        with pytest.raises(InvalidInput):
            shared(current, version, share)
        return
    after = {arm.version: arm.weight for arm in shared(current, version, share).split}
    total = sum(after.values())
    assert after.keys() == rest.keys() | {version}
    assert abs(after[version] / total - share / 100) < 0.02
    for one, weight in rest.items():
        wanted = weight / sum(rest.values()) * (1 - share / 100)
        assert abs(after[one] / total - wanted) < 0.02


def test_buttons_say_who_gets_more() -> None:
    one, two = Target(version=1), split({1: 90, 2: 10})
    assert effect_of_move("production", None, one) == "Move production to version 1"
    assert effect_of_move("production", one, two) == "Send 10 % of readers to version 2"
    assert effect_of_move("production", split({1: 95, 2: 5}), two).endswith("to version 2")
    assert effect_of_move("production", one, None) == "Delete production"
