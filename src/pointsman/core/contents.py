"""The content of a version of any kind, checked and brought to its normal form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from pointsman.core.canonical import JSON
from pointsman.core.content import parse_prompt
from pointsman.core.datasets import parse_dataset
from pointsman.core.models import parse_model
from pointsman.core.selectors import Selector
from pointsman.core.suites import parse_suite


class Content(Protocol):
    """What every kind of content can tell of itself."""

    def to_json(self) -> JSON:
        """The normal form, in fresh lists and dicts."""

    @property
    def canonical(self) -> str: ...

    @property
    def digest(self) -> str: ...

    @property
    def shape(self) -> str | None: ...

    @property
    def includes(self) -> tuple[Selector, ...]: ...

    @property
    def uses(self) -> tuple[Selector, ...]: ...


def parse_content(kind: str, value: JSON) -> Content:
    """The content of a version of this kind.

    Raises:
        InvalidContent: see `parse_prompt`, `parse_model`, `parse_suite` and `parse_dataset`.
    """
    return _PARSERS[kind](value)


_PARSERS: Final[Mapping[str, Callable[[JSON], Content]]] = {
    "prompt": parse_prompt,
    "model": parse_model,
    "suite": parse_suite,
    "dataset": parse_dataset,
}
