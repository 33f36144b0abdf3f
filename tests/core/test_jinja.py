# ruff: noqa: E501 - templates are easier to judge in one piece
"""The jinja2 format: it means what Jinja2 means, and no template can do harm."""

import random
from typing import Any

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.core.jinja import JinjaText, scan_includes, write_jinja
from pointsman.core.tags import IncludeTag
from pointsman.errors import PointsmanError, RenderError, TemplateSyntaxError, TooLarge

VALUES: dict[str, Any] = {
    "name": "Ada Lovelace",
    "n": 7,
    "f": 2.5,
    "yes": True,
    "nothing": None,
    "empty": [],
    "words": ["delta", "Alpha", "charlie", "bravo", "alpha"],
    "numbers": [3, 1, 2, 3],
    "user": {"name": "Grace", "tags": ["x", "y"], "address": {"city": "Köln"}},
    "people": [
        {"name": "Ada", "age": 36, "role": "user"},
        {"name": "bob", "age": 5, "role": "admin"},
        {"name": "Cy", "age": 61, "role": "user"},
    ],
    "text": "one two-three  (four)\nfive <six> & 'seven'\n",
}

# Templates on which we and Jinja2 must agree to the letter.
AGREED = [
    "Hello {{ name }}!",
    "{{ n }} {{ f }} {{ yes }} {{ nothing }} {{ numbers }} {{ user }} {{ (1, 'a') }}",
    "{{ user.name }} {{ user['name'] }} {{ user.tags[0] }} {{ user.tags[-1] }} {{ user.address.city }}",
    "{{ name[0] }}{{ name[1:4] }}{{ name[::-1] }}{{ numbers[:2] }}{{ numbers[-2:] }}",
    "{{ n + 1 }} {{ n - 1 }} {{ n * 2 }} {{ n / 2 }} {{ n // 2 }} {{ n % 4 }} {{ n ** 2 }} {{ -n }} {{ +n }}",
    "{{ 'a' + 'b' }} {{ 'a' ~ n ~ f }} {{ 'ab' * 3 }} {{ [1] + [2] }} {{ [0] * 3 }}",
    "{{ n > 3 }} {{ n >= 7 }} {{ n < 3 }} {{ n <= 7 }} {{ n == 7 }} {{ n != 7 }} {{ 1 < n < 9 }}",
    "{{ 'Ada' in name }} {{ 3 in numbers }} {{ 9 not in numbers }} {{ 'name' in user }}",
    "{{ yes and n }} {{ nothing or 'x' }} {{ not yes }} {{ 'a' if yes else 'b' }}",
    "{% if n > 5 %}big{% elif n > 3 %}mid{% else %}small{% endif %}",
    "{% if n < 5 %}big{% elif n > 3 %}mid{% else %}small{% endif %}",
    "{% for w in words %}{{ loop.index }}/{{ loop.length }}:{{ w }}{{ ', ' if not loop.last else '' }}{% endfor %}",
    "{% for w in words %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for p in people if p.age > 10 %}{{ loop.index }}{{ p.name }}{% else %}none{% endfor %}",
    "{% for p in people if p.age > 99 %}{{ p.name }}{% else %}none{% endfor %}",
    "{% for k, v in user.items() %}{{ k }}={{ v }};{% endfor %}{% for k in user %}{{ k }}{% endfor %}",
    "{% for a in numbers %}{% for b in numbers %}{{ loop.depth }}{{ a * b }} {% endfor %}{% endfor %}",
    "{% for p in people %}{% if loop.changed(p.role) %}[{{ p.role }}]{% endif %}{% endfor %}",
    "{% for x in numbers %}{{ loop.previtem if loop.index > 1 else '-' }}{{ loop.nextitem if not loop.last else '-' }}{% endfor %}",
    "{% set x = 1 %}{% for i in range(3) %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}",
    "{% set ns = namespace(total=0) %}{% for i in range(1, 10, 2) %}{% set ns.total = ns.total + i %}{% endfor %}{{ ns.total }}",
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}{% if yes %}{% set c = 3 %}{% endif %}{{ c }}",
    "{% set block %}<{{ name }}>{% endset %}{{ block }}{{ block|length }}",
    "{% set block | upper %}{{ name }}{% endset %}{{ block }}",
    "{% with a = n, b = 2 %}{{ a * b }}{% endwith %}",
    "{% filter upper %}{{ name }} x{% endfilter %}",
    "{% macro m(a, b=2) %}({{ a }},{{ b }}){% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=1, a=4) }}",
    "{% macro tree(d) %}{{ d }}{% if d > 0 %}{{ tree(d - 1) }}{% endif %}{% endmacro %}{{ tree(4) }}",
    "{% macro greet() %}hi {{ name }}{% endmacro %}{% for i in range(2) %}{{ greet() }}{% endfor %}",
    "a\n{%- if yes %}\n  b\n{%- endif -%}\n  c {{- n -}} d\n",
    "{# comment #}x{% raw %}{{ y }}{% endraw %}{{ '{{' }}",
    "{{ name|upper }}{{ name|lower }}{{ 'aDA x'|capitalize }}{{ text|title }}{{ text|trim }}|",
    "{{ text|replace('e', 'E') }}{{ text|replace('e', 'E', 1) }}{{ text|wordcount }}{{ text|length }}",
    "{{ text|indent }}{{ text|indent(2, true) }}{{ text|indent(1, true, true) }}{{ text|indent('> ') }}",
    "{{ text|truncate(12) }}{{ text|truncate(12, true) }}{{ text|truncate(12, false, '!', 0) }}{{ 'ab'|truncate(9) }}",
    "{{ words|join(', ') }}{{ people|join('/', attribute='name') }}{{ numbers|join }}",
    "{{ words|sort|join(' ') }}|{{ words|sort(true) }}|{{ words|sort(case_sensitive=true) }}",
    "{{ people|sort(attribute='age')|map(attribute='name')|join }}{{ people|sort(attribute='role,age')|map(attribute='name')|join }}",
    "{{ numbers|unique|list }}{{ words|unique|list }}{{ numbers|min }}{{ numbers|max }}{{ numbers|sum }}{{ people|sum('age') }}",
    "{{ words|first }}{{ words|last }}{{ numbers|reverse|list }}{{ 'abc'|reverse }}{{ user|length }}",
    "{{ people|selectattr('role', 'eq', 'user')|map(attribute='name')|list }}{{ people|rejectattr('age', '>', 30)|list|length }}",
    "{{ numbers|select('odd')|list }}{{ numbers|reject('odd')|list }}{{ words|map('upper')|list }}{{ [0, 1]|select|list }}",
    "{{ numbers|batch(3)|list }}{{ numbers|batch(3, 'x')|list }}{{ user|dictsort }}{{ user|items|list }}",
    "{{ '3'|int + 1 }}{{ 'x'|int }}{{ 'x'|int(5) }}{{ '3.9'|int }}{{ 'ff'|int(0, 16) }}{{ '2.5'|float }}{{ 'x'|float }}",
    "{{ 2.567|round(2) }}{{ 2.5|round }}{{ 2.1|round(0, 'ceil') }}{{ 2.9|round(0, 'floor') }}{{ -3|abs }}{{ n|string ~ 'x' }}",
    "{{ '%s is %d'|format('a', 3) }}{{ '%05.1f%%'|format(2.345) }}{{ text|e }}{{ name|list|length }}",
    "{{ missing|default('d') }}{{ ''|default('d', true) }}{{ nothing|d('x') }}{{ missing is defined }}{{ missing is undefined }}",
    "{{ n is number }}{{ name is string }}{{ user is mapping }}{{ words is iterable }}{{ words is sequence }}{{ nothing is none }}",
    "{{ n is odd }}{{ n is even }}{{ n is divisibleby 7 }}{{ yes is boolean }}{{ n is integer }}{{ f is float }}{{ yes is true }}{{ yes is false }}",
    "{{ n is eq 7 }}{{ n is gt 3 }}{{ n is in numbers }}{{ 'ABC' is upper }}{{ 'abc' is lower }}{{ n is not odd }}{{ n is ne 1 }}",
    "{{ name.upper() }}{{ name.split()[1] }}{{ name.startswith('A') }}{{ name.replace('a', 'o') }}{{ ' x '.strip() }}{{ ','.join(words) }}",
    "{{ user.get('name') }}{{ user.get('q', 'z') }}{{ user.keys()|list }}{{ user.values()|list|length }}{{ text.splitlines() }}",
    "{{ dict(a=1, b=2) }}{{ {'a': n}['a'] }}{{ range(3)|list }}{{ range(5, 1, -2)|list }}",
    "{% if words %}y{% endif %}{% if not empty %}n{% endif %}{% if user.address %}a{% endif %}",
]

