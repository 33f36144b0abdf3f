"""One spelling for each JSON value: what is refused, and what RFC 8785 says to write."""

from __future__ import annotations

import enum
import hashlib
import json
import struct
import sys
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core.canonical import (
    JSON,
    MAX_INTEGER,
    canonical_json,
    check_json,
    check_text,
    digest,
    json_pointer,
    parse_json,
    quoted,
)
from pointsman.errors import InvalidInput, PointsmanError, TooLarge

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
numbers = st.integers(-MAX_INTEGER, MAX_INTEGER) | st.floats(
    allow_nan=False, allow_infinity=False
).filter(lambda x: not MAX_INTEGER < abs(x) < 1e21)
values: st.SearchStrategy[JSON] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=20,
)


@given(values)
def test_what_is_written_reads_back_equal_and_is_written_the_same(value: JSON) -> None:
    text = canonical_json(value)
    again = parse_json(text)
    assert again == value
    assert canonical_json(again) == text
    assert check_json(value) is value


@given(values)
def test_writing_does_not_depend_on_how_the_value_was_written_before(value: JSON) -> None:
    for form in (
        json.dumps(value),
        json.dumps(value, ensure_ascii=False, indent=3),
        json.dumps(value).encode(),
    ):
        assert canonical_json(parse_json(form)) == canonical_json(value)


@given(values)
def test_canonical_text_is_json_to_python_too(value: JSON) -> None:
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(texts, st.none(), max_size=8))
def test_keys_are_in_the_order_of_utf_16(value: dict[str, JSON]) -> None:
    keys = list(json.loads(canonical_json(value)))
    assert keys == sorted(value, key=lambda key: key.encode("utf-16-be"))


@given(st.text() | st.binary())
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    try:
        value = parse_json(text)
    except PointsmanError:
        return
    assert parse_json(canonical_json(value)) == value


@given(
    st.recursive(
        st.one_of(
            st.none(),
            st.integers(),
            st.floats(),
            st.text(st.characters()),
            st.binary(),
            st.tuples(),
            st.just({1}),
        ),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text() | st.integers() | st.none(), inner, max_size=4)
        ),
    )
)
def test_any_python_value_is_accepted_or_refused(value: object) -> None:
    try:
        check_json(value)
    except InvalidInput as error:
        error.field.encode()  # can be sent to the caller
        str(error).encode()
    else:
        assert parse_json(canonical_json(value)) == value


# IEEE 754 bits and expected text, from RFC 8785, appendix B.
NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555554": "333333333.33333325",
    "41b3de4355555555": "333333333.3333333",
    "41b3de4355555556": "333333333.3333334",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "text"), NUMBERS.items())
def test_numbers_of_rfc_8785(bits: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_json(number) == text
    assert canonical_json([number]) == f"[{text}]"


@pytest.mark.parametrize(
    ("number", "text"),
    [(1.0, "1"), (-0.0, "0"), (1e21, "1e+21"), (1e-7, "1e-7"), (1e-5, "0.00001"), (123.5, "123.5")],
)
def test_numbers_that_python_writes_otherwise(number: float, text: str) -> None:
    assert canonical_json({"n": number}) == f'{{"n":{text}}}'


def test_the_sample_of_rfc_8785() -> None:
    text = r"""{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"""
    assert canonical_json(parse_json(text)) == (
        '{"literals":[null,true,false],'
        '"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_the_order_of_keys_of_rfc_8785() -> None:
    text = r"""{"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5, "\u0080": 6,
                "\u00f6": 7}"""
    keys = list(json.loads(canonical_json(parse_json(text))))
    assert keys == ["\r", "1", "\x80", "ö", "€", "😀", "\ufb33"]


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("", "malformed_json", ""),
        ("{", "malformed_json", ""),
        ("[1,]", "malformed_json", ""),
        ("[1] 2", "malformed_json", ""),
        ("01", "malformed_json", ""),
        ("'a'", "malformed_json", ""),
        ('"\t"', "malformed_json", ""),
        ("\ufeff{}", "malformed_json", ""),
        (b"\xff", "invalid_utf8", ""),
        (b'"\xed\xa0\x80"', "invalid_utf8", ""),
        ('{"a": {"b": 1, "b": 1}}', "duplicate_key", "/a/b"),
        ('{"a": 1, "\\u0061": 1}', "duplicate_key", "/a"),
        ('{"a": [0, NaN]}', "not_finite", "/a/1"),
        ("Infinity", "not_finite", ""),
        ('[{"x/y~": -Infinity}]', "not_finite", "/0/x~1y~0"),
        ("[1e999]", "not_finite", "/0"),
        ('{"seed": 9007199254740992}', "integer_out_of_range", "/seed"),
        ("-9007199254740992", "integer_out_of_range", ""),
        ("[1e20]", "integer_out_of_range", "/0"),
        ("1" * 5000, "integer_out_of_range", ""),
        (r'["\u0000"]', "nul_character", "/0"),
        (r'[{"a\u0000": 1}]', "nul_character", "/0"),
        (r'["ok", "\ud800"]', "lone_surrogate", "/1"),
        (r'["\uDC00\uD800"]', "lone_surrogate", "/0"),
        (r'{"\ud800": 1}', "lone_surrogate", ""),
        (r'{"\ud800": 1, "\ud800": 1}', "duplicate_key", "/\\ud800"),
        ('["\ud800"]', "lone_surrogate", ""),
        ("[" * 65 + "]" * 65, "too_deep", "/0" * 64),
        ("[" * 100_000 + "]" * 100_000, "too_deep", ""),
        ('{"a":' * 100_000, "too_deep", ""),
    ],
)
def test_refused(text: str | bytes, code: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_json(text)
    assert (caught.value.code, caught.value.field) == (code, field)
    assert caught.value.hint
    str(caught.value).encode()


def test_malformed_json_tells_line_and_column() -> None:
    with pytest.raises(InvalidInput, match="line 2, column 8") as caught:
        parse_json('{"a": 1,\n "b": [}')
    assert caught.value.details == {"line": 2, "column": 8}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[" * 64 + "]" * 64, None),
        ("[" + "[]," * 100 + "[]]", None),  # many brackets, but not deep
        (str(MAX_INTEGER), MAX_INTEGER),
        (str(-MAX_INTEGER), -MAX_INTEGER),
        ("1e21", 1e21),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\\u0000 \\ud800"', "\\u0000 \\ud800"),  # a backslash, not an escape
        (b' {"a": "\xc3\xa9"} ', {"a": "é"}),
        ("-0", 0),
    ],
)
def test_accepted(text: str | bytes, value: JSON) -> None:
    assert parse_json(text) == (value if value is not None else json.loads(text))


