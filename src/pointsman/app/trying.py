"""Trying a prompt before it is published: what a model would be asked. It costs money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pointsman.app.application import View
from pointsman.app.including import compose_content
from pointsman.core.content import PromptContent
from pointsman.core.providers import Call


def require_spending(view: View, name: str) -> None:
    """Raise `Refused` unless the caller may have models asked about this prompt.

    That is who may publish versions of it: viewers spend nothing.
    """
    view.require("write", "prompt", name)


def composed(view: View, name: str, content: PromptContent) -> PromptContent:
    """A prompt with all that it includes. Raises `Refused`, or what composing raises."""
    require_spending(view, name)
    composition, _ = compose_content(view, content, name or "this draft")
    return composition.content


def call_of(content: PromptContent, values: Mapping[str, Any]) -> Call:
    """What a model is asked with a composed prompt and these values. Raises `RenderError`."""
    rendered = content.compiled.render(values)
    messages = [{"role": "user", "content": rendered}] if isinstance(rendered, str) else rendered
    model = dict(content.model or {})
    answer = content.response_format
    return Call(messages, model, content.tools, dict(answer) if answer else None)
