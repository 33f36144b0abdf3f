"""Several stores on the same data, as several processes have them; and reads of one moment."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from changes import PROJECT, add, held, in_threads, point, record
from pointsman.app.ports import Store, Transaction
from pointsman.app.ports.governance import PolicyRow
from pointsman.app.tail import Tail
from pointsman.core.journal import Line, broken_links, genesis
from pointsman.core.vocabulary import Target
from stores import Place

# Writes entries with the number of its process in them, then says how many it saw in the end.
_WRITER = """
import sys
from changes import PROJECT, record
from pointsman.compose import open_store

kind, where, me, count = sys.argv[1:]
store = open_store(**{kind: where})
print("here", flush=True)
sys.stdin.readline()
for n in range(int(count)):
    store.write(PROJECT, lambda tx: record(tx, data='{"from":%s}' % me))
store.close()
"""

Heard = list[int]
Wait = Callable[..., None]


@pytest.fixture
def other(place: Place, store: Store) -> Iterator[Store]:
    """A second store on the same data."""
    with closing(place.open()) as opened:
        yield opened


def chain(store: Store) -> list[Line]:
    with store.read() as reader:
        lines = reader.lines(PROJECT, 0, 100_000)
        project = reader.project_by_id(PROJECT)
        assert project is not None
        assert list(broken_links(genesis(project.uid), lines)) == []
    return lines


def test_a_reader_sees_one_moment(store: Store, other: Store) -> None:
    identity = store.write(PROJECT, lambda tx: add(tx, "x")).id

    def change(tx: Transaction) -> None:
        record(tx)
        tx.put_tag(PROJECT, identity, 0, "x", "a", "1")
        add(tx, "y")

    for writing in (store, other):
        with store.read() as reader:
            before = (reader.heads(), reader.tags(identity, 0), reader.head(PROJECT))
            artifacts = reader.artifacts_after(PROJECT, 0, 9)
            if writing is store:
                store.write(PROJECT, change)
            else:
                other.write(PROJECT, lambda tx: tx.drop_tag(identity, 0, "a"))
                other.write(PROJECT, record)
            assert (reader.heads(), reader.tags(identity, 0), reader.head(PROJECT)) == before
            assert reader.artifacts_after(PROJECT, 0, 9) == artifacts
        with store.read() as reader:
            assert reader.heads() != before[0]
            assert reader.tags(identity, 0) != before[1]


def test_readers_never_see_half_a_change(store: Store, other: Store) -> None:
    """Two aliases move together, over and over: nobody may ever see them apart."""
    identity = store.write(PROJECT, lambda tx: add(tx, "x")).id
    done = threading.Event()

    def move(number: int, tx: Transaction) -> None:
        tx.put_alias(point(identity, "a", Target(version=number), number))
        record(tx)
        tx.put_alias(point(identity, "b", Target(version=number), number))

    store.write(PROJECT, lambda tx: move(1, tx))

    def work(thread: int) -> int:
        if thread == 0:
            try:
                for number in range(2, 60):
                    store.write(PROJECT, lambda tx, n=number: move(n, tx))  # type: ignore[misc]
            finally:
                done.set()
            return 0
        looks = 0
        while not done.is_set() or not looks:
            with (store if thread == 1 else other).read() as reader:
                first = reader.alias(identity, "a")
                second = reader.alias(identity, "b")
                assert first is not None
                assert second is not None
                assert first.revision == second.revision == reader.head(PROJECT).seq - 1
            looks += 1
        return looks

    assert min(in_threads(3, work)[1:]) > 0


def test_a_reader_does_not_stop_a_writer_and_a_writer_not_a_reader(store: Store) -> None:
    with store.read() as reader:
        before = reader.heads()
        store.write(PROJECT, record)
        with held(store), store.read() as second:
            assert second.heads()[PROJECT] == before[PROJECT] + 1
        assert reader.heads() == before


def test_many_readers_at_once(store: Store) -> None:
    store.write(PROJECT, record)
    gate = threading.Barrier(24)

    def work(_: int) -> int:
        with store.read() as reader:
            gate.wait(20)
            return len(reader.lines(PROJECT, 0, 9))

    assert in_threads(24, work) == [2] * 24


@pytest.mark.parametrize("error", [ValueError("mine"), OSError("mine"), KeyboardInterrupt()])
def test_what_a_reader_s_user_raises_is_theirs(store: Store, error: BaseException) -> None:
    def use() -> None:
        with store.read() as reader:
            reader.heads()
            raise error

    with pytest.raises(type(error)) as caught:
        use()
    assert caught.value is error
    with store.read() as reader:
        assert reader.heads() == {PROJECT: 1}


def test_each_of_two_stores_sees_what_the_other_wrote_last(store: Store, other: Store) -> None:
    seqs = [one.write(PROJECT, record).seq for one in (store, store, other, store, other, other)]
    assert seqs == [2, 3, 4, 5, 6, 7]
    made = [
        store.write(PROJECT, lambda tx: add(tx, "a")).id,
        other.write(PROJECT, lambda tx: add(tx, "b")).id,
        store.write(PROJECT, lambda tx: add(tx, "c")).id,
    ]
    assert len(set(made)) == 3


def test_two_stores_take_turns_without_gaps(store: Store, other: Store) -> None:
    def work(thread: int) -> list[tuple[int, int]]:
        mine = (store, other)[thread % 2]
        got = []
        for n in range(10):
            row, line = mine.write(
                PROJECT,
                lambda tx, n=n: (add(tx, f"{thread}-{n}"), record(tx)),  # type: ignore[misc]
            )
            got.append((row.id, line.seq))
        return got

    got = [one for some in in_threads(8, work) for one in some]
    assert sorted(seq for _, seq in got) == list(range(2, 82))
    assert len({identity for identity, _ in got}) == 80
    assert len(chain(store)) == 81
    assert chain(store) == chain(other)


def test_a_change_that_fails_after_another_store_wrote_leaves_nothing_old_behind(
    store: Store, other: Store
) -> None:
    def fail(tx: Transaction) -> None:
        record(tx)
        raise ZeroDivisionError

    before = len(chain(store))
    store.write(PROJECT, record)
    other.write(PROJECT, record)
    with pytest.raises(ZeroDivisionError):
        store.write(PROJECT, fail)
    store.write(PROJECT, record)
    assert len(chain(store)) == before + 3


def test_processes_take_turns_without_gaps(place: Place, store: Store) -> None:
    ((kind, where),) = place.options.items()
    path = ":".join(entry for entry in sys.path if entry)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, kind, str(where), str(me), "30"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PYTHONPATH": path},
            text=True,
        )
        for me in (1, 2)
    ]
    heard: Heard = []
    tail = Tail(store)
    tail.listen(lambda project, lines: heard.extend(line.seq for line in lines))
    tail.start()
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for _ in range(30):
        store.write(PROJECT, lambda tx: record(tx, data='{"from":0}'))
    said = [process.communicate(timeout=60) for process in processes]
    assert [error for _, error in said if error] == []
    journal = chain(store)
    assert [line.seq for line in journal] == list(range(1, 92))
    for me in range(3):
        assert sum(line.data == f'{{"from":{me}}}' for line in journal) == 30
    tail.stop()
    tail.catch_up()
    assert heard == list(range(2, 92)), "in order, each once, whoever wrote it"


def test_the_tail_tells_of_what_others_wrote(store: Store, other: Store, eventually: Wait) -> None:
    heard: Heard = []
    tail = Tail(store)
    tail.listen(lambda project, lines: heard.extend(line.seq for line in lines))
    tail.start()
    try:
        for round_ in range(3):
            other.write(PROJECT, record)
            other.write(PROJECT, record)
            eventually(lambda n=2 * round_: heard == list(range(2, n + 4)), "hearing of others")
        assert tail.seen(PROJECT) == 7
    finally:
        tail.stop()


def test_the_tail_tells_of_others_first_where_they_wrote_first(store: Store, other: Store) -> None:
    """A commit of one's own that follows others' commits brings those along, in order."""
    heard: Heard = []
    tail = Tail(store)
    tail.listen(lambda project, lines: heard.extend(line.seq for line in lines))
    for _ in range(5):
        other.write(PROJECT, record)
    line = store.write(PROJECT, record)
    assert line.seq == 7
    assert heard == [2, 3, 4, 5, 6, 7], "told before the writer was answered"


def test_the_tail_tells_of_nothing_twice(store: Store) -> None:
    """Others' commits are looked for at any time, also between a commit and its announcement."""
    tails: list[Tail] = []
    store.on_commit(lambda _: tails[0].catch_up())
    heard: Heard = []
    tails.append(Tail(store))
    tails[0].listen(lambda project, lines: heard.extend(line.seq for line in lines))
    for _ in range(3):
        store.write(PROJECT, record)
    assert heard == [2, 3, 4]


