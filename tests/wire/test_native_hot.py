"""The short cut for repeated reads says what the long way says, whatever the bytes and packets.

Two servers stand over one registry: one with the short cut, and one where every request is
parsed. The same packets go to both, and both streams of answers must be the same.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

import psutil
import pytest

from scale import SCALE
from serving import ADMIN, Api, ServerProcess

NAME = "hot/reply"
PATH = f"/api/v1/resolve/{NAME}@deployment".encode()
LARGE = "/api/v1/resolve/hot/large"


def get(path: bytes = PATH, *more: bytes, version: bytes = b"1.1", key: str = ADMIN) -> bytes:
    """A read as the short cut would remember it, unless `more` fields say more."""
    fields = [b"Host: x", b"Authorization: Bearer " + key.encode(), *more]
    return b"GET %b HTTP/%b\r\n%b\r\n\r\n" % (path, version, b"\r\n".join(fields))


def post(body: bytes, *more: bytes, path: bytes = b"/api/v1/releases") -> bytes:
    """A change that is refused, with any bytes as its body."""
    fields = [b"Host: x", b"Authorization: Bearer " + ADMIN.encode(), *more]
    if not any(one.startswith(b"Transfer-Encoding") for one in more):
        fields.append(b"Content-Length: %d" % len(body))
    return b"POST %b HTTP/1.1\r\n%b\r\n\r\n%b" % (path, b"\r\n".join(fields), body)


def chunked(body: bytes, trailer: bytes = b"") -> bytes:
    return b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(body), body, trailer)


READ = get()
LAST = get(b"/api/v1/me", b"Connection: close")
CHUNKED = b"Transfer-Encoding: chunked"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, Api]]:
    folder = tmp_path_factory.mktemp("hot")
    parse_all = {"pointsman.wire.native.hot.MAX_REQUEST": 0}
    with ServerProcess(data=folder) as hot, ServerProcess(data=folder, settings=parse_all) as plain:
        hot.publish(NAME, "one", aliases=["deployment"])
        hot.publish("hot/large", "x" * 500_000)
        yield hot, plain


@pytest.fixture(scope="module")
def etag(servers: tuple[Api, Api]) -> bytes:
    with servers[1].socket() as line:
        line.send(READ)
        return line.answer().headers["etag"].encode()


def said(server: Api, packets: Sequence[bytes | float], patience: float = 0.5) -> bytes:
    """All that a server says to these packets, until it hangs up or says nothing more.

    What differs from request to request is blotted out. Numbers are pauses.
    """
    heard = b""
    with server.socket() as line:
        with suppress(ConnectionResetError, BrokenPipeError, TimeoutError):
            for packet in packets:
                if isinstance(packet, bytes):
                    line.send(packet)
                else:
                    time.sleep(packet)
        with suppress(ConnectionResetError, TimeoutError):
            line.socket.settimeout(patience)
            while part := line.socket.recv(1 << 16):
                heard += part
    return re.sub(rb'"request_id":"[0-9a-f]+"', b'"request_id":""', heard)


def same(servers: tuple[Api, Api], packets: Sequence[bytes | float], rounds: int = 2) -> bytes:
    """Both servers say the same, the first time and when the request has become familiar."""
    hot, plain = servers
    expected = said(plain, packets)
    for _ in range(rounds):
        if said(hot, packets) != expected:
            # Perhaps one of the two was only slow: give both all the time they want.
            expected = said(plain, packets, 5.0)
            heard = said(hot, packets, 5.0)
            assert heard == expected or alike_until_broken(heard, expected), packets
    return expected


def alike_until_broken(one: bytes, other: bytes) -> bool:
    """Whether two servers that hung up on nonsense said the same before.

    How many of the requests before it are answered by then is a matter of time.
    """
    if MALFORMED not in one + other:
        return False
    shorter, longer = sorted((answers(one), answers(other)), key=len)
    return longer[: len(shorter)] == shorter


def answers(heard: bytes) -> list[bytes]:
    return [one for one in heard.split(b"HTTP/1.1 ")[1:] if MALFORMED not in one]


MALFORMED = b'"code":"malformed_http"'
PAUSE = 0.02
AFTER_EVERY_READ = [
    ("plain reads", [READ, PAUSE, READ, PAUSE, READ]),
    ("two in a packet", [READ + READ]),
    ("ten in a packet", [READ * 10]),
    ("with more of the next", [READ + READ[:50], PAUSE, READ[50:], PAUSE, READ]),
    ("split in the request line", [READ[:10], PAUSE, READ[10:]]),
    ("split in the key", [READ[:100], PAUSE, READ[100:]]),
    ("split before the last byte", [READ[:-1], PAUSE, READ[-1:]]),
    ("a byte at a time", [READ[n : n + 1] for n in range(len(READ))]),
    ("a new line first", [b"\r\n", PAUSE, READ]),
    ("half a new line first", [b"\r", PAUSE, READ]),
    ("garbage first", [b"x", PAUSE, READ]),
    ("half a method first", [b"GE", PAUSE, READ]),
    ("as the body of a change", [post(READ), PAUSE, READ]),
    ("as the body, in its own packet", [post(READ)[: -len(READ)], PAUSE, READ, PAUSE, READ]),
    ("as half of the body", [post(READ * 2)[: -2 * len(READ)], PAUSE, READ, PAUSE, READ]),
    ("as the body of a read", [get(PATH, b"Content-Length: %d" % len(READ)), PAUSE, READ]),
    ("as a chunk", [post(b"", CHUNKED), b"%x\r\n" % len(READ), PAUSE, READ, b"\r\n0\r\n\r\n"]),
    ("as a chunk's size", [post(b"", CHUNKED), PAUSE, READ]),
    ("as fields after a body", [post(b"2\r\n{}\r\n0\r\n", CHUNKED), PAUSE, READ, PAUSE, b"\r\n"]),
    ("fields after a body", [post(chunked(b"{}", b"If-Match: x\r\n"), CHUNKED), PAUSE, READ]),
    (
        "a key after the body",
        [
            b"POST /api/v1/releases HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunked(b"{}", b"Authorization: Bearer %b\r\n" % ADMIN.encode())
        ],
    ),
    ("after an early answer", [post(b"", b"Content-Length: 9000000"), PAUSE, READ, PAUSE]),
    (
        "as the body of what is refused",
        [
            b"POST /api/v1/releases HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(READ),
            PAUSE,
            READ,
            PAUSE,
            READ,
        ],
    ),
    ("as fields of another", [b"GET /api/v1/me HTTP/1.1\r\n", PAUSE, READ]),
    ("a folded field", [get(PATH, b"X: a\r\n b"), PAUSE, READ]),
    ("a folded field, twice", [get(PATH, b"User-Agent: a\r\n b"), PAUSE] * 2),
    ("bare line feeds", [READ.replace(b"\r\n", b"\n"), PAUSE, READ]),
    ("a bare line feed between two", [READ[:-4] + b"\n\n" + READ, PAUSE, READ]),
    ("an end in the path", [get(PATH + b" HTTP/1.1\n\n"), PAUSE, READ]),
    ("hang up after it", [get(PATH, b"Connection: close"), PAUSE, READ]),
    ("hang up, then more in the packet", [get(PATH, b"Connection: close") + READ]),
    ("HTTP/1.0", [get(version=b"1.0"), PAUSE, READ]),
    ("HTTP/1.0, kept", [get(PATH, b"Connection: keep-alive", version=b"1.0"), PAUSE, READ]),
    ("HTTP/2.0", [get(version=b"2.0"), PAUSE, READ]),
    ("no version", [b"GET " + PATH + b"\r\n\r\n", PAUSE, READ]),
    ("kept alive aloud", [get(PATH, b"Connection: keep-alive"), PAUSE] * 2),
    ("expecting", [get(PATH, b"Expect: 100-continue"), PAUSE, READ]),
    ("a change, expecting", [post(b"{}", b"Expect: 100-continue"), PAUSE, READ]),
    ("two lengths", [post(b"{}", b"Content-Length: 5"), PAUSE, READ]),
    ("a length and chunks", [post(chunked(b"{}"), CHUNKED, b"Content-Length: 3"), PAUSE, READ]),
    ("a read with chunks", [get(PATH, CHUNKED) + chunked(READ), PAUSE, READ]),
    ("a read with an empty body", [get(PATH, b"Content-Length: 0"), PAUSE, READ] * 2),
    ("an upgrade", [get(PATH, b"Connection: upgrade", b"Upgrade: websocket"), PAUSE, READ, PAUSE]),
    ("an upgrade and more", [get(PATH, b"Connection: upgrade", b"Upgrade: h2c") + READ, PAUSE]),
    ("a tunnel", [b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", PAUSE, READ]),
    ("two hosts", [get(PATH, b"Host: y"), PAUSE, READ]),
    ("two keys", [get(PATH, b"Authorization: Bearer x"), PAUSE] * 2),
    ("no host", [READ.replace(b"Host: x\r\n", b""), PAUSE] * 2),
    ("a whole address", [get(b"http://y" + PATH), PAUSE] * 2),
    ("a fragment", [get(PATH + b"#x"), PAUSE] * 2),
    ("an empty query", [get(PATH + b"?"), PAUSE] * 2),
    ("a query", [get(PATH + b"?key=x"), PAUSE] * 2),
    ("another spelling", [get(PATH.replace(b"@", b"%40")), PAUSE] * 2),
    ("another method", [READ.replace(b"GET", b"HEAD", 1), PAUSE, READ]),
    ("while a stream is open", [get(b"/api/v1/watch"), PAUSE, READ, PAUSE]),
    ("nothing there", [get(b"/api/v1/resolve/no"), PAUSE, READ, PAUSE] * 2),
    ("an unknown key", [get(key="pm_x"), PAUSE, READ, PAUSE] * 2),
    ("another key's case", [READ.replace(b"Bearer", b"bEARER"), PAUSE] * 3),
    ("white space round the key", [READ.replace(b"Bearer ", b"Bearer \t "), PAUSE] * 3),
]  # fmt: skip


@pytest.mark.parametrize(
    "packets", [case for _, case in AFTER_EVERY_READ], ids=[name for name, _ in AFTER_EVERY_READ]
)
def test_the_short_cut_says_what_the_long_way_says(
    servers: tuple[Api, Api], packets: list[bytes | float]
) -> None:
    same(servers, [READ, PAUSE, *packets, PAUSE, LAST])


def test_etags_are_told_apart(servers: tuple[Api, Api], etag: bytes) -> None:
    for value in (etag, b"W/" + etag, b'"x", ' + etag, b"*", b'"x"', b"x", b"", etag[1:]):
        request = get(PATH, b"If-None-Match: " + value)
        heard = same(servers, [request, PAUSE, request, PAUSE, LAST])
        held = value not in (b'"x"', b"x", b"", etag[1:])
        assert heard.count(b"304 Not Modified") == (2 if held else 0), value
    for first, second in ((b'"x"', etag), (etag, b'"x"')):
        request = get(PATH, b"If-None-Match: " + first, b"If-None-Match: " + second)
        assert same(servers, [request, PAUSE, request, LAST]).count(b"304 Not Modified") == 2


def test_packets_and_requests_at_random(servers: tuple[Api, Api], etag: bytes) -> None:
    requests = [
        *[READ] * 6,
        get(PATH, b"If-None-Match: " + etag),
        get(PATH, b"User-Agent: someone"),
        get(b"/api/v1/resolve/no"),
        get(b"/api/v1/me"),
        get(PATH, b"Content-Length: 3") + b"GET",
        get(PATH, CHUNKED) + chunked(READ),
        READ.replace(b"GET", b"HEAD", 1),
        post(b"{}"),
        post(READ),
        post(READ + b"\r\n\r\n" + READ),
        post(chunked(READ), CHUNKED),
        post(chunked(b"{}", b"X: y\r\n"), CHUNKED),
        get(key="pm_nobody"),
        b"\r\n",
    ]
    chance = random.Random(SCALE)
    for _ in range(int(60 * SCALE)):
        stream = b"".join(chance.choices(requests, k=chance.randint(1, 8)))
        if chance.random() < 0.2:  # something is lost or doubled on the way
            at = chance.randrange(len(stream))
            stream = stream[:at] + chance.choice([b"", READ, b"\r\n\r\n"]) + stream[at + 3 :]
        packets: list[bytes | float] = []
        ends = [found.end() for found in re.finditer(rb"\r\n\r\n", stream)]
        cuts = chance.sample(ends, chance.randint(0, len(ends)))
        cuts += [chance.randrange(len(stream)) for _ in range(chance.randint(0, 2))]
        before = 0
        for cut in [*sorted(cuts), len(stream)]:
            packets += [stream[before:cut], chance.choice([0.0, 0.005])]
            before = cut
        same(servers, [*packets, LAST], rounds=1)


def test_a_move_is_seen_by_the_very_next_read(servers: tuple[Api, Api]) -> None:
    hot, _ = servers
    hot.publish("hot/moving", "one")
    hot.publish("hot/moving", "two")
    request = get(b"/api/v1/resolve/hot/moving@deployment")
    with hot.socket() as line:
        for turn in range(50):
            wanted = turn % 2 + 1
            hot.move("hot/moving", "deployment", wanted)
            for _ in range(3):
                line.send(request)
                assert line.answer().json["version"] == wanted


def test_a_reader_that_does_not_read_costs_no_memory(servers: tuple[Api, Api]) -> None:
    hot, _ = servers
    assert isinstance(hot, ServerProcess)
    process = psutil.Process(hot.pid)
    request = get(LARGE.encode())
    wanted = 400  # answers of 500 KB
    with hot.socket() as line:
        line.send(request)
        first = line.answer()
        assert len(first.body) > 500_000
        before = process.memory_info().rss
        line.socket.settimeout(1.0)
        sent = 0
        rest = b""
        while sent < wanted and not rest:
            try:
                rest = request[line.socket.send(request) :]
                sent += 1
            except TimeoutError:
                break
        time.sleep(0.3)
        grown = process.memory_info().rss - before
        assert grown < 100 << 20, f"{grown >> 20} MB for {sent} requests that nobody reads"
        line.socket.settimeout(60)
        for _ in range(sent - bool(rest)):
            assert line.answer().body == first.body
