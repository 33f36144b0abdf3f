"""What is read for publishing: forms, names, kinds, order."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.commands import Cli, write
from pointsman.cli import publish
from pointsman.cli.promptfile import read_prompt_file
from pointsman.cli.sources import Source, _ordered, _parts, read_file, read_folder
from pointsman.core.contents import parse_content
from pointsman.errors import InvalidInput


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        ("reply.prompt", ("reply", None, "prompt")),
        ("reply.v2.prompt", ("reply.v2", None, "prompt")),
        ("reply.TXT", ("reply", None, "text")),
        ("churn.model.json", ("churn", "model", "json")),
        ("churn.prompt.json", ("churn", "prompt", "json")),
        ("v1.2.json", ("v1.2", None, "json")),
        ("model.json", ("model", None, "json")),
        (".model.json", (".model", None, "json")),
        ("picture.png", ("picture.png", None, None)),
        ("Makefile", ("Makefile", None, None)),
    ],
)
def test_file_names(file: str, parts: tuple[str, str | None, str | None]) -> None:
    assert _parts(file) == parts


def test_names(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        {"a.prompt": "---\nname: support/reply\n---\nhi", "b.prompt": "hi", "c.bin": "hi"},
    )
    assert read_file(folder / "a.prompt", None, None, None).name == "support/reply"
    assert read_file(folder / "a.prompt", "other", None, None).name == "other"
    assert read_file(folder / "b.prompt", None, None, None).name == "b"
    assert read_file(folder / "c.bin", None, None, "text").content == {"template": "hi"}
    with pytest.raises(InvalidInput, match="no ending"):
        read_file(folder / "c.bin", None, None, None)
    with pytest.raises(InvalidInput, match=r"b\.prompt: .*holds a prompt, not a model"):
        read_file(folder / "b.prompt", None, "model", None)


def test_notes(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        {
            "a.md": "---\nmodel: x\n---\nhi",
            "b.prompt": "---\noutput:\n  schema: Reply\ntools: [search]\n---\n{{#if x}}",
        },
    )
    assert "front matter" in read_file(folder / "a.md", None, None, None).notes[0]
    notes = read_file(folder / "b.prompt", None, None, None).notes
    assert [note.split()[0] for note in notes] == ["“tools”", "“output”", "line"]


def test_unknown_keys_are_noted(tmp_path: Path) -> None:
    text = "---\nmodle: openai/x\nwhatever: 1\nvariant: a\next.flag: yes\n---\nhi\n"
    write(tmp_path, {"a.prompt": text})
    cli = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    ran = cli("publish", tmp_path / "a.prompt")
    first, second = ran.err.splitlines()
    assert first.startswith(f"Note: {tmp_path / 'a.prompt'}: “modle” in the front matter")
    assert first.endswith("Did you mean “model”?")
    assert "“whatever”" in second
    assert "mean" not in second
    again = cli("show", "a", "--prompt").out
    assert "modle: openai/x\n" in again
    assert read_prompt_file(again).content == read_prompt_file(text).content


def test_variables_without_a_use_are_noted(tmp_path: Path) -> None:
    front = "---\ninput: {schema: {a: string, b: string}}\n---\n"
    write(tmp_path, {"a.prompt": front + "{{ a }}", "b.prompt": front + "{{ a }} {{> c:1 }}"})
    (note,) = read_file(tmp_path / "a.prompt", None, None, None).notes
    assert note == "the variable “b” is declared, but the template does not use it."
    assert read_file(tmp_path / "b.prompt", None, None, None).notes == ()


@pytest.mark.parametrize("stdin", ["", "\n", " \n\n"])
def test_empty_standard_input(tmp_path: Path, stdin: str) -> None:
    cli = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    ran = cli.run("publish", "-", "--name", "x", stdin=stdin)
    assert ran.code == 1
    assert "Standard input is empty" in ran.err
    said = cli("publish", "-", "--name", "x", stdin='---\ntemplate: ""\n---\n')
    assert "x:1 is published" in said.out


def test_the_same_text_on_every_machine(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": "one\ntwo\n", "b.txt": "\ufeffone\r\ntwo\r\n", "c.txt": "one\ntwo"})
    contents = [read_file(tmp_path / f"{name}.txt", None, None, None).content for name in "abc"]
    assert contents == [{"template": "one\ntwo"}] * 3


def test_links_lead_to_no_other_folder(tmp_path: Path) -> None:
    write(tmp_path / "other", {"secret.txt": "x"})
    folder = write(tmp_path / "prompts", {"a.txt": "x"})
    (folder / "link").symlink_to(tmp_path / "other", target_is_directory=True)
    sources, _ = read_folder(folder, None)
    assert [source.name for source in sources] == ["a"]


@given(
    st.dictionaries(
        st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefgh"), max_size=3), max_size=6
    )
)
def test_what_is_included_comes_first(graph: dict[str, list[str]]) -> None:
    sources = []
    for name, includes in graph.items():
        content = "".join(f"{{{{> {other} }}}}" for other in includes)
        checked = parse_content("prompt", content)
        sources.append(Source(name, "prompt", name, content, checked=checked))
    ordered = [source.name for source in _ordered(sources)]
    assert sorted(ordered) == sorted(graph)
    for name, includes in graph.items():
        for other in includes:
            if other in graph and not _reaches(graph, other, name):  # else it is a cycle
                assert ordered.index(other) < ordered.index(name)


def _reaches(graph: dict[str, list[str]], start: str, end: str) -> bool:
    seen: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name == end:
            return True
        if name not in seen:
            seen.add(name)
            todo += graph.get(name, [])
    return False


def test_a_long_chain_of_includes() -> None:
    sources = []
    for number in range(3_000):
        content = f"{{{{> n{number + 1} }}}}"
        checked = parse_content("prompt", content)
        sources.append(Source("", "prompt", f"n{number}", content, checked=checked))
    assert _ordered(sources)[0].name == "n2999"


def test_as_few_requests_as_can_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    items = [{"name": str(number), "content": "x" * 100} for number in range(2_500)]
    assert [len(part) for part in publish._parts(items)] == [1_000, 1_000, 500]
    monkeypatch.setattr(publish, "_LARGEST", 500)
    assert max(len(part) for part in publish._parts(items)) == 3

    cli = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    folder = write(tmp_path / "prompts", {f"{number}.txt": "x" * 200 for number in range(9)})
    assert cli("publish", folder).out.endswith("9 published, 0 unchanged.\n")


@pytest.mark.parametrize("stdin", [b"\xff", "---\nno end", "---\n- a\n---\n", "---\na: *b\n---\n"])
def test_standard_input_that_cannot_be_read(tmp_path: Path, stdin: str | bytes) -> None:
    cli = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    ran = cli.run("publish", "-", "--name", "x", stdin=stdin)
    assert ran.code == 1
    assert ran.err.startswith("Error: standard input: ")


def test_standard_input_has_no_name(tmp_path: Path) -> None:
    cli = Cli(POINTSMAN_DATA=str(tmp_path / "data"))
    ran = cli.run("publish", "-", stdin="hi")
    assert ran.code == 2
    assert "--name" in ran.err


def test_an_empty_folder(tmp_path: Path) -> None:
    ran = Cli(POINTSMAN_DATA=str(tmp_path / "data")).run("publish", tmp_path)
    assert ran.code == 4
    assert ".prompt" in ran.err
