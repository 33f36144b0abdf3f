"""`.prompt` files: whatever a prompt's content is, a file holds it; dotprompt's files are read."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.cli import promptfile, yamltext
from pointsman.cli.picoschema import NotUnderstoodError, read_schema
from pointsman.cli.promptfile import MAX_FILE, read_prompt_file, write_prompt_file
from pointsman.cli.yamltext import read_yaml, write_yaml
from pointsman.core.canonical import canonical_json
from pointsman.core.content import parse_prompt
from pointsman.errors import InvalidInput, TooLarge
from scale import SCALE

# Separated by spaces; what holds white space comes after.
_PIECES = """
{{role"user"}} {{placeholder"turns"}} {{history}} {{name}} {{ }} --- ... " ' é 👩‍🚀 a # & * ! % @ `
yes null 1e5 08 0o7 1_000 1:30 1.5 .5 +1 2024-01-01 &a *a !x | > \\ {} [] << = ~ ? , : -
"""
_SPACED = [
    '{{role "user"}}', "{{ role 'model' }}", '{{role "system"}}', "{{ history }}", "{{ name }}",
    '{{placeholder "turns"}}', '{{placeholder "turns" optional=true}}', '{{include "greeting:3"}}',
    "\n", "\n\n", "---\n", "--- \n", "\r", "\r\n", "\ufeff", " ", "\t", "# x", ": ", "- ",
    "template: x", "\x0b", "\x1b", "\x85", "\u2028", "\u2029", "\x7f", "\ufffe", "\U0010ffff",
]  # fmt: skip
pieces = st.sampled_from([*_PIECES.split(), *_SPACED])
texts = st.one_of(
    st.lists(pieces, max_size=7).map("".join), st.text(st.characters(codec="utf-8"), max_size=20)
).filter(lambda text: "\0" not in text)
words = texts.filter(lambda text: bool(text.strip()))
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(
    allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15
)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, json_values, max_size=3)
roles = st.sampled_from(["system", "user", "assistant", "model", "tool", "developer"])
parts = st.fixed_dictionaries({"type": st.just("text"), "text": texts}) | st.fixed_dictionaries(
    {"type": st.just("image_url"), "image_url": st.fixed_dictionaries({"url": texts})}
)
messages = st.one_of(
    st.fixed_dictionaries({"role": roles, "content": texts}),
    st.fixed_dictionaries({"role": roles, "content": st.lists(parts, max_size=2)}),
    st.fixed_dictionaries({"role": roles, "content": texts}, optional={"name": texts}),
    st.fixed_dictionaries({"role": roles, "tool_calls": st.lists(objects, min_size=1, max_size=1)}),
    st.fixed_dictionaries(
        {"placeholder": st.sampled_from(["turns", "history", "ä.b-c"])},
        optional={"optional": st.booleans()},
    ),
    st.fixed_dictionaries({"include": st.sampled_from(["greeting:3", "a/b@deployment", "x y"])}),
)
types = ["string", "number", "integer", "boolean", "null", "object", "array", "any"]
schemas = st.one_of(
    st.sampled_from(types[:-1]).map(lambda kind: {"type": kind}),
    st.booleans(),
    st.fixed_dictionaries(
        {"type": st.just("string")}, optional={"description": texts, "maxLength": st.just(9)}
    ),
    st.just({"enum": ["a", 1, None]}),
    st.just({"type": "object", "properties": {"a?": {}}, "required": ["a?"]}),
)
names = st.sampled_from(["name", "history", "turns_", "ä.b-c", "type", "properties", "x"])
declarations: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "schema": schemas,
        "default": st.sampled_from(["x", "1", 1, None, [], {}]),
        "description": texts,
        "required": st.booleans(),
    },
)
models = st.one_of(
    st.fixed_dictionaries(
        {"name": words},
        optional={
            "provider": words,
            "parameters": objects,
            "fallbacks": st.lists(st.fixed_dictionaries({"name": words}), max_size=2),
        },
    ),
    st.fixed_dictionaries(
        {"uses": st.just("model:big@champion")}, optional={"parameters": objects}
    ),
)
tools = st.one_of(
    st.fixed_dictionaries({"name": st.just("look_up")}, optional={"description": texts}),
    st.fixed_dictionaries({"type": st.sampled_from(["web", "yes"])}, optional={"x": json_values}),
)
formats = st.one_of(
    st.just({"type": "json_object"}),
    schemas.filter(lambda one: isinstance(one, dict)).map(
        lambda one: {"type": "json_schema", "schema": one}
    ),
    st.fixed_dictionaries(
        {"type": st.just("json_schema"), "name": st.sampled_from(["response", "other"])},
        optional={"strict": st.just(True), "description": texts, "schema": st.just({"a": 1})},
    ),
)
foreign = st.one_of(
    json_values,
    st.dictionaries(
        st.sampled_from(
            ["description", "metadata", "tools", "input", "output", "name", "model", "config",
             "template", "message", "ext", "dotprompt", "format"]
        ),
        st.one_of(
            json_values,
            st.lists(words, max_size=2),
            st.just({"schema": {"a": "string"}}),
            st.just({"schema": "Named"}),
            st.just({"format": "media"}),
        ),
        max_size=3,
    ),
)  # fmt: skip
contents = st.fixed_dictionaries(
    {"template": texts | st.lists(messages, max_size=4)},
    optional={
        "format": st.sampled_from(["curly", "f-string"]),
        "variables": st.dictionaries(names, declarations, max_size=3),
        "model": models,
        "tools": st.lists(tools, max_size=2),
        "response_format": formats,
        "config": st.one_of(
            objects,
            st.fixed_dictionaries({"dotprompt": foreign}),
            st.fixed_dictionaries({"dotprompt": foreign, "x": json_values}),
        ),
    },
)


@settings(max_examples=int(300 * SCALE))
@given(contents)
def test_a_file_holds_any_content(wanted: dict[str, Any]) -> None:
    try:
        content = parse_prompt(wanted).to_json()
    except InvalidInput:
        return
    text = write_prompt_file(content)
    again = read_prompt_file(text)
    assert canonical_json(again.content) == canonical_json(content)
    assert parse_prompt(again.content).digest == parse_prompt(content).digest
    named = read_prompt_file(write_prompt_file(content, name="a/b"))
    assert (named.name, named.content) == ("a/b", again.content)
    # On Windows the same file has other line ends.
    assert read_prompt_file("\ufeff" + text.replace("\n", "\r\n")).content == again.content


def test_what_is_too_large_for_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    content = parse_prompt({"template": "x", "config": {"a": ["deep"] * 1_000}}).to_json()
    assert read_prompt_file(write_prompt_file(content)).content == content
    monkeypatch.setattr(promptfile, "MAX_FILE", 1_000)
    with pytest.raises(TooLarge):
        write_prompt_file(content)


@given(st.text(max_size=60) | st.lists(pieces, max_size=30).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    for file in (text, f"---\n{text}\n---\nHello", f"---\nx: {text}\n---\n"):
        try:
            read = read_prompt_file(file)
        except InvalidInput:
            continue
        assert isinstance(read.content, dict)


def test_what_a_file_looks_like() -> None:
    content = parse_prompt(
        {
            "template": [
                {"role": "system", "content": "You answer for {{ company }}.\nBe kind."},
                {"placeholder": "turns", "optional": True},
                {"include": "signature:3"},
                {"role": "assistant", "content": "Hello"},
            ],
            "variables": {
                "company": {"schema": "string", "description": "who we are", "default": "us"},
                "mood": {"required": False},
            },
            "model": {"provider": "openai", "name": "gpt-4o", "parameters": {"stop": ["\n", "no"]}},
            "response_format": {"type": "object", "properties": {"a": {"type": "string"}}},
            "config": {"dotprompt": {"metadata": {"owner": "ana"}, "tools": ["search"]}},
        }
    ).to_json()
    assert write_prompt_file(content) == (
        "---\n"
        "model: openai/gpt-4o\n"
        "config:\n"
        "  stop:\n"
        '  - "\\n"\n'
        "  - 'no'\n"
        "input:\n"
        "  schema:\n"
        "    company: string, who we are\n"
        "    mood?: any\n"
        "  default:\n"
        "    company: us\n"
        "output:\n"
        "  format: json\n"
        "  schema:\n"
        "    type: object\n"
        "    properties:\n"
        "      a:\n"
        "        type: string\n"
        "tools:\n"
        "- search\n"
        "metadata:\n"
        "  owner: ana\n"
        "---\n"
        '{{role "system"}}\n'
        "You answer for {{ company }}.\n"
        "Be kind.\n"
        '{{placeholder "turns" optional=true}}\n'
        '{{include "signature:3"}}\n'
        '{{role "model"}}\n'
        "Hello\n"
    )


# Written in dotprompt's words, as its users write them.
DOTPROMPT = """\
---
name: greetingPrompt
variant: formal
model: googleai/gemini-1.5-flash
tools:
  - timeOfDay
  - name: lookUp
    description: looks up
