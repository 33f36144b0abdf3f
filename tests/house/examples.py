"""Runs the examples of a page: `python tests/house/examples.py docs/quickstart.md`.

Every fenced block says what it is, and all of a page run in order, in one new folder:

`python`
    Runs in one interpreter with one namespace for the page; `await` is allowed. A block with
    `>>>` prompts is run like a session, and must print what it shows.
`console`
    Lines that begin with `$ ` are commands (`> ` or a backslash goes on with one), the others
    are what they print. A command must succeed.
`bash`
    A script, which must succeed.
`json`, `yaml`, `toml`
    Must parse.
anything else
    Is shown only: `text`, `http`, `sql`, `mermaid`…

What is printed is compared loosely: every line shown must come, in this order; others may come
between them, white space counts once, and `…` or `...` stands for anything.

Comments before a block, which no reader sees, say more:

    <!-- test: skip: why it can't run here -->
    <!-- test: fails -->                 the last command must fail
    <!-- test: file greeting.prompt -->  write the block to this file; it is not run

`<!-- test: server -->` anywhere on the page asks for a registry: `POINTSMAN_URL` and
`POINTSMAN_API_KEY` lead to a new and empty one, and `pointsman serve` is taken as done.
"""

from __future__ import annotations

import ast
import asyncio
import doctest
import inspect
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from types import CodeType
from typing import Any

import yaml

SHOWN = {
    "css", "diff", "dockerfile", "html", "http", "ini", "javascript", "makefile", "markdown",
    "mermaid", "nginx", "sql", "text", "typescript",
}  # fmt: skip
"""What is only shown; a language that is neither here nor run is a mistake."""

