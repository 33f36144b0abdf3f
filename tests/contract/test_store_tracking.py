"""Rows of experiments, runs, logged models and their files, on both databases."""

from __future__ import annotations

import pytest

from changes import HARD_TEXT, NAMES, PROJECT
from pointsman.app.ports import Store, Transaction
from pointsman.app.ports.tracking import (
    ExperimentRow,
    LoggedModelRow,
    NoteRow,
    PointRow,
    RunFileRow,
    RunRow,
    TraceRow,
)

OTHER = PROJECT + 1
RUN = RunRow("a" * 32, 1, HARD_TEXT, "ana", "RUNNING", 5, None, "mlflow-artifacts:/1/a", 10)
MODEL = LoggedModelRow("m-a", 1, RUN.id, HARD_TEXT, "", "PENDING", "mlflow-artifacts:/1/m", 10, 10)


def test_experiments_come_back_and_change(store: Store) -> None:
    rows = [ExperimentRow(n, f"{n} {HARD_TEXT}", f"s3://b/{n}", n, n) for n in (1, 2, 3)]

    def put(tx: Transaction) -> None:
        for row in rows:
            tx.put_experiment(PROJECT, row)
        changed = rows[1]._replace(name="other", updated_at=9, deleted_at=8)
        tx.put_experiment(PROJECT, changed._replace(location="never", created_at=0))

    store.write(PROJECT, put)
    rows[1] = rows[1]._replace(name="other", updated_at=9, deleted_at=8)
    with store.read() as reader:
        assert [reader.experiment(PROJECT, n) for n in (1, 2, 3)] == rows
        assert reader.experiment(PROJECT, 4) is reader.experiment(OTHER, 1) is None
        assert reader.experiment_by_name(PROJECT, rows[0].name) == rows[0]
        assert reader.experiment_by_name(PROJECT, rows[0].name.upper()) is None
        assert reader.experiments(PROJECT, None, 2) == [rows[2], rows[1]]
        assert reader.experiments(PROJECT, 2, 2) == [rows[0]]
        assert reader.experiments(OTHER, None, 2) == []


