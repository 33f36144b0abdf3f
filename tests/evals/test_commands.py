"""Commands with real processes: what they answer, how they fail, and that nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
import uvloop

from pointsman.evals.commands import MAX_LINE, CommandFailure, run_lines, run_rows

T = TypeVar("T")
Write = Callable[[str], list[str]]

ECHO = """
import sys
for line in sys.stdin:
    print(line, end="")
"""
FOREVER = "import time\ntime.sleep(600)"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Makes a Python program of a text, and its argv."""

    def made(code: str) -> list[str]:
        file = tmp_path / "program.py"
        file.write_text(textwrap.dedent(code))
        return [sys.executable, str(file)]

    return made


def run(answer: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(answer)


def failure_of(argv: list[str], lines: list[str] | None = None, **options: Any) -> CommandFailure:
    with pytest.raises(CommandFailure) as caught:
        run(run_lines(argv, lines or [], **options))
    return caught.value


def gone(folder: Path) -> bool:
    """Whether every process that wrote its number into a file ``*.pid`` is no more."""
    numbers = [int(file.read_text()) for file in folder.glob("*.pid")]
    assert numbers, "nothing was started"
    return not any(_lives(number) for number in numbers)


def _lives(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# -- what goes well


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_lines_in_lines_out(write: Write, runner: Callable[[Any], Any]) -> None:
    lines = [json.dumps({"n": number, "text": "ä\n" * 20}) for number in range(5_000)]
    found = runner(run_lines(write(ECHO), lines))
    assert found == [json.loads(line) for line in lines]


def test_more_than_the_pipes_hold_goes_both_ways(write: Write) -> None:
    # Reads nothing until it has written far more than a pipe holds, to both streams.
    argv = write("""
        import json, sys
        for number in range(2_000):
            print(json.dumps({"n": number, "text": "x" * 500}))
            print("y" * 500, file=sys.stderr)
        for line in sys.stdin:
            print(line, end="")
    """)
    lines = [json.dumps({"text": "z" * 500}) for _ in range(2_000)]
    assert len(run(run_lines(argv, lines))) == 4_000


def test_empty_lines_and_no_newline_at_the_end(write: Write) -> None:
    assert run(run_lines(write("print('\\n{}\\n\\n{}', end='')"), [])) == [{}, {}]


def test_no_input_and_no_output(write: Write) -> None:
    assert run(run_lines(write("pass"), [])) == []


def test_input_is_taken_as_it_is_read(write: Write) -> None:
    taken: list[int] = []

    def lines() -> Iterator[str]:
        for number in range(100_000):
            taken.append(number)
            yield json.dumps({"text": "x" * 1_000})

    argv = write("import os\nos.close(0)\nprint('{}')")
    assert run(run_lines(argv, lines())) == [{}]
    assert len(taken) < 100_000


@pytest.mark.parametrize("code", ["pass", FOREVER], ids=["ends", "never ends"])
def test_what_the_lines_raise_passes_through(write: Write, code: str) -> None:
    def lines() -> Iterator[str]:
        yield "{}"
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        run(run_lines(write("import sys\nsys.stdin.read()\n" + code), lines()))


def test_the_environment_is_clean(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("POINTSMAN_API_KEY", "secret")
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    argv = write("import json, os\nprint(json.dumps({'env': dict(os.environ), 'at': os.getcwd()}))")
    (found,) = run(run_lines(argv, [], env={"GIVEN": "1"}, cwd=tmp_path))
    assert "secret" not in found["env"].values()
    assert found["env"]["GIVEN"] == "1"
    assert found["env"]["PATH"] == os.environ["PATH"]
    assert found["at"] == str(tmp_path.resolve())


def test_arguments_reach_the_program_as_they_are(write: Write) -> None:
    arguments = ["$HOME", "a b", "*", "; echo x", "", "--", "ä\n"]
    argv = write("import json, sys\nprint(json.dumps({'given': sys.argv[1:]}))")
    assert run(run_lines([*argv, *arguments], [])) == [{"given": arguments}]


def test_signals_are_as_usual(tmp_path: Path) -> None:
    # `yes` ends without a word when nobody reads it, unless it was told to ignore SIGPIPE.
    argv = ["sh", "-c", "yes 2>said | head -n 1 >/dev/null; test -s said || echo {}"]
    assert run(run_lines(argv, [], timeout=30, cwd=tmp_path)) == [{}]


def test_descriptors_are_not_inherited(write: Write) -> None:
    argv = write("import json, os\nprint(json.dumps({'open': os.listdir('/proc/self/fd')}))")
    with open(os.devnull) as file:  # noqa: PTH123
        os.set_inheritable(file.fileno(), True)
        (found,) = run(run_lines(argv, []))
    assert {"0", "1", "2"} <= set(found["open"])
    assert len(found["open"]) == 4  # and the one that lists them


# -- rows


def test_rows_are_paired_whatever_their_order(write: Write) -> None:
    argv = write("""
        import json, sys
        for line in reversed(sys.stdin.readlines()):
            asked = json.loads(line)
            print(json.dumps({"row": asked["row"], "twice": asked["input"]["n"] * 2}))
    """)
    rows = [{"input": {"n": number}} for number in range(50)]
    found = run(run_rows(argv, rows))
    assert [one["twice"] for one in found] == [number * 2 for number in range(50)]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('{"row": 0}', "1 of 2 rows; row 1 has no answer"),
        ('{"row": 0}\n{"row": 0}\n{"row": 1}', "row 0 twice"),
        ('{"row": 0}\n{"row": 1}\n{"row": 2}', "row 2; it was asked 2 rows"),
        ('{"row": 0}\n{"row": -1}', "row -1"),
        ('{"row": 0}\n{"row": true}', "row true"),
        ('{"row": 0}\n{"row": "1"}', 'row "1"'),
        ('{"row": 0}\n{}', "no row"),
        ("", "0 of 2 rows; row 0 has no answer"),
    ],
)
def test_rows_that_do_not_fit(write: Write, said: str, told: str) -> None:
    argv = write(f"print({said!r})")
    with pytest.raises(CommandFailure) as caught:
        run(run_rows(argv, [{}, {}]))
    assert caught.value.kind == "bad_answers"
    assert told in str(caught.value)


# -- what goes wrong


def test_an_exit_code(write: Write) -> None:
    failure = failure_of(write("import sys\nprint('{}')\nsys.exit('no luck')"))
    assert failure.kind == "exit"
    assert "exit code 1" in str(failure)
    assert "no luck" in str(failure)


def test_an_exit_code_counts_more_than_half_a_line(write: Write) -> None:
    failure = failure_of(write("import sys\nprint('{\"row\":', end='')\nsys.exit(3)"))
    assert (failure.kind, "exit code 3" in str(failure)) == ("exit", True)


def test_a_signal(write: Write) -> None:
    failure = failure_of(write("import os\nos.kill(os.getpid(), 11)"))
    assert (failure.kind, "SIGSEGV" in str(failure)) == ("signal", True)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("no-such-program", "no program"),
        ("./nothing", "no program"),
        (".", "can't be run: Permission denied"),
        ("plain", "can't be run: Permission denied"),
        ("textual", "is not a program"),
        ("bad\0name", "NUL"),
        ("orphaned", "first line names"),
    ],
)
def test_a_program_that_does_not_start(name: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("echo {}")
    for file, text in (("textual", "echo {}"), ("orphaned", "#!/no/such/thing\n")):
        (tmp_path / file).write_text(text)
        (tmp_path / file).chmod(0o755)
    known = (tmp_path / name).exists() if "\0" not in name else False
    failure = failure_of([str(tmp_path / name) if known else name])
    assert failure.kind == "not_started"
    assert told in str(failure)


def test_no_argv_and_no_folder(write: Write, tmp_path: Path) -> None:
    assert failure_of([]).kind == "not_started"
    failure = failure_of(write("pass"), cwd=tmp_path / "nowhere")
    assert (failure.kind, "There is no folder" in str(failure)) == ("not_started", True)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("half {", "Line 2 of the command's output is not JSON: 'half {'"),
        ("[1]", "Line 2 of the command's output is not a JSON object"),
        ('{"a": NaN}', "not JSON"),
        ('{"a": 1, "a": 2}', "occurs twice"),
        ('{"a": "\\ud800"}', "surrogate"),
        ('{"a": ' + "[" * 200 + "]" * 200 + "}", "deep"),
    ],
)
def test_what_is_not_json_lines(write: Write, said: str, told: str) -> None:
    failure = failure_of(write(f"print('{{}}')\nprint({said!r})"))
    assert failure.kind == "bad_output"
    assert told in str(failure)


