"""Whom a move concerns beyond its own artifact, to be told along with the event of the move."""

from __future__ import annotations

import json

from pointsman.app.graph_lookups import Then
from pointsman.app.people import who_of
from pointsman.app.ports import Reader
from pointsman.core.graph import World, affected
from pointsman.core.journal import Line
from pointsman.core.releases import target_from_plain

MAX_TOLD = 100
"""So many affected nodes are named; `affects_count` has how many there are."""


def told_affected(reader: Reader, project_id: int, line: Line) -> dict[str, object]:
    """What a move affected when it was made, and who owns that now; empty if it is nothing.

    The same however late it is asked, but for the owners.
    """
    if line.artifact is None or line.alias is None:
        return {}
    key = line.artifact, line.alias
    world = World(line.alias, {key: target_from_plain(json.loads(line.data)["to"])})
    found = affected([world], [key], Then(reader, project_id, line.at - 1)).affected
    if not found:
        return {}
    told = found[:MAX_TOLD]
    ids = dict.fromkeys(node.artifact_id for node in told)
    owners = dict.fromkeys(who_of(reader, one) for each in ids for one in reader.owners(each))
    return {
        "affects": [f"{node.kind}:{node.name}@{node.alias}" for node in told],
        "affects_count": len(found),
        **({"affects_owners": list(owners)} if owners else {}),
    }
