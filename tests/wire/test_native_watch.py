"""The stream of events: nothing left out, nothing twice, and told so where that can't be."""

from __future__ import annotations

import http.client
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from scale import SCALE
from serving import ADMIN, MANY_BEATS, Api, Event, Listener, ServerProcess, place

MAX_REPLAY = 400
MAX_WAITING = 50


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    limits = "pointsman.wire.native.watch."
    settings = {
        limits + "HEARTBEAT": 0.2,
        limits + "MAX_REPLAY": MAX_REPLAY,
        limits + "MAX_WAITING": MAX_WAITING,
    }
    with ServerProcess(data=tmp_path_factory.mktemp("watch"), settings=settings) as server:
        server.publish("watch/reply")
        yield server


def test_a_listener_is_greeted_and_told_what_happens(api: Api) -> None:
    head = api.head()
    with Listener(api) as listener:
        assert listener.hello is not None
        assert listener.hello.data["seq"] == head
        assert len(listener.hello.data["store"]) == 32
        assert listener.hello.data["epoch"] == "1"
        number = api.publish("watch/reply", "Hi", aliases=["deployment"], tags={"a": "b"})
        published, tagged, moved = listener.until(head + 3)
    entries = api.get("/journal", query={"after": head}).json["items"]
    digest = entries[0]["data"]["digest"]
    about = {"kind": "prompt", "name": "watch/reply"}
    for event, entry in zip((published, tagged, moved), entries, strict=True):
        assert (event.type, event.id) == ("entry", entry["seq"])
        assert {name: event.data.pop(name) for name in ("seq", "at")} == {
            "seq": entry["seq"],
            "at": entry["at"],
        }
    assert published.data == {
        "type": "version.published",
        **about,
        "version": number,
        "digest": digest,
    }
    assert tagged.data == {"type": "tag.set", **about, "version": number, "key": "a"}
    assert moved.data == {
        "type": "alias.moved",
        **about,
        "alias": "deployment",
        "to": {"version": number},
        "revision": moved.data["revision"],
    }


def test_no_secret_and_no_text_is_told(api: Api) -> None:
    head = api.head()
    with Listener(api) as listener:
        _, secret = api.make_key("viewer")
        api.put(place("watch/reply", "tags", "note"), {"value": "a private matter"})
        events = listener.until(head + 2)
    assert secret.rpartition("_")[2] not in repr(events)
    assert "a private matter" not in repr(events)
    assert "a viewer" not in repr(events)


@pytest.mark.parametrize("how", ["after", "last_event_id"])
def test_a_listener_goes_on_where_it_was(api: Api, how: str) -> None:
    before = api.head()
    for _ in range(5):
        api.publish("watch/reply")
    with Listener(api, **{how: before + 2}) as listener:  # type: ignore[arg-type]
        assert listener.hello is not None
        assert listener.hello.data["seq"] == before + 5
        assert [event.id for event in listener.until(before + 5)] == [
            before + 3,
            before + 4,
            before + 5,
        ]
        api.publish("watch/reply")
        assert [event.id for event in listener.until(before + 6)] == [before + 6]


def test_the_last_event_counts_for_more_than_the_address(api: Api) -> None:
    before = api.head()
    api.publish("watch/reply")
    api.publish("watch/reply")
    with Listener(api, after=0, last_event_id=before + 1) as listener:
        assert [event.id for event in listener.until(before + 2)] == [before + 2]


def test_resuming_under_concurrent_writes_leaves_no_gap_and_repeats_nothing(api: Api) -> None:
    for round_ in range(max(1, int(3 * SCALE))):
        first = api.head()
        writers = [
            threading.Thread(target=_set_tags, args=(api, f"w{round_}-{number}", 40))
            for number in range(4)
        ]
        for writer in writers:
            writer.start()
        last = first + 4 * 40
        seen: list[int] = []
        chance = random.Random(round_)
        while not seen or seen[-1] < last:
            with Listener(api, last_event_id=seen[-1] if seen else first) as listener:
                for _ in range(chance.randint(1, 60)):
                    event = listener.next()
                    assert event is not None
                    assert event.type == "entry", event
                    assert event.id is not None
                    seen.append(event.id)
                    if event.id == last:
                        break
        for writer in writers:
            writer.join()
        assert seen == list(range(first + 1, last + 1))


def _set_tags(api: Api, key: str, times: int) -> None:
    with api.connect() as connection:
        for number in range(times):
            connection.request(
                "PUT",
                "/api/v1" + place("watch/reply", "tags", key),
                b'{"value": "%d"}' % number,
                {"Authorization": f"Bearer {ADMIN}"},
            )
            response = connection.getresponse()
            assert response.status == 200, response.read()
            response.read()


def test_who_knows_more_than_the_store_starts_over(api: Api) -> None:
    head = api.head()
    with Listener(api, last_event_id=head + 1) as listener:
        assert listener.next() == Event("resync", {"seq": head})
        api.publish("watch/reply")
        assert [event.id for event in listener.until(head + 1)] == [head + 1]


