"""Programs of the user's own: JSON lines in, JSON lines out, and nothing left behind.

A command is an argv; no shell is ever asked. It has a clean environment: `PASSED_ON` of ours,
and what it is given. It runs under a keeper (`evals.keeper`), a small process that ends it and
everything that came from it when it is done, when we say so, and when we are no more.

It gets no grace: what runs out of time or floods is killed at once with SIGKILL, as it has
nothing to save that anybody would read. What it started and left behind is killed when it
ends. All this keeps order among programs that go wrong; it is no sandbox. A command has the
rights of the user that the worker runs as.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from pointsman.core.canonical import parse_json, quoted
from pointsman.errors import PointsmanError

PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""What a command gets of our environment. Keys and other secrets are not in it."""
MAX_OUTPUT: Final = 50 * 1024 * 1024
MAX_LINE: Final = 1024 * 1024
MAX_ANSWERS: Final = 100_000
MAX_STDERR: Final = 2_000
"""Characters kept of the end of what a command writes to its standard error."""
TIMEOUT: Final = 300.0
"""Seconds that a command may take where nothing is said."""

_CHUNK: Final = 65_536
_PATIENCE: Final = 10.0
"""Seconds that a keeper may take to end a command; then the keeper itself is ended."""
_KEEPER: Final = str(Path(__file__).with_name("keeper.py"))

Kind = Literal["not_started", "timeout", "flood", "exit", "signal", "bad_output", "bad_answers"]


class CommandFailure(PointsmanError):
    """A command gave no answers that can be used; the message says why, with its last words.

    ===============  =============================================================
    ``not_started``  there is no such program, or it can't be run
    ``timeout``      it took too long, and was killed
    ``flood``        it wrote too much, or too long a line, and was killed
    ``exit``         it ended with another exit code than 0
    ``signal``       it was killed by a signal
    ``bad_output``   what it wrote is not JSON lines
    ``bad_answers``  it left a row out, answered one twice, or one that nobody asked
    ===============  =============================================================
    """

    default_code: ClassVar[str] = "command_failure"

    def __init__(self, kind: Kind, message: str, *, hint: str = "", stderr: str = "") -> None:
        if stderr:
            message = f"{message} Its last words: {stderr}"
        super().__init__(message, hint=hint, details={"kind": kind})
        self.kind = kind
        self.stderr = stderr


async def run_rows(
    argv: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    *,
    timeout: float = TIMEOUT,
    env: Mapping[str, str] | None = None,
    cwd: str | Path | None = None,
) -> list[dict[str, Any]]:
    """The answers of a command to some rows, in their order.

    Each row goes to it as one line of JSON with its place as ``row``, from 0. It answers with
    an object a line that has the same ``row``, in whatever order.

    Raises:
        CommandFailure: the command failed, or did not answer each row exactly once.
    """
    lines = (json.dumps({"row": place, **row}, ensure_ascii=True) for place, row in enumerate(rows))
    answers = await run_lines(argv, lines, timeout=timeout, env=env, cwd=cwd)
    return _paired(answers, len(rows))


async def run_lines(
    argv: Sequence[str],
    lines: Iterable[str],
    *,
    timeout: float = TIMEOUT,
    env: Mapping[str, str] | None = None,
    max_output: int = MAX_OUTPUT,
    cwd: str | Path | None = None,
) -> list[dict[str, Any]]:
    """The JSON objects that a command writes, one a line, when it is given `lines`.

    Its input and both of its outputs are served at once, so it may read and write in any
    order. Closing its input early or not reading it is its own affair. Empty lines count for
    nothing. Memory is bounded by `max_output` bytes of JSON, of which no more than 100,000
    objects, and a line of at most 1 MB.

    When this returns, raises or is cancelled, nothing that came from the command is running.

    Raises:
        CommandFailure: see there. Anything that `lines` raises passes through.
    """
    stderr = _Tail()
    answers = _Answers(max_output, stderr)
    command = _Command()
    try:
        process = await command.start(argv, env, cwd)
        async with asyncio.timeout(timeout):
            await _converse(process, lines, answers, stderr)
    except TimeoutError:
        message = f"The command took longer than {timeout:g} seconds."
        hint = "Raise its timeout, or evaluate fewer rows."
        raise CommandFailure("timeout", message, hint=hint, stderr=stderr.text) from None
    finally:
        facts = await command.end()
    _check_end(argv, facts, stderr.text)
    answers.finish()
    return answers.read