def test_limits_can_be_set() -> None:
    with pytest.raises(TooLarge) as caught:
        parse_json('"ää"', max_bytes=5)
    assert caught.value.code == "too_large"
    assert parse_json('"ää"', max_bytes=6) == "ää"
    with pytest.raises(TooLarge):
        parse_json(b"[[]]", max_depth=1)
    with pytest.raises(TooLarge):
        check_json(["x" * 10], max_bytes=10)


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "code", "field"),
    [
        ({"a": (1, 2)}, "not_json", "/a"),
        ([b"x"], "not_json", "/0"),
        ([Colour.RED], "not_json", "/0"),
        (OrderedDict(), "not_json", ""),
        ({"a": {1: 2}}, "not_json", "/a"),
        ([float("nan")], "not_finite", "/0"),
        ([2**53], "integer_out_of_range", "/0"),
        ([10**5000], "integer_out_of_range", "/0"),
        (["a\0"], "nul_character", "/0"),
        (["\udfff"], "lone_surrogate", "/0"),
    ],
)
def test_python_values_refused(value: object, code: str, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_json(value)
    assert (caught.value.code, caught.value.field) == (code, field)
    if code not in ("nul_character", "lone_surrogate"):
        with pytest.raises(InvalidInput):
            canonical_json(value)


def test_the_first_flaw_is_told() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_json({"a": [1, (), set()], "b": ()})
    assert caught.value.field == "/a/1"


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop += [loop, loop]
    for refuse in (check_json, canonical_json):
        with pytest.raises(TooLarge) as caught:
            refuse(loop)
        assert caught.value.code == "too_deep"


def test_depth_is_refused_also_near_the_end_of_the_stack() -> None:
    def deeper(left: int) -> None:
        if left:
            return deeper(left - 1)
        with pytest.raises(TooLarge):
            parse_json("[" * 200 + "]" * 200, max_depth=10)
        return None

    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    deeper(sys.getrecursionlimit() - depth - 120)


def test_digest_is_sha_256_of_utf_8() -> None:
    assert digest("é") == digest("é".encode()) == hashlib.sha256("é".encode()).hexdigest()
    with pytest.raises(InvalidInput) as caught:
        digest("\ud800")
    assert caught.value.code == "lone_surrogate"


def test_text() -> None:
    assert check_text("a\n\u202e") == "a\n\u202e"
    for text, code in [("a\0", "nul_character"), ("\ud800", "lone_surrogate"), (7, "not_text")]:
        with pytest.raises(InvalidInput) as caught:
            check_text(text, field="reason")
        assert (caught.value.code, caught.value.field) == (code, "reason")
    with pytest.raises(TooLarge) as caught:
        check_text("abc", max_chars=2)
    assert caught.value.code == "too_long"


def test_quoting_hides_nothing_and_is_short() -> None:
    assert quoted("a\u202eb\ud800\0") == r"'a\u202eb\ud800\x00'"
    assert len(quoted("x" * 1000)) < 60


def test_pointer() -> None:
    assert json_pointer([]) == ""
    assert json_pointer(["a/b", 0, "c~d"]) == "/a~1b/0/c~0d"