def test_bytes_that_are_no_text(write: Write) -> None:
    assert failure_of(write("import os\nos.write(1, b'\\xff\\xfe\\n')")).kind == "bad_output"


def test_half_a_line(write: Write) -> None:
    failure = failure_of(write("print('{\"row\": 0, \"sco', end='')"))
    assert failure.kind == "bad_output"


def test_the_last_words_are_kept_and_no_more(write: Write) -> None:
    failure = failure_of(
        write("""
        import sys
        sys.stderr.write("early " + "\\x1b[31mä" * 100_000 + "the end")
        sys.exit(1)
    """)
    )
    assert failure.stderr.endswith("äthe end")
    assert len(failure.stderr) <= 2_000
    assert "\x1b" not in failure.stderr
    assert "early" not in failure.stderr


@pytest.mark.parametrize(
    ("written", "told"),
    [("b'{}\\n' * 9_000", "100,000 answers"), ("b'x' * 60_000", "Line 1 of")],
)
def test_a_flood_is_stopped(write: Write, written: str, told: str, tmp_path: Path) -> None:
    argv = write(f"""
        import os
        from pathlib import Path
        Path({str(tmp_path / "it.pid")!r}).write_text(str(os.getpid()))
        while True:
            os.write(1, {written})
    """)
    failure = failure_of(argv, max_output=20 * MAX_LINE)
    assert (failure.kind, told in str(failure)) == ("flood", True)
    assert gone(tmp_path)


