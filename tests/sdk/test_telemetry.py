"""Prompts in traces."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pointsman.sdk.answers import prompt_of
from pointsman.sdk.telemetry import attributes, record
from sdk.making import resolution

PROMPT = prompt_of(resolution(version=7))


def test_attributes_leave_values_out_unless_they_are_passed() -> None:
    assert attributes(PROMPT) == {
        "gen_ai.prompt.name": "support/reply",
        "gen_ai.prompt.version": "7",
    }
    assert attributes(PROMPT, variables={"name": "Ada"})["gen_ai.prompt.variable.name"] == "Ada"


def test_the_current_span_is_told() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("test").start_as_current_span("call"):
        record(PROMPT)
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes or {}) == attributes(PROMPT)
    provider.shutdown()


def test_no_span_and_no_opentelemetry_are_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not trace.get_current_span().is_recording()
    record(PROMPT)
    importing = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return importing(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    record(PROMPT)