def test_runs_come_back_newest_first(store: Store) -> None:
    runs = [RUN._replace(id=f"{n:032x}", created_at=10 + n // 2) for n in range(6)]

    def put(tx: Transaction) -> None:
        for row in runs:
            tx.put_run(PROJECT, row)
        tx.put_run(PROJECT, RUN._replace(id="e", experiment=2))
        ended = runs[0]._replace(name="x", status="FINISHED", ended_at=7, deleted_at=8)
        tx.put_run(PROJECT, ended._replace(experiment=3, by_name="?", started_at=0, location="?"))

    store.write(PROJECT, put)
    runs[0] = runs[0]._replace(name="x", status="FINISHED", ended_at=7, deleted_at=8)
    newest = sorted(runs, key=lambda row: (row.created_at, row.id), reverse=True)
    with store.read() as reader:
        assert [reader.run(PROJECT, row.id) for row in runs] == runs
        assert reader.run(OTHER, runs[0].id) is None
        assert reader.runs(PROJECT, 1, None, 4) == newest[:4]
        position = (newest[3].created_at, newest[3].id)
        assert reader.runs(PROJECT, 1, position, 4) == newest[4:]


def test_logged_models_come_back_newest_first(store: Store) -> None:
    models = [MODEL._replace(id=f"m-{n}", created_at=10 + n // 2) for n in range(6)]

    def put(tx: Transaction) -> None:
        for row in models:
            tx.put_logged_model(PROJECT, row)
        changed = models[0]._replace(status="READY", updated_at=20, deleted_at=30)
        tx.put_logged_model(PROJECT, changed._replace(name="never", run_id="", location="?"))

    store.write(PROJECT, put)
    models[0] = models[0]._replace(status="READY", updated_at=20, deleted_at=30)
    newest = sorted(models, key=lambda row: (row.created_at, row.id), reverse=True)
    with store.read() as reader:
        assert [reader.logged_model(PROJECT, row.id) for row in models] == models
        assert reader.logged_model(OTHER, "m-1") is None
        assert reader.logged_models(PROJECT, 1, None, 4) == newest[:4]
        position = (newest[3].created_at, newest[3].id)
        assert reader.logged_models(PROJECT, 1, position, 4) == newest[4:]


def test_notes_are_by_subject_kind_and_key(store: Store) -> None:
    def put(tx: Transaction) -> None:
        for key in NAMES:
            tx.put_tracked_note(PROJECT, "r:1", NoteRow("tag", key, HARD_TEXT))
        tx.put_tracked_note(PROJECT, "r:1", NoteRow("param", "a", "1"))
        tx.put_tracked_note(PROJECT, "r:2", NoteRow("tag", "a", "2"))
        tx.put_tracked_note(PROJECT, "r:1", NoteRow("tag", "a", "changed"))
        tx.drop_tracked_note(PROJECT, "r:1", "tag", "b")
        tx.drop_tracked_note(PROJECT, "r:1", "tag", "nothing")

    store.write(PROJECT, put)
    with store.read() as reader:
        notes = reader.tracked_notes(PROJECT, "r:1")
        assert notes[0] == NoteRow("param", "a", "1")
        values = {key: HARD_TEXT for key in NAMES if key != "b"} | {"a": "changed"}
        assert notes[1:] == [NoteRow("tag", key, values[key]) for key in NAMES if key != "b"]
        assert reader.tracked_notes(OTHER, "r:1") == []


def test_points_are_ordered_and_the_last_is_known(store: Store) -> None:
    points = [PointRow("m", step, at, value) for step in (-1, 0, 2) for at, value in _MOMENTS]

    def put(tx: Transaction) -> list[PointRow]:
        tx.add_metric_points(PROJECT, "r:1", reversed(points))
        tx.add_metric_points(PROJECT, "r:1", points[:3])  # again
        tx.add_metric_points(PROJECT, "r:1", [PointRow("n", 0, 0, "NaN")])
        tx.add_metric_points(PROJECT, "r:2", [PointRow("m", 9, 9, "9.0")])
        return tx.metric_points(PROJECT, "r:1", "m", None, 100)

    assert store.write(PROJECT, put) == points
    with store.read() as reader:
        assert reader.metric_points(PROJECT, "r:1", "m", None, 4) == points[:4]
        assert reader.metric_points(PROJECT, "r:1", "m", points[3], 100) == points[4:]
        last = reader.last_metrics(PROJECT, "r:1")
        assert [(one.key, one.step, one.at) for one in last] == [("m", 2, 7), ("n", 0, 0)]
        assert reader.last_metrics(OTHER, "r:1") == []


_MOMENTS = ((3, "-0.5"), (3, "1.0"), (7, "0.1"))


def test_an_older_point_is_not_the_last(store: Store) -> None:
    def put(tx: Transaction, *rows: PointRow) -> None:
        tx.add_metric_points(PROJECT, "r:1", rows)

    newest = PointRow("m", 5, 50, "5.0")
    store.write(PROJECT, lambda tx: put(tx, newest))
    store.write(PROJECT, lambda tx: put(tx, PointRow("m", 4, 90, "4.0")))
    store.write(PROJECT, lambda tx: put(tx, PointRow("m", 5, 49, "4.9")))
    with store.read() as reader:
        assert reader.last_metrics(PROJECT, "r:1") == [newest]
    same = PointRow("m", 5, 50, "5.5")
    store.write(PROJECT, lambda tx: put(tx, same))
    with store.read() as reader:
        assert reader.last_metrics(PROJECT, "r:1") == [same]


def test_files_are_found_below_folders(store: Store) -> None:
    below = sorted(f"1/r/a/{name}" for name in NAMES)
    beside = ["1/r/a", "1/r/a!", "1/r/a-b/x", "1/r/a0", "1/r/aa/x", "1/r/b"]
    paths = sorted([*below, *beside], key=str.encode)

    def put(tx: Transaction) -> None:
        for number, path in enumerate(paths):
            tx.put_run_file(PROJECT, RunFileRow(path, number, f"{number:064x}", number))
        tx.put_run_file(OTHER, RunFileRow("1/r/a/z", 1, "f" * 64, 1))

    store.write(PROJECT, put)
    with store.read() as reader:
        found = [one.path for one in reader.run_files(PROJECT, "1/r/a", None, 100)]
        assert found == sorted(below, key=str.encode)
        part = reader.run_files(PROJECT, "1/r/a", found[3], 2)
        assert [one.path for one in part] == found[4:6]
        assert [one.path for one in reader.run_files(PROJECT, "", None, 1_000)] == paths
        number = paths.index("1/r/a/z")
        row = RunFileRow("1/r/a/z", number, f"{number:064x}", number)
        assert reader.run_file(PROJECT, "1/r/a/z") == row
        assert reader.run_file_named(PROJECT, f"{3:064x}") == paths[3]
        assert reader.run_file_named(PROJECT, "f" * 64) is None
        assert reader.run_file_named(OTHER, "f" * 64) == "1/r/a/z"


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("1/r/a", ["1/r/a-b", "1/r/a0", "1/r/b/c"]),
        ("1/r/b/c", ["1/r/a", "1/r/a-b", "1/r/a/x", "1/r/a/y/z", "1/r/a0"]),
        ("1/r", []),
        ("1", []),
        ("1/r/nothing", ["1/r/a", "1/r/a-b", "1/r/a/x", "1/r/a/y/z", "1/r/a0", "1/r/b/c"]),
    ],
)
def test_files_are_removed_by_folder(store: Store, path: str, left: list[str]) -> None:
    def put(tx: Transaction) -> None:
        for one in ("1/r/a", "1/r/a-b", "1/r/a/x", "1/r/a/y/z", "1/r/a0", "1/r/b/c"):
            tx.put_run_file(PROJECT, RunFileRow(one, 1, "a" * 64, 1))
        tx.put_run_file(PROJECT, RunFileRow("1/r/b/c", 2, "b" * 64, 2))
        tx.drop_run_files(PROJECT, path)

    store.write(PROJECT, put)
    with store.read() as reader:
        assert [one.path for one in reader.run_files(PROJECT, "", None, 10)] == left


def test_traces_come_back_and_change(store: Store) -> None:
    row = TraceRow("tr-1", 1, HARD_TEXT, 5)

    def put(tx: Transaction) -> None:
        tx.put_trace(PROJECT, row._replace(body="{}"))
        tx.put_trace(PROJECT, row._replace(at=9))

    store.write(PROJECT, put)
    with store.read() as reader:
        assert reader.trace(PROJECT, "tr-1") == row
        assert reader.trace(OTHER, "tr-1") is None
