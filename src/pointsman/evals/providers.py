"""What is known of a provider of models, what it answers, and how a call of it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal

from pointsman.errors import InvalidInput, PointsmanError

MONEY_UNIT: Final = 10**12
"""Into how many parts a unit of the currency is divided where costs are added up."""

Kind = Literal[
    "rate_limited",
    "unavailable",
    "timeout",
    "refused",
    "bad_answer",
    "no_provider",
    "no_package",
    "cancelled",
]


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in millionths of the currency's unit.

    A price of $2.50 for a million tokens is 2_500_000. So the product of tokens and price is
    a whole number, of which `MONEY_UNIT` make one dollar: sums of costs are exact.
    """

    input: int
    output: int

    def of(self, tokens_in: int, tokens_out: int) -> int:
        """The cost of a call, in parts of which `MONEY_UNIT` make one unit of the currency."""
        return tokens_in * self.input + tokens_out * self.output


@dataclass(frozen=True, slots=True)
class Provider:
    """The settings of one provider, with its key as it is sent.

    `name` is what a prompt says as ``model.provider``. `api` is how it is spoken to:
    ``openai``, which many speak, or ``anthropic``. Without a `base_url` it is OpenAI's or
    Anthropic's own. At most `concurrency` requests are under way at once, at most `per_minute`
    are started within 60 seconds, and each may take `timeout` seconds.

    Raises:
        InvalidInput: a limit is not above 0, the API is unknown, or no header can hold the key.
    """

    name: str
    api: str
    base_url: str | None = None
    key: str = field(default="", repr=False)
    concurrency: int = 8
    per_minute: int | None = None
    timeout: float = 60.0
    prices: Mapping[str, Price] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.api not in ("openai", "anthropic"):
            raise InvalidInput(
                f"The provider “{self.name}” has an unknown API, {self.api!r}.",
                hint="Known are openai, which every compatible server speaks, and anthropic.",
                field="api",
            )
        if not (self.key.isascii() and self.key.isprintable()):
            raise InvalidInput(
                f"The key of the provider “{self.name}” has characters that no key has.",
                hint="See that it was copied without a line break.",
                field="key",
            )
        for limit in ("concurrency", "per_minute", "timeout"):
            value = getattr(self, limit)
            if value is not None and value <= 0:
                raise InvalidInput(
                    f"The provider “{self.name}” has {limit} = {value:g}; it must be above 0.",
                    field=limit,
                )


@dataclass(frozen=True, slots=True)
class Reply:
    """What a provider said, whichever API it speaks; `tokens` is None if it told no usage."""

    text: str
    tool_calls: tuple[dict[str, Any], ...]
    finish: str
    tokens: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a call.

    `tool_calls` are in OpenAI's form and `finish` in its words (``stop``, ``length``,
    ``tool_calls``, ``content_filter``), whoever answered. `cost` is in units of the currency;
    it is None where no price is known or the provider doesn't tell the tokens (they are 0
    then). `seconds` are those of the last attempt, the one that succeeded; `attempts` counts
    all, those of models that failed before this one included. `stood_in` is whether a fallback
    gave it, even if that is a model of the same name.
    """

    text: str
    tool_calls: tuple[dict[str, Any], ...]
    finish: str
    tokens_in: int
    tokens_out: int
    cost: float | None
    seconds: float
    attempts: int
    provider: str
    model: str
    stood_in: bool = False


class ModelFailure(PointsmanError):
    """A model gave no answer that can be used; the message says what to do about it.

    ================  =====================================================================
    ``rate_limited``  the provider says that there are too many requests, or no credit left
    ``unavailable``   it can't be reached, or has an error of its own
    ``timeout``       it took longer than its timeout
    ``refused``       it won't answer this request: the key, the model or a parameter is wrong
    ``bad_answer``    what it sent is no answer, or not the whole of it
    ``no_provider``   the prompt names no provider that the project has
    ``no_package``    the package that calls models is not installed
    ``cancelled``     the calls were closed before it came
    ================  =====================================================================

    `transient` says whether the same call may succeed later; `retry_after` is how many seconds
    the provider asked to wait, if it did. Neither it nor its text ever holds the key.
    """

    default_code: ClassVar[str] = "model_failure"

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        hint: str = "",
        transient: bool = False,
        retry_after: float | None = None,
        attempts: int = 0,
    ) -> None:
        super().__init__(message, hint=hint, details={"kind": kind})
        self.kind = kind
        self.transient = transient
        self.retry_after = retry_after
        self.attempts = attempts
