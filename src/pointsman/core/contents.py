"""The content of a version of any kind, checked and brought to its normal form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol, cast

from pointsman.core.canonical import JSON, canonical_json, check_json, digest
from pointsman.core.content import parse_prompt
from pointsman.core.datasets import parse_dataset
from pointsman.core.selectors import Selector
from pointsman.core.suites import parse_suite
from pointsman.core.variables import plain
from pointsman.errors import InvalidContent


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
        InvalidContent: see `parse_prompt`, `parse_suite` and `parse_dataset`; a model takes any
            JSON object.
    """
    if kind in _PARSERS:
        return _PARSERS[kind](value)
    if not isinstance(value, dict):
        raise InvalidContent(
            f"The content of a {kind} must be an object.", code="wrong_type", hint="Write {…}."
        )
    check_json(value)
    return PlainContent(kind, value)


@dataclass(frozen=True)
class PlainContent:
    """The content of a model: a JSON object, as it is."""

    kind: str
    value: dict[str, JSON]

    def to_json(self) -> dict[str, JSON]:
        """A copy of the object."""
        return cast("dict[str, JSON]", plain(self.value))

    @cached_property
    def canonical(self) -> str:
        """The canonical text."""
        return canonical_json(self.value)

    @cached_property
    def digest(self) -> str:
        """The digest of the canonical text."""
        return digest(self.canonical)

    @property
    def shape(self) -> None:
        """Only prompts have one."""
        return None

    @property
    def includes(self) -> tuple[Selector, ...]:
        """Only prompts compose."""
        return ()

    @property
    def uses(self) -> tuple[Selector, ...]:
        """A model stands for itself."""
        return ()


_PARSERS: Final[Mapping[str, Callable[[JSON], Content]]] = {
    "prompt": parse_prompt,
    "suite": parse_suite,
    "dataset": parse_dataset,
}
