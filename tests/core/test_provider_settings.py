"""Providers of models: what is taken, and what becomes of a key."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.provider_settings import (
    MAX_CONCURRENCY,
    MAX_PRICES,
    MAX_TIMEOUT,
    Price,
    ProviderSettings,
    became_of_key,
    check_key,
    check_provider_name,
    check_settings,
    read_settings,
    write_settings,
)
from pointsman.errors import InvalidInput, TooLarge

URL = "https://models.example.org/v1"
AMOUNTS = st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,6})?", fullmatch=True)


def refused(field: str, act: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        act()
    assert caught.value.field == field, caught.value
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("name", "api", "spoken"),
    [
        ("openai", None, "openai"),
        ("anthropic", None, "anthropic"),
        ("local", None, "openai"),
        ("local", "anthropic", "anthropic"),
        ("anthropic", "openai", "openai"),
    ],
)
def test_a_provider_speaks_what_it_is_named_after(name: str, api: str | None, spoken: str) -> None:
    assert check_settings(name, api=api, base_url=URL).api == spoken


def test_only_the_two_public_ones_need_no_address() -> None:
    assert check_settings("openai").base_url == ""
    assert check_settings("anthropic").base_url == ""
    refused("base_url", lambda: check_settings("local"))
    refused("base_url", lambda: check_settings("anthropic", api="openai"))


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "http://127.0.0.1:11434/v1",
        "http://[::1]:8000",
        "http://169.254.1.1/v1",
        "http://vllm.models.svc:8000/v1",
    ],
)
def test_addresses_inside_the_network_are_taken(url: str) -> None:
    assert check_settings("local", base_url=url).base_url == url
    assert check_settings("local", base_url=url + "/").base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/",
        "x",
        "//x/v1",
        "https://",
        "https://me:secret@x/v1",
        "https://x/v1?key=1",
        "https://x/v1#a",
        "https://x:0/v1",
        "https://x:99999/v1",
        "https://x /v1",
        "https://ünï.example/v1",
        "https://x\n/v1",
        "https://[::1/v1",
        "https://a b/",
        " https://x/",
    ],
)
def test_what_is_no_address_is_refused_without_telling_it(url: str) -> None:
    assert "secret" not in str(refused("base_url", lambda: check_settings("local", base_url=url)))


@pytest.mark.parametrize("name", ["openai", "Azure OpenAI", "vertex_ai/eu", "ünï", "7", "a" * 100])
def test_names_are_what_prompts_say(name: str) -> None:
    assert check_provider_name(name) == name


@pytest.mark.parametrize(
    "name", ["", " x", "x ", "..", ".", "-x", "a\nb", "a\0", "a" * 101, "\ud800"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    refused("name", lambda: check_provider_name(name))


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("concurrency", (0, -1, MAX_CONCURRENCY + 1, 1.5, True, "8", None)),
        ("timeout", (0, MAX_TIMEOUT + 1, 0.5, False, None)),
        ("per_minute", (0, -1, 10**9, 2.5, True)),
        ("api", ("google", "", "OpenAI")),
    ],
)
def test_limits_are_whole_numbers_within_bounds(field: str, values: tuple[Any, ...]) -> None:
    for value in values:
        refused(field, lambda value=value: check_settings("openai", **{field: value}))


@pytest.mark.parametrize(
    "amount",
    ["", "-1", "1e3", ".5", "1.", "1,5", "٣", "1.0000001", "1234567890", "NaN", " 1", "1\n"],
)
def test_what_is_no_price_is_refused(amount: str) -> None:
    for price in (Price(amount, "1"), Price("1", amount)):
        refused("prices", lambda price=price: check_settings("openai", prices={"m": price}))


def test_models_with_a_price_have_names_and_are_not_too_many() -> None:
    for model in ("", "a\nb", "a" * 201, "a\0"):
        refused("prices", lambda m=model: check_settings("openai", prices={m: Price("1", "1")}))
    many = {str(number): Price("1", "1") for number in range(MAX_PRICES + 1)}
    with pytest.raises(TooLarge):
        check_settings("openai", prices=many)


@given(st.dictionaries(st.text("äb7-/ .", min_size=1), st.builds(Price, AMOUNTS, AMOUNTS)))
def test_settings_are_read_as_they_were_written(prices: dict[str, Price]) -> None:
    settings = check_settings("local", base_url=URL, per_minute=7, prices=prices)
    assert read_settings("local", write_settings(settings)) == settings
    for price in prices.values():
        whole, _, rest = price.input.partition(".")
        assert price.millionths[0] == int(whole + rest.ljust(6, "0"))


@pytest.mark.parametrize("key", ["sk key", "sk\nkey", "schlüssel", "\0", "k" * 5_000, "\ud800"])
def test_a_key_that_no_header_carries_is_refused_and_not_told(key: str) -> None:
    error = refused("key", lambda: check_key(key))
    assert key not in str(error)


def test_a_key_stays_with_the_address_that_it_was_given_for() -> None:
    def fate(after: ProviderSettings, had: bool = True, given: str | None = None) -> str:
        return became_of_key(before, after, had=had, given=given)

    before = check_settings("openai", base_url=URL)
    elsewhere = check_settings("openai", base_url="https://evil.example/v1")
    spoken = check_settings("openai", api="anthropic", base_url=URL)
    priced = check_settings("openai", base_url=URL, timeout=5, prices={"m": Price("1", "2")})
    assert fate(priced) == "kept"
    assert fate(elsewhere) == fate(spoken) == "forgotten"
    assert fate(check_settings("openai")) == "forgotten"
    assert fate(elsewhere, given="new") == fate(priced, given="new") == "set"
    assert fate(priced, given="") == fate(elsewhere, given="") == "removed"
    assert fate(elsewhere, had=False) == fate(priced, had=False, given="") == "none"
    assert became_of_key(None, before, had=False, given="new") == "set"