BOMBS = {
    "nested loops": "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
    "deep loops": "{% for a in range(999) %}" * 20 + "x" + "{% endfor %}" * 20,
    "huge range": "{{ range(10**12) }}",
    "repeated text": "{{ 'x' * 10**12 }}",
    "repeated list": "{{ [1] * 10**12 }}",
    "repeated often": "{% for i in range(99999) %}{% if 'x' * 9999999 %}{% endif %}{% endfor %}",
    "much output": "{% set s = 'x' * 1000000 %}{% for i in range(10000) %}{{ s }}{% endfor %}",
    "doubling ~": "{% set n = namespace(s='xx') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
    "doubling +": "{% set n = namespace(s=[1]) %}{% for i in range(60) %}{% set n.s = n.s + n.s %}{% endfor %}",
    "doubling set": "{% set a = 'x' * 999 %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 60,
    "doubling macro": "{% macro m(s) %}{{ s }}{{ s }}{% endmacro %}{% set n = namespace(s='x') %}"
    "{% for i in range(60) %}{% set n.s = m(n.s) %}{% endfor %}",
    "shared lists": "{% set n = namespace(s=[1]) %}{% for i in range(60) %}"
    "{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}",
    "shared objects": "{% set n = namespace(s=[1]) %}{% for i in range(50) %}"
    "{% set n.s = {'a': n.s, 'b': n.s} %}{% endfor %}{{ n.s|tojson }}",
    "shared, compared": "{% set n = namespace(s=[1], t=[1]) %}{% for i in range(50) %}"
    "{% set n.s = [n.s, n.s] %}{% set n.t = [n.t, n.t] %}{% endfor %}{{ n.s == n.t }}",
    "deep list": "{% set n = namespace(s=[1]) %}{% for i in range(9999) %}{% set n.s = [n.s] %}{% endfor %}{{ n.s }}",
    "recursion": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "wide recursion": "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
    "power": "{{ 10 ** (10 ** 10) }}",
    "squares": "{% set n = namespace(x=7) %}{% for i in range(999) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "indent": "{{ 'a\nb'|indent(10**10) }}",
    "replace": "{{ ('x' * 9999999)|replace('x', 'y' * 10000) }}",
    "replace nothing": "{{ ('x' * 999999)|replace('', 'y' * 99999) }}",
    "join": "{{ range(99999)|join('x' * 1000000) }}",
    "join method": "{{ ('x' * 99999).join(range(99999)|map('string')) }}",
    "format": "{{ '%1000000000d'|format(1) }}",
    "odd format": "{{ '%1000000000d' % 1 }}",
    "batch": "{{ [1]|batch(10**9, 'x') }}",
    "tojson": "{{ range(99999)|tojson(indent=1000000) }}",
    "sort": "{{ ([3, 1] * 1000000)|sort }}",
    "sort long": "{% set s = 'x' * 100000 %}{{ ([s ~ 'a', s ~ 'b'] * 10000)|sort|length }}",
    "search": "{% set l = range(99999)|list %}{% for i in l %}{% if 'z' in l %}{% endif %}{% endfor %}",
    "split": "{% set s = 'x' * 9000000 %}{% for i in range(9999) %}{{ s.split('y')|length }}{% endfor %}",
}

