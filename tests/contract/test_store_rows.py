"""What is written is read back: every statement of the store, on both databases."""

from __future__ import annotations

import json

import pytest

from changes import HARD_TEXT, NAMES, PROJECT, add, add_version, include, point, record
from pointsman.app.ports import (
    ArtifactRow,
    DependencyRow,
    EntryFilter,
    KeyRow,
    Remembered,
    Store,
    TombstoneRow,
    Transaction,
)
from pointsman.core.canonical import digest
from pointsman.core.journal import broken_links, genesis
from pointsman.core.search import Query, TagContains, TagExists, TagIs
from pointsman.core.vocabulary import Arm, Target

MINE = (PROJECT << 32) + 5
"""An id that an artifact of the project can have."""
ELSEWHERE = 2**40
"""An id that nothing has."""


def test_new_store_has_the_default_project_and_its_first_entry(store: Store) -> None:
    with store.read() as reader:
        (project,) = reader.projects()
        assert (project.id, project.name) == (PROJECT, "default")
        assert reader.project("default") == reader.project_by_id(PROJECT) == project
        assert reader.project("Default") is None
        assert reader.project_by_id(ELSEWHERE) is None
        (first,) = reader.lines(PROJECT, 0, 10)
        assert (first.seq, first.type, first.by) == (1, "project.created", "system")
        assert first.at == project.created_at
        assert reader.heads() == {PROJECT: 1}
        assert reader.head(PROJECT).hash == first.hash
        assert len(reader.meta("store") or "") == 32
        assert reader.meta("epoch") == "1"
        assert reader.meta("nothing") is None


def test_journal_entries_come_back_as_they_were_and_chained(store: Store) -> None:
    data = json.dumps({"text": HARD_TEXT}, ensure_ascii=False)
    written = store.write(
        PROJECT,
        lambda tx: [
            record(tx, data=data, artifact=9, alias="ä@b", actor="k:1", by=HARD_TEXT),
            record(tx, data="{}"),
        ],
    )
    with store.read() as reader:
        assert reader.lines(PROJECT, 1, 10) == written
        assert reader.lines(PROJECT, 1, 1) == written[:1]
        assert reader.lines(PROJECT, 3, 10) == []
        assert reader.lines(PROJECT + 1, 0, 10) == []
        head = reader.head(PROJECT)
        assert (head.seq, head.at, head.hash) == (3, written[1].at, written[1].hash)
        project = reader.project("default")
        assert project is not None
        chain = reader.lines(PROJECT, 0, 10)
        assert list(broken_links(genesis(project.uid), chain)) == []


def test_a_transaction_sees_its_own_writes_and_heads(store: Store) -> None:
    def change(tx: Transaction) -> None:
        before = tx.head(PROJECT).seq
        line = record(tx)
        assert tx.head(PROJECT).seq == line.seq == before + 1
        assert tx.lines(PROJECT, before, 5) == [line]
        row = add(tx, "mine")
        assert tx.artifact(PROJECT, "prompt", "mine") == row
        second = record(tx)
        assert second.seq == before + 2
        assert second.at > line.at

    store.write(PROJECT, change)


def test_journal_filters(store: Store) -> None:
    def change(tx: Transaction) -> None:
        base = tx.head(PROJECT).at
        tx.put_alias(point(1, "prod", None))
        for n in range(12):
            record(
                tx,
                type=("tag.set", "alias.moved", "version.published")[n % 3],
                data=f'{{"n":{n}}}',
                artifact=n % 2 or None,
                alias="prod" if n % 3 == 1 else None,
                actor=f"key:{n % 4}",
                by=f"Name {n % 6}",
                now=base + 100 * (n + 1),
            )

    store.write(PROJECT, change)
    with store.read() as reader:
        every = reader.lines(PROJECT, 0, 100)

        def found(**where: object) -> list[int]:
            lines = reader.lines_where(PROJECT, EntryFilter(**where), None, 100)  # type: ignore[arg-type]
            assert lines == [one for one in reversed(every) if one in lines], "newest first"
            return sorted(line.seq for line in lines)

        def expected(test: object) -> list[int]:
            return [one.seq for one in every if test(one)]  # type: ignore[operator]

        assert found() == expected(lambda _: True)
        assert found(artifact_id=1) == expected(lambda one: one.artifact == 1) != []
        assert found(alias="prod") == expected(lambda one: one.alias == "prod") != []
        assert found(alias="Prod") == []
        types = ("tag.set", "project.created")
        assert found(types=types) == expected(lambda one: one.type in types)
        assert found(actor="key:2") == expected(lambda one: one.actor == "key:2") != []
        assert found(actor="Name 5") == expected(lambda one: one.by == "Name 5") != []
        middle = every[6].at
        assert found(since=middle) == expected(lambda one: one.at >= middle)
        assert found(until=middle) == expected(lambda one: one.at <= middle)
        assert found(since=middle, until=middle) == [every[6].seq]
        assert found(since=middle + 1, until=middle) == []
        assert found(artifact_id=1, types=("alias.moved",), alias="prod") != []
        page = reader.lines_where(PROJECT, EntryFilter(), 8, 3)
        assert [line.seq for line in page] == [7, 6, 5]
        assert reader.lines_where(PROJECT + 1, EntryFilter(), None, 9) == []