TIMEOUT = 120
MISSING = 77
"""The exit status if a program that an example needs is not installed."""

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```+) *(?P<language>[\w+-]*)[^\n]*\n(?P<text>.*?)^ *(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"<!-- test: (.*?) -->")
_DIRECTIVES = re.compile(r"(?:<!-- test: [^\n]*? -->\s*)+\Z")


class ExampleError(Exception):
    """An example does not do what its page says."""


class ProgramMissing(Exception):
    """An example needs a program that is not installed."""


@dataclass(frozen=True)
class Block:
    """A fenced block, and what the comments before it say."""

    language: str
    text: str
    line: int
    directives: tuple[str, ...] = ()

    def told(self, word: str) -> str | None:
        """What follows a word in a comment; None if no comment begins with it."""
        for directive in self.directives:
            if directive.split(" ")[0].rstrip(":") == word:
                return directive.removeprefix(word).lstrip(": ")
        return None


def blocks(page: str) -> Iterator[Block]:
    """All fenced blocks of a page."""
    for match in _FENCE.finditer(page):
        indent = len(match["indent"])
        text = "".join(line[indent:] or "\n" for line in match["text"].splitlines(keepends=True))
        said = _DIRECTIVES.search(page[: match.start()])
        directives = tuple(_COMMENT.findall(said[0])) if said else ()
        line = page.count("\n", 0, match.start()) + 2
        yield Block(match["language"], text, line, directives)


def wants_server(page: str) -> bool:
    """Whether a page's examples need a registry."""
    return "server" in _COMMENT.findall(page)


@dataclass
class Page:
    """A page whose examples are being run in the present folder."""

    place: str
    served: bool = False
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})

    def run(self, page: str) -> int:
        """Run all examples and return how many there were. Raises `ExampleError` at the first
        that does not do what the page says, `ProgramMissing` if it can't be told."""
        self.served = wants_server(page)
        count = 0
        with asyncio.Runner() as runner:
            for block in blocks(page):
                try:
                    count += self._run(block, runner)
                except ProgramMissing:
                    raise
                except Exception as error:
                    said = f"{type(error).__name__}: " if type(error) is not ExampleError else ""
                    raise ExampleError(f"{self.place}:{block.line}: {said}{error}") from error
        return count

    def _run(self, block: Block, runner: asyncio.Runner) -> bool:
        """Run one block. False if it is there to be read only."""
        reason = block.told("skip")
        if reason is not None:
            if not reason:
                raise ExampleError("say why it is skipped: <!-- test: skip: … -->")
            return False
        name = block.told("file")
        if name is not None:
            target = Path(name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text, "utf-8")
            return True
        match block.language:
            case "python":
                self._python(block, runner)
            case "console":
                self._console(block)
            case "bash":
                status, printed = self._shell(block.text)
                _judge(block.text, status, printed, fails=block.told("fails") is not None)
            case "json":
                json.loads(block.text)
            case "yaml":
                yaml.safe_load(block.text)
            case "toml":
                tomllib.loads(block.text)
            case "":
                raise ExampleError("say what the block is: python, console, text…")
            case language if language not in SHOWN:
                raise ExampleError(f"{language!r} is neither run nor known to be only shown")
            case _:
                return False
        return True

    def _python(self, block: Block, runner: asyncio.Runner) -> None:
        if ">>> " in block.text:
            session = doctest.DocTestParser().get_doctest(
                block.text, self.namespace, self.place, self.place, block.line - 1
            )
            for example in session.examples:
                printed = self._execute(
                    example.source, block.line + example.lineno, runner, "single"
                )
                compare(example.want, printed)
        else:
            self._execute(block.text, block.line, runner, "exec")

    def _execute(self, source: str, line: int, runner: asyncio.Runner, mode: str) -> str:
        """Run Python in the page's namespace and return what it prints."""
        code: CodeType = compile(
            "\n" * (line - 1) + source,
            self.place,
            mode,
            flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        printed = StringIO()
        with redirect_stdout(printed):
            if code.co_flags & inspect.CO_COROUTINE:
                runner.run(eval(code, self.namespace))
            else:
                eval(code, self.namespace)
        return printed.getvalue()

    def _console(self, block: Block) -> None:
        commands = list(_commands(block.text))
        if not commands:
            raise ExampleError("no line begins with `$ `")
        fails = block.told("fails") is not None
        for index, (command, shown) in enumerate(commands):
            if self.served and re.match(r"pointsman serve\b", command):
                continue
            status, printed = self._shell(command)
            _judge(command, status, printed, fails=fails and index == len(commands) - 1)
            compare(shown, printed)

    def _shell(self, script: str) -> tuple[int, str]:
        """Run a script and return its status and what it prints."""
        run = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        missing = re.search(r"line \d+: ([\w-]+): command not found", run.stdout)
        if run.returncode == 127 and missing and not shutil.which(missing[1]):
            raise ProgramMissing(missing[1])
        return run.returncode, run.stdout


def compare(shown: str, printed: str) -> None:
    """Raise `ExampleError` unless every line shown was printed, in this order."""
    lines = iter(printed.splitlines())
    for wanted in shown.splitlines():
        words = " ".join(wanted.split())
        if words in ("", "…", "..."):
            continue
        pattern = re.compile(re.sub(r"…|\\\.\\\.\\\.", ".*", re.escape(words)))
        if not any(pattern.fullmatch(" ".join(line.split())) for line in lines):
            raise ExampleError(f"{words!r} was not printed; printed was:\n{printed}")


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Each command of a console session, and the lines that follow it."""
    command: list[str] = []
    shown: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield "\n".join(command), "\n".join(shown)
            command, shown = [line[2:]], []
        elif command and not shown and (line.startswith("> ") or command[-1].endswith("\\")):
            command.append(line.removeprefix("> "))
        elif command:
            shown.append(line)
        elif line.strip() and not line.startswith("#"):
            raise ExampleError(f"{line!r} comes before the first command, which begins with `$ `")
    if command:
        yield "\n".join(command), "\n".join(shown)


def _judge(script: str, status: int, printed: str, *, fails: bool) -> None:
    if fails == (status == 0):
        how = "should have failed" if fails else f"ended with {status}"
        raise ExampleError(f"{script.strip()}\n{how}; printed was:\n{printed}")


def main() -> int:
    """Run the examples of the page given, in the present folder."""
    path = Path(sys.argv[1])
    try:
        count = Page(sys.argv[2] if len(sys.argv) > 2 else str(path)).run(path.read_text("utf-8"))
    except ProgramMissing as missing:
        print(f"{missing} is not installed", file=sys.stderr)
        return MISSING
    except ExampleError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{count} examples")
    return 0


if __name__ == "__main__":
    sys.exit(main())