DEEP = {
    "parentheses": "{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}",
    "lists": "{{ " + "[" * 20_000 + "]" * 20_000 + " }}",
    "minus": "{{ " + "-" * 40_000 + "1 }}",
    "not": "{{ " + "not " * 20_000 + "1 }}",
    "attributes": "{{ x" + ".a" * 20_000 + " }}",
    "filters": "{{ 'x'" + "|upper" * 20_000 + " }}",
    "sum": "{{ 1" + "+1" * 20_000 + " }}",
    "calls": "{{ x" + ".get('a')" * 8_000 + " }}",
    "blocks": "{% if 1 %}" * 2_000 + "{% endif %}" * 2_000,
    "many": "{{ a }}" * 20_000,
    "elif": "{% if 0 %}" + "{% elif 0 %}x" * 20_000 + "{% endif %}",
    "unclosed": "{{" * 300_000,
    "unclosed comments": "{#" * 300_000,
    "unclosed blocks": "{% " * 200_000,
    "unclosed raw": "{% raw %}" + "{%" + " " * 300_000,
    "digits": "{{ " + "9" * 100_000 + " }}",
}

HOSTILE = [
    "{{ x.__class__.__mro__ }}",
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ x['__cl' ~ 'ass__'] }}",
    "{{ [].__class__.__base__.__subclasses__() }}",
    "{{ x.get.__globals__ }}",
    "{{ loop.__init__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ range.__self__ }}",
    "{{ self }}",
    "{{ '{0.__class__}'.format(x) }}",
    "{{ '%(a)s'|format(x) }}",
    "{{ x|attr('__class__') }}",
    "{{ [x]|map(attribute='__class__')|list }}",
    "{{ [x]|map('attr', '__class__')|list }}",
    "{% include '/etc/passwd' %}",
    "{% import '/etc/passwd' as p %}",
    "{% from '/etc/passwd' import p %}",
    "{% extends '/etc/passwd' %}",
    "{{ x.update({'a': 1}) }}",
    "{{ l.append(1) }}",
    "{% macro m() %}{% endmacro %}{{ m }}",
    "{% macro m() %}{% endmacro %}{{ m.call }}{{ m.name }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
]