def test_sequence_number_at_a_moment(store: Store) -> None:
    def change(tx: Transaction) -> list[int]:
        base = tx.head(PROJECT).at
        return [record(tx, now=base + 10 * n).at for n in range(1, 40)]

    times = store.write(PROJECT, change)
    with store.read() as reader:
        first = reader.lines(PROJECT, 0, 1)[0].at
        assert reader.seq_at(PROJECT, first - 1) == 0
        assert reader.seq_at(PROJECT, first) == 1
        for n, at in enumerate(times, 2):
            assert reader.seq_at(PROJECT, at) == n
            assert reader.seq_at(PROJECT, at - 1) == n - 1
            assert reader.seq_at(PROJECT, at + 9) == n
        assert reader.seq_at(PROJECT, 2**60) == len(times) + 1


def test_moves_of_an_alias_by_moment_and_in_pages(store: Store) -> None:
    def change(tx: Transaction) -> list[int]:
        base = tx.head(PROJECT).at
        seqs = []
        for n in range(1, 7):
            line = record(tx, "alias.moved", artifact=MINE, alias="prod", now=base + 100 * n)
            seqs.append(line.seq)
            record(tx, "alias.moved", artifact=MINE, alias="prod2", now=base + 100 * n + 1)
            record(tx, "alias.moved", artifact=MINE + 1, alias="prod", now=base + 100 * n + 2)
        return seqs

    seqs = store.write(PROJECT, change)
    with store.read() as reader:
        lines = reader.alias_lines(MINE, "prod", None, 50)
        assert [line.seq for line in lines] == seqs[::-1]
        assert reader.alias_lines(MINE, "prod", seqs[3], 2) == lines[3:5]
        assert reader.alias_lines(MINE, "prod", seqs[0], 2) == []
        assert reader.alias_lines(MINE, "nope", None, 2) == []
        oldest, newest = lines[-1], lines[0]
        assert reader.alias_line_at(MINE, "prod", oldest.at - 1) is None
        assert reader.alias_line_at(MINE, "prod", oldest.at) == oldest
        assert reader.alias_line_at(MINE, "prod", oldest.at + 99) == oldest
        assert reader.alias_line_at(MINE, "prod", 2**60) == newest


def test_artifacts(store: Store) -> None:
    def change(tx: Transaction) -> tuple[ArtifactRow, ArtifactRow]:
        return add(tx, "support/Reply", at=11), add(tx, "support/Reply", "model", at=12)

    prompt, model = store.write(PROJECT, change)
    assert prompt.id >> 32 == PROJECT
    assert tuple(prompt)[1:] == ("prompt", "support/Reply", 0, 11, "Ana", 11, None)
    with store.read() as reader:
        assert reader.artifact(PROJECT, "prompt", "support/Reply") == prompt
        assert reader.artifact(PROJECT, "model", "support/Reply") == model
        assert reader.artifact(PROJECT, "prompt", "support/reply") is None
        assert reader.artifact(PROJECT + 1, "prompt", "support/Reply") is None
        assert reader.artifact_by_id(prompt.id) == prompt
        assert reader.artifact_by_id(ELSEWHERE) is None
        assert reader.artifact_by_skeleton(PROJECT, "prompt", "support/reply") == prompt
        assert reader.artifact_by_skeleton(PROJECT, "suite", "support/reply") is None
        assert reader.artifacts_after(PROJECT, 0, 10) == [prompt, model]
        assert reader.artifacts_after(PROJECT, 0, 1) == [prompt]
        assert reader.artifacts_after(PROJECT, prompt.id, 10) == [model]
        assert reader.artifacts_after(PROJECT + 1, 0, 10) == []

    def later(tx: Transaction) -> None:
        tx.touch_artifact(prompt.id, 3, 20)
        tx.archive_artifact(model.id, 21, 21)

    store.write(PROJECT, later)
    with store.read() as reader:
        assert reader.artifact_by_id(prompt.id) == prompt._replace(newest=3, updated_at=20)
        assert reader.artifact_by_id(model.id) == model._replace(updated_at=21, archived_at=21)
    store.write(PROJECT, lambda tx: tx.archive_artifact(model.id, 22, None))
    with store.read() as reader:
        assert reader.artifact_by_id(model.id) == model._replace(updated_at=22)


