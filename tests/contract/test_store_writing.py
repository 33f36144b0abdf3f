"""Writing: all or nothing, in turns, many in one commit, told before answered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from changes import PROJECT, Answers, add, add_version, held, in_threads, include, record
from pointsman.app.ports import ArtifactRow, EntryFilter, Store, Transaction
from pointsman.core.journal import Line, broken_links, genesis
from pointsman.core.search import Query, parse_tags
from pointsman.errors import Conflict, Unavailable
from stores import Place


def lines_of(store: Store, project: int = PROJECT) -> list[Line]:
    """The whole journal, found to be an unbroken chain."""
    with store.read() as reader:
        lines = reader.lines(project, 0, 100_000)
        row = reader.project_by_id(project)
        assert row is not None
        assert list(broken_links(genesis(row.uid), lines)) == []
        assert reader.head(project).seq == len(lines)
        assert reader.heads()[project] == len(lines)
    return lines


def names(store: Store) -> list[str]:
    with store.read() as reader:
        return [row.name for row in reader.artifacts_after(PROJECT, 0, 10_000)]


class Stopped(Exception):
    """What no code of the store knows of."""


def test_result_is_returned_once_it_is_durable(store: Store, place: Place) -> None:
    line = store.write(PROJECT, record)
    with place.raw() as raw:
        assert raw.execute("SELECT COUNT(*) FROM journal") == [(2,)]
    assert lines_of(store)[-1] == line
    assert store.write(PROJECT, lambda tx: None) is None


@pytest.mark.parametrize("error", [Stopped("no"), Conflict("no", code="x"), KeyboardInterrupt()])
def test_what_a_change_raises_leaves_nothing_behind(store: Store, error: BaseException) -> None:
    store.write(PROJECT, lambda tx: add(tx, "first"))
    before = lines_of(store)

    def change(tx: Transaction) -> None:
        add(tx, "second")
        record(tx)
        tx.remember(PROJECT, "key", "", "", 1)
        raise error

    with pytest.raises(type(error)) as caught:
        store.write(PROJECT, change)
    assert caught.value is error
    assert lines_of(store) == before
    assert names(store) == ["first"]
    third = store.write(PROJECT, lambda tx: add(tx, "third"))
    line = store.write(PROJECT, record)
    assert third.id == (PROJECT << 32) + 2, "the id was not used up"
    assert line.seq == before[-1].seq + 1


def test_changes_that_wait_share_one_commit(store: Store) -> None:
    commits: list[Sequence[tuple[int, Line]]] = []
    store.on_commit(lambda appended: commits.append(list(appended)))
    with held(store) as answers:
        for n in range(20):
            store.submit(PROJECT, lambda tx, n=n: (add(tx, f"a{n}"), record(tx)), answers)  # type: ignore[misc]
    answers.wait(20)
    assert answers.errors == []
    assert len(commits) == 1
    assert [line.seq for _, line in commits[0]] == list(range(2, 22))
    assert [row.id for row, _ in answers.results] == [(PROJECT << 32) + n for n in range(1, 21)]
    assert len(lines_of(store)) == 21


def test_who_comes_while_changes_are_made_shares_their_commit(store: Store) -> None:
    commits: list[list[int]] = []
    store.on_commit(lambda appended: commits.append([line.seq for _, line in appended]))
    busy, free, answers = threading.Event(), threading.Event(), Answers()

    def slow(tx: Transaction) -> Line:
        busy.set()
        assert free.wait(20)
        return record(tx)

    store.submit(PROJECT, slow, answers)
    assert busy.wait(20)
    for _ in range(5):
        store.submit(PROJECT, record, answers)
    free.set()
    answers.wait(6)
    assert commits == [[2, 3, 4, 5, 6, 7]]
    assert [line.seq for line in answers.results] == [2, 3, 4, 5, 6, 7]


def test_projects_are_locked_in_their_order(store: Store) -> None:
    """Who comes late for a project that should have been locked earlier waits."""
    second = store.write(PROJECT, lambda tx: tx.add_project("second", "2" * 32, 1)).id
    commits: list[list[int]] = []
    store.on_commit(lambda appended: commits.append([project for project, _ in appended]))
    busy, free, answers = threading.Event(), threading.Event(), Answers()

    def slow(tx: Transaction) -> Line:
        busy.set()
        assert free.wait(20)
        return record(tx, project=second)

    store.submit(second, slow, answers)
    assert busy.wait(20)
    store.submit(PROJECT, record, answers)
    store.submit(second, lambda tx: record(tx, project=second), answers)
    free.set()
    answers.wait(3)
    assert answers.errors == []
    assert commits == [[second, second], [PROJECT]]


def test_a_change_sees_what_it_has_written_itself(store: Store) -> None:
    def change(tx: Transaction) -> tuple[Any, ...]:
        artifact = add(tx, "x")
        row = add_version(tx, artifact.id, 1, '"text"')
        tx.add_dependencies([include(artifact.id, 1, artifact.id, version=1)])
        tx.put_tag(PROJECT, artifact.id, 1, "x", "k", "v")
        return (
            tx.version(artifact.id, 1) == row,
            tx.content(artifact.id, 1),
            len(tx.dependencies(artifact.id, 1)),
            tx.tags(artifact.id, 1),
            [line.seq for line in tx.lines(PROJECT, 1, 10)],
            tx.seq_at(PROJECT, tx.head(PROJECT).at),
            [line.seq for line in tx.lines_where(PROJECT, EntryFilter(), None, 10)],
        )

    told = store.write(PROJECT, change)
    assert told == (True, '"text"', 1, {"k": "v"}, [2], 2, [2, 1])


def test_a_search_sees_what_its_transaction_has_written(store: Store) -> None:
    def change(tx: Transaction) -> list[ArtifactRow]:
        tx.put_tag(PROJECT, add(tx, "x").id, 0, "x", "k", "v")
        return tx.search(PROJECT, Query(tags=parse_tags("k = 'v'")), None, 9)

    assert [row.name for row in store.write(PROJECT, change)] == ["x"]


@pytest.mark.parametrize("failing", [{0}, {7}, {19}, {0, 1, 2, 10, 18, 19}, set(range(1, 20))])
def test_failing_changes_leave_those_beside_them_whole(store: Store, failing: set[int]) -> None:
    told: list[int] = []
    store.on_commit(lambda appended: told.extend(line.seq for _, line in appended))

    def change(tx: Transaction, n: int) -> int:
        row = add(tx, f"a{n}")
        record(tx, data=f'{{"n":{n}}}', artifact=row.id)
        record(tx, data=f'{{"n":{n}}}', artifact=row.id)
        if n in failing:
            raise Stopped(n)
        return n

    with held(store) as answers:
        for n in range(20):
            store.submit(PROJECT, lambda tx, n=n: change(tx, n), answers)  # type: ignore[misc]
    answers.wait(20)
    whole = [n for n in range(20) if n not in failing]
    assert answers.results == whole
    assert sorted(error.args[0] for error in answers.errors) == sorted(failing)
    assert all(isinstance(error, Stopped) for error in answers.errors)
    assert names(store) == [f"a{n}" for n in whole]
    journal = lines_of(store)
    assert [line.data for line in journal[1:]] == [f'{{"n":{n}}}' for n in whole for _ in range(2)]
    assert told == [line.seq for line in journal[1:]]


def test_when_all_fail_nothing_is_written_and_nobody_told(store: Store) -> None:
    told: list[Any] = []
    store.on_commit(told.append)

    def change(tx: Transaction) -> None:
        record(tx)
        raise Stopped

    with held(store) as answers:
        for _ in range(5):
            store.submit(PROJECT, change, answers)
    answers.wait(5)
    assert [type(error) for error in answers.errors] == [Stopped] * 5
    assert told == []
    assert len(lines_of(store)) == 1


def test_a_failing_statement_is_undone_alone(store: Store) -> None:
    """PostgreSQL refuses everything after a failed statement, up to the savepoint."""
    store.write(PROJECT, lambda tx: add(tx, "taken"))
    with held(store) as answers:
        store.submit(PROJECT, lambda tx: add(tx, "before"), answers)
        store.submit(PROJECT, lambda tx: (add(tx, "half"), add(tx, "taken")), answers)
        store.submit(PROJECT, lambda tx: add(tx, "after"), answers)
    answers.wait(3)
    assert [row.name for row in answers.results] == ["before", "after"]
    assert names(store) == ["taken", "before", "after"]


def test_listeners_are_told_before_writers_are_answered(store: Store) -> None:
    told: list[int] = []
    store.on_commit(lambda appended: told.extend(line.seq for _, line in appended))
    seen: list[bool] = []
    for _ in range(5):
        line = store.write(PROJECT, record)
        seen.append(line.seq in told)
    answered = Answers()

    def done(line: Line | None, error: BaseException | None) -> None:
        seen.append(line is not None and line.seq in told)
        answered(line, error)

    for _ in range(5):
        store.submit(PROJECT, record, done)
    answered.wait(5)
    assert seen == [True] * 10


def test_listeners_hear_nothing_of_changes_without_entries(store: Store) -> None:
    told: list[Any] = []
    store.on_commit(told.append)
    store.write(PROJECT, lambda tx: tx.remember(PROJECT, "k", "", "", 1))
    assert told == []


def test_a_failing_listener_does_not_undo_what_is_durable(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[int] = []

    def fail(appended: Sequence[tuple[int, Line]]) -> None:
        raise Stopped("a broken view")

    store.on_commit(fail)
    store.on_commit(lambda appended: told.extend(line.seq for _, line in appended))
    line = store.write(PROJECT, record)
    assert line.seq == 2
    assert told == [2]
    assert len(lines_of(store)) == 2
    assert "a broken view" in caplog.text


def test_a_failing_callback_does_not_harm_others(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(line: Line | None, error: BaseException | None) -> None:
        raise Stopped("a broken callback")

    with held(store) as answers:
        store.submit(PROJECT, record, fail)
        for _ in range(3):
            store.submit(PROJECT, record, answers)
    answers.wait(3)
    assert answers.errors == []
    store.submit(PROJECT, record, answers)
    answers.wait(4)
    assert store.write(PROJECT, record).seq == 7
    assert "a broken callback" in caplog.text


def test_many_threads_take_numbers_without_gaps(store: Store) -> None:
    told: list[int] = []
    store.on_commit(lambda appended: told.extend(line.seq for _, line in appended))

    def work(thread: int) -> list[tuple[int, int]]:
        got = []
        for n in range(12):
            if n % 5 == 4:
                with pytest.raises(Stopped):
                    store.write(PROJECT, _record_and_fail)
            else:
                row, line = store.write(PROJECT, lambda tx, n=n: _both(tx, thread, n))  # type: ignore[misc]
                got.append((row, line))
        return got

    results = [one for some in in_threads(16, work) for one in some]
    assert sorted(seq for _, seq in results) == list(range(2, 16 * 10 + 2))
    assert sorted(row - (PROJECT << 32) for row, _ in results) == list(range(1, 16 * 10 + 1))
    assert told == list(range(2, 16 * 10 + 2)), "told in order, each once"
    assert len(lines_of(store)) == 16 * 10 + 1


def _both(tx: Transaction, thread: int, n: int) -> tuple[int, int]:
    row = add(tx, f"{thread}-{n}")
    return row.id, record(tx, artifact=row.id).seq


def _record_and_fail(tx: Transaction) -> None:
    add(tx, "never")
    record(tx)
    raise Stopped


def test_writing_and_submitting_mix(store: Store) -> None:
    answers = Answers()

    def work(thread: int) -> None:
        for _ in range(8):
            if thread % 2:
                store.submit(PROJECT, record, answers)
            else:
                store.write(PROJECT, record)

    in_threads(8, work)
    answers.wait(32)
    assert answers.errors == []
    assert len(lines_of(store)) == 65


def test_time_goes_on_whatever_the_clock_says(store: Store) -> None:
    first = store.write(PROJECT, record)
    future = store.write(PROJECT, lambda tx: record(tx, now=first.at + 10**9))
    late = store.write(PROJECT, lambda tx: record(tx, now=first.at))
    assert future.at == first.at + 10**9
    assert late.at == future.at + 1


def test_projects_have_journals_of_their_own(store: Store, place: Place) -> None:
    with place.raw() as raw:
        raw.execute(
            "INSERT INTO project (id, name, uid, created_at, next_artifact) "
            "VALUES (2, 'other', 'uid', 1, 1)"
        )
    with store.read() as reader:
        assert reader.heads() == {1: 1, 2: 0}
        assert reader.head(2) == genesis("uid")
    with held(store) as answers:
        for n in range(10):
            project = 1 + n % 2
            store.submit(project, lambda tx, p=project: record(tx, project=p), answers)  # type: ignore[misc]
        store.submit(
            2, lambda tx: tx.add_artifact(2, "prompt", "theirs", "theirs", 1, "x"), answers
        )
    answers.wait(11)
    assert answers.errors == []
    assert [line.seq for line in lines_of(store, 1)] == [1, 2, 3, 4, 5, 6]
    assert [line.seq for line in lines_of(store, 2)] == [1, 2, 3, 4, 5]
    with store.read() as reader:
        assert reader.seq_at(2, 2**60) == 5
        assert [row.id for row in reader.artifacts_after(2, 0, 9)] == [(2 << 32) + 1]
        assert reader.artifacts_after(1, 0, 9) == []
        assert reader.lines(1, 3, 2)[0].seq == 4


def test_closed_store_refuses_and_finishes_what_it_accepted(place: Place) -> None:
    store = place.open()
    with held(store) as answers:
        for _ in range(5):
            store.submit(PROJECT, record, answers)
        closing = threading.Thread(target=store.close)
        closing.start()
    closing.join(20)
    assert not closing.is_alive()
    assert len(answers.results) == 5
    store.close()
    for refused in (
        lambda: store.write(PROJECT, record),
        lambda: store.submit(PROJECT, record, answers),
        lambda: store.read().__enter__(),
    ):
        with pytest.raises(Unavailable) as caught:
            refused()
        assert caught.value.code == "closed"
    assert store.wait_for_change(0.01) is False
    again = place.open()
    assert len(lines_of(again)) == 6
    again.close()


def until_closed(act: Callable[[], object]) -> int:
    """Act until the store is closed; how often that went well."""
    count = 0
    while True:
        try:
            act()
        except Unavailable as error:
            if error.code != "closed":
                raise
            return count
        count += 1


def test_closing_amid_writes_answers_each_of_them(place: Place) -> None:
    for _ in range(5):
        store = place.open()
        before = len(lines_of(store))
        started = threading.Barrier(5)

        def work(thread: int, store: Store = store, started: threading.Barrier = started) -> int:
            started.wait(20)
            if thread == 4:
                store.close()
                return 0
            return until_closed(lambda: store.write(PROJECT, record))

        written = sum(in_threads(5, work))
        with place.raw() as raw:
            assert raw.execute("SELECT COUNT(*) FROM journal") == [(before + written,)]


def test_closing_amid_reads_answers_each_of_them(place: Place) -> None:
    store = place.open()
    store.write(PROJECT, record)

    def look() -> None:
        with store.read() as reader:
            assert len(reader.lines(PROJECT, 0, 10)) == 2

    def work(thread: int) -> None:
        if thread == 3:
            store.close()
            return
        until_closed(look)

    in_threads(4, work)
