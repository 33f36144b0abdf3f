"""The examples of README.md and docs/ work; how they are written is in `examples.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from house.examples import MISSING, blocks, wants_server
from house.source_tree import ROOT, documents

PAGES = [path for path in documents() if any(blocks(path.read_text("utf-8")))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_work(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("server") if wants_server(page.read_text("utf-8")) else None
    run = _run(page, tmp_path, server)
    if run.returncode == MISSING and not os.environ.get("CI"):
        pytest.skip(run.stderr)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "page",
    [
        "```python\nx = 1\n```\n```python\nassert x == 1\n```",
        "```python\nimport asyncio\nawait asyncio.sleep(0)\n```",
        "```python\n>>> 6 * 7\n42\n>>> await __import__('asyncio').sleep(0, 'done')\n'done'\n```",
        "```console\n$ printf 'a\\nb   c\\nd\\n'\nb c\n```",
        "```console\n$ echo one \\\n    two\none two\n$ echo 12:31:07 done\n… done\n```",
        "- in a list\n\n  ```console\n  $ echo a\n  a\n  ```\n",
        "<!-- test: file a/b.txt -->\n```text\nhello\n```\n\n```console\n$ cat a/b.txt\nhello\n```",
        "<!-- test: fails -->\n```console\n$ true\n$ false\n```",
        "<!-- test: skip: it would take a day -->\n```bash\nfalse\n```",
        '```bash\ntest "$(pointsman --version)"\n```',
        '```json\n{"a": 1}\n```\n\n```text\n}{\n```',
    ],
)
def test_good_pages_pass(page: str, tmp_path: Path) -> None:
    run = _run_text(page, tmp_path)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("```python\nx = 1\nassert x == 2\n```", "page.md:2: AssertionError"),
        ("```python\n>>> 6 * 7\n41\n```", "'41' was not printed"),
        ("```console\n$ printf 'a\\nb\\n'\nb\na\n```", "'a' was not printed"),
        ("```console\n$ false\n```", "ended with 1"),
        ("```console\n$ false | cat\n```", "ended with 1"),
        ("```console\npointsman list\n```", "before the first command"),
        ("<!-- test: fails -->\n```console\n$ true\n```", "should have failed"),
        ("<!-- test: skip -->\n```bash\ntrue\n```", "say why"),
        ("```bash\nfalse\ntrue\n```", "ended with 1"),
        ("```json\n{\n```", "JSONDecodeError"),
        ("```\nwhat\n```", "say what the block is"),
        ("```pyhton\nx\n```", "neither run"),
    ],
)
def test_bad_pages_fail(page: str, said: str, tmp_path: Path) -> None:
    run = _run_text(page, tmp_path)
    assert run.returncode == 1
    assert said in run.stderr


def test_a_program_that_is_not_installed_is_told(tmp_path: Path) -> None:
    assert _run_text("```console\n$ no-such-program\n```", tmp_path).returncode == MISSING


PAGE_WITH_A_REGISTRY = """
<!-- test: server -->

```console
$ pointsman serve --data ./data
Ready.
$ curl -sf $POINTSMAN_URL/healthz
```

```python
import os, urllib.request
me = urllib.request.Request(os.environ["POINTSMAN_URL"] + "/api/v1/me")
me.add_header("Authorization", "Bearer " + os.environ["POINTSMAN_API_KEY"])
assert urllib.request.urlopen(me).status == 200
```
"""


def test_a_page_is_given_a_registry(serve: Callable[..., Any], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE_WITH_A_REGISTRY)
    run = _run(page, tmp_path, serve())
    assert run.returncode in (0, MISSING), run.stderr


def _run_text(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    page = folder / "page.md"
    page.write_text(text + "\n")
    return _run(page, folder, None)


def _run(page: Path, folder: Path, server: Any) -> subprocess.CompletedProcess[str]:
    """Run a page's examples in a process, a folder and a home of their own."""
    inside, home = folder / "inside", folder / "home"
    inside.mkdir()
    home.mkdir()
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith("POINTSMAN_")
    }
    environment |= {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(home),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "PYTHONUTF8": "1",
    }
    if server is not None:
        environment |= {"POINTSMAN_URL": server.url, "POINTSMAN_API_KEY": server.key}
    name = str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else page.name
    return subprocess.run(
        [sys.executable, Path(__file__).with_name("examples.py"), page, name],
        cwd=inside,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
