"""What must go on, and what must not be said: failing flushes, interrupts, passing failures."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from pointsman.app.tail import Tail
from pointsman.compose import Registry
from pointsman.core.vocabulary import Arm, Target
from pointsman.errors import OutcomeUnknown
from pointsman.storage.sqlite import SqliteStore


class FailingFlush(apsw.VFS):
    """A disk that writes all it is given, and fails to flush the log while `fails`."""

    def __init__(self) -> None:
        self.fails = False
        self.base = apsw.vfs_names()[0]
        super().__init__("failing-flush", self.base, makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - SQLite's name
        return _File(self, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, disk: FailingFlush, name: Any, flags: list[int]) -> None:
        self._disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._log = str(path).endswith("-wal")
        super().__init__(disk.base, name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._log and self._disk.fails:
            raise apsw.IOError("the flush failed")
        super().xSync(flags)


@pytest.fixture
def disk() -> Iterator[FailingFlush]:
    made = FailingFlush()
    try:
        yield made
    finally:
        made.unregister()


def test_a_failed_flush_leaves_the_outcome_unknown(disk: FailingFlush, tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path)) as store:
        registry = Registry(store)
        registry.publish("before", "x")
        disk.fails = True
        with pytest.raises(OutcomeUnknown):
            registry.publish("during", "x")
        disk.fails = False
        registry.publish("after", "x", if_changed=True)
        assert registry.doctor().healthy


def test_an_interrupted_writer_passes_on_its_turn(tmp_path: Path) -> None:
    """Ctrl-C in a thread that waits for its turn must not leave those behind it waiting."""
    program = textwrap.dedent(
        """
        import os, signal, sys, threading, time
        from pointsman.storage.sqlite import SqliteStore

        store = SqliteStore(sys.argv[1])
        leading, go_on = threading.Event(), threading.Event()
        done = []

        def slow(tx):
            leading.set()
            go_on.wait()

        def behind(tx):
            done.append("behind")

        first = threading.Thread(target=store.write, args=(1, slow))
        first.start()
        leading.wait()

        def interrupt():
            time.sleep(0.2)
            third = threading.Thread(target=store.write, args=(1, behind))
            third.start()
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            go_on.set()
            third.join(30)
            done.append("joined" if not third.is_alive() else "hangs")

        helper = threading.Thread(target=interrupt)
        helper.start()
        try:
            store.write(1, lambda tx: done.append("interrupted change was made"))
        except KeyboardInterrupt:
            done.append("interrupted")
        helper.join()
        first.join()
        print(sorted(done), flush=True)
        os._exit(0)
        """
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout.strip() == "['behind', 'interrupted', 'joined']", ran.stderr


def test_the_tail_goes_on_after_whatever_was_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(SqliteStore(tmp_path)) as store, closing(SqliteStore(tmp_path)) as other:
        real, failures = store.wait_for_change, [RuntimeError("once"), OSError("twice")]

        def sometimes(timeout: float) -> bool:
            if failures:
                raise failures.pop()
            return real(timeout)

        monkeypatch.setattr(store, "wait_for_change", sometimes)
        tail = Tail(store)
        heard = threading.Event()
        tail.listen(lambda project, lines: heard.set())
        tail.start()
        Registry(other).publish("x", "y")
        assert heard.wait(30)
        assert not failures
        tail.stop()


def test_what_a_tombstone_removes_is_not_left_on_the_disk(tmp_path: Path) -> None:
    secret = "a secret that nobody may keep " * 20
    with closing(SqliteStore(tmp_path)) as store:
        registry = Registry(store)
        registry.publish("x", secret)
        registry.publish("x", "harmless")
        assert any(secret.encode() in file.read_bytes() for file in tmp_path.iterdir())
        registry.tombstone("x:1", reason="It had a secret in it")
        for file in tmp_path.iterdir():
            assert secret.encode() not in file.read_bytes(), file.name
            assert file.stat().st_mode & 0o077 == 0, file.name


def test_who_has_no_key_gets_the_first_version_of_a_split() -> None:
    split = Target(split=(Arm(3, 1), Arm(7, 9_999)))
    assert {split.pick("", f"prompt:{n}@deployment") for n in range(100)} == {3}
    assert {split.pick(f"user-{n}", "prompt:x@deployment") for n in range(100)} == {7}
