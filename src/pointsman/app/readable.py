"""What is in use stays readable: the last word on every move, publication and removal.

Rules elsewhere refuse at once what is known to break a prompt that includes another. This one
puts together all that a change touches, as it would be read from now on, so that no way
round is left: versions that were asleep and wake up, includes of includes, sizes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from pointsman.app.application import Work
from pointsman.app.including import compose_content
from pointsman.core.content import restore_prompt
from pointsman.core.releases import together
from pointsman.errors import Conflict, PointsmanError, Unavailable


def check_readable(work: Work, changed: Mapping[int, Iterable[int]]) -> None:
    """Raise `Conflict` if something in use can't be read any more, with every such thing.

    `changed` has the artifacts whose aliases, newest version or contents this transaction has
    changed already, and for each the versions that it has brought into use.
    """
    concerned: dict[tuple[int, int], None] = {}
    for artifact_id, numbers in changed.items():
        for number in numbers:
            if any(row.relation == "includes" for row in work.tx.dependencies(artifact_id, number)):
                concerned[artifact_id, number] = None
    waiting = list(changed)
    seen: set[int] = set()
    while waiting:
        for row in work.tx.includers(waiting.pop()):
            if row.live:
                concerned[row.artifact_id, row.number] = None
            if row.artifact_id not in seen:
                seen.add(row.artifact_id)
                waiting.append(row.artifact_id)
    problems = [problem for place in concerned if (problem := _problem(work, *place)) is not None]
    if problems:
        raise together(problems)


def _problem(work: Work, artifact_id: int, number: int) -> PointsmanError | None:
    artifact = work.tx.artifact_by_id(artifact_id)
    assert artifact is not None, "callers name artifacts that exist"
    body = work.tx.content(artifact_id, number)
    in_use = number == artifact.newest or any(
        row.target is not None and number in row.target.versions
        for row in work.tx.aliases(artifact_id)
    )
    if body is None or not in_use:
        return None
    label = f"{artifact.name}:{number}"
    try:
        compose_content(work, restore_prompt(json.loads(body)), label)
    except Unavailable:
        raise
    except PointsmanError as error:
        return Conflict(
            f"{label} is in use and could not be read any more: {error.message}",
            code="would_break",
            hint="Change what it includes first, or both in one release.",
        )
    return None