def test_who_is_too_far_behind_starts_over(api: Api) -> None:
    while api.head() <= MAX_REPLAY:
        one = {"name": "watch/many", "content": {"template": "x"}}
        assert api.post("/versions/bulk", {"versions": [one] * 200}).status == 200
    head = api.head()
    with Listener(api, after=head - MAX_REPLAY) as listener:
        assert len(listener.until(head)) == MAX_REPLAY
    with Listener(api, after=head - MAX_REPLAY - 1) as listener:
        assert listener.next() == Event("resync", {"seq": head})


def test_who_does_not_keep_up_starts_over(api: Api) -> None:
    name = "watch/" + "/".join(["slow" * 10] * 4)
    one = {"name": name, "content": {"template": "x"}}
    first = api.head()
    with closing(socket.socket()) as line:
        # Little fits on the way to this listener, which does not read for now.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        line.connect((api.host, api.port))
        key = f"Authorization: Bearer {ADMIN}\r\n"
        line.sendall(f"GET /api/v1/watch HTTP/1.1\r\nHost: x\r\n{key}\r\n".encode())
        response = http.client.HTTPResponse(line)
        response.begin()
        for _ in range(10):
            assert api.post("/versions/bulk", {"versions": [one] * 1_000}).status == 200
        last = api.head()
        events = _read_until(response, last)
        response.close()
    resyncs = [place for place, event in enumerate(events) if event[0] == "resync"]
    assert resyncs, "all of 10,000 events waited for one listener"
    expected = first
    for kind, seq in events:
        if kind == "entry":
            assert seq == expected + 1
        else:
            assert seq >= expected
        expected = seq
    assert expected == last


def _read_until(response: http.client.HTTPResponse, last: int) -> list[tuple[str, int]]:
    """Kind and number of the events after the greeting, up to the last."""
    events: list[tuple[str, int]] = []
    kind = ""
    silence = 0
    while line := response.readline():
        silence = silence + 1 if line.startswith(b":") else 0 if line.strip() else silence
        assert silence < MANY_BEATS, f"nothing comes after {events[-1:]}"
        if line.startswith(b"event: "):
            kind = line[7:].strip().decode()
        elif line.startswith(b"data: ") and kind != "hello":
            events.append((kind, int(line.partition(b'"seq":')[2].split(b",")[0].rstrip(b"}\n"))))
            if events[-1][1] >= last:
                return events
    raise AssertionError("the stream ended")


def test_silence_is_filled_with_heartbeats(api: Api) -> None:
    with Listener(api) as listener:
        for _ in range(3):
            assert listener.beat()


def test_who_leaves_is_noticed(api: ServerProcess, eventually: Callable[..., None]) -> None:
    eventually(lambda: api.metric("pointsman_watchers") == 0, "nobody else listening")
    listeners = [Listener(api) for _ in range(5)]
    assert api.metric("pointsman_watchers") == 5
    for listener in listeners[:3]:
        listener.close()
    eventually(lambda: api.metric("pointsman_watchers") == 2, "three fewer listeners")
    for listener in listeners[3:]:
        listener.close()
    eventually(lambda: api.metric("pointsman_watchers") == 0, "no listeners")


@pytest.mark.parametrize(
    ("query", "headers", "code"),
    [
        ({"after": "x"}, {}, "invalid_field"),
        ({"after": "-1"}, {}, "invalid_field"),
        ({"after": "1.5"}, {}, "invalid_field"),
        ({"after": str(2**63)}, {}, "invalid_field"),
        ({"since": "1"}, {}, "unknown_field"),
        ({}, {"Last-Event-ID": "-1"}, "invalid_event_id"),
        ({}, {"Last-Event-ID": "x"}, "invalid_event_id"),
        ({}, {"Last-Event-ID": "9" * 30}, "invalid_event_id"),
    ],
)
def test_a_place_that_is_none_is_refused(
    api: Api, query: dict[str, str], headers: dict[str, str], code: str
) -> None:
    answer = api.get("/watch", query=query, headers=headers)
    assert (answer.status, answer.code) == (400, code)
    assert answer.json["field"]
    assert answer.json["hint"]


def test_what_another_node_does_is_told_as_well(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("two-nodes")
    with ServerProcess(data=folder) as one, ServerProcess(data=folder) as other:
        first = one.head()
        with Listener(one) as listener:
            for _ in range(10):
                one.publish("watch/reply")
                other.publish("watch/reply")
            events = listener.until(one.head())
        assert [event.id for event in events] == list(range(first + 1, one.head() + 1))


def test_streams_end_when_the_server_stops(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        ServerProcess(data=tmp_path_factory.mktemp("stop")) as server,
        Listener(server) as listener,
    ):
        server.stop()
        assert listener.next() is None