def test_the_tail_stays_in_order_under_fire(store: Store, other: Store) -> None:
    calls: list[list[int]] = []
    tail = Tail(store)
    tail.listen(lambda project, lines: calls.append([line.seq for line in lines]))
    tail.start()

    def work(thread: int) -> None:
        for _ in range(15):
            (store, other)[thread % 2].write(PROJECT, record)

    in_threads(6, work)
    tail.stop()
    tail.catch_up()
    assert [seq for call in calls for seq in call] == list(range(2, 92))


def test_waiting_for_a_change_ends_with_one(store: Store, other: Store) -> None:
    while store.wait_for_change(0.05) and _quiet(store):
        pass
    woken = threading.Event()

    def wait() -> None:
        while not store.wait_for_change(5):
            pass
        woken.set()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    other.write(PROJECT, record)
    assert woken.wait(20)
    waiting.join(20)


def _quiet(store: Store) -> bool:
    """PostgreSQL says True now and then without a cause: one answer is enough there."""
    return type(store).__name__ == "SqliteStore"


def test_waiting_ends_when_the_store_closes(place: Place) -> None:
    store = place.open()
    answers: list[bool] = []

    def wait() -> None:
        while store.wait_for_change(1):
            pass
        answers.append(False)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    store.close()
    waiting.join(20)
    assert answers == [False]


def test_each_of_two_stores_sees_the_policies_that_the_other_wrote(
    store: Store, other: Store
) -> None:
    def names(one: Store) -> list[str]:
        return one.write(PROJECT, lambda tx: sorted(row.name for row in tx.policies(PROJECT)))

    def put(tx: Transaction, name: str, body: str | None) -> None:
        tx.put_policy(PROJECT, PolicyRow(name, body, 1, 1, "Ana"))

    assert names(store) == names(other) == []
    store.write(PROJECT, lambda tx: put(tx, "a", "{}"))
    assert names(other) == names(store) == ["a"]
    other.write(PROJECT, lambda tx: put(tx, "b", "{}"))
    assert names(store) == ["a", "b"]
    other.write(PROJECT, lambda tx: put(tx, "a", None))
    assert names(store) == ["b"]

    def fail(tx: Transaction) -> None:
        put(tx, "c", "{}")
        assert sorted(row.name for row in tx.policies(PROJECT)) == ["b", "c"]
        raise LookupError("not this time")

    with pytest.raises(LookupError):
        store.write(PROJECT, fail)
    assert names(store) == ["b"]
