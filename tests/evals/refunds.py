"""A small project to evaluate: messages are summarised, and the summaries classified.

The endpoint plays the model. Version 1 of `summarise` is live and keeps everything; 2 is so
brief that `classify`, downstream, no longer sees who wants a refund; 3 is as good as 1; 4
never gets an answer.
"""

from __future__ import annotations

from typing import Any

from evals.endpoint import Answer, Request, never
from pointsman import Client, Registry
from pointsman.core.vocabulary import Dependency

ROWS = 24
MODEL: dict[str, Any] = {"provider": "local", "name": "small"}
TEMPLATES = (
    "Summarise: {{ message }}",
    "Summarise briefly: {{ message }}",
    "Summarise well: {{ message }}",
    "Wait: {{ message }}",
)
LABELS: dict[str, Any] = {
    "for": ["classify"],
    "dataset": "tickets:1",
    "output": {"by": "chain"},
    "scorers": [{"name": "correct", "by": "exact"}],
    "hold": [
        {"metric": "correct", "at_least": 0.9},
        {"metric": "correct", "not_worse_by": 0.05},
    ],
}
SHORT: dict[str, Any] = {
    "for": ["summarise"],
    "dataset": "tickets:1",
    "scorers": [],
    "hold": [{"metric": "tokens", "at_most": 1_000}],
}


def answer(request: Request) -> Answer:
    """What the model says."""
    task, _, text = request.text.partition(": ")
    if task == "Wait":
        return never()
    if task == "Classify":
        return "refund" if "refund" in text else "other"
    return " ".join(text.split()[:2]) if "briefly" in task else text


def make_project(registry: Client | Registry, base_url: str) -> None:
    """Publish everything, with version 1 of all of it live."""
    registry.set_provider("local", base_url=base_url, concurrency=16)
    for template in TEMPLATES:
        registry.publish("summarise", {"template": template, "model": MODEL})
    registry.promote("summarise:1", "production", reason="to begin with")
    takes = Dependency("consumes", "summarise@production", "summary")
    classify: dict[str, Any] = {"template": "Classify: {{ summary }}", "model": MODEL}
    registry.publish("classify", classify, dependencies=[takes])
    registry.publish("tickets", {"rows": [row(n) for n in range(ROWS)]}, kind="dataset")
    registry.publish("labels", LABELS, kind="suite")
    registry.publish("short", SHORT, kind="suite")
    for name in ("classify", "suite:labels", "suite:short"):
        registry.promote(f"{name}:1", "production", reason="to begin with")


def row(number: int) -> dict[str, Any]:
    """A row of the dataset: every other one wants a refund."""
    if number % 2:
        message, label = f"Order {number} broke, I want a refund now", "refund"
    else:
        message, label = f"Hello {number}, how are you today", "other"
    return {"input": {"message": message}, "expected": label, "tags": {"wants": label}}
