"""Diffs are complete, readable, and never cost more than their budget."""

from __future__ import annotations

import contextlib
import json
import random
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core import diff as module
from pointsman.core.canonical import JSON, MAX_INTEGER, canonical_json
from pointsman.core.diff import (
    ContentDiff,
    DiffSummary,
    Line,
    Span,
    TextDiff,
    apply_content,
    apply_text,
    diff_contents,
    diff_text,
)
from pointsman.errors import Conflict

HISTORIES = Path(__file__).parents[2] / ".." / "shared" / "data" / "prompt-histories.jsonl"

texts = st.lists(
    st.sampled_from(["You are kind.", "Be {{ tone }}.", "Cite sources.", "", "- one\r", "你好世界"])
    | st.text(st.sampled_from("ab {}.\n é")),
    max_size=8,
).map("\n".join)
contexts = st.none() | st.integers(0, 4)
scalars = st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | st.just(0.5) | texts
values: st.SearchStrategy[JSON] = st.recursive(
    scalars | st.sampled_from([0, 1, 1.0, True, "a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "a/b", "~", "0", "1", ""]), inner, max_size=4)
    ),
    max_leaves=12,
)
messages = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user"]), "content": texts}),
    st.fixed_dictionaries({"placeholder": st.sampled_from(["history", "examples"])}),
    st.fixed_dictionaries({"include": st.just("few-shot@production")}),
    values,
)
contents = st.fixed_dictionaries(
    {},
    optional={"template": texts | st.lists(messages, max_size=5) | values, "model": values},
)


@given(texts, texts, contexts)
def test_applying_a_text_diff_gives_the_later_text(
    before: str, after: str, context: int | None
) -> None:
    diff = diff_text(before, after, context)
    assert apply_text(before, diff) == after
    assert bool(diff.hunks) == (before != after)


@given(contents | values, contents | values, contexts)
def test_applying_a_content_diff_gives_the_later_content(
    before: JSON, after: JSON, context: int | None
) -> None:
    diff = diff_contents(before, after, context)
    assert canonical_json(apply_content(before, diff)) == canonical_json(after)
    same = canonical_json(before) == canonical_json(after)
    assert (diff == ContentDiff(None, (), (), DiffSummary())) == same
    assert (str(diff.summary) == "no change") == same
    assert (diff.unified() == "") == same


@given(contents, contents, contents)
def test_a_diff_is_applied_to_what_it_was_made_from_or_refused(
    before: JSON, after: JSON, other: JSON
) -> None:
    with contextlib.suppress(Conflict):  # and nothing else is raised
        apply_content(other, diff_contents(before, after))


@given(texts, texts, contexts)
def test_line_numbers_are_true(before: str, after: str, context: int | None) -> None:
    old, new = before.split("\n"), after.split("\n")
    diff = diff_text(before, after, context)
    for hunk in diff.hunks:
        numbers = [line.old for line in hunk.lines if line.old]
        assert numbers == list(range(hunk.old_start, hunk.old_start + hunk.old_count))
        numbers = [line.new for line in hunk.lines if line.new]
        assert numbers == list(range(hunk.new_start, hunk.new_start + hunk.new_count))
        for line in hunk.lines:
            assert line.old is None or line.before == old[line.old - 1]
            assert line.new is None or line.after == new[line.new - 1]
            assert (line.old is None) == (line.kind == "added")
            assert (line.new is None) == (line.kind == "removed")
    lines = [line for hunk in diff.hunks for line in hunk.lines]
    assert diff.lines_added == sum(line.kind in ("added", "changed") for line in lines)
    assert diff.lines_removed == sum(line.kind in ("removed", "changed") for line in lines)


@given(texts, texts, st.integers(0, 4))
def test_hunks_show_the_context_asked_for_and_do_not_touch(
    before: str, after: str, context: int
) -> None:
    hunks = diff_text(before, after, context).hunks
    for hunk in hunks:
        kinds = [line.kind == "same" for line in hunk.lines]
        assert kinds.index(False) <= context
        assert kinds[::-1].index(False) <= context
    for one, next_one in pairwise(hunks):
        assert one.old_start + one.old_count < next_one.old_start


@given(st.lists(st.sampled_from("abcd"), max_size=12), st.lists(st.sampled_from("abcd")))
def test_within_the_budget_the_longest_common_part_is_found(old: list[str], new: list[str]) -> None:
    pairs = module._matches(old, new, module._Budget())
    assert all(old[i] == new[j] for i, j in pairs)
    assert all(one[0] < two[0] and one[1] < two[1] for one, two in pairwise(pairs))
    best = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i, one in enumerate(old):
        for j, two in enumerate(new):
            best[i + 1][j + 1] = (
                best[i][j] + 1 if one == two else max(best[i][j + 1], best[i + 1][j])
            )
    assert len(pairs) == best[-1][-1]


