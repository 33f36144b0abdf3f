"""Runs one command and sees to it that nothing of it is left when it ends, or when we do.

Started by `evals.commands` as a process of its own, by path, with nothing but the standard
library: ``keeper.py LIFELINE REPORT PROGRAM [ARGUMENT…]``. The command has the keeper's
standard streams, folder and environment, and a session of its own.

LIFELINE is a pipe that only the process that started the keeper can write to, and never does.
It ends when that process closes it, or dies in whatever way: the system closes it then. So a
worker that is killed with ``kill -9`` takes its commands along, without a thread that asks
and without code between fork and exec in the worker, where threads make that dangerous. The
keeper has a single thread, so in it that code is safe.

Once the command has ended or LIFELINE has, everything that came from it is killed: its group,
and on Linux also what left the group. There the keeper is the subreaper: orphans become its
children, however they were made. What may kill us may kill the keeper too, and then the
command itself dies with it (``PR_SET_PDEATHSIG``), though not what has left its group. This
keeps order; it is no sandbox.

REPORT gets one line for each fact: ``started PID``, ``failed ERRNO``, ``ended CODE`` (negative:
by that signal), ``stopped``.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
_PATIENCE: Final = 5.0
"""Seconds for killed processes to go away. One may be held up inside of the system."""


def main() -> None:
    """Run the command that the arguments name."""
    lifeline, report = int(sys.argv[1]), int(sys.argv[2])
    argv = sys.argv[3:]
    for descriptor in (lifeline, report):
        os.set_inheritable(descriptor, False)
    control = _Control()
    control(_PR_SET_CHILD_SUBREAPER, 1)
    alarm = _alarm()
    child = os.fork()
    if child == 0:
        _become(argv, report, control)
    os.write(report, b"started %d\n" % child)
    status = _watch(child, lifeline, alarm)
    _end_all(child)
    if status is None:
        os.write(report, b"stopped\n")
    else:
        os.write(report, b"ended %d\n" % status)


def _become(argv: list[str], report: int, control: _Control) -> None:
    """Turn into the command; returns in no case."""
    try:
        os.setsid()
        control(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these
            signal.signal(ignored, signal.SIG_DFL)
        os.execvp(argv[0], argv)  # noqa: S606 - an argv and no shell is what is wanted
    except OSError as error:
        os.write(report, b"failed %d\n" % (error.errno or 0))
    finally:
        os._exit(127)


def _watch(child: int, lifeline: int, alarm: int) -> int | None:
    """How the command ended; None if the lifeline did first. The command is not reaped."""
    while True:
        ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is not None:
            status = ended.si_status
            return status if ended.si_code == os.CLD_EXITED else -status
        ready, _, _ = select.select([lifeline, alarm], [], [])
        if lifeline in ready:
            return None
        os.read(alarm, 4_096)


def _end_all(child: int) -> None:
    """Kill the command's group and whatever else has become ours, until nothing is left."""
    with suppress(OSError):
        os.killpg(child, signal.SIGKILL)  # not reaped yet: the number is still its own
    latest = time.monotonic() + _PATIENCE
    while _reap() and time.monotonic() < latest:
        for one in _children():
            with suppress(OSError):
                os.kill(one, signal.SIGKILL)
        time.sleep(0.002)


def _reap() -> bool:
    """Take leave of all that have ended; whether there are others."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _children() -> Iterator[int]:
    """Our children, orphans of the command included, as Linux lists processes."""
    ours = os.getpid()
    try:
        names = os.listdir("/proc")  # noqa: PTH208 - this file stands alone, and starts fast
    except OSError:
        return
    for name in names:
        if name.isdecimal():
            with suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as f:  # noqa: PTH123
                # The name of the program may hold spaces and brackets; the last one ends it.
                if int(f.read().rpartition(b")")[2].split()[1]) == ours:
                    yield int(name)


def _alarm() -> int:
    """A descriptor that can be read from when a child has ended."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading


class _Control:
    """Linux's ``prctl``; elsewhere it does nothing."""

    def __init__(self) -> None:
        self._call = None
        if sys.platform == "linux":
            import ctypes

            self._call = ctypes.CDLL(None).prctl

    def __call__(self, option: int, value: int) -> None:
        if self._call is not None:
            self._call(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
