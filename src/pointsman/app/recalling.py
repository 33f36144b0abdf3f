"""A release as the record has it: on what grounds it was made, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pointsman.app.application import View
from pointsman.app.basis import place_of
from pointsman.app.glass import broken_glass_of
from pointsman.app.releases import find_release, moves_of
from pointsman.core.access import may
from pointsman.core.making import full_label, split_label
from pointsman.core.record import ReleaseRecord
from pointsman.core.vocabulary import Move

_STEP = 100
_LOOKED_AT = 2_000
"""Moves of an alias that are looked at for the one that undid a release."""


def recall(view: View, number: int) -> ReleaseRecord:
    """A release with its evidence, and where its aliases point by now.

    Raises `NotFound`, or `Refused` where it moved what the asker may not read.
    """
    view.require("read")
    release = find_release(view, number)
    for move in release.moves:
        view.require("read", move.kind, move.name)
    facts = [json.loads(line.data) for line in moves_of(view, number)]
    places = [place_of(view, move.kind, move.name, move.alias) for move in release.moves]
    stands = tuple(
        place.revision == move.revision for place, move in zip(places, release.moves, strict=True)
    )
    return ReleaseRecord(
        release=release,
        change=next((fact["change"] for fact in facts if "change" in fact), None),
        policies=tuple(dict.fromkeys(fact["policy"] for fact in facts if "policy" in fact)),
        approvals=tuple(_each(facts, "approvals", "id")),
        checks=tuple(_each(facts, "checks", "name", "digest")),
        evaluations=tuple(
            one
            for one in _each(facts, "evaluations", "version", "suite", "seal")
            if may(view.actor, "read", *split_label(full_label(one["version"]))[:2]).allowed
        ),
        glass=broken_glass_of(view, number),
        now=tuple(place.target for place in places),
        stands=stands,
        undone_by=tuple(
            None if there else _undone_by(view, place.artifact.id, move, number)
            for place, move, there in zip(places, release.moves, stands, strict=True)
        ),
    )


def _each(
    facts: Sequence[Mapping[str, Any]], what: str, *names: str
) -> Iterator[Mapping[str, Any]]:
    """What the moves of a release were made on, each thing once."""
    seen = set()
    for fact in facts:
        for one in fact.get(what, ()):
            key = tuple(one[name] for name in names)
            if key not in seen:
                seen.add(key)
                yield one


def _undone_by(view: View, artifact_id: int, move: Move, number: int) -> int | None:
    """The release that put an alias back to what it was before this one."""
    before: int | None = None
    for _ in range(_LOOKED_AT // _STEP):
        lines = view.reader.alias_lines(artifact_id, move.alias, before, _STEP)
        for line in lines:
            fact = json.loads(line.data)
            if fact["release"] == number:
                return None
            if fact.get("undoes") == number:
                return int(fact["release"])
        if len(lines) < _STEP:
            return None
        before = lines[-1].seq
    return None
