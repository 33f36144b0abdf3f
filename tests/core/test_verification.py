"""What verifying an exported journal notices, and the text form of checkpoints."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.checkpoints import (
    Checkpoint,
    Note,
    Signature,
    VerifierKey,
    parse_note,
    parse_verifier_key,
)
from pointsman.core.journal import chained, follow, genesis
from pointsman.core.verification import Header, Report, read_header, verify
from pointsman.errors import InvalidInput

UID, STORE = "11" * 16, "22" * 16
ORIGIN = f"pointsman/{STORE}/{UID}"
ONE, TWO = "1" * 64, "2" * 64


class Book:
    """A journal that is made fact by fact, its chain always whole."""

    def __init__(self) -> None:
        self.head = genesis(UID)
        self.lines: list[bytes] = []
        self.hashes = [self.head.hash]

    def add(self, kind: str, /, **fact: Any) -> None:
        previous = self.head.hash
        data = json.dumps(fact, sort_keys=True, separators=(",", ":"))
        line, self.head = follow(
            self.head, 0, type=kind, actor="key:1", by="ana", via="api", data=data
        )
        text = chained(previous, line.seq, line.at, kind, "key:1", "ana", "api", data)
        self.lines.append(f"{text}\n".encode())
        self.hashes.append(self.head.hash)

    def reply(self, kind: str, /, **fact: Any) -> None:
        self.add(kind, **{"kind": "prompt", "name": "reply", **fact})

    def begin(self) -> None:
        """An artifact with two versions."""
        self.add("project.created", project="default")
        self.reply("artifact.created")
        self.reply("version.published", version=1, digest=ONE, message="")
        self.reply("version.published", version=2, digest=TWO, message="")

    def move(self, **other: Any) -> None:
        """The first move of production, to version 1, but for what is given."""
        seq = self.head.seq + 1
        fact = {
            "alias": "production", "before": None, "to": {"version": 1}, "digests": [ONE],
            "revision": 1, "release": seq, "reason": "go",
        }  # fmt: skip
        self.reply("alias.moved", **{**fact, **other})

    def header(self, **other: Any) -> Header:
        facts: dict[str, Any] = {
            "project": "default", "uid": UID, "store": STORE, "epoch": "1",
            "entries": self.head.seq, "head": self.head.hash,
        }  # fmt: skip
        return Header(**{**facts, **other})

    def verify(self, *kept: Checkpoint) -> Report:
        return verify(self.header(), self.lines, kept)


@pytest.fixture
def book() -> Book:
    made = Book()
    made.begin()
    return made


def found(report: Report) -> list[tuple[str, int | None]]:
    return [(one.check, one.seq) for one in report.findings]


def test_a_sound_journal(book: Book) -> None:
    book.move()
    split = {"split": [{"version": 1, "weight": 9}, {"version": 2, "weight": 1}]}
    book.move(before={"version": 1}, to=split, digests=[ONE, TWO], revision=2)
    book.move(before=split, to=None, digests=[], revision=3, undoes=5)
    book.reply("version.tombstoned", version=2, reason="leaked")
    book.add("something.newer", whatever=[1])
    report = book.verify(Checkpoint(ORIGIN, 3, book.hashes[3]))
    assert report.findings == ()
    assert report.checked == {
        "entries": 9, "artifacts": 1, "versions": 2, "moves": 3, "releases": 3, "checkpoints": 1,
    }  # fmt: skip
    assert (report.seq, report.hash) == (9, book.head.hash)


def test_each_line_is_what_its_hash_is_made_of(book: Book) -> None:
    for line, following in zip(book.lines, book.lines[1:], strict=False):
        assert json.loads(following)[0] == hashlib.sha256(line[:-1]).hexdigest()


@pytest.mark.parametrize(
    ("facts", "check"),
    [
        ({"revision": 2}, "aliases"),
        ({"before": {"version": 2}}, "aliases"),
        ({"to": {"version": 3}}, "aliases"),
        ({"digests": [TWO]}, "aliases"),
        ({"release": 4}, "releases"),
        ({"release": 6}, "releases"),
        ({"undoes": 5}, "releases"),
        ({"name": "other"}, "replay"),
        ({"to": "nowhere"}, "replay"),
    ],
)
def test_a_move_that_contradicts_the_entries_before_it(
    book: Book, facts: dict[str, Any], check: str
) -> None:
    seq = book.head.seq + 1
    fact = {
        "kind": "prompt", "name": "reply", "alias": "production", "before": None,
        "to": {"version": 1}, "digests": [ONE], "revision": 1, "release": seq, "reason": "go",
    }  # fmt: skip
    book.add("alias.moved", **{**fact, **facts})
    assert found(book.verify()) == [(check, seq)]


@pytest.mark.parametrize(
    ("kind", "fact", "check"),
    [
        ("version.published", {"version": 4, "digest": ONE}, "versions"),
        ("version.published", {"version": 2, "digest": ONE}, "versions"),
        ("version.tombstoned", {"version": 3, "reason": ""}, "versions"),
        ("version.published", {"version": 3}, "replay"),
        ("artifact.created", {}, "artifacts"),
    ],
)
def test_versions_have_no_gaps(book: Book, kind: str, fact: dict[str, Any], check: str) -> None:
    book.reply(kind, **fact)
    assert found(book.verify()) == [(check, 5)]


def test_a_release_is_one_run_of_moves_with_one_reason(book: Book) -> None:
    book.move()
    book.move(alias="staging", release=5)
    assert book.verify().sound
    book.move(alias="canary", release=5, reason="another")
    book.move(alias="staging", release=5, revision=2, before={"version": 1}, to={"version": 2},
              digests=[TWO])  # fmt: skip
    book.reply("tag.set", key="k", value="v")
    book.move(alias="late", release=5)
    assert found(book.verify()) == [("releases", 7), ("releases", 8), ("releases", 10)]


def test_evaluations_end_once_and_moves_rest_on_those_that_passed(book: Book) -> None:
    book.add("evaluation.requested", seal=ONE)
    book.add("evaluation.requested", seal=TWO)
    book.add("evaluation.finished", evaluation=5, seal=ONE, outcome="passed")
    book.add("evaluation.cancelled", evaluation=6)
    passed = {"evaluation": 5, "seal": ONE, "state": "passed"}
    waived = {"evaluation": None, "seal": TWO, "state": None}
    book.move(evaluations=[passed, waived])
    assert book.verify().sound
    book.add("evaluation.finished", evaluation=6, seal=TWO, outcome="passed")
    book.add("evaluation.cancelled", evaluation=4)
    book.add("evaluation.requested", seal=ONE)
    book.add("evaluation.finished", evaluation=12, seal=TWO, outcome="passed")
    assert found(book.verify()) == [("evaluations", seq) for seq in (10, 11, 13)]


@pytest.mark.parametrize(
    "claim", [{"evaluation": 5, "seal": TWO}, {"evaluation": 6, "seal": TWO}, {"evaluation": 4}]
)
def test_a_move_on_an_evaluation_that_did_not_pass(book: Book, claim: dict[str, Any]) -> None:
    book.add("evaluation.requested", seal=ONE)
    book.add("evaluation.requested", seal=TWO)
    book.add("evaluation.finished", evaluation=5, seal=ONE, outcome="passed")
    book.add("evaluation.finished", evaluation=6, seal=TWO, outcome="failed")
    book.move(evaluations=[{"seal": ONE, "state": "passed", **claim}])
    assert found(book.verify()) == [("evaluations", 9)]


def test_an_entry_changed_left_out_put_in_or_swapped_is_named(book: Book) -> None:
    book.move()
    sound = list(book.lines)
    book.lines[2] = sound[2].replace(ONE.encode(), TWO.encode())
    assert ("chain", 4) in found(book.verify())
    book.lines = sound[:2] + sound[3:]
    assert found(book.verify())[:2] == [("chain", 4), ("order", 4)]
    book.lines = [*sound[:3], sound[2], *sound[3:]]
    assert found(book.verify())[0] == ("chain", 3)
    book.lines = [sound[1], sound[0], *sound[2:]]
    assert not book.verify().sound
    book.lines = [*sound[:3], b"what?\n", *sound[3:]]
    assert ("entries", 4) in found(book.verify())
    book.lines = sound[:4]
    assert found(book.verify()) == [("end", 4)]
    book.lines = [*sound[:4], sound[4][:-1]]
    assert ("entries", 5) in found(book.verify())
    book.lines = [*sound[:4], b"[" * 100_000 + b"\n"]
    assert ("entries", 5) in found(book.verify())


def test_time_goes_forward(book: Book) -> None:
    head = book.head
    text = chained(head.hash, 5, head.at, "x", "a", "b", "c", "{}")
    book.lines.append(f"{text}\n".encode())
    book.head = type(head)(5, head.at, hashlib.sha256(text.encode()).hexdigest())
    assert found(book.verify()) == [("times", 5)]


def test_a_kept_checkpoint_shows_a_rewritten_and_a_shortened_journal(book: Book) -> None:
    kept = Checkpoint(ORIGIN, 4, book.head.hash)
    book.move()
    assert book.verify(kept).sound
    again = Book()
    again.add("project.created", project="default")
    again.reply("artifact.created")
    again.reply("version.published", version=1, digest=TWO, message="")
    assert found(again.verify(kept)) == [("checkpoints", 3)]
    again.reply("version.published", version=2, digest=ONE, message="")
    assert found(again.verify(kept)) == [("checkpoints", 4)]


def test_a_checkpoint_of_another_journal_is_not_taken(book: Book) -> None:
    other = Checkpoint(f"pointsman/{STORE}/{'33' * 16}", 4, book.head.hash)
    assert found(book.verify(other)) == [("checkpoints", None)]


def test_a_part_begins_where_it_says(book: Book) -> None:
    book.move()
    header = book.header(after=3)
    report = verify(header, book.lines[3:], [Checkpoint(ORIGIN, 3, book.hashes[3])])
    assert report.findings == ()
    assert report.checked["checkpoints"] == 1
    wrong = verify(header, book.lines[3:], [Checkpoint(ORIGIN, 3, ONE)])
    assert found(wrong) == [("checkpoints", 3)]
    assert found(verify(header, book.lines[4:])) == [("order", 5)]


def test_of_a_filtered_part_neighbours_are_checked(book: Book) -> None:
    header = book.header(filters={"type": "version.published"})
    assert verify(header, [book.lines[0], *book.lines[2:]]).sound
    broken = book.lines[2].replace(ONE.encode(), TWO.encode())
    assert found(verify(header, [broken, book.lines[3]])) == [("chain", 4)]
    assert found(verify(header, [book.lines[3], book.lines[2]]))[0] == ("chain", 3)
    assert found(verify(header, book.lines[2:3], [Checkpoint(ORIGIN, 4, ONE)])) == [
        ("checkpoints", 4)
    ]


def test_a_header_is_read_back_and_can_not_be_changed(book: Book) -> None:
    header = book.header(filters={"person": "größe"}, after=2)
    line = f"{header.text}\n".encode()
    assert read_header(line) == header
    for at in range(len(line)):
        with pytest.raises(InvalidInput):
            read_header(line[:at] + b"7" + line[at + 1 :] if line[at] != 0x37 else line[:at])
    for other in (b"", b"\n", b"[]\n", b"{}\n", b"\xff\n", line[:-1], line + b"\n", b" " + line):
        with pytest.raises(InvalidInput):
            read_header(other)


@given(
    st.integers(0, 10**15),
    st.binary(min_size=32, max_size=32),
    st.lists(st.tuples(st.binary(min_size=4, max_size=4), st.binary(min_size=1)), min_size=1),
)
def test_notes_are_read_back(size: int, root: bytes, signatures: list[tuple[bytes, bytes]]) -> None:
    signed = tuple(Signature("ana.example/log", key, blob) for key, blob in signatures)
    note = Note(Checkpoint(ORIGIN, size, root.hex()), signed)
    assert parse_note(note.text) == note
    assert note.text.split("\n\n")[0].split("\n") == [
        ORIGIN, str(size), base64.b64encode(root).decode(),
    ]  # fmt: skip


GOOD = Note(Checkpoint(ORIGIN, 7, ONE), (Signature(ORIGIN, b"abcd", b"signature"),)).text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no note\n",
        GOOD[:-1],
        GOOD.replace("\n7\n", "\n07\n"),
        GOOD.replace("\n7\n", "\n-7\n"),
        GOOD.replace("\n7\n", "\n٧\n"),
        GOOD.replace("ERE=", "ERF="),
        GOOD.replace("ERE=\n", "\n"),
        GOOD.replace("— ", "- "),
        GOOD.replace(f"— {ORIGIN}", "— "),
        GOOD.replace("\n\n", "\nmore\n\n"),
        GOOD + "\n",
        GOOD + "x" * 100_000,
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    assert text != GOOD
    with pytest.raises(InvalidInput, match="not a signed checkpoint"):
        parse_note(text)


def test_keys_are_those_of_the_format() -> None:
    """The example of Go's sumdb/note, from which the format comes."""
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    key = parse_verifier_key(text)
    assert (key.name, key.key_id.hex(), str(key)) == ("PeterNeumann", "c74f20a3", text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+?",
    ],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="not the public key"):
        parse_verifier_key(text)


def test_a_key_with_a_plus_in_its_text_is_read_back() -> None:
    keys = [VerifierKey(ORIGIN, hashlib.sha256(b"%d" % n).digest()) for n in range(99)]
    assert any(str(key).count("+") > 2 for key in keys)
    assert [parse_verifier_key(str(key)) for key in keys] == keys