config:
  temperature: 0.7
  topK: 20
  stopSequences:
    - STOPSTOPSTOP
input:
  default:
    name: Guest
  schema:
    name: string
    language?: string, which to speak
    tags(array, what it is about): string
    mood?(enum, how): [calm, angry]
    address:
      street: string
      zip?: string
      (*): any
output:
  format: json
  schema:
    greeting: string, the greeting
    items(array):
      label: string
metadata:
  customKey: {customValue: 123}
myext.flag: yes
---

{{role "system"}}
You greet in {{language}}.

{{history}}
{{role "user"}}
Greet {{name}}.{{role 'model'}}Hello"""


def test_dotprompt() -> None:
    read = read_prompt_file(DOTPROMPT)
    assert read.name == "greetingPrompt"
    content = read.content
    assert content["template"] == [
        {"role": "system", "content": "You greet in {{language}}.\n"},
        {"placeholder": "history", "optional": True},
        {"role": "user", "content": "Greet {{name}}."},
        {"role": "assistant", "content": "Hello"},
    ]
    assert content["model"] == {
        "provider": "googleai",
        "name": "gemini-1.5-flash",
        "parameters": {"temperature": 0.7, "topK": 20, "stopSequences": ["STOPSTOPSTOP"]},
    }
    assert content["variables"] == {
        "name": {"schema": {"type": "string"}, "default": "Guest"},
        "language": {
            "schema": {"type": "string"},
            "description": "which to speak",
            "required": False,
        },
        "tags": {
            "schema": {"type": "array", "items": {"type": "string"}},
            "description": "what it is about",
        },
        "mood": {"schema": {"enum": ["calm", "angry"]}, "description": "how", "required": False},
        "address": {
            "schema": {
                "type": "object",
                "properties": {"street": {"type": "string"}, "zip": {"type": ["string", "null"]}},
                "required": ["street"],
                "additionalProperties": {},
            }
        },
    }
    item = {
        "type": "object",
        "properties": {"label": {"type": "string"}},
        "required": ["label"],
        "additionalProperties": False,
    }
    assert content["response_format"] == {
        "type": "json_schema",
        "json_schema": {
            "name": "response",
            "schema": {
                "type": "object",
                "properties": {
                    "greeting": {"type": "string", "description": "the greeting"},
                    "items": {"type": "array", "items": item},
                },
                "required": ["greeting", "items"],
                "additionalProperties": False,
            },
        },
    }
    assert content["tools"] == [{"name": "lookUp", "description": "looks up"}]
    kept = {
        "variant": "formal",
        "metadata": {"customKey": {"customValue": 123}},
        "myext.flag": "yes",
        "tools": ["timeOfDay"],
    }
    assert content["config"] == {"dotprompt": kept}
    assert len(read.notes) == 1

    normal = parse_prompt(content).to_json()
    again = write_prompt_file(normal)
    for line in ("variant: formal", "myext.flag: 'yes'", "- timeOfDay", "    customValue: 123"):
        assert line in again.splitlines()
    assert read_prompt_file(again).content == normal


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("", ""),
        ("Hi", "Hi"),
        ("Hi\n", "Hi"),
        ("Hi\n\n", "Hi\n"),
        ("\nHi", "\nHi"),
        ("---\n---\nHi", "Hi"),
        ("---\n---\n\nHi\n", "Hi"),
        ("---\nx: y\n---", ""),
        ("---\n# nothing\n---\n---\nHi\n---\n", "---\nHi\n---"),
        ("--- \nx: y\n---\t\nHi", "Hi"),
        ("Hi\n---\nx: y\n---\n", "Hi\n---\nx: y\n---"),
        ("\ufeff---\r\nx: y\r\n---\r\nHi\r\nHo\r\n", "Hi\nHo"),
        ("---\ntemplate: |\n  Hi\n---\n", "Hi\n"),
        ("{{history}}", "{{history}}"),
        ("hi {{ role }} {{role user}}", "hi {{ role }} {{role user}}"),
        ('{{role "user"}}', [{"role": "user", "content": ""}]),
        ('\n {{role "user"}}\n\nHi\n\n', [{"role": "user", "content": "\nHi\n"}]),
        (
            'Hi\n{{role "model"}}Ho',
            [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}],
        ),
        ('{{placeholder "x"}}', [{"placeholder": "x"}]),
        ("{{include 'a/b:3'}}\n", [{"include": "a/b:3"}]),
        (
            '---\nvariables:\n  history: {}\n---\n{{history}}\n{{role "user"}}Hi',
            [{"role": "user", "content": "{{history}}"}, {"role": "user", "content": "Hi"}],
        ),
    ],
)
def test_templates(text: str, template: Any) -> None:
    assert read_prompt_file(text).content["template"] == template


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("---\nHi", "malformed_yaml"),
        ("---\na: [\n---\n", "malformed_yaml"),
        ("---\na: b: c\n---\n", "malformed_yaml"),
        ("---\n- a\n---\n", "wrong_type"),
        ("---\nHi\n---\n", "wrong_type"),
        ("---\nname: 7\n---\n", "wrong_type"),
        ("---\na: 1\na: 2\n---\n", "duplicate_key"),
        ("---\na: {b: 1, 'b': 2}\n---\n", "duplicate_key"),
        ("---\na: &x [1]\nb: *x\n---\n", "not_json"),
        ("---\na: !!python/object/apply:os.system [ls]\n---\n", "not_json"),
        ("---\na: !!binary aGk=\n---\n", "not_json"),
        ("---\n? [a]\n: b\n---\n", "not_json"),
        ("---\na: " + "[" * 70 + "]" * 70 + "\n---\n", "not_json"),
        ("---\na: " + "[" * 100_000 + "\n---\n", "not_json"),
        ("---\na: 1\n--- \n---\nb: 2\n", None),
        ("---\na: b\n...\nc: d\n---\n", "malformed_yaml"),
        ("---\na: \ud800\n---\n", "malformed_yaml"),
        ("---\na: \x01\n---\n", "malformed_yaml"),
        ("---\ntemplate: a\n---\nb", "two_templates"),
        ("---\ninput: {schema: {a: string}}\nvariables: {}\n---\n", "said_twice"),
        ("---\noutput: {format: json}\nresponse_format: {}\n---\n", "said_twice"),
        ("---\nconfig: {dotprompt: {}}\nx: y\n---\n", "said_twice"),
        ('{{placeholder "x"}}\nHi', "no_role"),
        ("x" * (MAX_FILE + 1), "too_large"),
    ],
)
def test_refused(text: str, code: str | None) -> None:
    if code is None:
        assert read_prompt_file(text).content["template"] == "---\nb: 2"
        return
    with pytest.raises(InvalidInput) as caught:
        read_prompt_file(text)
    assert caught.value.code == code
    assert isinstance(caught.value, TooLarge) is (code == "too_large")


def test_where_yaml_is_wrong() -> None:
    with pytest.raises(InvalidInput, match="At line 3: ") as caught:
        read_prompt_file("---\na: b\na: c\n---\n")
    assert caught.value.details == {"line": 3}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("input", "{schema: Customer}"),
        ("input", "{schema: {a: Customer}}"),
        ("input", "{schema: {type: object, properties: {a: {}}, minProperties: 1}}"),
        ("input", "{schema: {a: string}, default: [1]}"),
        ("input", "[a]"),
        ("input", "{}"),
        ("output", "{schema: Reply}"),
        ("output", "{format: media}"),
        ("output", "{format: json, contentType: x}"),
        ("output", "{schema: {'a(set)': string}}"),
    ],
)
def test_what_is_not_understood_is_kept(field: str, value: str) -> None:
    text = f"---\n{field}: {value}\n---\nHi\n"
    read = read_prompt_file(text)
    assert set(read.content) == {"template", "config"}
    assert read.content["config"] == {"dotprompt": {field: read_yaml(value)}}
    assert read.notes[0].startswith(f"“{field}” is kept")
    again = write_prompt_file(parse_prompt(read.content).to_json())
    assert again.startswith(f"---\n{field}:")
    assert read_prompt_file(again).content == read.content


@pytest.mark.parametrize("loader", ["SafeLoader", "CSafeLoader"])
def test_yaml(loader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamltext, "_LOADER", getattr(yaml, loader))
    text = (
        "a: yes\nb: 2024-01-01\nc: 012\nd: 1_000\ne: 1e3\nf: ~\n1: true\ng: '1'\nh: 12:30\ni: .inf"
    )
    assert read_yaml(text) == {
        "a": "yes", "b": "2024-01-01", "c": "012", "d": "1_000", "e": 1000.0, "f": None,
        "1": True, "g": "1", "h": "12:30", "i": ".inf",
    }  # fmt: skip
    assert read_yaml("") is None
    assert read_yaml("- [{}]") == [[{}]]
    for bad in (
        "a: b: c",
        "a: *b",
        "{a: 1, a: 2}",
        "[" * 90,
        "a: \x01",
        "a: @",
        "a:\n\t- b",
        "--- 1\n--- 2",
    ):
        with pytest.raises(InvalidInput):
            read_yaml(bad)


@given(st.dictionaries(texts, json_values, max_size=4))
def test_yaml_round_trip(value: dict[str, Any]) -> None:
    assert canonical_json(read_yaml(write_yaml(value))) == canonical_json(value)


@pytest.mark.parametrize("schema", ["Named", 7, None, {"a?b": "string"}, {"a(enum)": "x"}])
def test_picoschema_not_understood(schema: Any) -> None:
    with pytest.raises(NotUnderstoodError):
        read_schema(schema)