def test_more_bytes_than_allowed(write: Write) -> None:
    failure = failure_of(write("print('{}\\n' * 1_000)"), max_output=1_000)
    assert (failure.kind, "more than 1,000 bytes" in str(failure)) == ("flood", True)


@pytest.mark.parametrize("end", ["", "\\n"])
def test_a_line_that_is_too_long(write: Write, end: str) -> None:
    failure = failure_of(write(f"print('{{\"a\": \"' + 'x' * {MAX_LINE} + '\"}}', end='{end}')"))
    assert (failure.kind, "longer than 1,048,576 bytes" in str(failure)) == ("flood", True)


def test_a_flood_of_errors_is_read_and_forgotten(write: Write) -> None:
    argv = write("""
        import os
        for _ in range(2_000):
            os.write(2, b"x" * 60_000)
        print("{}")
    """)
    assert run(run_lines(argv, [])) == [{}]


def test_it_never_reads(write: Write) -> None:
    lines = [json.dumps({"text": "x" * 100_000})] * 100
    assert failure_of(write(FOREVER), lines, timeout=0.5).kind == "timeout"
    assert run(run_lines(write("print('{}')"), lines)) == [{}]


def test_it_closes_its_output_and_goes_on(write: Write) -> None:
    argv = write("import os\nos.close(1)\nos.close(2)\n" + FOREVER)
    assert failure_of(argv, timeout=0.5).kind == "timeout"


# -- nothing is left

LEAVES = """
import os, signal, subprocess, sys, time
from pathlib import Path

signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
here = Path(sys.argv[1])

def start(name, **how):
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code], **how)
    (here / f"{name}.pid").write_text(str(child.pid))

start("in_the_group")
start("in_its_own_session", start_new_session=True)
if os.fork() == 0:  # as daemons do it
    os.setsid()
    if os.fork() == 0:
        start("of_a_daemon")
        (here / "daemon.pid").write_text(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
while not (here / "daemon.pid").exists():
    time.sleep(0.01)
(here / "itself.pid").write_text(str(os.getpid()))
print("{}", flush=True)
"""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, daemons get away")


@on_linux
def test_children_that_are_left_behind_are_killed(write: Write, tmp_path: Path) -> None:
    argv = write(LEAVES)
    assert run(run_lines([*argv, str(tmp_path)], [])) == [{}]
    assert len(list(tmp_path.glob("*.pid"))) == 5
    assert gone(tmp_path)


@on_linux
@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_all_of_it_is_killed_when_time_is_up(
    write: Write, tmp_path: Path, runner: Callable[[Any], Any]
) -> None:
    argv = [*write(LEAVES + "time.sleep(600)"), str(tmp_path)]
    with pytest.raises(CommandFailure) as caught:
        runner(run_lines(argv, [], timeout=3))
    assert caught.value.kind == "timeout"
    assert gone(tmp_path)


@on_linux
def test_all_of_it_is_killed_when_we_are_cancelled(write: Write, tmp_path: Path) -> None:
    argv = [*write(LEAVES + "time.sleep(600)"), str(tmp_path)]

    async def cancelled() -> None:
        task = asyncio.create_task(run_lines(argv, []))
        while not (tmp_path / "itself.pid").exists():
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert gone(tmp_path)

    run(cancelled())


def test_cancelled_at_any_moment_leaves_nothing(write: Write) -> None:
    """No process and no descriptor, however early it is."""
    argv = write(FOREVER)
    others = set(psutil.Process().children(recursive=True))  # servers that other tests keep

    async def often() -> None:
        for moment in range(12):
            task = asyncio.create_task(run_lines(argv, ["{}"] * 10))
            await asyncio.sleep(moment / 200)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(often())
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    run(often())
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    _wait_until(lambda: set(psutil.Process().children(recursive=True)) <= others)


WORKER = """
import asyncio, sys
from pointsman.evals.commands import run_lines

asyncio.run(run_lines(sys.argv[1:], []))
"""


@on_linux
def test_all_of_it_goes_with_the_worker(write: Write, tmp_path: Path) -> None:
    argv = [*write(LEAVES + "time.sleep(600)"), str(tmp_path)]
    worker = subprocess.Popen([sys.executable, "-c", WORKER, *argv])
    try:
        _wait_until((tmp_path / "itself.pid").exists)
        keepers = psutil.Process(worker.pid).children()
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    _wait_until(lambda: gone(tmp_path))
    _wait_until(lambda: not any(keeper.is_running() for keeper in keepers))


def test_a_command_that_kills_its_keeper(write: Write, tmp_path: Path) -> None:
    argv = write(f"""
        import os, signal, time
        from pathlib import Path
        Path({str(tmp_path / "it.pid")!r}).write_text(str(os.getpid()))
        print("{{}}", flush=True)
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
    """)
    failure = failure_of(argv, timeout=30)
    assert (failure.kind, "from outside" in str(failure)) == ("signal", True)
    _wait_until(lambda: gone(tmp_path))


def _wait_until(holds: Callable[[], bool]) -> None:
    latest = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < latest, "it never came to be"
        time.sleep(0.02)
