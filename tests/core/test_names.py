"""What things may be called: one spelling, nothing hidden, nothing that looks like another."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.core import names
from pointsman.core.names import (
    KINDS,
    MAX_VERSION,
    check_alias,
    check_kind,
    check_list,
    check_message,
    check_name,
    check_reason,
    check_tag_key,
    check_tag_value,
    check_version_number,
    skeleton,
)
from pointsman.errors import InvalidInput, InvalidName

any_text = st.text(st.characters()) | st.text("aA1 ./_-:@%é\u0301\u202eо", max_size=12)


@pytest.mark.parametrize("check", [check_name, check_alias, check_tag_key])
@given(text=any_text)
def test_a_checked_name_is_in_nfc_visible_and_stays_as_it_is(
    check: Callable[[str], str], text: str
) -> None:
    name = _outcome(check, text)
    if isinstance(name, InvalidName):
        assert name.code
        assert name.hint
        assert name.reasons[0].code == name.code
        assert str(name).isprintable()  # so it can be sent and shown
        return
    assert check(name) == name
    assert unicodedata.is_normalized("NFC", name)
    assert name.isprintable()
    assert name == name.strip()
    assert not {".", "..", ""} & {*name.split("/")}


@given(any_text)
def test_both_spellings_of_a_letter_are_one_name(text: str) -> None:
    for check in (check_name, check_alias, check_tag_key):
        name = _outcome(check, text)
        if isinstance(name, str):
            assert check(unicodedata.normalize("NFD", name)) == name


@given(st.text(st.characters(), max_size=20))
def test_a_skeleton_is_its_own_skeleton_and_knows_no_case(text: str) -> None:
    key = skeleton(text)
    assert skeleton(key) == key
    assert skeleton(unicodedata.normalize("NFC", text)) == key
    assert skeleton(unicodedata.normalize("NFD", text)) == key


def test_the_skeleton_of_every_single_character_is_stable() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        assert skeleton(skeleton(char)) == skeleton(char)
        assert skeleton(char.upper()) == skeleton(char.lower()) == skeleton(char)


@pytest.mark.parametrize(
    "name",
    [
        "support/reply",
        "a",
        "7",
        "v1.0 (draft)+[x]",
        "100% sure",
        'it\'s "quoted", ~ok & #1 = $5!',
        "a/b/c/d/e/f/g/h",
        "x" * 200,
        "Отчёт v2",
        "ответ_api/faq",
        "Ελληνικά",
        "客服/回复",
        "返信テンプレート",
        "고객/응답",
        "उत्पादन",
        "น้ำ",
        "شكر",
        "תודה",
        "naïve café",
        "mlflow.prompt-1",
    ],
)
def test_names_that_people_use(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("x" * 201, "too_long"),
        ("x" * 10_000_000, "too_long"),
        ("a/b/c/d/e/f/g/h/i", "too_many_segments"),
        ("/a", "edge_slash"),
        ("a/", "edge_slash"),
        ("/", "edge_slash"),
        ("a//b", "empty_segment"),
        (".", "dot_segment"),
        ("..", "dot_segment"),
        ("a/../b", "dot_segment"),
        ("a/./b", "dot_segment"),
        (".a", "edge_dot"),
        ("a./b", "edge_dot"),
        (" a", "edge_space"),
        ("a /b", "edge_space"),
        (" ", "edge_space"),
        *((f"a{char}b", "reserved_character") for char in "@:\\?*<>|;^{}`"),
        ("a%2Fb", "percent_encoded"),
        ("%00", "percent_encoded"),
        ("a\nb", "control_character"),
        ("a\0b", "control_character"),
        ("a\x85b", "control_character"),
        ("a\u200bb", "invisible_character"),
        ("a\u200db", "invisible_character"),
        ("a\u202eb", "invisible_character"),
        ("a\u2066b", "invisible_character"),
        ("a\u00adb", "invisible_character"),
        ("a\ufeffb", "invisible_character"),
        ("a\ufe0fb", "invisible_character"),
        ("a\u034fb", "invisible_character"),
        ("a\u3164b", "invisible_character"),
        ("a\u2800b", "invisible_character"),
        ("a\u2028b", "invisible_character"),
        ("a\U000e0041b", "invisible_character"),
        ("a\ue000b", "invisible_character"),
        ("a\ud800", "lone_surrogate"),
        ("ｆull", "compatibility_character"),
        ("ﬁx", "compatibility_character"),
        ("x²", "compatibility_character"),
        ("a\u00a0b", "compatibility_character"),
        ("𝐛old", "compatibility_character"),
        ("a…", "compatibility_character"),
        ("😀", "invalid_character"),
        ("a–b", "invalid_character"),
        ("a\u037eb", "reserved_character"),  # the Greek question mark is a semicolon in NFC
        ("раypal", "mixed_scripts"),
        ("x/pаypal", "mixed_scripts"),
        ("gοogle", "mixed_scripts"),
        ("a" + "\u0316" * 5, "stacked_marks"),
        ("\u0301a", "stray_mark"),
        ("a/\u0301", "stray_mark"),
    ],
)
def test_names_refused(text: str, code: str) -> None:
    with pytest.raises(InvalidName) as caught:
        check_name(text, field="to")
    assert caught.value.code == code
    assert caught.value.field == "to"
    assert caught.value.reasons[0].field == "to"


def test_all_reasons_are_told() -> None:
    with pytest.raises(InvalidName) as caught:
        check_name(" a//b@\u202e")
    assert [reason.code for reason in caught.value.reasons] == [
        "empty_segment",
        "edge_space",
        "reserved_character",
        "invisible_character",
    ]


def test_an_invisible_character_is_told_by_its_number() -> None:
    with pytest.raises(InvalidName, match=r"U\+202E \(RIGHT-TO-LEFT OVERRIDE\), at character 2"):
        check_name("a\u202eb")


def test_the_intruding_letters_are_told() -> None:
    with pytest.raises(InvalidName, match=r"U\+0430 \(CYRILLIC SMALL LETTER A\)"):
        check_name("pаypal")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("BOT", "ВОТ"),  # the second is Cyrillic
        ("support/a", "Support/а"),
        ("café", "CAFE\u0301"),
        ("ТОР", "top"),
        ("ΜΑΤΗ", "math"),
        ("naı", "nai"),
        ("น้ำ", "น\u0e49\u0e4d\u0e32"),
        ("Straße", "strasse"),
    ],
)
def test_names_that_look_alike_collide(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


def test_names_that_do_not_look_alike_do_not_collide() -> None:
    apart = ["support", "suport", "a/b", "a-b", "a b", "été", "ete", "отчёт", "отчет", "7", "v7"]
    assert len({skeleton(name) for name in apart}) == len(apart)


@pytest.mark.parametrize("alias", ["production", "prod-eu", "v1a", "v2.1", "ünï", "उत्पादन", "本番"])
def test_aliases(alias: str) -> None:
    assert check_alias(alias) == alias


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("x" * 101, "too_long"),
        ("latest", "reserved_alias"),
        ("Latest", "reserved_alias"),
        ("NEWEST", "reserved_alias"),
        ("7", "looks_like_version"),
        ("٧", "looks_like_version"),
        ("v7", "looks_like_version"),
        ("V12", "looks_like_version"),
        ("..", "dot_segment"),
        ("a b", "invalid_character"),
        ("a/b", "invalid_character"),
        ("a@b", "reserved_character"),
        ("a\n", "control_character"),
        ("a\u200b", "invisible_character"),
        ("рrod", "mixed_scripts"),
        ("ｐrod", "compatibility_character"),
    ],
)
def test_aliases_refused(text: str, code: str) -> None:
    with pytest.raises(InvalidName) as caught:
        check_alias(text)
    assert (caught.value.code, caught.value.field) == (code, "alias")


@pytest.mark.parametrize("key", ["team", "mlflow.prompt.text", "a/b c:d", "Größe", ".x"])
def test_tag_keys(key: str) -> None:
    assert check_tag_key(key) == key


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("x" * 251, "too_long"),
        ("../x", "dot_segment"),
        ("a/..", "dot_segment"),
        ("/a", "edge_slash"),
        ("a//b", "empty_segment"),
        (" a", "edge_space"),
        ("a=b", "invalid_character"),
        ("a@b", "reserved_character"),
        ("a\tb", "control_character"),
    ],
)
def test_tag_keys_refused(text: str, code: str) -> None:
    with pytest.raises(InvalidName) as caught:
        check_tag_key(text)
    assert (caught.value.code, caught.value.field) == (code, "key")


def test_texts_are_kept_as_they_are() -> None:
    assert check_tag_value("x" * 100_000) == "x" * 100_000
    assert check_tag_value("") == ""
    assert check_reason("e\u0301\n\u202e") == "e\u0301\n\u202e"
    for check in (check_tag_value, check_reason, check_message):
        for text, code in [
            ("\0", "nul_character"),
            ("\ud800", "lone_surrogate"),
            ("x" * 100_001, "too_long"),
        ]:
            with pytest.raises(InvalidInput) as caught:
                check(text)
            assert caught.value.code == code


@pytest.mark.parametrize("value", [None, 7, b"a", ["a"]])
def test_what_is_not_text_is_refused(value: object) -> None:
    for check in ("name", "alias", "tag_key", "tag_value", "reason", "message", "kind"):
        with pytest.raises(InvalidInput):
            getattr(names, f"check_{check}")(value)


def test_kinds() -> None:
    assert [check_kind(kind) for kind in KINDS] == list(KINDS)
    with pytest.raises(InvalidName, match="prompt, model, suite, dataset") as caught:
        check_kind("Prompt")
    assert caught.value.code == "unknown_kind"


def test_version_numbers() -> None:
    assert check_version_number(1) == 1
    assert check_version_number(MAX_VERSION) == MAX_VERSION == 2**31 - 1
    for number in (0, -1, 2**31, 2**63, 10**10_000):
        with pytest.raises(InvalidInput) as caught:
            check_version_number(number)
        assert caught.value.code == "version_out_of_range"
        assert len(str(caught.value)) < 200
    wrong: tuple[object, ...] = (True, 1.0, "1", None)
    for value in wrong:
        with pytest.raises(InvalidInput) as caught:
            check_version_number(value)  # type: ignore[arg-type]
        assert caught.value.code == "not_a_number"


def _outcome(check: Callable[[str], str], text: str) -> str | InvalidName:
    try:
        return check(text)
    except InvalidName as error:
        return error


def test_one_text_is_not_a_list_of_its_letters() -> None:
    assert check_list(["production"], field="aliases") == ("production",)
    with pytest.raises(InvalidInput) as caught:
        check_list("production", field="aliases")
    assert caught.value.code == "not_a_list"
    assert "['production']" in caught.value.hint
