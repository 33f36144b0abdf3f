"""What was looked at and what was found, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pointsman.cli.moving import short_label

if TYPE_CHECKING:
    from pointsman.core.vocabulary import Finding


def told_finding(finding: Finding) -> str:
    """What is wrong with what, in one sentence."""
    return f"{short_label(finding.subject)}: {finding.message.rstrip('.')}."


def counted(number: int, things: str) -> str:
    """``1 alias``, ``2 aliases``: `things` is the plural."""
    if number != 1:
        return f"{number:,} {things}"
    return f"1 {_SINGULAR.get(things) or things.removesuffix('s')}"


_SINGULAR: Final = {"aliases": "alias", "entries": "entry"}