# -- the conversation


async def _converse(
    process: Process, lines: Iterable[str], answers: _Answers, stderr: _Tail
) -> None:
    """Serve all three streams until the command has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    tasks = [
        asyncio.create_task(answers.follow(process.stdout)),
        asyncio.create_task(stderr.follow(process.stderr)),
        asyncio.create_task(_write(process.stdin, lines)),
    ]
    try:
        await asyncio.gather(*tasks)
        await process.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _write(stdin: asyncio.StreamWriter, lines: Iterable[str]) -> None:
    try:
        with suppress(BrokenPipeError, ConnectionResetError):
            for line in lines:
                stdin.write(line.encode() + b"\n")
                await stdin.drain()
    finally:
        stdin.close()


class _Answers:
    """What a command answers, read as it comes."""

    def __init__(self, room: int, stderr: _Tail) -> None:
        self.read: list[dict[str, Any]] = []
        self._room = room
        self._stderr = stderr
        self._rest = b""
        self._line = 0

    async def follow(self, stdout: asyncio.StreamReader) -> None:
        """Read until the end, or until it is too much or not JSON."""
        room = self._room
        while chunk := await stdout.read(_CHUNK):
            room -= len(chunk)
            if room < 0:
                raise self._failure("flood", f"The command wrote more than {self._room:,} bytes.")
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            for line in whole:
                self._add(line)
            if len(self._rest) > MAX_LINE:
                self._add(self._rest)

    def finish(self) -> None:
        """Take the last line for whole, though nothing ended it."""
        self._add(self._rest)

    def _add(self, line: bytes) -> None:
        self._line += 1
        if len(line) > MAX_LINE:
            told = f"{self._place} is longer than {MAX_LINE:,} bytes."
            raise self._failure("flood", told)
        if not line.strip():
            return
        try:
            answer = parse_json(line)
        except PointsmanError as error:
            told = f"{quoted(line[:200].decode('utf-8', 'replace'))} ({error.message})"
            raise self._failure("bad_output", f"{self._place} is not JSON: {told}.") from None
        if not isinstance(answer, dict):
            raise self._failure("bad_output", f"{self._place} is not a JSON object.")
        if len(self.read) >= MAX_ANSWERS:
            raise self._failure("flood", f"The command wrote more than {MAX_ANSWERS:,} answers.")
        self.read.append(answer)

    @property
    def _place(self) -> str:
        return f"Line {self._line} of the command's output"

    def _failure(self, kind: Kind, message: str) -> CommandFailure:
        hint = "Write one JSON object a line to stdout, and everything else to stderr."
        return CommandFailure(kind, message, hint=hint, stderr=self._stderr.text)


class _Tail:
    """The end of what a command writes to its standard error."""

    def __init__(self) -> None:
        self._kept = b""

    async def follow(self, stderr: asyncio.StreamReader) -> None:
        """Read until the end, and keep little."""
        while chunk := await stderr.read(_CHUNK):
            self._kept = (self._kept + chunk)[-4 * MAX_STDERR :]

    @property
    def text(self) -> str:
        """The last characters; what can't be shown is left out."""
        text = self._kept.decode("utf-8", "replace")[-MAX_STDERR:]
        return "".join(one for one in text if one.isprintable() or one in "\n\t").strip()


# -- the process


