"""Providers of models, as a project sets them: where they are, how hard to press, what they cost.

The types cross the wire; the rules are pure. A provider's key is in none of these types: who
reads them sees whether there is one. It is `app.providers` that opens it, for evaluations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, NoReturn, get_args
from urllib.parse import urlsplit

from pointsman.core.canonical import canonical_json, check_text, quoted
from pointsman.core.plain import from_plain, to_plain
from pointsman.errors import IntegrityError, InvalidInput, TooLarge

Api = Literal["openai", "anthropic"]
KeyWas = Literal["none", "kept", "set", "removed", "forgotten"]

APIS: Final[tuple[Api, ...]] = get_args(Api)
MAX_NAME = 100
MAX_URL = 2_000
MAX_KEY = 4_000
MAX_PROVIDERS = 100
"""Providers of one project."""
MAX_PRICES = 500
"""Models of one provider that have a price."""
CONCURRENCY, MAX_CONCURRENCY = 8, 1_000
MAX_PER_MINUTE = 1_000_000
TIMEOUT, MAX_TIMEOUT = 60, 600
FORGOTTEN = (
    "It leads elsewhere than before, so its key was forgotten: that was given for the old "
    "address. Set it anew."
)
_AMOUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, going in and coming out: decimal text, kept as it is written."""

    input: str
    output: str

    @property
    def millionths(self) -> tuple[int, int]:
        """Both in millionths of the currency's unit, exactly."""
        return int(Decimal(self.input).scaleb(6)), int(Decimal(self.output).scaleb(6))


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """How to call the models of a provider.

    `name` is what a prompt's `model.provider` says. `api` is what it speaks; `base_url` is
    empty for the public one that the name stands for. At most `concurrency` calls run at once,
    and `per_minute` begin in a minute (None: as many as there are); each may take `timeout`
    seconds. `prices` are in the currency of whoever reads them, by the model's name.
    """

    name: str
    api: Api
    base_url: str = ""
    concurrency: int = CONCURRENCY
    per_minute: int | None = None
    timeout: int = TIMEOUT
    prices: Mapping[str, Price] = field(default_factory=dict)

    @property
    def address(self) -> tuple[str, str]:
        """Where a key is sent to, and in which form: a key is given for this and nothing else."""
        return self.api, self.base_url


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as it stands: its settings, whether it has a key, and who set it last."""

    name: str
    api: Api
    base_url: str
    concurrency: int
    per_minute: int | None
    timeout: int
    prices: Mapping[str, Price]
    has_key: bool
    revision: int
    updated_at: datetime
    updated_by: str


@dataclass(frozen=True, slots=True)
class SavedProvider:
    """What setting a provider did, and what became of its key; `hint` says what to do about it."""

    provider: Provider
    key_was: KeyWas
    hint: str = ""


def check_settings(
    name: str,
    *,
    api: str | None = None,
    base_url: str = "",
    concurrency: int = CONCURRENCY,
    per_minute: int | None = None,
    timeout: int = TIMEOUT,
    prices: Mapping[str, Price] | None = None,
) -> ProviderSettings:
    """The settings of a provider. Without `api`, it speaks what it is named after, or else openai.

    Raises `InvalidInput` or `TooLarge` naming the field that is wrong.
    """
    name = check_provider_name(name)
    spoken = _check_api(api, name)
    return ProviderSettings(
        name=name,
        api=spoken,
        base_url=_check_url(base_url, name, spoken),
        concurrency=_check_whole(concurrency, MAX_CONCURRENCY, "concurrency"),
        per_minute=(
            None if per_minute is None else _check_whole(per_minute, MAX_PER_MINUTE, "per_minute")
        ),
        timeout=_check_whole(timeout, MAX_TIMEOUT, "timeout"),
        prices=_check_prices(prices or {}),
    )


def check_provider_name(name: str) -> str:
    """The name itself. Raises `InvalidInput`."""
    check_text(name, field="name", max_chars=MAX_NAME)
    # What begins with a letter is no step in a path, such as `..`.
    if not (name[:1].isalnum() and name.isprintable() and name == name.strip()):
        _refuse(
            f"{quoted(name)} is no name of a provider.",
            f"Use 1 to {MAX_NAME} printable characters, beginning with a letter or digit: what "
            "prompts have as their model's provider.",
            "name",
        )
    return name


def check_key(key: str) -> str:
    """The key of a provider; empty for none. Raises `InvalidInput`, which does not tell the key."""
    check_text(key, field="key", max_chars=MAX_KEY)
    if not (key.isascii() and key.isprintable()) or " " in key:
        _refuse("The key has characters that no header carries.", "Copy it again.", "key")
    return key


def became_of_key(
    before: ProviderSettings | None, after: ProviderSettings, *, had: bool, given: str | None
) -> KeyWas:
    """What becomes of a provider's key when it is set: `given` None leaves it, empty removes it.

    A key stays with the address that it was given for: nobody who changes that to a place of
    their own is sent it.
    """
    if given:
        return "set"
    if not had:
        return "none"
    if given is not None:
        return "removed"
    return "kept" if before is not None and before.address == after.address else "forgotten"


def write_settings(settings: ProviderSettings) -> str:
    """The settings but for the name, as canonical JSON."""
    plain = to_plain(settings)
    del plain["name"]
    return canonical_json(plain)


def read_settings(name: str, text: str) -> ProviderSettings:
    """The inverse of `write_settings`. Raises `IntegrityError`."""
    try:
        return from_plain(ProviderSettings, {**json.loads(text), "name": name})
    except (IntegrityError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"The settings of the provider {name!r} can't be read.",
            code="damaged_provider",
            hint="They were not written by this registry. Restore them from a backup.",
        ) from error


def _check_api(api: str | None, name: str) -> Api:
    for one in APIS:
        if one == (name if api is None else api):
            return one
    if api is not None:
        hint = f"Choose one of {', '.join(APIS)}; most others speak openai's."
        _refuse(f"{quoted(api)} is no API that is spoken here.", hint, "api")
    return "openai"


def _check_url(url: str, name: str, api: Api) -> str:
    check_text(url, field="base_url", max_chars=MAX_URL)
    if not url:
        if name != api:
            _refuse(
                f"The provider {quoted(name)} has no base address.",
                f"Say where its API is, such as http://127.0.0.1:8000/v1. Only {api!r} itself is "
                "the public one without.",
                "base_url",
            )
        return url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    plain = url.isascii() and url.isprintable() and not set(' \\"<>^`{|}') & set(url)
    host = parts.netloc.removesuffix(f":{port}").removesuffix(":")
    if parts.scheme not in ("http", "https") or not plain or port == 0 or "@" in parts.netloc:
        _refuse_url()
    if not _HOST.fullmatch(host) or "?" in url or "#" in url:
        _refuse_url()
    return url.rstrip("/")


def _check_whole(value: int, most: int, place: str) -> int:
    if type(value) is not int or not 1 <= value <= most:
        name = place.replace("_", " ")
        _refuse(
            f"The {name} of a provider is a whole number from 1 to {most:,}.",
            "Leave it out for what is usual.",
            place,
        )
    return value


def _check_prices(prices: Mapping[str, Price]) -> dict[str, Price]:
    if len(prices) > MAX_PRICES:
        raise TooLarge(
            f"{len(prices):,} models have a price; at most {MAX_PRICES} fit.",
            code="too_many_prices",
            hint="Leave out models that no prompt names.",
            field="prices",
        )
    for model, price in prices.items():
        check_text(model, field="prices", max_chars=200)
        if not model or not model.isprintable():
            _refuse(f"{quoted(model)} is no name of a model.", "Name it as prompts do.", "prices")
        for amount in (price.input, price.output):
            if not _AMOUNT.fullmatch(check_text(amount, field="prices", max_chars=40)):
                _refuse(
                    f"{quoted(amount)} is no price of a million tokens of {quoted(model)}.",
                    'Write a decimal number as text, such as "2.50"; at most six digits follow the '
                    "point.",
                    "prices",
                )
    return dict(prices)


def _refuse_url() -> NoReturn:
    _refuse(
        "This is no base address of an API.",
        "Write it like https://models.example.org/v1: http or https, in ASCII, without a user, "
        "a password, a ? or a #.",
        "base_url",
    )


def _refuse(message: str, hint: str, place: str) -> NoReturn:
    raise InvalidInput(message, code="invalid_provider", hint=hint, field=place)
