"""What is begun by one transaction and answered by a later one, while no thread waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pointsman.app.application import Caller, View, Work
from pointsman.wire.running import Read, Runner, Write

PATIENCE: Final = 30.0
"""Seconds that somebody waits for an answer; well over what one message may take."""
_PAUSE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Follow:
    """Something to begin, and how to see what became of it: None as long as nothing did.

    `late` makes the answer where nothing did in time.
    """

    start: Callable[[Work], Any]
    look: Callable[[View, Any], Any]
    late: Callable[[Any], Any]


async def followed(runner: Runner, caller: Caller, plan: Follow) -> Any:
    """Begin it, and wait for what becomes of it."""
    begun = await runner.run(caller, Write(plan.start), None)
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    while loop.time() < end:
        found = await runner.run(caller, Read(lambda view: plan.look(view, begun)), None)
        if found is not None:
            return found
        await asyncio.sleep(_PAUSE)
    return plan.late(begun)
