"""Moving aliases: alone and together, back again, and all that stands against it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from changes import in_threads
from pointsman.compose import Registry
from pointsman.core.vocabulary import Alias, Arm, Release, Target
from pointsman.errors import (
    Conflict,
    Gone,
    InvalidInput,
    InvalidName,
    NotFound,
    PointsmanError,
    StaleRevision,
)


@pytest.fixture(autouse=True)
def healthy(registry: Registry) -> Iterator[None]:
    """Five versions of `x` and `y` to begin with; whatever a test did, all is sound after it."""
    for name in ("x", "y"):
        registry.publish_many([{"name": name, "content": f"{name} {n}"} for n in range(1, 6)])
    yield
    assert registry.doctor().findings == ()


def head(registry: Registry) -> int:
    return registry.history(limit=1).items[0].seq


def to(version: int) -> Target:
    return Target(version=version)


def refused(
    kind: type[PointsmanError], code: str, act: Callable[[], object], *reasons: str
) -> PointsmanError:
    with pytest.raises(kind) as caught:
        act()
    assert caught.value.code == code, caught.value
    assert [reason.code for reason in caught.value.reasons] == list(reasons)
    return caught.value


def done(release: Release | None) -> Release:
    assert release is not None
    return release


# One alias


def test_a_move_is_a_release_of_one(registry: Registry) -> None:
    release = done(registry.promote("x:3", "prod", reason="better"))
    (move,) = release.moves
    assert (move.kind, move.name, move.alias) == ("prompt", "x", "prod")
    assert (move.before, move.to, move.revision) == (None, to(3), 1)
    assert (release.reason, release.undoes) == ("better", None)
    assert release.number == head(registry)
    assert registry.find_release(release.number) == release
    assert registry.alias("x@prod") == Alias(
        "prod", to(3), 1, release.number, release.at, release.by, "better"
    )
    assert registry.resolve("x@prod").version == 3
    assert registry.artifact("x").aliases == (registry.alias("x@prod"),)
    assert registry.version("x:3").aliases == ("prod",)


def test_moving_to_where_it_is_does_nothing(registry: Registry) -> None:
    registry.promote("x:3", "prod")
    before = head(registry)
    assert registry.promote("x:3", "prod", reason="again") is None
    assert registry.promote("x:3", "prod", if_revision=1) is None
    assert registry.split("x", "prod", {3: 7}) is None, "a split with one arm is that version"
    assert head(registry) == before
    refused(StaleRevision, "stale_revision", lambda: registry.promote("x:3", "prod", if_revision=9))


def test_promote_takes_what_a_selector_means(registry: Registry) -> None:
    assert done(registry.promote("x", "staging")).moves[0].to == to(5), "the newest"
    registry.promote("x:2", "staging")
    assert done(registry.promote("x@staging", "prod")).moves[0].to == to(2)
    registry.split("x", "canary", {1: 1, 5: 3})
    arms = Target(split=(Arm(1, 1), Arm(5, 3)))
    assert done(registry.promote("x@canary", "prod")).moves[0].to == arms
    refused(NotFound, "alias_not_found", lambda: registry.promote("x@nope", "prod"))
    refused(NotFound, "artifact_not_found", lambda: registry.promote("nope", "prod"))
    refused(NotFound, "version_not_found", lambda: registry.promote("x:6", "prod"))


def test_compare_and_swap(registry: Registry) -> None:
    registry.promote("x:1", "prod", if_revision=0)
    error = refused(
        StaleRevision, "stale_revision", lambda: registry.promote("x:2", "prod", if_revision=0)
    )
    assert error.details["current"] == {
        "kind": "prompt",
        "name": "x",
        "alias": "prod",
        "revision": 1,
        "target": {"version": 1},
    }
    registry.promote("x:2", "prod", if_revision=1)
    refused(StaleRevision, "stale_revision", lambda: registry.delete_alias("x@prod", if_revision=1))
    registry.delete_alias("x@prod", if_revision=2)
    refused(StaleRevision, "stale_revision", lambda: registry.promote("x:2", "prod", if_revision=0))
    assert done(registry.promote("x:2", "prod", if_revision=3)).moves[0].revision == 4


def test_of_many_who_saw_the_same_revision_one_wins(registry: Registry) -> None:
    registry.promote("x:1", "prod")

    def work(thread: int) -> bool:
        try:
            registry.split("x", "prod", {1: thread + 1, 2: 100}, if_revision=1)
        except StaleRevision:
            return False
        return True

    assert sum(in_threads(8, work)) == 1
    assert registry.alias("x@prod").revision == 2


def test_revisions_have_no_gaps_whoever_moves(registry: Registry) -> None:
    def work(thread: int) -> list[int]:
        got = []
        for n in range(6):
            release = registry.split("x", "prod", {1: thread * 10 + n + 1, 2: 1_000})
            got.append(done(release).moves[0].revision)
        return got

    revisions = [one for some in in_threads(6, work) for one in some]
    assert sorted(revisions) == list(range(1, 37))
    releases = registry.releases("x@prod").items
    assert [one.moves[0].revision for one in releases] == list(range(36, 0, -1))
    for later, earlier in itertools.pairwise(releases):
        assert later.moves[0].before == earlier.moves[0].to


def test_a_deleted_alias_is_gone_and_its_revision_lives_on(registry: Registry) -> None:
    registry.promote("x:1", "prod")
    release = done(registry.delete_alias("x@prod", reason="tidy"))
    assert (release.moves[0].before, release.moves[0].to) == (to(1), None)
    for gone in (
        lambda: registry.alias("x@prod"),
        lambda: registry.resolve("x@prod"),
        lambda: registry.delete_alias("x@prod"),
        lambda: registry.promote("x@prod", "other"),
    ):
        refused(NotFound, "alias_not_found", gone)
    assert registry.artifact("x").aliases == ()
    assert done(registry.promote("x:2", "prod")).moves[0].revision == 3
    refused(NotFound, "alias_not_found", lambda: registry.delete_alias("x@never"))


def test_aliases_mind_case_and_belong_to_their_artifact(registry: Registry) -> None:
    registry.promote("x:1", "prod")
    registry.promote("x:2", "Prod")
    registry.promote("y:3", "prod")
    assert registry.resolve("x@prod").version == 1
    assert registry.resolve("x@Prod").version == 2
    assert registry.resolve("y@prod").version == 3


_BAD_ALIASES: list[str] = ["latest", "NEWEST", "v1", "7", "", "a b", "a/b", "a@b", "x" * 101]


def test_bad_aliases_are_refused(registry: Registry, subtests: pytest.Subtests) -> None:
    for alias in _BAD_ALIASES:
        with subtests.test(alias=alias):
            with pytest.raises(InvalidName):
                registry.promote("x:1", alias)
            with pytest.raises(InvalidName):
                registry.release([{"name": "x", "alias": alias, "version": 1}])


# Splits


def test_a_split_shares_readers_out(registry: Registry) -> None:
    registry.split("x", "ab", {1: 90, 4: 10})
    seen = [registry.resolve("x@ab", key=f"user {n}").version for n in range(200)]
    assert set(seen) == {1, 4}
    assert seen.count(1) > seen.count(4)
    assert seen == [registry.resolve("x@ab", key=f"user {n}").version for n in range(200)]
    assert registry.resolve("x@ab").why.split == (Arm(1, 90), Arm(4, 10))
    assert registry.version("x:4").aliases == ("ab",)
    registry.split("x", "ab", {1: 50, 4: 50})
    now = [registry.resolve("x@ab", key=f"user {n}").version for n in range(200)]
    assert all(new == 4 for old, new in zip(seen, now, strict=True) if old == 4), "nobody goes back"


_BAD_SPLITS: list[dict[int, int]] = [
    {},
    {1: 0, 2: 1},
    {1: -1, 2: 1},
    {1: 10_001, 2: 1},
    dict.fromkeys(range(1, 22), 1),
]


def test_bad_splits_are_refused(registry: Registry, subtests: pytest.Subtests) -> None:
    for weights in _BAD_SPLITS:
        with subtests.test(weights=weights):
            refused(
                InvalidInput, "invalid_split", functools.partial(registry.split, "x", "ab", weights)
            )


def test_a_split_over_a_missing_version_is_refused(registry: Registry) -> None:
    refused(NotFound, "version_not_found", lambda: registry.split("x", "ab", {1: 1, 9: 1}))
    error = refused(
        NotFound,
        "version_not_found",
        lambda: registry.split("x", "ab", {8: 1, 9: 1}),
        "version_not_found",
        "version_not_found",
    )
    assert "8" in error.reasons[0].message
    assert "9" in error.reasons[1].message


# Several together


def test_a_release_moves_all_or_nothing(registry: Registry) -> None:
    registry.promote("y:1", "old")
    release = done(
        registry.release(
            [
                {"name": "x", "alias": "prod", "version": 2},
                {"name": "y", "alias": "prod", "split": {"1": 90, "2": 10}},
                {"name": "y", "alias": "old", "delete": True},
            ],
            reason="together",
        )
    )
    assert [(move.name, move.alias, move.to) for move in release.moves] == [
        ("x", "prod", to(2)),
        ("y", "prod", Target(split=(Arm(1, 90), Arm(2, 10)))),
        ("y", "old", None),
    ]
    assert release.number == head(registry) - 2, "the number of its first move"
    assert registry.find_release(release.number) == release
    assert {registry.alias("x@prod").release, registry.alias("y@prod").release} == {release.number}
    for number in (release.number + 1, release.number - 1, 0, -1, 10**6):
        if number == release.number - 1:
            continue
        refused(NotFound, "release_not_found", lambda n=number: registry.find_release(n))  # type: ignore[misc]
    (one,) = registry.releases("y@old", limit=1).items
    assert one.number == release.number
    assert [move.alias for move in one.moves] == ["old"], "with this alias's move alone"


def test_what_is_fulfilled_already_is_left_out(registry: Registry) -> None:
    registry.promote("x:2", "prod")
    moves = [
        {"name": "x", "alias": "prod", "version": 2},
        {"name": "y", "alias": "prod", "version": 2},
    ]
    release = done(registry.release(moves))
    assert [move.name for move in release.moves] == ["y"]
    assert registry.release(moves) is None


def test_a_refused_release_tells_every_reason_and_does_nothing(registry: Registry) -> None:
    registry.promote("x:1", "prod")
    registry.publish("z", "z")
    registry.archive("z")
    registry.publish("w", "w 1")
    registry.publish("w", "w 2")
    registry.tombstone("w:1", reason="a secret")
    before = head(registry)
    moves: list[dict[str, Any]] = [
        {"name": "y", "alias": "prod", "version": 1},
        {"name": "x", "alias": "prod", "version": 2, "if_revision": 7},
        {"name": "x", "alias": "beta", "version": 99},
        {"name": "x", "alias": "gone", "delete": True},
        {"name": "z", "alias": "prod", "version": 1},
        {"name": "w", "alias": "prod", "version": 1},
        {"name": "y", "alias": "prod", "version": 2},
    ]
    refused(
        StaleRevision,
        "stale_revision",
        lambda: registry.release(moves),
        "stale_revision",
        "version_not_found",
        "alias_not_found",
        "archived",
        "tombstoned",
        "duplicate_move",
    )
    missing = [{"name": name, "alias": "prod", "version": 1} for name in ("no1", "y", "no2")]
    refused(
        NotFound,
        "artifact_not_found",
        lambda: registry.release(missing),
        "artifact_not_found",
        "artifact_not_found",
    )
    refused(Gone, "tombstoned", lambda: registry.release([moves[5]]))
    assert head(registry) == before
    assert registry.search(with_aliases=["prod"]).items == (registry.artifact("x"),)


_BAD_MOVES: list[tuple[list[dict[str, Any]], str]] = [
    ([], "empty_release"),
    ([{"name": "x", "alias": "a"}], "invalid_target"),
    ([{"name": "x", "alias": "a", "version": 1, "delete": True}], "invalid_target"),
    ([{"name": "x", "alias": "a", "version": 1, "split": {"1": 1}}], "invalid_target"),
    ([{"name": "x", "version": 1}], "missing_field"),
    ([{"alias": "a", "version": 1}], "missing_field"),
    ([{"name": "x", "alias": "a", "version": 1, "vresion": 2}], "unknown_field"),
    ([{"name": "x", "alias": "a", "version": 0}], "version_out_of_range"),
    ([{"name": "x", "alias": "a", "version": True}], "not_a_number"),
    ([{"name": "x", "alias": "a", "split": {"1": 1, "01": 1}}], "invalid_split"),
    ([{"name": "x", "alias": "a", "split": {"one": 1}}], "not_a_number"),
    ([{"name": "x", "alias": "a", "split": {"1": "1", "2": 1}}], "invalid_split"),
    ([{"name": "x", "alias": "a", "split": {"1": 1.5, "2": 1}}], "invalid_split"),
    ([{"name": "x", "alias": "a", "split": {"1": True, "2": 1}}], "invalid_split"),
]


def test_bad_moves_are_refused(registry: Registry, subtests: pytest.Subtests) -> None:
    for moves, code in _BAD_MOVES:
        with subtests.test(moves=moves):
            before = head(registry)
            refused(InvalidInput, code, functools.partial(registry.release, moves))
            assert head(registry) == before


def test_too_many_moves_are_refused(registry: Registry) -> None:
    moves = [{"name": "x", "alias": f"a{n}", "version": 1} for n in range(501)]
    refused(Conflict, "too_many_moves", lambda: registry.release(moves))
    release = done(registry.release(moves[:500]))
    assert registry.find_release(release.number) == release
    undone = registry.rollback_release(release.number)
    assert len(undone.moves) == 500


def test_releases_are_idempotent_by_key(registry: Registry) -> None:
    moves = [{"name": "x", "alias": "prod", "version": 2}]
    first = registry.release(moves, reason="r", idempotency_key="k")
    registry.promote("x:3", "prod")
    assert registry.release(moves, reason="r", idempotency_key="k") == first
    assert registry.resolve("x@prod").version == 3
    refused(
        Conflict,
        "idempotency_key_reused",
        lambda: registry.release(moves, reason="other", idempotency_key="k"),
    )
    nothing = registry.promote("x:3", "prod", idempotency_key="n")
    assert nothing is None
    registry.promote("x:4", "prod")
    assert registry.promote("x:3", "prod", idempotency_key="n") is None, "it was so, then"


# Back


def test_rolling_back_twice_goes_back_two(registry: Registry) -> None:
    for version in (1, 2, 3, 4):
        registry.promote(f"x:{version}", "prod")
    numbers = [one.number for one in registry.releases("x@prod").items][::-1]
    for back in (3, 2, 1):
        undone = registry.rollback("x@prod", reason=f"to {back}")
        assert undone.moves[0].to == to(back)
        assert undone.undoes == numbers[back]
        assert registry.resolve("x@prod").version == back
    refused(Conflict, "nothing_before", lambda: registry.rollback("x@prod"))
    assert registry.alias("x@prod").revision == 7


def test_rolling_back_after_moving_on(registry: Registry) -> None:
    registry.promote("x:1", "prod")
    registry.promote("x:2", "prod")
    registry.rollback("x@prod")
    registry.promote("x:5", "prod")
    assert registry.rollback("x@prod").moves[0].to == to(1), "what 5 had replaced"
    refused(Conflict, "nothing_before", lambda: registry.rollback("x@prod"))


def test_rolling_back_a_deletion_and_a_split(registry: Registry) -> None:
    registry.split("x", "prod", {1: 1, 2: 3})
    registry.delete_alias("x@prod")
    undone = registry.rollback("x@prod")
    assert undone.moves[0].to == Target(split=(Arm(1, 1), Arm(2, 3)))
    assert registry.alias("x@prod").revision == 3


def test_rolling_back_what_never_was(registry: Registry) -> None:
    refused(NotFound, "alias_not_found", lambda: registry.rollback("x@prod"))
    refused(NotFound, "artifact_not_found", lambda: registry.rollback("nope@prod"))
    refused(InvalidName, "invalid_selector", lambda: registry.rollback("x:1"))
    refused(InvalidName, "invalid_selector", lambda: registry.rollback("x"))


def test_rolling_back_to_what_was_removed_is_refused(registry: Registry) -> None:
    registry.promote("x:1", "prod")
    registry.promote("x:2", "prod")
    registry.tombstone("x:1", reason="a secret")
    refused(Gone, "tombstoned", lambda: registry.rollback("x@prod"))
    assert registry.resolve("x@prod").version == 2


def test_rolling_back_minds_the_revision(registry: Registry) -> None:
    registry.promote("x:1", "prod")
    registry.promote("x:2", "prod")
    refused(StaleRevision, "stale_revision", lambda: registry.rollback("x@prod", if_revision=1))
    registry.rollback("x@prod", if_revision=2)


def test_rolling_back_one_alias_of_a_release_of_two(registry: Registry) -> None:
    moves = [
        {"name": "x", "alias": "prod", "version": 1},
        {"name": "y", "alias": "prod", "version": 1},
    ]
    registry.release(moves)
    second = done(registry.release([{**move, "version": 2} for move in moves]))
    assert registry.rollback("x@prod").undoes == second.number
    assert registry.resolve("x@prod").version == 1
    assert registry.resolve("y@prod").version == 2
    refused(Conflict, "moved_since", lambda: registry.rollback_release(second.number))
    assert registry.rollback("y@prod").undoes == second.number


def test_rolling_back_a_release(registry: Registry) -> None:
    registry.promote("x:1", "prod")
    registry.promote("x:1", "old")
    release = done(
        registry.release(
            [
                {"name": "x", "alias": "prod", "version": 2},
                {"name": "y", "alias": "prod", "version": 2},
                {"name": "x", "alias": "old", "delete": True},
            ]
        )
    )
    undone = registry.rollback_release(release.number, reason="no")
    assert undone.undoes == release.number
    assert registry.find_release(undone.number) == undone
    assert [(move.name, move.alias, move.to) for move in undone.moves] == [
        ("x", "prod", to(1)),
        ("y", "prod", None),
        ("x", "old", to(1)),
    ]
    refused(NotFound, "alias_not_found", lambda: registry.resolve("y@prod"))
    refused(
        Conflict,
        "moved_since",
        lambda: registry.rollback_release(release.number),
        *["moved_since"] * 3,
    )
    refused(Conflict, "is_rollback", lambda: registry.rollback_release(undone.number))
    refused(NotFound, "release_not_found", lambda: registry.rollback_release(1))


def test_rolling_back_a_release_that_was_moved_on_names_each(registry: Registry) -> None:
    moves = [{"name": name, "alias": "prod", "version": 1} for name in ("x", "y")]
    first = done(registry.release(moves))
    registry.promote("y:3", "prod")
    error = refused(Conflict, "moved_since", lambda: registry.rollback_release(first.number))
    assert "y@prod" in error.message
    registry.promote("x:3", "prod")
    error = refused(
        Conflict,
        "moved_since",
        lambda: registry.rollback_release(first.number),
        "moved_since",
        "moved_since",
    )
    registry.promote("y:1", "prod")
    registry.promote("x:1", "prod")
    refused(
        Conflict,
        "moved_since",
        lambda: registry.rollback_release(first.number),
        "moved_since",
        "moved_since",
    )


def test_archived_artifacts_keep_their_aliases_where_they_are(registry: Registry) -> None:
    registry.promote("x:1", "prod")
    release = done(registry.promote("x:2", "prod"))
    registry.archive("x")
    refused(Conflict, "archived", lambda: registry.promote("x:3", "prod"))
    refused(Conflict, "archived", lambda: registry.rollback("x@prod"))
    refused(Conflict, "archived", lambda: registry.rollback_release(release.number))
    assert registry.resolve("x@prod").version == 2, "reads go on"
    assert done(registry.delete_alias("x@prod")).moves[0].to is None, "to tidy up is fine"
    registry.restore("x")
    assert registry.rollback("x@prod").moves[0].to == to(2)