def test_a_changed_line_shows_its_changed_words() -> None:
    diff = diff_text("Be kind to {{ name }}, always.", "Be kind to {{ user }}, mostly.")
    assert diff.hunks[0].lines == (
        Line(
            "changed",
            1,
            1,
            (
                Span("same", "Be kind to "),
                Span("removed", "{{ name }}"),
                Span("added", "{{ user }}"),
                Span("same", ", "),
                Span("removed", "always"),
                Span("added", "mostly"),
                Span("same", "."),
            ),
        ),
    )


def test_a_space_between_two_changed_words_belongs_to_the_change() -> None:
    line = diff_text("Act as a red fox in the snow.", "Act as a green dog in the snow.").hunks[0]
    changes = [(s.kind, s.text) for s in line.lines[0].spans if s.kind != "same"]
    assert changes == [("removed", "red fox"), ("added", "green dog")]


def test_lines_with_little_in_common_are_not_called_changed() -> None:
    diff = diff_text("You are a cheerful assistant.", "Answer in JSON, please.")
    assert [line.kind for line in diff.hunks[0].lines] == ["removed", "added"]


def test_the_line_that_stayed_alike_is_found_among_new_ones() -> None:
    diff = diff_text("Cite your sources for it.", "Be brief.\nCite your sources.\nSay please.")
    assert [line.kind for line in diff.hunks[0].lines] == ["added", "changed", "added"]


def test_chinese_and_combined_letters_are_compared_by_what_people_see() -> None:
    line = diff_text("请用中文回答问题。", "请用英文回答问题。").hunks[0].lines[0]
    assert [span.text for span in line.spans] == ["请用", "中", "英", "文回答问题。"]
    line = diff_text("यह उत्पादन है", "यह उत्पाद है").hunks[0].lines[0]
    assert [span.text for span in line.spans if span.kind != "same"] == ["उत्पादन", "उत्पाद"]


def test_unified_text() -> None:
    before = "a\nb\nc\nd\ne\nf\ng\nh\ni\nBe kind to all.\nk"
    after = "a\nb2\nc\nd\ne\nf\ng\nh\ni\nBe very kind to all.\nk\nl"
    assert diff_text(before, after, 1).unified() == (
        "@@ -1,3 +1,3 @@\n a\n-b\n+b2\n c\n"
        "@@ -9,3 +9,4 @@\n i\n-Be kind to all.\n+Be very kind to all.\n k\n+l"
    )
    assert diff_text("", "a").unified() == "@@ -0,0 +1,1 @@\n+a"
    assert diff_text("a", "a").unified() == ""


CHAT: dict[str, JSON] = {
    "template": [
        {"role": "system", "content": "You are kind."},
        {"placeholder": "history"},
        {"role": "user", "content": "{{ question }}"},
    ],
    "model": {"name": "gpt", "parameters": {"temperature": 0.2, "top_k": 1}},
    "tools": [{"name": "search", "limit": 1}, {"name": "send"}],
}


def test_messages_are_compared_one_by_one() -> None:
    after: dict[str, JSON] = {
        **CHAT,
        "template": [
            {"role": "developer", "content": "You are kind."},
            {"role": "user", "content": "{{ question }}"},
            {"role": "assistant", "content": [{"type": "text", "text": "Gladly."}]},
            {"placeholder": "history"},
        ],
    }
    diff = diff_contents(CHAT, after)
    told = [(m.kind, m.old, m.new, m.old_label, m.new_label) for m in diff.messages]
    assert told[0] == ("changed", 1, 1, "system", "developer")
    assert diff.messages[0].text == TextDiff((), 0, 0)
    assert ("added", None, 3, "", "assistant") in told
    assert sorted(m[0] for m in told) == ["added", "changed", "moved", "same"]
    assert diff.settings == ()
    assert str(diff.summary) == "1 line added, 1 message added, 1 message changed, 1 message moved"
    assert "system → developer" in diff.unified()
    assert "+Gladly." in diff.unified()


def test_a_message_with_the_same_role_in_the_same_place_is_changed_not_replaced() -> None:
    template = CHAT["template"]
    assert isinstance(template, list)
    after: JSON = {**CHAT, "template": [*template[:2], {"role": "user", "content": "Help!"}]}
    diff = diff_contents(CHAT, after)
    assert [m.kind for m in diff.messages] == ["same", "same", "changed"]


