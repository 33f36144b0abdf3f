"""Templates in their three formats: what is a tag, what is filled in, what is refused."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pointsman.core import jinja
from pointsman.core.curly import scan_curly, write_curly
from pointsman.core.fstring import scan_fstring, write_fstring
from pointsman.core.schemas import check_schema, compile_schema
from pointsman.core.tags import FORMATS, IncludeTag, Slot
from pointsman.core.templates import compile_template
from pointsman.core.variables import Declaration
from pointsman.errors import InvalidContent, PointsmanError, RenderError, TemplateSyntaxError

HISTORIES = Path(__file__).parents[3] / "shared" / "data" / "prompt-histories.jsonl"

FRAGMENTS = (
    *("{", "}", "{{", "}}", "{%", "%}", "{#", "#}", "{{>", "{>", "}}}", "{{{", "%", "|", ".", "\\"),
    *(" ", "\n", "\r\n", '"', "'", "x", "name", " name ", "ünï", "𝒳", "0", "a.b", "a-b", "_"),
    *("if x", "endif", "for a in b", "endfor", "set x = 1", "raw", "endraw", "else", "macro m()"),
    *(
        "endmacro",
        "x|upper",
        "loop.index",
        "range(9)",
        "x ~ y",
        "1 + 1",
        "-",
        "x[0]",
        "x()",
        ",",
        ":",
    ),
    *(
        "tone@production",
        "tone:3",
        "$(x)",
        "${y}",
        "\\frac{a}{b}",
        '{"a": {"b": 1}}',
        "\ud800",
        "\0",
    ),
)
templates = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=5), max_size=25).map("".join)
names = st.from_regex(r"[a-zé_][a-z0-9_.-]{0,8}", fullmatch=True)
values = st.text(max_size=30) | st.sampled_from(
    ["{{ a }}", "{a}", "{% raw %}", "{{> x }}", "}}", ""]
)


def render(template: str, form: str = "curly", /, **variables: object) -> str:
    rendered = compile_template(template, form).render(variables)  # type: ignore[arg-type]
    assert isinstance(rendered, str)
    return rendered


def refusal(template: str, form: str) -> TemplateSyntaxError:
    with pytest.raises(TemplateSyntaxError) as caught:
        compile_template(template, form)  # type: ignore[arg-type]
    return caught.value


class TestCurly:
    @pytest.mark.parametrize(
        ("template", "expected"),
        [
            ("Hello {{ name }}!", "Hello Ada!"),
            ("{{name}}{{ name }}{{\n\tname\n}}", "AdaAdaAda"),
            ("{{{ name }}}", "{Ada}"),  # as LaTeX and JSON want it
            (r"\frac{{{name}}}{2}", r"\frac{Ada}{2}"),
            ('{{ "{{ name }}" }}', "{{ name }}"),
            ("{{ '{{ name }}' }}", "{{ name }}"),
            ('{{"{{"}} and }}', "{{ and }}"),
            ('{{ "name" }}', '{{ "name" }}'),  # no braces between the quotes: not an escape
            ("style={{ width: '100vw' }}", "style={{ width: '100vw' }}"),
            ('"{{" + key + "}}"', '"{{" + key + "}}"'),
            ("{{code here}} {{#if}} {{}} {{1}} {{a b", "{{code here}} {{#if}} {{}} {{1}} {{a b"),
            ("${name} {name} $name %(name)s", "${name} {name} $name %(name)s"),
            (r"C:\{{ name }}", r"C:\Ada"),
            ("", ""),
        ],
    )
    def test_what_is_a_tag(self, template: str, expected: str) -> None:
        compiled = compile_template(template)
        values = {"name": "Ada"} if compiled.variables else {}
        assert compiled.render(values) == expected

    def test_names_are_plain_keys(self) -> None:
        assert (
            render(
                "{{ user.name }} {{CGI-1.out}} {{ä_9}}",
                **{"user.name": "A", "CGI-1.out": "B", "ä_9": "C"},
            )
            == "A B C"
        )

    def test_what_was_perhaps_meant_is_noted(self) -> None:
        compiled = compile_template(
            "ok {{ a }}\nsee {{ user name }}, {{ b }\n{{ '{{ a }}' }} {{ {x: 1} }}"
        )
        assert [(str(note.position), note.message) for note in compiled.notices] == [
            ("line 2, column 5", "{{user name}} is not a variable; it stays as it is"),
            ("line 2, column 22", "“{{ b ” has no closing braces; it stays as it is"),
        ]

    def test_a_bad_include_is_an_error_with_a_position(self) -> None:
        error = refusal("line\n𝒳𝒳 {{> a b@@ }}", "curly")
        assert error.details == {"line": 2, "column": 4}

    def test_scanning_takes_linear_time(self) -> None:
        for hostile in ("{{", "{{ ", "{{a", '{{"', '{{"{{', "{{'{{", "{{>", "{{a ", "{ {", "{{\n"):
            compile_template(hostile * 100_000)


class TestFString:
    @pytest.mark.parametrize(
        ("template", "expected"),
        [
            ("Hello {name}!", "Hello Ada!"),
            ("{ name }", "Ada"),
            ('{{"a": {name}}}', '{"a": Ada}'),
            ("{{name}} {{{name}}}", "{name} {Ada}"),
            ("no tags", "no tags"),
        ],
    )
    def test_what_is_a_tag(self, template: str, expected: str) -> None:
        compiled = compile_template(template, "f-string")
        assert compiled.render({"name": "Ada"} if compiled.variables else {}) == expected

    @pytest.mark.parametrize(
        ("template", "reason"),
        [
            ("{x.__class__.__mro__}", "attributes"),
            ("{x[0]}", "items"),
            ("{x!r}", "conversions"),
            ("{x:>999999999}", "format specifications"),
            ("{}", "no name"),
            ("{0}", "not a name"),
            ('{"a": 1}', "not a name"),
            ("open {x", "never closed"),
            ("close }", "closes nothing"),
        ],
    )
    def test_what_is_refused(self, template: str, reason: str) -> None:
        error = refusal("𝒳é\n " + template, "f-string")
        assert reason in error.message
        assert error.details["line"] == 2
        assert error.details["column"] == 2 + min(
            at for at in (template.find("{"), template.find("}")) if at >= 0
        )
        assert error.hint


class TestIncludes:
    @pytest.mark.parametrize(
        ("form", "template"),
        [
            ("curly", "a\n{{> greeting@production }}{{> tone:3}}{{>x/y}}"),
            ("f-string", "a\n{> greeting@production }{> tone:3}{>x/y}"),
            ("jinja2", "a\n{{> greeting@production }}{{> tone:3}}{{>x/y}}"),
        ],
    )
    def test_tags(self, form: str, template: str) -> None:
        compiled = compile_template(template, form)  # type: ignore[arg-type]
        assert [str(include.selector) for include in compiled.includes] == [
            "greeting@production",
            "tone:3",
            "x/y",
        ]
        assert str(compiled.includes[0].position) == "line 2, column 1"
        with pytest.raises(RenderError, match="greeting@production, tone:3, x/y"):
            compiled.render({})

    def test_only_prompts(self) -> None:
        assert "model" in refusal("{{> model:churn@champion }}", "curly").message

    def test_none_in_escapes(self) -> None:
        assert compile_template('{{ "{{> x }}" }}').includes == ()
        for quoted in ('{{ "{{> x }}" }}', "{# {{> x }} #}", "{% raw %}{{> x }}{% endraw %}"):
            assert compile_template(quoted, "jinja2").includes == ()


class TestValues:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("text", "text"),
            (True, "true"),
            (7, "7"),
            (0.5, "0.5"),
            (["a", {"b": "ü"}], '["a",{"b":"ü"}]'),
            (("a",), '["a"]'),
            ({}, "{}"),
        ],
    )
    def test_become_text(self, value: object, text: str) -> None:
        assert render("<{{ x }}>", x=value) == f"<{text}>"
        assert render("<{x}>", "f-string", x=value) == f"<{text}>"

    @pytest.mark.parametrize("value", [object(), float("nan"), {1: 2, (3,): 4}, b"x", {"x"}])
    def test_that_are_not_json_are_refused(self, value: object) -> None:
        with pytest.raises(RenderError) as caught:
            render("{{ x }}", x=value)
        assert [reason.code for reason in caught.value.reasons] == ["wrong_type"]

    def test_everything_wrong_is_named_at_once(self) -> None:
        declared = {"age": Declaration({"type": "integer", "minimum": 0}), "kind": Declaration()}
        compiled = compile_template(
            "{{ customer }}\n  {{ age }}{{ other }}{{ none }}", "curly", declared
        )
        with pytest.raises(RenderError) as caught:
            compiled.render({"custmer": "x", "age": "old", "none": None, "kind": "spare"})
        reasons = {reason.field: reason for reason in caught.value.reasons}
        assert [reason.code for reason in caught.value.reasons] == [
            "missing_variable",
            "wrong_type",
            "missing_variable",
            "missing_variable",
            "unknown_variable",
        ]
        assert "line 1, column 1" in reasons["customer"].message
        assert "line 2, column 12" in reasons["other"].message
        assert "must be integer, not the string 'old'" in reasons["age"].message
        assert reasons["custmer"].hint == "Did you mean 'customer'?"

    def test_defaults_and_null(self) -> None:
        declared = {
            "a": Declaration(default="A"),
            "b": Declaration({"type": ["string", "null"]}),
            "c": Declaration(required=False),
        }
        compiled = compile_template("{{a}}{{b}}{{c}}", "curly", declared)
        assert compiled.render({"b": None}) == "A"
        assert compiled.render({"a": "1", "b": "2", "c": "3"}) == "123"
        with pytest.raises(RenderError, match="b is missing"):
            compiled.render({})

    def test_types_are_checked_on_texts_too(self) -> None:
        compiled = compile_template("{{a}}", "curly", {"a": Declaration({"enum": ["x", "y"]})})
        assert compiled.render({"a": "x"}) == "x"
        with pytest.raises(RenderError, match="must be one of 'x', 'y'"):
            compiled.render({"a": "z"})

    def test_schemas_beyond_the_common_keywords(self) -> None:
        compiled = compile_template("{{a}}", "curly", {"a": Declaration({"pattern": "^[a-z]+$"})})
        assert compiled.render({"a": "x"}) == "x"
        with pytest.raises(RenderError, match="does not fit"):
            compiled.render({"a": "7"})


class TestChat:
    def test_messages_placeholders_and_parts(self) -> None:
        template = [
            {"role": "system", "content": "You help {{ who }}.", "name": "{{ kept }}"},
            {"placeholder": "history"},
            {"placeholder": "more", "optional": True},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look, {{ who }}: {{ what }}"},
                    {"type": "image_url", "image_url": {"url": "{{ url }}", "detail": "{{ low }}"}},
                ],
            },
            {"role": "assistant", "tool_calls": [{"id": "1", "function": {"arguments": "{{ }}"}}]},
        ]
        compiled = compile_template(template)  # type: ignore[arg-type]
        assert [variable.name for variable in compiled.variables] == ["who", "what", "url"]
        assert compiled.variables[1].position.field == "/3/content/0/text"
        given = [{"role": "user", "content": "{{ who }}"}]
        rendered = compiled.render({"who": "Ada", "what": 1, "url": "u", "history": given})
        assert rendered == [
            {"role": "system", "content": "You help Ada.", "name": "{{ kept }}"},
            {"role": "user", "content": "{{ who }}"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look, Ada: 1"},
                    {"type": "image_url", "image_url": {"url": "u", "detail": "{{ low }}"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "1", "function": {"arguments": "{{ }}"}}],
            },
        ]

    def test_what_was_given_or_got_can_be_changed_freely(self) -> None:
        template = [
            {"placeholder": "history"},
            {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f"}}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]},
        ]
        compiled = compile_template(template)  # type: ignore[arg-type]
        history = [{"role": "user", "content": [{"type": "text", "text": "x"}]}]
        first = compiled.render({"history": history})
        wanted = json.dumps(first)
        first[0]["content"][0]["text"] = "changed"  # type: ignore[index]
        first[1]["tool_calls"][0]["function"]["name"] = "changed"  # type: ignore[index]
        first[2]["content"][0]["image_url"]["url"] = "changed"  # type: ignore[index]
        assert json.dumps(compiled.render({"history": history})) == wanted

    @pytest.mark.parametrize(
        "value", [None, "x", [1], [{"content": "x"}], [{"role": "u", "content": 1}]]
    )
    def test_placeholders_take_messages_only(self, value: object) -> None:
        compiled = compile_template([{"placeholder": "history"}])
        with pytest.raises(RenderError, match="history"):
            compiled.render({"history": value})

    def test_one_name_is_one_thing(self) -> None:
        with pytest.raises(InvalidContent, match="h is the name of a placeholder"):
            compile_template([{"placeholder": "h"}, {"role": "user", "content": "{{ h }}"}])


class TestAllFormats:
    @settings(max_examples=1500, deadline=None)
    @given(templates, st.sampled_from(FORMATS))
    @example("{{ x.__class__.__mro__[1].__subclasses__() }}", "jinja2")
    @example("{{ ''['__cl' ~ 'ass__'] }}", "jinja2")
    def test_raise_nothing_but_our_own_errors(self, template: str, form: str) -> None:
        check_no_foreign_error(template, form)

    @pytest.mark.parametrize("form", FORMATS)
    def test_raise_nothing_but_our_own_errors_in_bulk(self, form: str) -> None:
        chance = random.Random(form)
        for _ in range(10_000):
            check_no_foreign_error(
                "".join(chance.choices(FRAGMENTS, k=chance.randint(1, 14))), form
            )

    @settings(max_examples=500, deadline=None)
    @given(st.lists(st.tuples(st.text("ab {}\n\"'>", max_size=6), names), max_size=6), st.data())
    def test_render_equals_a_naive_model(
        self, pieces: list[tuple[str, str]], data: st.DataObject
    ) -> None:
        """Literal text and values in turn, for every format that can write them."""
        given_values = {name: data.draw(values) for _, name in pieces}
        expected = "".join(text + given_values[name] for text, name in pieces)
        parts = [part for text, name in pieces for part in (text, Slot(name, 0, 0)) if part != ""]
        curly = write_curly(parts)
        assert compile_template(curly).render(given_values) == expected
        if all(name.isidentifier() for name in given_values):
            fstring = write_fstring(parts)  # type: ignore[arg-type]
            assert compile_template(fstring, "f-string").render(given_values) == expected

    @settings(max_examples=500, deadline=None)
    @given(values)
    def test_values_are_never_scanned_again(self, value: str) -> None:
        assert render("<{{ a }}{{ b }}>", a=value, b=value) == f"<{value}{value}>"
        assert render("<{a}{b}>", "f-string", a=value, b=value) == f"<{value}{value}>"
        assert render("<{{ a }}{{ b }}>", "jinja2", a=value, b=value) == f"<{value}{value}>"

    @settings(max_examples=500, deadline=None)
    @given(st.lists(st.text("ab{}\n\"'> %#", max_size=8), max_size=5))
    def test_literals_side_by_side_stay_literal(self, literals: list[str]) -> None:
        text = write_curly(literals)
        assert "".join(map(str, scan_curly(text))) == "".join(literals)
        assert "".join(map(str, scan_fstring(write_fstring(literals)))) == "".join(literals)  # type: ignore[arg-type]

    @settings(max_examples=500, deadline=None)
    @given(templates)
    def test_positions_are_right(self, template: str) -> None:
        template = template.replace(">", "")  # no includes
        for variable in compile_template(template).variables:
            line = template.split("\n")[variable.position.line - 1]
            assert line[variable.position.column - 1 :].startswith("{{")
        for form, opening in (("curly", r"\{\{\s*"), ("f-string", r"\{\s*"), ("jinja2", "")):
            text = "𝒳é" + template.replace("{", "").replace("}", "") + "\n𝒳 {{ zz }}"
            text = text.replace("{{ zz }}", "{ zz }") if form == "f-string" else text
            (variable,) = compile_template(text, form).variables  # type: ignore[arg-type]
            line = re.split("\r\n|\r|\n", text)[-1] if form == "jinja2" else text.split("\n")[-1]
            assert re.match(opening + "zz", line[variable.position.column - 1 :])


@pytest.mark.skipif(not HISTORIES.exists(), reason=f"the real prompts are not at {HISTORIES}")
class TestRealPrompts:
    def texts(self) -> list[str]:
        with HISTORIES.open(encoding="utf-8") as lines:
            return [version["text"] for line in lines for version in json.loads(line)["versions"]]

    def test_none_is_refused_and_all_else_stays_as_it_is(self) -> None:
        for text in self.texts():
            compiled = compile_template(text)
            values = {variable.name: f"\0{variable.name}\0" for variable in compiled.variables}
            rendered = compiled.render(values)
            assert isinstance(rendered, str)
            restored = re.sub("\0([^\0]*)\0", r"{{\1}}", rendered)
            assert restored == re.sub(r"\{\{\s*([^\W\d][\w.-]*)\s*\}\}", r"{{\1}}", text)

    def test_no_foreign_errors_in_other_formats(self) -> None:
        for text in self.texts():
            for form in ("f-string", "jinja2"):
                check_no_foreign_error(text, form)


def check_no_foreign_error(template: str, form: str) -> None:
    refused: PointsmanError
    try:
        compiled = compile_template(template, form)  # type: ignore[arg-type]
        compiled.render({variable.name: "v" for variable in compiled.variables})
    except PointsmanError as error:
        refused = error
    else:
        return
    assert refused.message
    if isinstance(refused, TemplateSyntaxError):
        assert refused.hint
        lines = re.split("\r\n|\r|\n" if form == "jinja2" else "\n", template)
        assert 1 <= refused.details["line"] <= len(lines)
        assert 1 <= refused.details["column"] <= len(lines[refused.details["line"] - 1]) + 1


class TestMissingExtras:
    """The base install has neither jinja2 nor jsonschema_rs."""

    def test_jinja2(self, monkeypatch: pytest.MonkeyPatch) -> None:
        jinja._environment.cache_clear()
        monkeypatch.setitem(sys.modules, "jinja2", None)
        with pytest.raises(PointsmanError, match=r"pip install 'pointsman\[jinja2\]'") as caught:
            compile_template("x", "jinja2")
        assert caught.value.code == "missing_extra"

    def test_jsonschema(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
        simple = {"a": Declaration({"type": "array", "items": {"type": "string"}})}
        assert compile_template("{{ a }}", "curly", simple).render({"a": ["x"]}) == '["x"]'
        compiled = compile_template("{{ a }}", "curly", {"a": Declaration({"pattern": "x"})})
        with pytest.raises(PointsmanError, match=r"pip install 'pointsman\[types\]'"):
            compiled.render({"a": "x"})
        assert check_schema({"pattern": "x"}) == ""
        assert check_schema({"pattern": "x", "$ref": "https://example.com"}) != ""

    def test_neither_is_imported_before_it_is_needed(self) -> None:
        script = (
            "import sys; from pointsman.core.prompt import Prompt;"
            "from pointsman.core.content import parse_prompt;"
            "parse_prompt({'template': '{{ a }}', 'variables': {'a': {'schema': 'string'}}});"
            "assert not {'jinja2', 'jsonschema_rs'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    "schema",
    [
        *({"type": name} for name in ("null", "boolean", "integer", "number", "string", "object")),
        {"type": ["string", "null"]},
        {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
        {"enum": [1, "a", None, [True], {"a": 1.0}]},
        {"const": 1},
        {"minimum": 0, "exclusiveMaximum": 2},
        {"exclusiveMinimum": 0, "maximum": 1.5},
        {"minLength": 1, "maxLength": 1},
        {"anyOf": [{"type": "string"}, {"minimum": 2}]},
        {"required": ["a"], "properties": {"a": {"type": "string"}}, "additionalProperties": False},
        {"additionalProperties": {"type": "integer"}},
        {"items": False},
        True,
        False,
    ],
)
@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.sampled_from([0, 1, 1.0, 1.5, 2, -1, "", "a", "𝒳", "ab"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
        max_leaves=5,
    )
)
def test_our_own_checks_agree_with_jsonschema(schema: Any, value: Any) -> None:
    assert (not compile_schema(schema)(value)) == jsonschema_rs.is_valid(schema, value)


def test_the_pieces_of_a_text() -> None:
    assert scan_curly("a{{ b }}{{> c }}") == ["a", Slot("b", 1, 8), IncludeTag("c", 8, 16)]