@pytest.mark.parametrize("template", AGREED)
def test_agrees_with_jinja2(template: str) -> None:
    environment = jinja2.Environment(keep_trailing_newline=True, autoescape=False)
    assert JinjaText(template).render(VALUES) == environment.from_string(template).render(VALUES)


class TestUndefined:
    @pytest.mark.parametrize(
        "template",
        [
            "{{ x }}",
            "{{ x.y }}",
            "{% if x %}{% endif %}",
            "{% for a in x %}{% endfor %}",
            "{{ x ~ 1 }}",
            "{{ x|upper }}",
            "{{ x == 1 }}",
            "{{ [x]|join }}",
            "{% set y = x %}",
            "{{ user.nick }}",
            "{{ [1]|first(x) }}",
            "{{ not x }}",
            "{{ words[99] }}",
            "{{ x() }}",
            "{{ x + 1 }}",
        ],
    )
    def test_is_an_error(self, template: str) -> None:
        with pytest.raises((RenderError, TemplateSyntaxError)):
            JinjaText(template).render(VALUES)

    def test_names_the_line(self) -> None:
        with pytest.raises(RenderError, match=r"line 3: the key 'nick' of an object is undefined"):
            JinjaText("\n\n{{ user.nick }}").render(VALUES)

    def test_what_is_asked_about_may_be_left_out(self) -> None:
        text = JinjaText(
            "{{ a }}{% if b is defined %}{{ b }}{% endif %}{{ c|default('-') }}{{ d }}"
        )
        assert {name: variable.required for name, variable in text.uses.items()} == {
            "a": True,
            "b": False,
            "c": False,
            "d": True,
        }
        assert text.render({"a": 1, "d": 2}) == "1-2"


