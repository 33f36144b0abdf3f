"""Answers for tests, made without a registry."""

from __future__ import annotations

from datetime import UTC, datetime

from pointsman.core.canonical import canonical_json, digest
from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Arm, Included, Resolution, Why
from pointsman.sdk.answers import arm_of
from pointsman.sdk.knowledge import Answer, Source

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def resolution(
    selector: str = "support/reply@deployment",
    version: int = 1,
    *,
    revision: int = 1,
    split: tuple[Arm, ...] = (),
    includes: tuple[Included, ...] = (),
    text: str | None = None,
) -> Resolution:
    """What a registry answers to a selector."""
    parsed = parse_selector(selector)
    content = {"template": text if text is not None else f"Version {version} for {{{{ name }}}}"}
    found = digest(canonical_json(content))
    moved = parsed.alias is not None
    why = Why(
        alias=parsed.alias,
        revision=revision if moved else None,
        release=40 + revision if moved else None,
        moved_at=NOW if moved else None,
        moved_by="Ada" if moved else None,
        reason="because" if moved else None,
        split=split,
        includes=includes,
    )
    return Resolution(
        selector=str(parsed),
        kind=parsed.kind,
        name=parsed.name,
        version=version,
        digest=found,
        content=content,
        content_digest=found,
        message="",
        author="Ada",
        created_at=NOW,
        tags={"team": "support"},
        why=why,
    )


def answer(
    given: Resolution | None = None,
    *,
    seq: int | None = 10,
    epoch: str = "s.1",
    asked_at: float = 0.0,
    source: Source = "network",
) -> Answer:
    """What a client makes of it."""
    given = given or resolution()
    arms = {
        arm.version: arm_of(given, resolution(f"{given.name}:{arm.version}", arm.version))
        for arm in given.why.split
    }
    return Answer(given, arms, {given.selector: '"e"'}, seq, epoch, asked_at, source)