def test_names_are_ordered_by_their_bytes(store: Store) -> None:
    assert list(NAMES) == sorted(NAMES, key=lambda name: name.encode())

    def change(tx: Transaction) -> None:
        for n, name in enumerate(reversed(NAMES)):
            row = tx.add_artifact(PROJECT, "prompt", name, f"skeleton {n}", n, "Ana")
            tx.put_tag(PROJECT, row.id, 0, name, "team", "support")
            tx.put_alias(point(row.id, "prod", Target(version=1)))

    store.write(PROJECT, change)
    tagged = TagIs("team", ("support",))
    with store.read() as reader:
        for tags in (None, tagged, TagExists("team"), TagContains("team", "upp")):
            query = Query(tags=tags)
            assert tuple(row.name for row in reader.search(PROJECT, query, None, 99)) == NAMES
            paged: list[ArtifactRow] = []
            while rows := reader.search(PROJECT, query, _after(paged), 4):
                paged += rows
            assert tuple(row.name for row in paged) == NAMES
        query = Query(folder="a")
        assert [row.name for row in reader.search(PROJECT, query, None, 99)] == ["a/b", "a/b/c"]
        identity = paged[0].id

    def name_everything(tx: Transaction) -> None:
        for name in reversed(NAMES):
            tx.put_tag(PROJECT, identity, 0, NAMES[0], name, "x")
            tx.put_alias(point(identity, name, Target(version=1)))

    store.write(PROJECT, name_everything)
    with store.read() as reader:
        keys = [key for key in reader.tags(identity, 0) if key != "team"]
        assert keys == list(NAMES)
        assert [row.name for row in reader.aliases(identity) if row.name != "prod"] == list(NAMES)
        assert [one[1] for one in reader.tags_of(identity) if one[1] != "team"] == keys
        listed = reader.artifact_tags_of([identity])
        assert [one[1] for one in listed if one[1] != "team"] == keys


def _after(paged: list[ArtifactRow]) -> tuple[str | int, ...] | None:
    return (paged[-1].name, paged[-1].id) if paged else None


def test_versions_and_contents(store: Store) -> None:
    bodies = [f'"{n} {"ä" * n}"' for n in range(1, 6)]

    def change(tx: Transaction) -> int:
        artifact = add(tx, "x").id
        for n, body in enumerate(bodies, 1):
            add_version(tx, artifact, n, body, at=100 * n)
        return artifact

    artifact = store.write(PROJECT, change)
    with store.read() as reader:
        rows = reader.versions(artifact, None, 10)
        assert [row.number for row in rows] == [5, 4, 3, 2, 1]
        assert reader.versions(artifact, 4, 2) == rows[2:4]
        assert reader.versions(ELSEWHERE, None, 2) == []
        assert reader.version(artifact, 2) == rows[3]
        assert rows[3][1:] == (2, digest(bodies[1]), "message 2", "Ana", 200, "text")
        assert reader.version(artifact, 6) is None
        assert [reader.content(artifact, n) for n in range(1, 7)] == [*bodies, None]
        assert reader.version_at(artifact, 99) is None
        assert reader.version_at(artifact, 100) == rows[4]
        assert reader.version_at(artifact, 399) == rows[2]
        assert reader.version_at(artifact, 2**60) == rows[0]
        newest = reader.artifact_by_id(artifact)
        assert newest is not None
        assert newest.newest == 5


def test_megabytes_of_content(store: Store) -> None:
    body = '"' + "\N{GRINNING FACE}ä%s" * 300_000 + '"'

    def change(tx: Transaction) -> int:
        artifact = add(tx, "large").id
        add_version(tx, artifact, 1, body)
        return artifact

    artifact = store.write(PROJECT, change)
    with store.read() as reader:
        assert reader.content(artifact, 1) == body