def test_settings_are_compared_value_by_value() -> None:
    after: dict[str, JSON] = {
        "template": CHAT["template"],
        "model": {"name": "gpt", "parameters": {"temperature": 0.7, "top_k": True}},
        "tools": [{"name": "new"}, {"name": "search", "limit": 2}, {"name": "send"}],
        "config": None,
    }
    diff = diff_contents(CHAT, after)
    assert [(s.kind, s.path, s.before, s.after) for s in diff.settings] == [
        ("added", "/config", None, None),
        ("changed", "/model/parameters/temperature", 0.2, 0.7),
        ("changed", "/model/parameters/top_k", 1, True),
        ("added", "/tools/0", None, {"name": "new"}),
        ("changed", "/tools/1/limit", 1, 2),
    ]
    assert diff.messages == ()
    assert str(diff.summary) == "5 settings changed"


def test_a_number_written_otherwise_is_no_change() -> None:
    assert diff_contents({"a": 1}, {"a": 1.0}).settings == ()
    assert len(diff_contents({"a": 1}, {"a": True}).settings) == 1


def test_a_template_that_becomes_a_chat_is_shown_as_text_and_kept_whole() -> None:
    before: JSON = {"template": "You are kind."}
    diff = diff_contents(before, {"template": CHAT["template"]})
    assert diff.template is not None
    assert "+[system]" in diff.template.unified()
    assert [setting.path for setting in diff.settings] == ["/template"]
    assert diff.summary.settings_changed == 0
    first = diff_contents({}, before)
    assert first.template is not None
    assert first.template.unified() == "@@ -0,0 +1,1 @@\n+You are kind."


def test_a_diff_does_not_fit_another_text() -> None:
    with pytest.raises(Conflict, match="line 1") as caught:
        apply_text("x", diff_text("a", "b"))
    assert caught.value.code == "diff_does_not_fit"
    with pytest.raises(Conflict, match="/a/b"):
        apply_content({"a": {"b": 3}}, diff_contents({"a": {"b": 1}}, {"a": {"b": 2}}))


def _words(n: int) -> list[str]:
    chance = random.Random(7)
    return [f"word{min(chance.randrange(900), chance.randrange(900))}" for _ in range(n)]


@pytest.mark.parametrize("space", [" ", "\n"])
@pytest.mark.parametrize("rewrite", ["shuffled", "reversed", "interleaved", "every second"])
def test_comparing_5000_words_takes_bounded_work(space: str, rewrite: str) -> None:
    old = _words(5000)
    new = {
        "shuffled": lambda: random.Random(8).sample(old, len(old)),
        "reversed": lambda: old[::-1],
        "interleaved": lambda: [*old[::2], *old[1::2]],
        "every second": lambda: [word + "x" * (n % 2) for n, word in enumerate(old)],
    }[rewrite]()
    before, after = space.join(old), space.join(new)
    result: list[TextDiff] = []
    steps = _steps_of(lambda: result.append(diff_text(before, after)))
    # Quadratic work on these would be 25 to 100 million steps.
    assert steps < 4_000_000
    assert apply_text(before, result[0]) == after


def test_many_changed_lines_share_one_budget() -> None:
    old = [" ".join(_words(60)) + f" {n}" for n in range(300)]
    chance = random.Random(9)
    new = [" ".join(chance.sample(line.split(), len(line.split()))) for line in old]
    before, after = "\n".join(old), "\n".join(new)
    result: list[TextDiff] = []
    assert _steps_of(lambda: result.append(diff_text(before, after))) < 4_000_000
    assert apply_text(before, result[0]) == after


def test_a_small_change_in_a_large_text_stays_small() -> None:
    words = _words(5000)
    after = [*words[:2500], "inserted", *words[2501:]]
    diff = diff_text(" ".join(words), " ".join(after))
    (line,) = diff.hunks[0].lines
    changes = [(span.kind, span.text) for span in line.spans if span.kind != "same"]
    assert changes == [("removed", words[2500]), ("added", "inserted")]


def test_real_prompt_histories() -> None:
    for before, after in _histories():
        diff = diff_text(before, after)
        assert apply_text(before, diff) == after
        assert apply_text(before, diff_text(before, after, None)) == after
        content = diff_contents({"template": before}, {"template": after})
        assert apply_content({"template": before}, content) == {"template": after}


def _histories() -> Iterator[tuple[str, str]]:
    if not HISTORIES.exists():
        pytest.skip(f"no real prompts here: {HISTORIES.resolve()} is missing")
    with HISTORIES.open(encoding="utf-8") as file:
        for line in file:
            versions = [version["text"] for version in json.loads(line)["versions"]]
            yield from pairwise(versions)


def _steps_of(work: Callable[[], object]) -> int:
    """How many lines of the module under test are executed, loops included."""
    steps = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal steps
        steps += event == "line"
        return trace if frame.f_code.co_filename == module.__file__ else None

    outer = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(outer)
    return steps
