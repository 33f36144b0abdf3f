"""The cache's decisions, one by one; `test_cache_model` has them all against a model."""

from __future__ import annotations

import pytest

from pointsman.core.selectors import parse_selector
from pointsman.core.vocabulary import Arm, Included
from pointsman.errors import Gone, IntegrityError, NotFound, Unavailable
from pointsman.sdk.cache import MAX_TRACKED, Cache
from pointsman.sdk.knowledge import Fact, Pace
from sdk.making import answer, resolution

REPLY = "support/reply@deployment"
PACE = Pace()


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> Cache:
    cache = Cache(clock, lambda: 0.5)
    cache.track(parse_selector(REPLY))
    return cache


@pytest.fixture
def followed(cache: Cache, clock: Clock) -> Cache:
    cache.hello(10, "s.1", None)
    cache.settle(REPLY, answer(asked_at=clock.now))
    assert cache.due() == []
    return cache


def moved(seq: int, name: str = "support/reply", alias: str = "deployment") -> Fact:
    return Fact(seq, "alias.moved", "prompt", name, alias)


def test_what_is_new_is_asked_at_once(cache: Cache) -> None:
    assert cache.due() == [REPLY]
    assert cache.due(busy={REPLY}) == []


def test_an_older_answer_is_dropped(followed: Cache, clock: Clock) -> None:
    followed.settle(REPLY, answer(resolution(version=2, revision=2), seq=20, asked_at=clock.now))
    replaced = followed.settle(REPLY, answer(resolution(version=1), seq=19, asked_at=clock.now))
    assert replaced is None
    held = followed.answer(REPLY)
    assert held is not None
    assert held.resolution.version == 2


def test_a_lower_revision_is_older_whatever_the_number(followed: Cache, clock: Clock) -> None:
    followed.settle(REPLY, answer(resolution(version=2, revision=2), seq=20, asked_at=clock.now))
    followed.settle(REPLY, answer(resolution(version=1), seq=None, asked_at=clock.now))
    assert followed.answers()[REPLY].resolution.version == 2


def test_an_answer_that_was_made_long_ago_is_right_until_an_entry_concerns_it(
    followed: Cache, clock: Clock
) -> None:
    """Servers keep ready answers; their number is that of the moment they were made."""
    followed.settle(REPLY, answer(seq=3, asked_at=clock.now))
    assert not followed.status(REPLY).stale
    assert followed.due() == []
    assert followed.answers()[REPLY].seq == 10


def test_a_move_makes_it_due_and_an_answer_from_before_does_not_do(
    followed: Cache, clock: Clock
) -> None:
    followed.heard(moved(11))
    assert followed.due() == [REPLY]
    assert followed.status(REPLY).stale
    followed.settle(REPLY, answer(seq=10, asked_at=clock.now))
    assert followed.due() == [REPLY], "at once the first time"
    followed.settle(REPLY, answer(seq=10, asked_at=clock.now))
    assert followed.due() == [], "then with a pause"
    assert followed.next_due() == pytest.approx(clock.now + 0.75 * PACE.retry)
    followed.settle(REPLY, answer(resolution(version=2, revision=2), seq=11, asked_at=clock.now))
    assert not followed.status(REPLY).stale


@pytest.mark.parametrize(
    "fact",
    [
        moved(11, alias="staging"),
        moved(11, name="support/other"),
        Fact(11, "version.published", "prompt", "support/reply", version=2),
        Fact(11, "version.tombstoned", "prompt", "support/reply", version=2),
        Fact(11, "tag.set", "prompt", "support/reply", version=2),
        Fact(11, "alias.moved", "model", "support/reply", "deployment"),
        Fact(11, "key.created"),
    ],
)
def test_what_does_not_concern_it_is_not_heeded(followed: Cache, fact: Fact) -> None:
    followed.heard(fact)
    assert followed.due() == []
    assert followed.position == 11


@pytest.mark.parametrize(
    "fact",
    [
        Fact(11, "version.tombstoned", "prompt", "support/reply", version=1),
        Fact(11, "tag.set", "prompt", "support/reply", version=1),
        Fact(11, "tag.deleted", "prompt", "support/reply"),
        Fact(11, "artifact.renamed", "prompt", "support/reply"),
    ],
)
def test_what_may_concern_it_is_heeded(followed: Cache, fact: Fact) -> None:
    followed.heard(fact)
    assert followed.due() == [REPLY]


