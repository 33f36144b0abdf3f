"""How the demo tells its story."""

from __future__ import annotations

from collections.abc import Callable

from pointsman.errors import Refused


def say(text: str) -> None:
    """Tell the story."""
    print(text, flush=True)


def refused(what: str, act: Callable[[], object]) -> None:
    """Do what must be refused, and tell why it was."""
    try:
        act()
    except Refused as error:
        say(f"  refused    {what}: {error.message}")
    else:
        raise SystemExit(f"{what} should have been refused.")
