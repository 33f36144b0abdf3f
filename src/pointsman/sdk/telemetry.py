"""Prompts in traces, by the OpenTelemetry conventions for generative AI.

The names below are all that Pointsman takes from those conventions, which are still in
development: if they change, this file does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pointsman.core.prompt import Prompt

PROMPT_NAME = "gen_ai.prompt.name"
PROMPT_VERSION = "gen_ai.prompt.version"
PROMPT_VARIABLE = "gen_ai.prompt.variable."


def attributes(prompt: Prompt, *, variables: Mapping[str, object] | None = None) -> dict[str, str]:
    """The attributes that say which prompt a span used.

    `variables` are the values that it was rendered with. They are left out unless passed:
    they may be about people.
    """
    found = {PROMPT_NAME: prompt.name, PROMPT_VERSION: str(prompt.version)}
    for name, value in (variables or {}).items():
        found[PROMPT_VARIABLE + name] = str(value)
    return found


def record(prompt: Prompt, *, variables: Mapping[str, object] | None = None) -> None:
    """Set `attributes` on the current span. Does nothing without OpenTelemetry installed."""
    trace = _trace()
    if trace is None:
        return
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes(attributes(prompt, variables=variables))


def _trace() -> Any:
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace
