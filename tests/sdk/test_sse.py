"""Server-sent events, cut anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import IntegrityError
from pointsman.sdk.follow import read_fact, read_hello
from pointsman.sdk.knowledge import Fact
from pointsman.sdk.sse import MAX_EVENT, EventParser, ServerEvent

STREAM = (
    '\ufeffevent: hello\r\ndata: {"seq": 1}\r\n\r\n'
    ": a comment\n\n"
    "id: 7\revent: entry\rdata: first: line\rdata:second\rdata\r\r"
    "data: without id, é😀\n\n"
    "retry: 100\nid: with\0nul\nunknown: x\ndata\n\n"
    "event: dropped, for it has no data\n\n"
    "data: incomplete"
).encode()
EVENTS = [
    ServerEvent("hello", '{"seq": 1}', ""),
    ServerEvent("entry", "first: line\nsecond\n", "7"),
    ServerEvent("message", "without id, é😀", "7"),
    ServerEvent("message", "", "7"),
]


def test_whole() -> None:
    parser = EventParser()
    assert parser.feed(STREAM) == EVENTS
    assert parser.lines == 20


def test_cut_at_every_byte() -> None:
    for cut in range(len(STREAM) + 1):
        parser = EventParser()
        assert parser.feed(STREAM[:cut]) + parser.feed(STREAM[cut:]) == EVENTS, cut
        assert parser.lines == 20


def test_byte_by_byte() -> None:
    parser = EventParser()
    assert [event for byte in STREAM for event in parser.feed(bytes([byte]))] == EVENTS


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_rubbish_means_the_same_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    whole = EventParser().feed(data)
    parser, places = EventParser(), sorted(cuts)
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
    assert [event for piece in pieces for event in parser.feed(piece)] == whole


@pytest.mark.parametrize("line", [b"x" * 1000, b"data: " + b"x" * 1000 + b"\n"])
def test_there_is_a_limit(line: bytes) -> None:
    parser = EventParser()

    def feed() -> None:
        for _ in range(MAX_EVENT // 1000 + 2):
            parser.feed(line)

    with pytest.raises(IntegrityError):
        feed()


def test_facts() -> None:
    fact = read_fact(
        '{"seq":121,"at":"2026-11-21T09:30:00.123456Z","type":"alias.moved","kind":"prompt",'
        '"name":"support/reply","alias":"deployment","to":{"version":7},"revision":5}'
    )
    assert fact == Fact(121, "alias.moved", "prompt", "support/reply", "deployment")
    assert read_fact('{"seq": 1, "type": "later.invention"}') == Fact(1, "later.invention")
    assert read_hello('{"seq": 120, "epoch": "1", "store": "ab"}') == (120, "ab.1")


@pytest.mark.parametrize(
    "data",
    ["", "[]", "{", '{"seq": "1"}', '{"seq": true}', '{"seq": -1}', '{"seq": 1e300}', "[" * 9999],
)
def test_nonsense_is_no_fact(data: str) -> None:
    with pytest.raises(IntegrityError):
        read_fact(data)