def test_a_selector_of_the_newest_is_concerned_by_publishing(followed: Cache, clock: Clock) -> None:
    followed.track(parse_selector("support/reply"))
    found = answer(resolution("support/reply"), asked_at=clock.now)
    followed.settle("support/reply", found)
    followed.heard(Fact(11, "version.published", "prompt", "support/reply", version=2))
    assert followed.due() == ["support/reply"]


@pytest.mark.parametrize(
    ("included", "fact"),
    [
        (Included("tone@prod", "tone", 3, "d", "prod", 2), moved(12, "tone", "prod")),
        (Included("tone", "tone", 3, "d"), Fact(12, "version.published", "prompt", "tone")),
        (
            Included("tone:3", "tone", 3, "d"),
            Fact(12, "version.tombstoned", "prompt", "tone", None, 3),
        ),
    ],
)
def test_a_change_of_a_part_is_a_change_of_the_whole(
    followed: Cache, clock: Clock, included: Included, fact: Fact
) -> None:
    whole = resolution(includes=(included,), version=2, revision=2)
    followed.heard(moved(11))
    followed.settle(REPLY, answer(whole, seq=11, asked_at=clock.now))
    assert followed.due() == []
    followed.heard(fact)
    assert followed.due() == [REPLY]


def test_a_part_that_moved_before_it_was_known_to_be_one_is_not_missed(
    followed: Cache, clock: Clock
) -> None:
    part = Included("tone@prod", "tone", 3, "d", "prod", 2)
    followed.heard(moved(11))
    asked_at = clock.now
    followed.heard(moved(12, "tone", "prod"))
    clock.now += 1
    whole = resolution(includes=(part,), version=2, revision=2)
    followed.settle(REPLY, answer(whole, seq=11, asked_at=asked_at))
    assert followed.due() == [REPLY]


def test_an_arm_of_a_split_concerns_the_alias(followed: Cache, clock: Clock) -> None:
    split = resolution(version=1, revision=2, split=(Arm(1, 9), Arm(2, 1)))
    followed.settle(REPLY, answer(split, seq=11, asked_at=clock.now))
    followed.heard(Fact(12, "version.tombstoned", "prompt", "support/reply", version=2))
    assert followed.due() == [REPLY]


def test_there_is_none_is_believed_if_the_journal_may_have_removed_it(
    followed: Cache, clock: Clock
) -> None:
    followed.heard(moved(11))
    replaced = followed.refuse(REPLY, NotFound("no"), None, "", clock.now)
    assert replaced is not None
    assert replaced.after is None
    assert followed.answer(REPLY) is None
    assert followed.removed() == [REPLY]


def test_a_registry_that_lost_its_journal_removes_nothing(cache: Cache, clock: Clock) -> None:
    cache.settle(REPLY, answer(seq=500, epoch="s.1", asked_at=clock.now))
    clock.now += 1
    assert cache.refuse(REPLY, NotFound("no"), 2, "fresh.1", clock.now) is None
    assert cache.answer(REPLY) is not None
    assert isinstance(cache.status(REPLY).last_error, NotFound)


def test_a_node_that_lags_behind_removes_nothing(followed: Cache, clock: Clock) -> None:
    followed.refuse(REPLY, NotFound("no"), 9, "s.1", clock.now)
    assert followed.answer(REPLY) is not None


def test_removed_content_goes_even_if_nothing_else_is_known(cache: Cache, clock: Clock) -> None:
    cache.settle(REPLY, answer(epoch="old", asked_at=clock.now))
    clock.now += 1
    cache.refuse(REPLY, Gone("removed"), None, "new", clock.now)
    assert cache.answer(REPLY) is None


def test_missing_is_believed_for_a_moment_and_longer_while_followed(
    cache: Cache, clock: Clock
) -> None:
    cache.refuse(REPLY, NotFound("no"), 5, "s.1", clock.now)
    assert cache.missing(REPLY) is not None
    clock.now += PACE.missing
    assert cache.missing(REPLY) is None
    cache.hello(5, "s.1", None)
    cache.refuse(REPLY, NotFound("no"), 5, "s.1", clock.now)
    clock.now += 10 * PACE.missing
    assert cache.missing(REPLY) is not None
    cache.heard(moved(6))
    assert cache.missing(REPLY) is None


def test_failures_of_the_registry_pause_everything_and_pauses_grow(
    cache: Cache, clock: Clock
) -> None:
    cache.track(parse_selector("other"))
    pauses = []
    for _ in range(12):
        cache.fail(REPLY, Unavailable("down"))
        assert cache.due() == []
        assert cache.paused()
        due = cache.next_due()
        assert due is not None
        pauses.append(due - clock.now)
        clock.now = due
        assert cache.due(), "tried again"
    assert pauses == sorted(pauses)
    assert pauses[-1] <= PACE.retry_most
    cache.settle("other", answer(resolution("other"), asked_at=clock.now))
    assert not cache.paused()


