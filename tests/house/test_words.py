"""What must not stand in any tracked file: addresses of indexes, paths of one machine, asides."""

from __future__ import annotations

import re

import pytest

from house.source_tree import ROOT, listed, tracked_files

# The patterns are spelt so that they don't match themselves.
FORBIDDEN = {
    "a package index or a download address": (
        r"https?://[^\s\"']+/simple\b"
        r"|\bfiles[.]pythonhosted[.]org|\bpypi[.]org\b|\bregistry[.]npmjs[.]org"
        r"|/-/[a-z0-9.@-]+[.]tgz|\"resolved\": *\"http"
        r"|--(?:extra-)?index-url\b|--find[-]links\b|--trusted[-]host\b"
    ),
    "a path of one machine": (
        r"(?<![\w.$}])/(?:work|farm)/|(?<![\w.])/(?:root|Users)/\w|(?<![\w.])/home/\w"
        r"|/opt/(?:pypi|wheels)|[.]pyenv\b"
    ),
    "how the project was made": (
        r"(?i)\bco-authored-by\b|\b(?:AI|LLM)[- ]generated\b|\bas an AI\b"
        r"|\bgenerated (?:by|with) (?:an? )?(?:AI|LLM)\b|\bvibe.?cod"
        r"|\bsub-?agents?\b|\bcoding agents?\b"
        r"|\bcontract[.]md\b|\bSTACK[.]md\b|\bDESIGN[.]md\b|\bpreamble[.]md\b"
        r"|\bseed-[0-9a-f]{8}\b|(?<![\w&/#])(?:issue|ticket|PR) #\d"
    ),
    "what was left to do or try": (
        r"\b(?:T[O]DO|FIX[M]E|X{3}|HA[C]K)\b|\bbreakpoint\(\)|\bimport pdb\b"
    ),
    "a conflict that was not resolved": r"^(?:<{7}|>{7}) |^={7}$",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_has(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    wrong = []
    for path, text in _texts():
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            wrong.append(f"{path}:{line}: {match[0]}")
    assert not wrong, listed(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "pip install --index" + "-url https://mirror.example/sim" + "ple/ x",
        'cd "/wo' + 'rk/main"',
        "HOME=/ro" + "ot/x",
        "see issue" + " #12",
        "TO" + "DO: later",
    ],
)
def test_the_patterns_find(text: str) -> None:
    assert not any(re.search(pattern, "") for pattern in FORBIDDEN.values())
    assert any(re.search(pattern, text, re.MULTILINE) for pattern in FORBIDDEN.values())


def test_text_is_clean() -> None:
    wrong = []
    for path, text in _texts():
        if "\r" in text:
            wrong.append(f"{path}: carriage returns")
        if text and not text.endswith("\n"):
            wrong.append(f"{path}: no newline at the end")
        if path.endswith((".py", ".sql", ".toml", ".sh", "Makefile", "run")):
            wrong += [
                f"{path}:{number}: space at the end"
                for number, line in enumerate(text.split("\n"), 1)
                if line != line.rstrip()
            ]
    assert not wrong, listed(wrong)


def test_no_large_files() -> None:
    large = [path for path in tracked_files() if path.stat().st_size > 500_000]
    assert not large


def _texts() -> list[tuple[str, str]]:
    """Every tracked text file, as it is called and what it holds."""
    found = []
    for path in tracked_files():
        data = path.read_bytes()
        if b"\0" not in data[:8_192]:
            found.append((str(path.relative_to(ROOT)), data.decode("utf-8")))
    return found