def test_tombstone_takes_the_content_and_leaves_the_version(store: Store) -> None:
    def change(tx: Transaction) -> TombstoneRow:
        artifact = add(tx, "x").id
        for n in (1, 2, 3):
            add_version(tx, artifact, n)
        stone = TombstoneRow(artifact, 2, 50, "Ana", HARD_TEXT)
        tx.add_tombstone(stone)
        return stone

    stone = store.write(PROJECT, change)
    artifact = stone.artifact_id
    with store.read() as reader:
        assert reader.tombstone(artifact, 2) == stone
        assert reader.tombstone(artifact, 1) is None
        assert reader.tombstones(artifact) == [stone]
        assert reader.content(artifact, 2) is None
        assert reader.content(artifact, 1) is not None
        assert reader.version(artifact, 2) is not None


def test_a_version_is_found_by_how_its_digest_begins(store: Store) -> None:
    def change(tx: Transaction) -> tuple[int, int]:
        first, second = add(tx, "x").id, add(tx, "y").id
        for n, body in enumerate(('"a"', '"b"', '"a"', '"a"'), 1):
            add_version(tx, first, n, body)
        add_version(tx, second, 1, '"b"')
        tx.add_tombstone(TombstoneRow(first, 4, 50, "Ana", ""))
        tx.add_tombstone(TombstoneRow(second, 1, 50, "Ana", ""))
        return first, second

    first, second = store.write(PROJECT, change)

    def number(artifact: int, beginning: str) -> int | None:
        with store.read() as reader:
            row = reader.version_by_digest(artifact, beginning)
        return row.number if row else None

    for length in (40, 64):
        assert number(first, digest('"a"')[:length]) == 3  # the newest that has its content
        assert number(first, digest('"b"')[:length]) == 2
        assert number(second, digest('"b"')[:length]) == 1  # none has
        assert number(second, digest('"a"')[:length]) is None
    assert number(first, digest('"b"')[:39] + "g") is None


def test_dependencies_and_who_includes_whom(store: Store) -> None:
    def change(tx: Transaction) -> tuple[int, int, int]:
        child, parent, loner = add(tx, "child").id, add(tx, "parent").id, add(tx, "loner").id
        for n in (1, 2, 3):
            add_version(tx, parent, n)
        add_version(tx, loner, 1)
        used = DependencyRow(parent, 1, 1, "uses", "model:m", loner, None, 4)
        tx.add_dependencies([used, include(parent, 1, child, alias="prod")])
        tx.add_dependencies([include(parent, 2, child, version=7)])
        tx.add_dependencies([include(parent, 3, child)])
        tx.add_dependencies([include(loner, 1, child, alias="prod")])
        return child, parent, loner

    child, parent, loner = store.write(PROJECT, change)
    with store.read() as reader:
        first = reader.dependencies(parent, 1)
        assert [row.position for row in first] == [0, 1]
        assert first[1] == (parent, 1, 1, "uses", "model:m", loner, None, 4, None)
        assert reader.dependencies(parent, 9) == []
        assert reader.included_artifacts(parent) == [child], "what is used is not included"
        assert reader.included_artifacts(child) == []
        assert sorted(reader.including_artifacts(child)) == sorted([parent, loner])
        assert reader.including_artifacts(loner) == []
        rows = reader.includers(child)
        assert [(row.name, row.number, row.target_alias, row.target_version) for row in rows] == [
            ("parent", 1, "prod", None),
            ("parent", 2, None, 7),
            ("parent", 3, None, None),
            ("loner", 1, "prod", None),
        ]
        assert [row.live for row in rows] == [False, False, True, True], "the newest are live"
    store.write(PROJECT, lambda tx: tx.put_alias(point(parent, "old", Target(version=1))))
    with store.read() as reader:
        assert [row.live for row in reader.includers(child)] == [True, False, True, True]
    store.write(PROJECT, lambda tx: tx.put_alias(point(parent, "old", None, 2)))
    with store.read() as reader:
        assert [row.live for row in reader.includers(child)] == [False, False, True, True]
    arms = Target(split=(Arm(1, 1), Arm(2, 1)))
    store.write(PROJECT, lambda tx: tx.put_alias(point(parent, "ab", arms)))
    with store.read() as reader:
        assert [row.live for row in reader.includers(child)][:2] == [True, True]


