"""Prompts made of prompts, and the graph they form."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.composition import (
    MAX_EXPANSIONS,
    MAX_INCLUDE_DEPTH,
    Composition,
    Included,
    check_includes,
    compose,
)
from pointsman.core.content import PromptContent, parse_prompt
from pointsman.core.selectors import Selector
from pointsman.errors import InvalidContent, PointsmanError, TooLarge


def composed(value: Any, library: dict[str, Any], label: str = "") -> Composition[str]:
    def fetch(selector: Selector) -> Included[str]:
        return Included(selector.name, parse_prompt(library[selector.name]), f"got {selector}")

    return compose(parse_prompt(value), fetch, label=label)


def rendered(content: PromptContent, **values: Any) -> Any:
    return content.compiled.render(values)


class TestText:
    def test_nothing_to_do(self) -> None:
        content = parse_prompt("Hi {{ a }}")
        result: Composition[str] = compose(content, lambda selector: pytest.fail(str(selector)))
        assert result.content is content
        assert result.made_of == ()

    def test_any_depth_in_order(self) -> None:
        library = {"a": "<A {{> b:2 }}{{ x }}>", "b": "<B {{ y }}>"}
        result = composed("{{> a@production }} {{ z }} {{> b }}", library)
        assert [(str(made.selector), made.origin) for made in result.made_of] == [
            ("a@production", "got a@production"),
            ("b:2", "got b:2"),
            ("b", "got b"),
        ]
        assert rendered(result.content, x=1, y=2, z=3) == "<A <B 2>1> 3 <B 2>"

    @pytest.mark.parametrize(
        ("form", "outer", "library", "expected"),
        [
            ("curly", "{{> a }}", {"a": '{{ "{{ x }}" }} {{ x }}'}, "{{ x }} X"),
            ("curly", "{{ {{> a }} }}", {"a": "x"}, "{{ x }}"),
            ("curly", "{{> a }}{{> b }}", {"a": "{", "b": "{ x }} {{ x }}"}, "{{ x }} X"),
            ("curly", "{{> a }}", {"a": '{{ "{{> b }}" }}'}, "{{> b }}"),
            ("f-string", "{{ {> a} }}", {"a": "{{x}} {x}"}, "{ {x} X }"),
            ("f-string", "{> a}{> b}", {"a": "{{", "b": "{{x}}"}, "{{x}"),
            ("jinja2", "{{> a }}", {"a": "{% raw %}{{ x }}{% endraw %}{{ x }}"}, "{{ x }}X"),
            ("jinja2", "{{> a }}{{> b }}", {"a": "{", "b": "{ x }}"}, "{{ x }}"),
            ("jinja2", "{{> a }}{{ y() }}", {"a": "{% macro y() %}M{% endmacro %}"}, None),
        ],
    )
    def test_escapes_survive_and_no_tag_is_formed(
        self, form: str, outer: str, library: dict[str, str], expected: str | None
    ) -> None:
        entries = {name: {"template": text, "format": form} for name, text in library.items()}
        if expected is None:
            with pytest.raises(PointsmanError):  # the parent must make sense by itself
                composed({"template": outer, "format": form}, entries)
            return
        content = composed({"template": outer, "format": form}, entries).content
        values = {variable.name: "X" for variable in content.compiled.variables}
        assert content.includes == ()
        assert rendered(content, **values) == expected

    def test_the_parents_declaration_wins(self) -> None:
        library = {
            "a": {
                "template": "{{ x }}{{ y }}",
                "variables": {"x": {"default": "child"}, "y": {"default": "child"}},
                "config": {"ignored": True},
            }
        }
        value = {"template": "{{> a }}", "variables": {"x": {"default": "parent"}}}
        content = composed(value, library).content
        assert rendered(content) == "parentchild"
        assert content.config == {}

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.text("ab{}> \"'x", max_size=8), min_size=1, max_size=4))
    def test_equals_rendering_each_by_itself(self, texts: list[str]) -> None:
        library = {f"p{index}": text for index, text in enumerate(texts)}
        try:
            contents = [parse_prompt(text) for text in texts]
        except PointsmanError:
            return
        if any(content.includes for content in contents):
            return
        content = composed("".join(f"{{{{> {name} }}}}" for name in library), library).content
        alone = [
            rendered(each, **{variable.name: "v{{ x }}" for variable in each.compiled.variables})
            for each in contents
        ]
        values = {variable.name: "v{{ x }}" for variable in content.compiled.variables}
        assert rendered(content, **values) == "".join(alone)


class TestChat:
    def test_entries_and_texts(self) -> None:
        library: dict[str, Any] = {
            "few": [{"role": "user", "content": "Q {{ q }}"}, {"include": "more"}],
            "more": [{"placeholder": "h"}],
        }
        value = [{"role": "system", "content": "S"}, {"include": "few@production"}]
        content = composed(value, library).content
        assert content.to_json()["template"] == [
            {"role": "system", "content": "S"},
            {"role": "user", "content": "Q {{ q }}"},
            {"placeholder": "h"},
        ]
        assert rendered(content, q=1, h=[])[1]["content"] == "Q 1"

    def test_within_a_text_only_text(self) -> None:
        library: dict[str, Any] = {"few": [{"role": "user", "content": "x"}]}
        value = [{"role": "user", "content": [{"type": "text", "text": "{{> few }}"}]}]
        with pytest.raises(InvalidContent, match="few can't be included: it is chat") as caught:
            composed(value, library)
        assert caught.value.code == "include_mismatch"

    def test_among_messages_only_messages(self) -> None:
        with pytest.raises(InvalidContent, match="tone can't be included: it is text"):
            composed([{"include": "tone"}], {"tone": "x"})


class TestRefusals:
    def test_another_format(self) -> None:
        library = {"a": {"template": "x", "format": "f-string"}}
        with pytest.raises(InvalidContent, match="a can't be included: it has the format f-string"):
            composed("{{> a }}", library)

    def test_cycle(self) -> None:
        with pytest.raises(InvalidContent) as caught:
            composed("{{> a }}", {"a": "{{> b }}", "b": "{{> c }}", "c": "{{> a }}"})
        assert caught.value.code == "include_cycle"
        assert caught.value.details["path"] == ["a", "b", "c", "a"]
        assert "a → b → c → a" in caught.value.message

    def test_cycle_to_itself(self) -> None:
        with pytest.raises(InvalidContent, match="me → a → me"):
            composed("{{> a }}", {"a": "{{> me }}", "me": "{{> a }}"}, label="me")

    def test_depth(self) -> None:
        library = {f"p{n}": f"{{{{> p{n + 1} }}}}" for n in range(40)}
        library[f"p{MAX_INCLUDE_DEPTH - 1}"] = "end"
        assert rendered(composed("{{> p0 }}", library).content) == "end"
        library[f"p{MAX_INCLUDE_DEPTH - 1}"] = f"{{{{> p{MAX_INCLUDE_DEPTH} }}}}"
        library[f"p{MAX_INCLUDE_DEPTH}"] = "end"
        with pytest.raises(InvalidContent) as caught:
            composed("{{> p0 }}", library)
        assert caught.value.code == "include_depth"

    def test_bombs(self) -> None:
        library: dict[str, Any] = {f"p{n}": f"{{{{> p{n + 1} }}}}" * 10 for n in range(9)}
        library["p9"] = "x"
        with pytest.raises(TooLarge, match=f"{MAX_EXPANSIONS:,} includes"):
            composed("{{> p0 }}", library)
        with pytest.raises(TooLarge, match="characters"):
            composed("{{> a }}" * 30, {"a": "x" * 100_000})


class TestGraph:
    def test_cycles_name_the_path(self) -> None:
        graph = {"b": {"c"}, "c": {"d"}, "d": set[str]()}
        check_includes(graph, "a", ["b", "d"])
        with pytest.raises(InvalidContent, match="d → b → c → d") as caught:
            check_includes(graph, "d", ["b"])
        assert caught.value.code == "include_cycle"
        with pytest.raises(InvalidContent, match="a → a"):
            check_includes({}, "a", ["a"])

    def test_depth_counts_both_ways(self) -> None:
        graph = {f"p{n}": {f"p{n + 1}"} for n in range(MAX_INCLUDE_DEPTH) if n != 7}
        check_includes(graph, "p7", ["p8"])
        graph["q"] = {"p0"}
        with pytest.raises(InvalidContent, match="q → p0 → p1") as caught:
            check_includes(graph, "p7", ["p8"])
        assert caught.value.code == "include_depth"
        assert len(caught.value.details["path"]) == MAX_INCLUDE_DEPTH + 2

    def test_wide_graphs_take_linear_time(self) -> None:
        """Sixteen layers of which each node includes all of the next: 20^16 paths."""
        graph = {
            f"{layer}.{n}": {f"{layer + 1}.{m}" for m in range(20)}
            for layer in range(MAX_INCLUDE_DEPTH - 1)
            for n in range(20)
        }
        check_includes(graph, "top", [f"0.{n}" for n in range(20)])

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=16))
    def test_what_is_let_through_has_no_cycle(self, edges: list[tuple[int, int]]) -> None:
        graph: dict[str, set[str]] = {}
        for start, end in edges:
            reaches = {str(end)}
            for _ in range(8):
                reaches |= {target for node in reaches for target in graph.get(node, ())}
            try:
                check_includes(graph, str(start), [str(end)])
            except InvalidContent as error:
                assert str(start) in reaches  # refused only for a cycle: eight nodes are shallow
                path = error.details["path"]
                assert path[0] == path[-1] == str(start)
            else:
                assert str(start) not in reaches
                graph.setdefault(str(start), set()).add(str(end))
