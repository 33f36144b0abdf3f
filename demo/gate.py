"""The eval gate: a prompt that is fine by itself breaks what takes its output, and is held back.

Three prompts make a chain: a summary of what a customer writes, its topic, and a reply. The
model is a pretend one (`model.py`); the messages are in `messages.jsonl`.
"""

from __future__ import annotations

import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from demo.telling import refused, say

from pointsman import Client
from pointsman.core.changes import Change
from pointsman.core.evaluation import Requirement
from pointsman.core.vocabulary import Dependency
from pointsman.errors import Refused

MESSAGES = Path(__file__).with_name("messages.jsonl")
MODEL = {"provider": "pretend", "name": "keywords"}
SUMMARY, TOPIC, REPLY = "shop/summary", "shop/topic", "shop/reply"
LIVE = f"{SUMMARY}@production"
TAKES_SUMMARY = Dependency("consumes", LIVE, "summary")
TAKES_TOPIC = Dependency("consumes", f"{TOPIC}@production", "topic")
POLICY = {"name": "shop", "artifacts": "shop/*", "aliases": "production"}
SUITES: dict[str, dict[str, Any]] = {
    "shop/short": {
        "for": [SUMMARY],
        "scorers": [{"name": "short", "by": "regex", "pattern": "(?s)^.{1,100}$"}],
        "hold": [{"metric": "short", "at_least": 0.9}],
    },
    "shop/topics": {
        "for": [TOPIC],
        "output": "chain",
        "scorers": [{"name": "correct", "by": "exact", "expected": "/topic"}],
        "hold": [{"metric": "correct", "not_worse_by": 0.05}],
    },
    "shop/replies": {
        "for": [REPLY],
        "output": "chain",
        "scorers": [{"name": "helpful", "by": "contains", "expected": "/says"}],
        "hold": [{"metric": "helpful", "not_worse_by": 0.05}],
    },
}
PATIENCE = 120.0
"""Seconds after which an evaluation is taken for lost."""


def eval_gate(registry: Client, address: str) -> None:
    """The whole chapter; `address` is where the pretend model is."""
    say("\n  The eval gate: nothing reaches production before it was evaluated\n")
    set_up(registry, address)
    before = registry.evidence(LIVE).at
    broken = propose(registry, "in one sentence", "Shorter is cheaper")
    show_proof(registry, broken)
    mended = propose(registry, "in one sentence: what they ask for", "Short, and to the point")
    done = registry.apply(mended.number)
    say(f"  applied    change {mended.number}: {LIVE} is version 3, release {done.number}")
    look_back(registry, before)


def set_up(registry: Client, address: str) -> None:
    """The chain with version 1 of everything live, the suites, and the policy."""
    rows = [json.loads(line) for line in MESSAGES.read_text("utf-8").splitlines()]
    registry.set_policy(POLICY, reason="The shop begins")
    registry.set_provider("pretend", base_url=address, concurrency=16)
    first = {"aliases": ["production"], "reason": "The first version"}
    task = "Summarise this message in two sentences, and keep what they ask for."
    registry.publish(SUMMARY, summary(task), **first)  # type: ignore[arg-type]
    topic = "Sort this into refund, delivery, account or other.\n\n{{ summary }}"
    reply = "Answer this customer; the topic: {{ topic }}.\n\n{{ summary }}"
    for name, text, takes in (
        (TOPIC, topic, [TAKES_SUMMARY]),
        (REPLY, reply, [TAKES_SUMMARY, TAKES_TOPIC]),
    ):
        content = {"template": text, "model": MODEL}
        registry.publish(name, content, dependencies=takes, **first)  # type: ignore[arg-type]
    registry.publish("shop/messages", rows, kind="dataset")
    for name, suite in SUITES.items():
        content = {"dataset": "shop/messages:1", **suite}
        registry.publish(name, content, kind="suite", **first)  # type: ignore[arg-type]
    registry.set_policy({**POLICY, "evaluate": "affected"}, reason="Customers read it by now")
    say(f"  live       {SUMMARY} → {TOPIC} → {REPLY}: each takes what comes before it")
    say("  model      a pretend one on this machine, which looks for words and understands nothing")
    say(f"  evaluated  by a suite for each of them, on {len(rows)} messages of customers")
    say("  protected  production: what moves and all downstream of it must have passed")


def propose(registry: Client, how: str, why: str) -> Change:
    """Publish another summary, try to move production to it, and propose that."""
    made = registry.publish(SUMMARY, summary(f"Summarise this message {how}."), message=why)
    number = made.version.number
    say(f"\n  published  {SUMMARY}:{number}, “{how}”")
    move = {"name": SUMMARY, "alias": "production", "version": number}
    if number == 2:
        act = lambda: registry.release([move], reason=why)  # noqa: E731 - said once, done once
        refused("moving it at once", act)
    began = time.monotonic()
    change = registry.propose(why, [move], reason=why)
    found = evaluated(registry, change.number)
    took = time.monotonic() - began
    say(f"  proposed   change {change.number}; the server evaluated it within {took:.1f} s:")
    for one in found:
        say(f"             {one.label}: {one.state} by {one.suite}")
    return registry.change(change.number)


def evaluated(registry: Client, number: int) -> tuple[Requirement, ...]:
    """What a change needs to have evaluated, once all of it is."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        (move,) = registry.change(number).moves
        if all(one.state in ("passed", "failed", "inconclusive") for one in move.evaluations):
            return move.evaluations
        time.sleep(0.1)
    raise SystemExit(f"The evaluations of change {number} did not end.")


def show_proof(registry: Client, change: Change) -> None:
    """Why a change can't be applied, and two rows that prove it, both sides beside each other."""
    try:
        registry.apply(change.number)
    except Refused as error:
        say("  refused    applying it:")
        for one in error.reasons:
            say(f"             {one.message}")
    else:
        raise SystemExit("What breaks the classifier should have been refused.")
    (topic,) = [one for one in change.moves[0].evaluations if one.name == TOPIC]
    assert topic.evaluation is not None
    found = registry.evaluation_cases(topic.evaluation, limit=2)
    say(f"\n  Two of the messages that prove it (evaluation {topic.evaluation}):\n")
    say(f"    {'the message ends':62}  {'right':10}{'live':10}proposed")
    for case in found.items:
        end = str(case.input["message"]).rsplit(". ", 1)[-1]
        before = case.baseline.output if case.baseline else ""
        right = case.expected["topic"]
        say(f"    {end:62}  {right:10}{before:10}{case.candidate.output}")


def look_back(registry: Client, before: datetime) -> None:
    """What the record tells of both moments."""
    now = registry.evidence(LIVE)
    then = registry.evidence(LIVE, at=before)
    say(f"\n  What is {LIVE}, and on what evidence?")
    say(f"    version {now.versions[0].number}, as change {now.change}, evaluated on exactly this:")
    for one in now.evaluations:
        suite, number = one["suite"], one["evaluation"]
        say(f"    {one['version']}: {one['state']} by {suite}, evaluation {number}")
    say(f"    before it, version {then.versions[0].number}; version 2 never was\n")
    if not registry.doctor().healthy:
        raise SystemExit("The doctor found something after the evaluations.")


def summary(task: str) -> dict[str, Any]:
    """The content of a summariser."""
    return {"template": f"{task}\n\n{{{{ message }}}}", "model": MODEL}