@dataclass(slots=True)
class _Command:
    """A command under its keeper: the process, and our ends of two pipes."""

    process: Process | None = None
    lifeline: int = -1
    report: int = -1
    told: bytes = b""

    async def start(
        self, argv: Sequence[str], env: Mapping[str, str] | None, cwd: str | Path | None
    ) -> Process:
        """Start it; whether the program exists is known only when it has ended."""
        if cwd is not None and not Path(cwd).is_dir():
            raise CommandFailure("not_started", f"There is no folder {quoted(str(cwd))}.")
        if not argv or "\0" in "".join(argv):
            message = "The command has no program, or a NUL in its arguments."
            raise CommandFailure("not_started", message)
        theirs, self.lifeline = os.pipe()
        self.report, reporting = os.pipe()
        os.set_blocking(self.report, False)
        try:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", "-B", _KEEPER, str(theirs), str(reporting), *argv),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env={name: os.environ[name] for name in PASSED_ON if name in os.environ}
                | dict(env or {}),
                cwd=cwd,
                pass_fds=(theirs, reporting),
                start_new_session=True,  # what a terminal sends to us is not for the keeper
            )
        except (OSError, ValueError) as error:
            message = f"The command can't be started: {error}."
            raise CommandFailure("not_started", message) from None
        finally:
            os.close(theirs)
            os.close(reporting)
        return self.process

    async def end(self) -> dict[str, int]:
        """End it, if it hasn't; what the keeper says about it."""
        self._close("lifeline")
        try:
            if self.process is not None:
                await self._wait(self.process)
            return self._facts()
        finally:
            self._close("report")

    async def _wait(self, process: Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            async with asyncio.timeout(_PATIENCE):
                # A stream that nobody reads would keep the process from being seen to end.
                await asyncio.gather(
                    _discard(process.stdout), _discard(process.stderr), process.wait()
                )
        except TimeoutError:
            with suppress(OSError):
                process.kill()
        group = self._facts().get("started")
        if process.returncode != 0 and group is not None:
            with suppress(OSError):  # the keeper was ended before its work was done
                os.killpg(group, signal.SIGKILL)

    def _facts(self) -> dict[str, int]:
        with suppress(OSError):
            self.told += os.read(self.report, _CHUNK)
        facts = (line.split() for line in self.told.decode().splitlines())
        return {fact[0]: int(fact[1]) for fact in facts if len(fact) == 2}

    def _close(self, name: str) -> None:
        descriptor = getattr(self, name)
        if descriptor >= 0:
            setattr(self, name, -1)
            os.close(descriptor)


async def _discard(stream: asyncio.StreamReader) -> None:
    while await stream.read(_CHUNK):
        pass


# -- what became of it


def _check_end(argv: Sequence[str], facts: Mapping[str, int], stderr: str) -> None:
    """Raise what stands against believing the answers of a command that ended so."""
    if "failed" in facts:
        raise _not_started(argv[0], facts["failed"])
    code = facts.get("ended")
    if code is None:
        message = "The command was ended from outside, together with what watched over it."
        raise CommandFailure("signal", message, stderr=stderr)
    if code < 0:
        message = f"The command was killed by {_signal_name(-code)}."
        hint = "It may have run out of memory." if -code == signal.SIGKILL else ""
        raise CommandFailure("signal", message, hint=hint, stderr=stderr)
    if code > 0:
        raise CommandFailure("exit", f"The command ended with exit code {code}.", stderr=stderr)


def _not_started(program: str, number: int) -> CommandFailure:
    name = quoted(program, max_chars=200)
    if number == errno.ENOENT:
        message = f"There is no program {name}, or what its first line names isn't there."
        hint = "Install it on the machine of the worker, or write its whole path."
        return CommandFailure("not_started", message, hint=hint)
    if number == errno.ENOEXEC:
        hint = "Name the program that reads it: python, sh…; no shell is asked."
        return CommandFailure("not_started", f"{name} is not a program.", hint=hint)
    return CommandFailure("not_started", f"{name} can't be run: {os.strerror(number)}.")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _paired(answers: Iterable[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The answers by the rows that they are for."""
    found: dict[int, dict[str, Any]] = {}
    for answer in answers:
        row = answer.get("row")
        if not isinstance(row, int) or isinstance(row, bool) or not 0 <= row < count:
            told = "no row" if row is None else f"row {json.dumps(row)[:50]}"
            raise _unpaired(f"The command answered {told}; it was asked {count} rows, from 0 on.")
        if row in found:
            raise _unpaired(f"The command answered row {row} twice.")
        found[row] = answer
    if len(found) < count:
        first = next(row for row in range(count) if row not in found)
        told = f"{len(found)} of {count} rows; row {first} has no answer"
        raise _unpaired(f"The command answered {told}.")
    return [found[row] for row in range(count)]


def _unpaired(message: str) -> CommandFailure:
    hint = 'Write one line for each row, with the "row" that it came with.'
    return CommandFailure("bad_answers", message, hint=hint)