def test_variables_are_those_from_outside() -> None:
    text = JinjaText(
        "{% set s = q %}{% for a, b in items %}{{ a }}{{ b }}{{ loop.index }}{{ s }}{% endfor %}"
        "{% macro m(p, r=deflt) %}{{ p }}{{ r }}{{ free }}{{ later }}{% endmacro %}{{ m(1) }}"
        "{% with w = 1 %}{{ w }}{% endwith %}{% set later = 1 %}{{ a }}\n𝒳 {{ obj.key }}{{ key }}"
    )
    assert list(text.uses) == ["q", "items", "deflt", "free", "a", "obj", "key"]
    assert str(text.uses["key"].position) == "line 2, column 19"
    assert str(text.uses["obj"].position) == "line 2, column 6"


@pytest.mark.parametrize("template", BOMBS.values(), ids=list(BOMBS))
def test_bombs_end_with_an_error(template: str) -> None:
    with pytest.raises(RenderError):
        JinjaText(template).render({})


@pytest.mark.parametrize("template", DEEP.values(), ids=list(DEEP))
def test_what_is_too_deep_or_too_long_is_refused(template: str) -> None:
    with pytest.raises((TemplateSyntaxError, TooLarge)):
        JinjaText(template)


@pytest.mark.parametrize("template", HOSTILE)
def test_nothing_lies_behind_a_value(template: str) -> None:
    values = {"x": {"a": 1}, "l": [1]}
    with pytest.raises((RenderError, TemplateSyntaxError)):
        JinjaText(template).render(values)
    assert values == {"x": {"a": 1}, "l": [1]}


PIECES = (
    *(
        "{{ ",
        " }}",
        "{% ",
        " %}",
        "{%- ",
        " -%}",
        "{% endfor %}",
        "{% endif %}",
        "{% for x in l %}",
    ),
    *(
        "{% if x %}",
        "{% set y = ",
        "{% macro m(a) %}",
        "{% endmacro %}",
        "x",
        "l",
        "d",
        "y",
        "s",
        "1",
    ),
    *(
        "2.5",
        "'a'",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ":",
        ",",
        ".",
        "|",
        "~",
        "+",
        "-",
        "*",
        "/",
        "//",
    ),
    *("**", "%", "==", "<", " in ", " not ", " and ", " or ", " if ", " else ", " is ", "defined"),
    *("odd", "upper", "join", "sort", "map", "tojson", "round", "first", "sum", "batch", "indent"),
    *(
        "loop.index",
        "range(5)",
        "namespace(a=1)",
        "text\n",
        "d.a",
        "l[0]",
        "s[1:]",
        "m(1)",
        "format",
    ),
)


def test_no_template_raises_a_foreign_error() -> None:
    chance = random.Random(1)
    values = {"x": 1, "l": [3, "b", None, [1]], "d": {"a": 1.5}, "s": "%d text", "y": True}
    rendered = 0
    for _ in range(20_000):
        inner = "".join(chance.choices(PIECES, k=chance.randint(1, 9)))
        try:
            JinjaText(
                chance.choice(("{{ %s }}", "{%% if %s %%}a{%% endif %%}", "%s")) % inner
            ).render(values)
            rendered += 1
        except PointsmanError:
            pass
    assert rendered > 1_000


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(["{", "}", "%", "#", "a", "{{ x }}", "{% raw %}{{{% endraw %}", " "]),
        max_size=8,
    )
)
def test_joining_forms_no_tags(literals: list[str]) -> None:
    """Pieces that are complete by themselves render together as they render alone."""
    alone = []
    for literal in literals:
        try:
            alone.append(JinjaText(literal).render({"x": "X"}))
        except TemplateSyntaxError:
            return
    assert JinjaText(write_jinja(literals)).render({"x": "X"}) == "".join(alone)


def test_the_pieces_of_a_text() -> None:
    text = "a{{> b }}{# {{> c }} #}{% if '{{> d }}' %}{{ \"}}\" }}{{>e}}"
    assert scan_includes(text) == [
        "a",
        IncludeTag("b", 1, 9),
        "{# {{> c }} #}{% if '{{> d }}' %}{{ \"}}\" }}",
        IncludeTag("e", 52, 58),
    ]