def test_aliases_with_every_target(store: Store) -> None:
    rows = {
        "one": Target(version=2**31 - 1),
        "two": Target(split=(Arm(1, 90), Arm(7, 10))),
        "gone": None,
    }

    def change(tx: Transaction) -> tuple[int, int]:
        first, second = add(tx, "x").id, add(tx, "y").id
        for name, target in rows.items():
            tx.put_alias(point(first, name, Target(version=1), 1))
            tx.put_alias(point(first, name, target, 2))
        tx.put_alias(point(second, "one", Target(version=1)))
        return first, second

    first, second = store.write(PROJECT, change)
    with store.read() as reader:
        for name, target in rows.items():
            assert reader.alias(first, name) == point(first, name, target, 2)
        assert reader.alias(first, "One") is None
        assert reader.alias(second, "two") is None
        listed = reader.aliases(first)
        assert [row.name for row in listed] == ["gone", "one", "two"]
        both = reader.aliases_of([second, first, ELSEWHERE])
        assert both == [*listed, *reader.aliases(second)]
        assert reader.aliases_of([]) == []
        assert reader.aliases_of(range(1_000)) == []


def test_tag_values_of_every_length(store: Store) -> None:
    long = "\N{GRINNING FACE}ä'%" * 25_000
    lengths = (0, 1, 63, 64, 65, 100_000)

    def change(tx: Transaction) -> int:
        artifact = add(tx, "x").id
        for length in lengths:
            tx.put_tag(PROJECT, artifact, 0, "x", f"{length}", "before")
            tx.put_tag(PROJECT, artifact, 0, "x", f"{length}", long[:length])
        return artifact

    artifact = store.write(PROJECT, change)
    with store.read() as reader:
        assert reader.tags(artifact, 0) == {f"{length}": long[:length] for length in lengths}
        for length in lengths:
            key, value = f"{length}", long[:length]
            for tags in (TagIs(key, (value,)), TagContains(key, value[-9:])):
                assert len(reader.search(PROJECT, Query(tags=tags), None, 9)) == 1
            for tags in (TagIs(key, (value + "x",)), TagIs(key, (value,), negated=True)):
                assert reader.search(PROJECT, Query(tags=tags), None, 9) == []


def test_tags_of_artifacts_and_versions_are_apart(store: Store) -> None:
    def change(tx: Transaction) -> tuple[int, int]:
        first, second = add(tx, "x").id, add(tx, "y").id
        for artifact, number, key, value in [
            (first, 0, "b", "1"),
            (first, 0, "a", HARD_TEXT),
            (first, 0, "A", ""),
            (first, 2, "a", "two"),
            (second, 0, "a", "other"),
        ]:
            tx.put_tag(PROJECT, artifact, number, "xy"[artifact == second], key, value)
        return first, second

    first, second = store.write(PROJECT, change)
    with store.read() as reader:
        assert list(reader.tags(first, 0).items()) == [("A", ""), ("a", HARD_TEXT), ("b", "1")]
        assert reader.tags(first, 2) == {"a": "two"}
        assert reader.tags(first, 1) == {}
        assert reader.tags_of(first) == [
            (0, "A", ""),
            (0, "a", HARD_TEXT),
            (0, "b", "1"),
            (2, "a", "two"),
        ]
        assert reader.artifact_tags_of([first, second])[-1] == (second, "a", "other")
        assert reader.artifact_tags_of([]) == []
    store.write(PROJECT, lambda tx: tx.drop_tag(first, 0, "a"))
    store.write(PROJECT, lambda tx: tx.drop_tag(first, 9, "a"))
    with store.read() as reader:
        assert reader.tags(first, 0) == {"A": "", "b": "1"}
        assert reader.tags(first, 2) == {"a": "two"}


