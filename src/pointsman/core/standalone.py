"""What the contents of models, suites and datasets have in common: they compose nothing."""

from __future__ import annotations

from functools import cached_property

from pointsman.core.canonical import JSON, canonical_json, digest
from pointsman.core.selectors import Selector


class Standalone:
    """A content that stands for itself. See `contents.Content`."""

    def to_json(self) -> dict[str, JSON]:
        """The normal form, in fresh lists and dicts."""
        raise NotImplementedError

    @cached_property
    def canonical(self) -> str:
        """The canonical text: equal for equal meaning."""
        return canonical_json(self.to_json())

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
        """Nothing, unless it says what."""
        return ()
