"""Webhooks: what is wanted, where it may lead, what is sent, and when."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from standardwebhooks import Webhook as Verifier

from pointsman.core.deliveries import (
    FIRST_WAIT,
    LONGEST_PAUSE,
    LONGEST_WAIT,
    PATIENCE,
    SECOND,
    WINDOW,
    after_attempt,
    agenda,
    pause,
    wait,
)
from pointsman.core.events import (
    TYPES,
    Event,
    check_events,
    cloud_event,
    event_id,
    message,
    sentence,
    subject,
)
from pointsman.core.webhooks import FORMATS, Wanted, origin, public, split_url
from pointsman.errors import InvalidInput

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = Event(
    id=event_id("a", 1),
    source="urn:pointsman:store:project",
    type="alias.moved",
    at=1_790_000_000_123_456,
    by="Ana",
    via="api",
    seq=7,
    project="default",
    facts={
        "kind": "prompt",
        "name": "support/reply",
        "alias": "production",
        "before": {"version": 6},
        "to": {"version": 7},
        "reason": "better tone",
    },
)


# What is wanted


@pytest.mark.parametrize(
    ("wanted", "entry", "is_wanted"),
    [
        (Wanted(), ("key.created", "", ""), True),
        (Wanted(("alias.*",)), ("alias.moved", "a", "b"), True),
        (Wanted(("alias.*",)), ("tag.set", "a", ""), False),
        (Wanted(("tag.*", "alias.*")), ("alias.moved", "a", "b"), True),
        (Wanted(artifacts="support/*"), ("tag.set", "support/a", ""), True),
        (Wanted(artifacts="support/*"), ("tag.set", "sales/a", ""), False),
        (Wanted(artifacts="support/*"), ("key.created", "", ""), False),
        (Wanted(aliases="prod-*"), ("alias.moved", "a", "prod-eu"), True),
        (Wanted(aliases="prod-*"), ("alias.moved", "a", "staging"), False),
        (Wanted(aliases="prod-*"), ("tag.set", "a", ""), False),
    ],
)
def test_an_entry_is_wanted_by_all_three(
    wanted: Wanted, entry: tuple[str, str, str], is_wanted: bool
) -> None:
    assert wanted.wants(*entry) is is_wanted


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        (Wanted(("checkpoint.signed",)), True),
        (Wanted(("alias.*", "checkpoint.*")), True),
        (Wanted(), False),
        (Wanted(("*", "alias.*")), False),
        (Wanted(("checkpoint.signed",), artifacts="support/*"), False),
        (Wanted(("checkpoint.signed",), aliases="prod-*"), False),
    ],
)
def test_what_is_no_entry_has_to_be_asked_for(wanted: Wanted, asked: bool) -> None:
    assert wanted.asks_for("checkpoint.signed") is asked


@pytest.mark.parametrize("pattern", ["*", "alias.*", "*.deleted", "checkpoint.signed", *TYPES])
def test_patterns_that_fit_some_event_are_taken(pattern: str) -> None:
    check_events([pattern])


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("alias.move", "alias.moved"),
        ("pointsman.alias.moved", "alias.moved"),
        ("aliases.*", "alias.moved"),
        ("version.removed", "version.tombstoned"),
        ("chekpoint.signed", "checkpoint.signed"),
        ("person.*", "whole installation"),
        ("session.opened", "whole installation"),
        ("deployment.*", "They begin with alias, artifact, change"),
    ],
)
def test_patterns_that_fit_none_are_refused_with_close_ones(pattern: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_events(["alias.moved", pattern])
    assert (caught.value.code, caught.value.field) == ("unknown_event", "events")
    assert repr(pattern) in caught.value.message
    assert hint in caught.value.hint


# Where it may lead


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "0.0.0.0",
        "0.1.2.3",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::",
        "2001:0:1::1",
        "64:ff9b::7f00:1",
        "2001:db8::1",
        "100::1",
        "localhost",
    ],
)
def test_addresses_inside_networks_are_not_public(address: str) -> None:
    assert not public(address)
    if address != "localhost" and "%" not in address:
        host = f"[{address}]" if ":" in address else address
        with pytest.raises(InvalidInput) as caught:
            split_url(f"https://{host}/")
        assert caught.value.code == "private_address"
        assert split_url(f"https://{host}/", private=True).hostname == address.lower()


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "172.32.0.1"])
def test_addresses_of_the_open_internet_are(address: str) -> None:
    assert public(address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_as_public_in_ipv6_clothes(address: object) -> None:
    assert public(f"::ffff:{address}") == public(str(address))


@given(st.text(max_size=60))
@example("http://\u2100.example/")
@example("https://ｅxample.org/")
@example("http://a\n.example/")
def test_urls_are_read_or_refused(text: str) -> None:
    for url in (text, f"https://{text}/", f"http://example.org:{text}", f"https://a/{text}"):
        try:
            parts = split_url(url, private=True)
        except InvalidInput:
            continue
        assert parts.scheme in ("http", "https")
        assert parts.hostname
        assert parts.username is None
        assert origin(url).startswith(parts.scheme)


# What is sent


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_is_signed_as_standard_webhooks_has_it(form: str) -> None:
    import time

    sent = message(EVENT, form, SECRET, "t", int(time.time()))  # type: ignore[arg-type]
    assert Verifier(SECRET).verify(sent.body, dict(sent.headers)) == json.loads(sent.body)
    assert sent.headers["webhook-id"] == EVENT.id
    assert "authorization" not in sent.headers
    assert sent.private["authorization"] == "Bearer t"


def test_ids_are_stable_and_apart() -> None:
    assert event_id("a", 1, "b") == event_id("a", 1, "b")
    seen = {event_id(*parts) for parts in itertools.product("ab", (1, 2, 12), "ab")}
    assert len(seen) == 12
    assert "." not in "".join(seen), "it separates id, time and body where they are signed"


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({}, "Ana moved support/reply@production from version 6 to version 7: better tone"),
        ({"before": None}, "Ana moved support/reply@production to version 7: better tone"),
        ({"to": None}, "Ana deleted support/reply@production: better tone"),
        (
            {"undoes": 3, "reason": ""},
            "Ana moved support/reply@production back from version 6 to version 7",
        ),
        (
            {"undoes": 3, "reason": "", "concerns": ["Ben", "Rui"]},
            "Ana moved support/reply@production back from version 6 to version 7 "
            "(for Ben, Rui to know)",
        ),
        (
            {"to": {"split": [{"version": 6, "weight": 90}, {"version": 7, "weight": 10}]}},
            "Ana moved support/reply@production from version 6 to a split of versions "
            "6 (90), 7 (10): better tone",
        ),
    ],
)
def test_moves_in_a_sentence(facts: dict[str, object], told: str) -> None:
    assert sentence(replace(EVENT, facts={**EVENT.facts, **facts})) == told


def test_other_events_in_a_sentence() -> None:
    key = replace(EVENT, type="key.created", facts={"key": "x", "key_name": "ci <bot>"})
    assert sentence(key) == "Ana: key created, ci &lt;bot&gt;"
    broken = {"release": 7, "reason": "night", "passed": ["one approval", "a check"]}
    glass = replace(EVENT, type="glass.broken", facts=broken)
    assert sentence(glass) == (
        "Ana broke the glass with release 7: night (past what was asked: one approval; a check)"
    )
    version = {"kind": "model", "name": "churn", "version": 3}
    published = replace(EVENT, type="version.published", facts=version)
    assert sentence(published) == "Ana: version published, model:churn:3"
    facts = {"entries": 12, "hash": "ab", "note": "pointsman/x\n12\n"}
    checkpoint = replace(EVENT, type="checkpoint.signed", by="Pointsman", facts=facts)
    assert sentence(checkpoint) == (
        "Pointsman signed a checkpoint of 12 entries, the last with the hash ab"
    )


@given(st.dictionaries(st.sampled_from(["kind", "name", "alias", "version", "to"]), st.none()))
def test_no_fact_is_needed(facts: dict[str, None]) -> None:
    event = replace(EVENT, facts=facts, type="other.thing")
    assert subject(facts) == ""
    assert "subject" not in cloud_event(event)
    assert sentence(event)


# When


def test_waits_double_and_are_spread() -> None:
    assert wait(1, 0) == FIRST_WAIT
    assert wait(2, 0) == 2 * FIRST_WAIT
    assert wait(1, 1) == FIRST_WAIT * 3 // 2
    assert wait(1_000, 1) == LONGEST_WAIT
    assert [pause(n) for n in (0, 1, 2, 3, 4)] == [0, 0, 0, FIRST_WAIT, 2 * FIRST_WAIT]
    assert pause(100) == LONGEST_PAUSE


def test_a_delivery_that_keeps_failing_is_tried_for_days_and_then_disables() -> None:
    now, attempts, since = 0, 0, None
    while attempts < 1_000:
        attempts += 1
        then = after_attempt(
            status=500,
            error="",
            lane=1,
            attempts=attempts,
            failing_since=since,
            now=now,
            chance=0.5,
        )
        assert not then.ended, "it is never left out"
        if then.disable:
            break
        assert now < then.due_at <= now + LONGEST_WAIT
        now, since = then.due_at, then.failing_since
    assert PATIENCE <= now <= PATIENCE + LONGEST_WAIT
    assert 60 < attempts < 100
    assert "3 days" in then.disable
    assert "it answered 500" in then.disable


@pytest.mark.parametrize("status", [200, 204, 299])
def test_success_is_any_2xx(status: int) -> None:
    then = after_attempt(
        status=status, error="", lane=1, attempts=9, failing_since=1, now=5 * PATIENCE, chance=0
    )
    assert (then.delivered, then.ended, then.disable) == (True, True, "")


def test_gone_disables_at_once_and_what_was_asked_by_hand_is_tried_once() -> None:
    gone = after_attempt(
        status=410, error="", lane=1, attempts=1, failing_since=None, now=0, chance=0
    )
    assert gone.disable
    assert not gone.ended
    by_hand = after_attempt(
        status=None, error="x", lane=-1, attempts=1, failing_since=None, now=0, chance=0
    )
    assert (by_hand.delivered, by_hand.ended, by_hand.disable) == (False, True, "")


@dataclass(frozen=True)
class Pending:
    number: int
    lane: int
    due_at: int = 0
    attempts: int = 0
    failing_since: int | None = None


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 100)), max_size=30), st.integers(0, 100)
)
def test_the_first_of_each_lane_is_ready_when_it_is_due(
    told: list[tuple[int, int]], now: int
) -> None:
    pending = [Pending(number, lane, due) for number, (lane, due) in enumerate(told)]
    plan = agenda(pending, now)
    heads = {}
    for one in reversed(pending):
        heads[one.lane] = one
    assert set(plan.ready) == {one.number for one in heads.values() if one.due_at <= now}
    assert list(plan.ready) == sorted(plan.ready)
    waiting = [one.due_at for one in heads.values() if one.due_at > now]
    assert plan.wake_at == (min(waiting) if waiting else None)
    assert plan.room == WINDOW - len(pending)
    assert bool(plan.ready) or plan.wake_at is not None or not pending, "nothing waits for ever"


class Scheduling(RuleBasedStateMachine):
    """A webhook over a journal: receivers fail, servers die, and nothing is lost or swapped."""

    @initialize()
    def begin(self) -> None:
        self.now = 0
        self.journal: list[int] = []
        self.position = 0
        self.pending: list[Pending] = []
        self.seen: list[int] = []
        self.bad: set[int] = set()

    @rule(lanes=st.lists(st.integers(0, 3), min_size=1, max_size=400))
    def happens(self, lanes: list[int]) -> None:
        self.journal += lanes

    @rule(lane=st.integers(0, 3))
    def breaks(self, lane: int) -> None:
        self.bad.add(lane)

    @rule()
    def heals(self) -> None:
        self.bad.clear()

    @rule(seconds=st.integers(0, 4_000))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * SECOND

    @rule(chance=st.floats(0, 1), dies=st.booleans())
    def serves(self, chance: float, dies: bool) -> None:
        room = agenda(self.pending, self.now).room
        new = range(self.position, min(len(self.journal), self.position + room))
        self.pending += [Pending(seq, self.journal[seq]) for seq in new]
        self.position += len(new)
        ready = agenda(self.pending, self.now).ready
        for number in ready:
            one = next(one for one in self.pending if one.number == number)
            good = one.lane not in self.bad
            if good:
                self.seen.append(number)
            if dies and number == ready[-1]:
                return  # it was received, and nobody wrote that down
            then = after_attempt(
                status=200 if good else 500,
                error="",
                lane=one.lane,
                attempts=one.attempts + 1,
                failing_since=one.failing_since,
                now=self.now,
                chance=chance,
            )
            index = self.pending.index(one)
            self.pending[index : index + 1] = (
                []
                if then.ended
                else [
                    replace(
                        one,
                        attempts=one.attempts + 1,
                        due_at=then.due_at,
                        failing_since=then.failing_since,
                    )
                ]
            )

    @invariant()
    def nothing_is_lost(self) -> None:
        waiting = {one.number for one in self.pending}
        assert set(range(self.position)) == set(self.seen) | waiting
        assert len(self.pending) <= WINDOW

    @invariant()
    def each_lane_is_in_order(self) -> None:
        first = list(dict.fromkeys(self.seen))
        for lane in range(4):
            of_lane = [number for number in first if self.journal[number] == lane]
            assert of_lane == sorted(of_lane)
            all_of_lane = [
                number for number in range(self.position) if self.journal[number] == lane
            ]
            assert of_lane == all_of_lane[: len(of_lane)], "one was passed over"

    @invariant()
    def others_go_on(self) -> None:
        """Where a lane is held back, it is because its own first one failed or was not tried."""
        for lane in range(4):
            mine = [one for one in self.pending if one.lane == lane]
            assert all(one.attempts == 0 for one in mine[1:])

    def teardown(self) -> None:
        self.bad = set()
        for _ in range(100_000):
            if self.position == len(self.journal) and not self.pending:
                break
            before = len(self.seen)
            self.serves(0.0, False)
            if len(self.seen) == before:
                self.now += 2 * LONGEST_WAIT
        assert sorted(set(self.seen)) == list(range(len(self.journal)))


TestScheduling = Scheduling.TestCase