def test_retry_after_is_heeded(cache: Cache, clock: Clock) -> None:
    cache.fail(REPLY, Unavailable("busy", details={"retry_after": 40}))
    assert cache.next_due() == clock.now + 40


def test_a_failure_of_one_selector_pauses_that_one(cache: Cache) -> None:
    cache.track(parse_selector("other"))
    cache.fail(REPLY, IntegrityError("broken"))
    assert cache.due() == ["other"]


def test_own_changes_are_asked_for_before_the_next_read(followed: Cache, clock: Clock) -> None:
    before = clock.now
    clock.now += 1
    assert followed.doubt([("prompt", "support/reply")]) == [REPLY]
    assert followed.must_ask(REPLY)
    followed.settle(REPLY, answer(seq=10, asked_at=before))
    assert followed.must_ask(REPLY), "that was asked before the change"
    followed.settle(REPLY, answer(seq=11, asked_at=clock.now))
    assert not followed.must_ask(REPLY)


def test_an_outage_ends_the_wait_for_own_changes(followed: Cache) -> None:
    followed.doubt([("prompt", "support/reply")])
    followed.fail(REPLY, Unavailable("down"))
    assert not followed.must_ask(REPLY)
    assert followed.answer(REPLY) is not None


def test_a_resumed_stream_asks_nothing_anew(followed: Cache) -> None:
    followed.hung_up()
    assert followed.hello(12, "s.1", after=10)
    followed.heard(moved(11, "other"))
    followed.heard(moved(12))
    assert followed.due() == [REPLY]


def test_a_new_epoch_lets_the_alias_go_back(followed: Cache, clock: Clock) -> None:
    followed.settle(REPLY, answer(resolution(version=9, revision=9), seq=90, asked_at=clock.now))
    followed.hung_up()
    clock.now += 1
    assert not followed.hello(40, "s.2", after=10), "what it resumes is another journal"
    assert followed.due() == [REPLY]
    assert followed.status(REPLY).stale
    late = answer(resolution(version=10, revision=10), seq=91, epoch="s.1", asked_at=clock.now - 1)
    assert followed.settle(REPLY, late) is None, "that one is from before"
    back = answer(resolution(version=4, revision=4), seq=40, epoch="s.2", asked_at=clock.now)
    assert followed.settle(REPLY, back) is not None
    assert followed.answers()[REPLY].resolution.version == 4


def test_a_journal_that_got_shorter_is_another_one(followed: Cache, clock: Clock) -> None:
    followed.heard(moved(80, "other"))
    followed.hung_up()
    assert not followed.hello(40, "s.1", after=80)
    back = answer(resolution(version=4, revision=4), seq=5, epoch="s.1", asked_at=clock.now)
    assert followed.settle(REPLY, back) is not None


def test_status_tells_age_and_staleness(cache: Cache, clock: Clock) -> None:
    nothing = cache.status()
    assert (nothing.held, nothing.age, nothing.source, nothing.stale) == (0, None, None, False)
    cache.settle(REPLY, answer(asked_at=clock.now))
    assert not cache.status().stale
    clock.now += 2 * PACE.refresh
    status = cache.status()
    assert status.stale
    assert status.age == 2 * PACE.refresh
    assert (status.source, status.seq, status.held) == ("network", 10, 1)
    cache.hello(10, "s.1", None)
    assert not cache.status().stale
    assert cache.status().age == 0


def test_what_was_stored_is_stale_until_it_is_confirmed(clock: Clock) -> None:
    cache = Cache(clock, lambda: 0.5)
    stored = answer(asked_at=clock.now - 50, source="disk")
    cache.track(parse_selector(REPLY), stored)
    assert cache.status(REPLY).source == "disk"
    assert cache.status(REPLY).stale
    assert cache.due() == [REPLY]
    assert cache.settle(REPLY, answer(asked_at=clock.now)) is None, "the same: no change"
    assert not cache.status(REPLY).stale


def test_there_is_a_limit_to_what_is_held(cache: Cache, clock: Clock) -> None:
    for number in range(1, MAX_TRACKED):
        assert cache.track(parse_selector(f"x:{number}"))
    assert not cache.track(parse_selector("y"))
    cache.refuse("x:1", NotFound("no"), 5, "s.1", clock.now)
    assert cache.track(parse_selector("y")), "what there is none of makes room"