def test_keys(store: Store) -> None:
    rows = [
        KeyRow(f"id{n}", PROJECT, HARD_TEXT, "editor", "ab" * 32, 10 - n, "Ana", expiry, None, None)
        for n, expiry in enumerate([None, 99])
    ]
    store.write(PROJECT, lambda tx: tx.add_key(rows[0]))
    store.write(PROJECT, lambda tx: tx.add_key(rows[1]))
    with store.read() as reader:
        assert reader.key("id0") == rows[0]
        assert reader.key("id1") == rows[1]
        assert reader.key("ID0") is None
        assert reader.keys(PROJECT) == rows[::-1], "in the order of their making"
        assert reader.keys(PROJECT + 1) == []

    def used(tx: Transaction) -> None:
        tx.key_used("id0", 50)
        tx.key_used("id0", 40)
        tx.revoke_key("id0", 60)
        tx.revoke_key("id0", 70)

    store.write(PROJECT, used)
    with store.read() as reader:
        key = reader.key("id0")
        assert key == rows[0]._replace(last_used_at=50, revoked_at=60), "the first time stays"


def test_remembered_answers(store: Store) -> None:
    def change(tx: Transaction) -> None:
        for n in range(5):
            tx.remember(PROJECT, f"key:1\n{n}", "d" * 64, HARD_TEXT * (n + 1), 100 * n)

    store.write(PROJECT, change)
    with store.read() as reader:
        assert reader.remembered(PROJECT, "key:1\n2") == Remembered("d" * 64, HARD_TEXT * 3)
        assert reader.remembered(PROJECT, "2") is None
        assert reader.remembered(PROJECT + 1, "key:1\n2") is None
    store.write(PROJECT, lambda tx: tx.forget_before(200))
    with store.read() as reader:
        known = [reader.remembered(PROJECT, f"key:1\n{n}") is not None for n in range(5)]
        assert known == [False, False, True, True, True]


def test_duplicates_are_refused(store: Store) -> None:
    store.write(PROJECT, lambda tx: add_version(tx, add(tx, "x").id, 1))
    identity = (PROJECT << 32) + 1
    for change in (
        lambda tx: add(tx, "x"),
        lambda tx: add(tx, "X"),
        lambda tx: add_version(tx, identity, 1, '"y"'),
        lambda tx: tx.append(PROJECT, tx.lines(PROJECT, 0, 1)[0], tx.head(PROJECT)),
    ):
        with pytest.raises(Exception, match=r"(?i)unique|duplicate|immutable|append-only"):
            store.write(PROJECT, change)
    with store.read() as reader:
        assert reader.content(identity, 1) == '"x"'
        assert reader.heads() == {PROJECT: 2}
    store.write(PROJECT, lambda tx: add(tx, "y"))


def test_dependencies_of_many_at_once(store: Store) -> None:
    """More than one statement takes: also across its seams nothing is lost or told twice."""
    many = 1_100

    def change(tx: Transaction) -> tuple[int, list[int]]:
        child = add(tx, "child").id
        parents = [add(tx, f"parent-{number:04}").id for number in range(many)]
        for number, parent in enumerate(parents):
            add_version(tx, parent, 1)
            pinned = number % 2 + 1
            tx.add_dependencies(
                [
                    include(parent, 1, child, version=pinned),
                    DependencyRow(
                        parent, 1, 1, "consumes", "child@prod", child, "prod", None, "label"
                    ),
                ]
            )
        add_version(tx, child, 1)
        tx.add_tombstone(TombstoneRow(parents[0], 1, 70, "Ana", ""))
        return child, parents

    child, parents = store.write(PROJECT, change)
    firsts = [(parent, 1) for parent in parents]
    with store.read() as reader:
        found = reader.dependencies_of([*firsts, (child, 1), (parents[0], 2), (ELSEWHERE, 1)])
        assert [(row.artifact_id, row.position) for row in found] == [
            (parent, position) for parent in parents for position in (0, 1)
        ]
        assert {row.variable for row in found} == {None, "label"}
        assert reader.dependencies(parents[5], 1) == found[10:12]
        depending = reader.dependents_of([*parents, child])
        assert sorted(depending) == sorted(found)
        pins = reader.pins_of([(child, 1), (parents[0], 1)])
        assert sorted(row.artifact_id for row in pins) == parents[::2]
        assert {row.target_version for row in pins} == {1}
        assert sorted(row.id for row in reader.artifacts_of([*parents, ELSEWHERE])) == parents
        standings = {row[:2]: row for row in reader.standings_of([*firsts, (child, 9)])}
        assert standings.keys() == set(firsts)
        assert standings[parents[0], 1].removed_at == 70
        assert standings[parents[1], 1].removed_at is None
        assert standings[parents[1], 1].digest == digest('"x"')
        assert not reader.dependents_of([])
        assert not reader.dependencies_of([])
        assert not reader.artifacts_of([])
