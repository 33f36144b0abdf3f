"""Rows of evaluations that come by the hundred, on both databases."""

from __future__ import annotations

import pytest

from changes import HARD_TEXT, PROJECT
from pointsman.app.ports import Store, Transaction
from pointsman.app.ports.evaluation import CaseRow


def test_what_was_made_is_found_in_the_same_transaction_and_after_it(store: Store) -> None:
    def keep(tx: Transaction) -> list[str | None]:
        tx.keep_made(PROJECT, [(f"key {n}", f"{n} {HARD_TEXT}") for n in range(300)], 10)
        tx.keep_made(PROJECT, [("key 7", "again")], 20)
        return [tx.made(PROJECT, key, 0) for key in ("key 7", "key 8", "key 300")]

    found = ["again", f"8 {HARD_TEXT}", None]
    assert store.write(PROJECT, keep) == found
    with store.read() as reader:
        assert [reader.made(PROJECT, f"key {n}", 0) for n in (7, 8, 300)] == found
        assert reader.made(PROJECT, "key 7", 20) == "again"
        assert reader.made(PROJECT, "key 8", 11) is None


def test_what_was_made_is_forgotten_by_its_last_time(store: Store) -> None:
    def keep_and_forget(tx: Transaction) -> list[str | None]:
        tx.keep_made(PROJECT, [("old", "x"), ("renewed", "x")], 10)
        tx.keep_made(PROJECT, [("renewed", "y")], 20)
        tx.forget_made(PROJECT, 20)
        return [tx.made(PROJECT, key, 0) for key in ("old", "renewed")]

    assert store.write(PROJECT, keep_and_forget) == [None, "y"]


def test_cases_are_put_by_their_place_and_may_be_put_again(store: Store) -> None:
    first = [CaseRow(n, n % 3, f"first {n}") for n in range(200)]
    again = [CaseRow(n, 9, f"again {n}") for n in range(5, 8)]

    def put(tx: Transaction) -> list[CaseRow]:
        tx.put_evaluation_cases(PROJECT, 1, first)
        tx.put_evaluation_cases(PROJECT, 2, first[:1])
        tx.put_evaluation_cases(PROJECT, 1, again)
        return tx.evaluation_cases(PROJECT, 1, -1, 1_000)

    kept = [*first[:5], *again, *first[8:]]
    assert store.write(PROJECT, put) == kept
    with store.read() as reader:
        assert reader.evaluation_cases(PROJECT, 1, 3, 4) == kept[4:8]
        assert reader.worst_cases(PROJECT, 1, None, 3) == again
        assert reader.evaluation_cases(PROJECT, 2, -1, 10) == first[:1]


def test_a_change_that_fails_keeps_none_of_them(store: Store) -> None:
    def fail(tx: Transaction) -> None:
        tx.keep_made(PROJECT, [("key", "x")], 10)
        tx.put_evaluation_cases(PROJECT, 1, [CaseRow(0, 0, "x")])
        raise KeyError("on purpose")

    for _ in range(2):
        with pytest.raises(KeyError):
            store.write(PROJECT, fail)
    store.write(PROJECT, lambda tx: tx.keep_made(PROJECT, [("other", "x")], 10))
    with store.read() as reader:
        assert reader.made(PROJECT, "key", 0) is None
        assert reader.made(PROJECT, "other", 0) == "x"
        assert reader.evaluation_cases(PROJECT, 1, -1, 10) == []
