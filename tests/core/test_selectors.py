"""How a version is asked for: every form, one reading, and the same text back."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.names import MAX_VERSION, Kind, check_alias, check_name
from pointsman.core.selectors import Selector, parse_selector
from pointsman.errors import InvalidName

letters = st.characters(categories=("L", "M", "N"))
words = st.sampled_from(
    ["prompt", "model", "suite", "dataset", "prompts", "models", "latest", "newest", "7", "v7", "a"]
)


def _valid(text: str, rule: object) -> bool:
    try:
        rule(text)  # type: ignore[operator]
    except InvalidName:
        return False
    return True


names = (
    st.lists(words | st.text(letters | st.sampled_from(" _-.+%"), min_size=1), min_size=1)
    .map("/".join)
    .filter(lambda text: _valid(text, check_name))
    .map(check_name)
)
aliases = (
    (words | st.text(letters | st.sampled_from("_-."), min_size=1))
    .filter(lambda text: _valid(text, check_alias))
    .map(check_alias)
)
selectors = st.builds(Selector, st.sampled_from(get_args(Kind)), names) | st.one_of(
    st.builds(
        Selector, st.sampled_from(get_args(Kind)), names, version=st.integers(1, MAX_VERSION)
    ),
    st.builds(Selector, st.sampled_from(get_args(Kind)), names, alias=aliases),
)


@given(selectors)
def test_the_text_of_a_selector_reads_back_as_it(selector: Selector) -> None:
    assert parse_selector(str(selector)) == selector
    assert parse_selector(str(selector), kind=selector.kind) == selector


@given(st.text(st.characters()) | st.lists(words | st.sampled_from(list(":@/ .0"))).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    selector = _outcome(text)
    if isinstance(selector, InvalidName):
        assert selector.code == "invalid_selector"
        assert 1 <= selector.details["position"] <= len(text) + 1
        assert selector.hint
        assert str(selector).isprintable()  # so it can be sent and shown
        return
    assert parse_selector(str(selector)) == selector
    assert check_name(selector.name) == selector.name
    assert selector.alias is None or check_alias(selector.alias) == selector.alias


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("support/reply", Selector("prompt", "support/reply")),
        ("support/reply@production", Selector("prompt", "support/reply", alias="production")),
        ("support/reply:7", Selector("prompt", "support/reply", version=7)),
        ("support/reply@latest", Selector("prompt", "support/reply")),
        ("support/reply@Newest", Selector("prompt", "support/reply")),
        ("model:churn@champion", Selector("model", "churn", alias="champion")),
        ("model:churn", Selector("model", "churn")),
        ("prompt:greeting:3", Selector("prompt", "greeting", version=3)),
        ("suite:support/tone:2", Selector("suite", "support/tone", version=2)),
        ("dataset:rows@latest", Selector("dataset", "rows")),
        (f"a:{MAX_VERSION}", Selector("prompt", "a", version=MAX_VERSION)),
        ("prompts:/greeting@live", Selector("prompt", "greeting", alias="live")),
        ("prompts:/greeting/7", Selector("prompt", "greeting", version=7)),
        ("prompts:/greeting", Selector("prompt", "greeting")),
        ("prompts:/greeting@latest", Selector("prompt", "greeting")),
        ("prompts:/support/reply/7", Selector("prompt", "support/reply", version=7)),
        ("prompts:/support/reply", Selector("prompt", "support/reply")),
        ("models:/churn@champion", Selector("model", "churn", alias="champion")),
        ("models:/churn/7", Selector("model", "churn", version=7)),
        ("models:/churn/latest", Selector("model", "churn")),
        ("Отчёт v2@эфир", Selector("prompt", "Отчёт v2", alias="эфир")),
        ("e\u0301te\u0301@e\u0301", Selector("prompt", "été", alias="é")),
        # the three places where two readings were possible
        ("prompt:model:7", Selector("prompt", "model", version=7)),
        ("model:7@latest", Selector("model", "7")),
        ("model:7@live", Selector("model", "7", alias="live")),
        ("model:7:3", Selector("model", "7", version=3)),
        ("model:model:7", Selector("model", "model", version=7)),
        ("model", Selector("prompt", "model")),
        ("model@production", Selector("prompt", "model", alias="production")),
        ("support/7", Selector("prompt", "support/7")),
        ("support/latest", Selector("prompt", "support/latest")),
        ("support/7:1", Selector("prompt", "support/7", version=1)),
        ("prompts:/7", Selector("prompt", "7")),
        ("prompts:7", Selector("prompt", "prompts", version=7)),
        ("7", Selector("prompt", "7")),
    ],
)
def test_forms(text: str, selector: Selector) -> None:
    assert parse_selector(text) == selector


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        (Selector("prompt", "support/reply"), "support/reply"),
        (Selector("prompt", "support/reply", version=7), "support/reply:7"),
        (Selector("model", "churn", alias="champion"), "model:churn@champion"),
        (Selector("prompt", "model", version=7), "prompt:model:7"),
        (Selector("prompt", "model", alias="live"), "model@live"),
        (Selector("model", "7"), "model:7@latest"),
        (Selector("prompt", "7"), "7"),
    ],
)
def test_canonical_text(selector: Selector, text: str) -> None:
    assert str(selector) == text


@pytest.mark.parametrize(
    ("text", "position", "hint"),
    [
        ("", 1, "at least one letter"),
        ("model:7", 7, "prompt:model:7 for version 7 of the prompt model"),
        ("model:7", 7, "model:7@latest for the model named 7"),
        ("a@", 3, "at least one letter"),
        ("@a", 1, "at least one letter"),
        ("a:", 3, "leave the colon out"),
        (":7", 1, "at least one letter"),
        ("a@7", 3, "Write a:7"),
        ("a@v7", 3, "Write a:7"),
        ("a:v7", 3, "Write a:7."),
        ("a:production", 3, "a@production"),
        ("a:0", 3, "1 to 2147483647"),
        ("a:007", 3, "without zeros in front"),
        ("a:2147483648", 3, "1 to 2147483647"),
        ("a:" + "9" * 300, 3, "1 to 2147483647"),
        ("a:٧", 3, "a number"),
        ("a@b@c", 4, "support/reply@production"),
        ("a:7@b", 4, "support/reply@production"),
        ("a@b:7", 4, "support/reply@production"),
        ("model:a/../b", 7, "Give the segment a name"),
        (" a", 1, "space"),
        ("a\u202e@b", 1, "Remove it"),
        ("a@\u202eb", 3, "Remove it"),
        ("prompts:/a/7@b", 12, "write prompt:a/7@b"),
        ("prompts:/", 10, "at least one letter"),
        ("prompts:/a%2Fb", 10, "Write the character that is meant"),
        ("models:/a:7", 9, "write - or _ instead"),
        ("x" * 321, 321, "support/reply"),
    ],
)
def test_refused(text: str, position: int, hint: str) -> None:
    with pytest.raises(InvalidName) as caught:
        parse_selector(text)
    assert caught.value.code == "invalid_selector"
    assert caught.value.details["position"] == position
    assert hint in caught.value.hint


def test_the_reason_of_the_name_is_kept() -> None:
    with pytest.raises(InvalidName) as caught:
        parse_selector("a//b@live")
    assert [reason.code for reason in caught.value.reasons] == ["empty_segment"]


def test_a_wanted_kind_is_meant_and_demanded() -> None:
    assert parse_selector("churn:7", kind="model") == Selector("model", "churn", version=7)
    assert parse_selector("model:churn", kind="model") == Selector("model", "churn")
    assert parse_selector("models:/churn/1", kind="model") == Selector("model", "churn", version=1)
    for text in ("prompt:churn", "suite:churn@x", "prompts:/churn", "prompt:model:7"):
        with pytest.raises(InvalidName, match="where a model is wanted"):
            parse_selector(text, kind="model")


@pytest.mark.parametrize("value", [None, 7, b"a", ("a", 1)])
def test_what_is_not_text_is_refused(value: object) -> None:
    with pytest.raises(InvalidName, match="not text"):
        parse_selector(value)  # type: ignore[arg-type]


def test_a_very_long_selector_is_refused_shortly() -> None:
    with pytest.raises(InvalidName) as caught:
        parse_selector("x" * 10_000_000)
    assert len(str(caught.value)) < 400


def _outcome(text: str) -> Selector | InvalidName:
    try:
        return parse_selector(text)
    except InvalidName as error:
        return error
