"""What things may be called.

A name is typed by people, read aloud, put into URLs, file names and command lines, and
looked at in an approval. So a name has one spelling (Unicode NFC), contains nothing that
can't be seen, no separator that a surface uses for itself, and nothing made to look like
another name. Letters of every script are welcome.

Every check returns the normalised text, and checking that again changes nothing.

Sources: Unicode UAX #15 (normal forms) and UTS #39 (look-alikes, of which `skeleton` keeps
the letters that matter most). Tag keys and aliases have the alphabets that MLflow and
Langfuse give them; stricter here are aliases that read as a version number, are longer than
`MAX_ALIAS`, or use letters that look like others.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Final, Literal, NoReturn, cast

from pointsman.core.canonical import check_text, quoted
from pointsman.errors import InvalidInput, InvalidName, Reason

__all__ = [
    "KINDS",
    "MAX_ALIAS",
    "MAX_NAME",
    "MAX_SEGMENTS",
    "MAX_TAG_KEY",
    "MAX_TAG_VALUE",
    "MAX_TEXT",
    "MAX_VERSION",
    "NEWEST",
    "Kind",
    "check_alias",
    "check_kind",
    "check_message",
    "check_name",
    "check_reason",
    "check_tag_key",
    "check_tag_value",
    "check_version_number",
    "skeleton",
    "told_tag_value",
]

Kind = Literal["prompt", "model", "suite", "dataset"]
KINDS: Final[tuple[Kind, ...]] = ("prompt", "model", "suite", "dataset")

MAX_NAME: Final = 200
MAX_SEGMENTS: Final = 8
MAX_ALIAS: Final = 100
MAX_TAG_KEY: Final = 250
MAX_TAG_VALUE: Final = 100_000
MAX_TEXT: Final = 10_000
MASKED: Final = "•••"
MAX_VERSION: Final = 2**31 - 1
NEWEST: Final = frozenset({"latest", "newest"})  # resolve by themselves, in any case


def check_kind(text: str, *, field: str = "kind") -> Kind:
    """Return ``text`` as a `Kind`, or raise `InvalidName` with the code ``unknown_kind``."""
    if text in KINDS:
        return text
    raise InvalidName(
        f"{quoted(str(text))} is not a kind of artifact.",
        code="unknown_kind",
        hint=f"Kinds are {', '.join(KINDS)}.",
        field=field,
    )


def check_name(text: str, *, field: str = "name") -> str:
    """Return the name of an artifact, such as ``support/reply``, in NFC.

    One to `MAX_SEGMENTS` segments, parted by ``/``, of letters, marks and numbers of any
    script, spaces, and ``_ - . + , = ~ ! # $ & ' ( ) [ ] " %``; at most `MAX_NAME` characters.

    Raises:
        InvalidName: with every broken rule in ``reasons`` and the code of the first:
            ``not_text``, ``empty``, ``too_long``, ``too_many_segments``, ``edge_slash``,
            ``empty_segment``, ``dot_segment``, ``edge_space``, ``edge_dot``,
            ``reserved_character``, ``percent_encoded``, or one that all names share:
            ``lone_surrogate``, ``control_character``, ``invisible_character``,
            ``compatibility_character``, ``invalid_character``, ``stacked_marks``,
            ``stray_mark``, ``mixed_scripts``.
    """
    if type(text) is str and len(text) <= MAX_NAME and _SIMPLE_NAME.fullmatch(text):
        return text
    name = _normal(text, "name", MAX_NAME, field)
    _raise_first("name", name, field, [*_shape_flaws(name), *_letter_flaws(name, _NAME_SIGNS)])
    return name


def skeleton(name: str) -> str:
    """The key under which names that look alike collide.

    Case, compatibility forms and the Cyrillic and Greek letters that share a shape with a
    Latin one are folded away. A letter is folded by the shape of its capital, as ``ВОТ`` and
    ``BOT`` are told apart by nobody. Names of one kind are unique by their skeleton; it is
    never shown and never resolves. Takes any text, and taking it again changes nothing.
    """
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    return unicodedata.normalize("NFKC", folded.casefold().translate(_LOOK_ALIKES))


def check_alias(text: str, *, field: str = "alias") -> str:
    """Return an alias, such as ``production``, in NFC.

    Letters, marks and numbers of any script, ``_``, ``-`` and ``.``; at most `MAX_ALIAS`
    characters. Aliases are case-sensitive.

    Raises:
        InvalidName: ``reserved_alias`` (`NEWEST`, in any case), ``looks_like_version``
            (``7``, ``v7``), ``dot_segment``, ``empty``, ``too_long``, ``not_text``, or one of
            the codes about characters that `check_name` lists.
    """
    if type(text) is str and len(text) <= MAX_ALIAS and _SIMPLE_ALIAS.fullmatch(text):
        return text
    alias = _normal(text, "alias", MAX_ALIAS, field)
    _raise_first("alias", alias, field, [*_alias_flaws(alias), *_letter_flaws(alias, _ALIAS_SIGNS)])
    return alias


def check_list(values: Iterable[str], *, field: str) -> tuple[str, ...]:
    """The values, unless one text was given where several were meant: its letters are not.

    Raises:
        InvalidInput: ``not_a_list``.
    """
    if isinstance(values, str):
        raise InvalidInput(
            f"{field} is one text, not a list.",
            code="not_a_list",
            hint=f"Write [{values[:40]!r}].",
            field=field,
        )
    return tuple(values)


def check_tag_key(text: str, *, field: str = "key") -> str:
    """Return the key of a tag in NFC.

    Letters, marks and numbers of any script, spaces, and ``_ - . : /``; at most `MAX_TAG_KEY`
    characters. It may look like a path, but not like one that leads elsewhere (``../x``).

    Raises:
        InvalidName: ``empty``, ``too_long``, ``not_text``, ``edge_slash``, ``empty_segment``,
            ``dot_segment``, ``edge_space``, or one of the codes about characters that
            `check_name` lists.
    """
    if type(text) is str and len(text) <= MAX_TAG_KEY and _SIMPLE_TAG_KEY.fullmatch(text):
        return text
    key = _normal(text, "tag key", MAX_TAG_KEY, field)
    flaws = [*_path_flaws(key), *_letter_flaws(key, _TAG_KEY_SIGNS)]
    # Words of two scripts are no trap here: a tag key leads nowhere.
    _raise_first("tag key", key, field, [flaw for flaw in flaws if flaw.code != "mixed_scripts"])
    return key


def told_tag_value(key: str, value: str) -> str:
    """The value of a tag as the record has it: that of a secret one is never written there.

    Tags whose key begins with ``secret.`` or ``secret/`` are secret.
    """
    return MASKED if key.startswith(("secret.", "secret/")) else value


def check_tag_value(text: str, *, field: str = "value") -> str:
    """Return the value of a tag unchanged: any text of at most `MAX_TAG_VALUE` characters.

    Raises:
        InvalidInput: ``not_text``, ``too_long``, ``nul_character``, ``lone_surrogate``.
    """
    return check_text(text, field=field, max_chars=MAX_TAG_VALUE)


def check_reason(text: str, *, field: str = "reason") -> str:
    """Return a reason unchanged: any text of at most `MAX_TEXT` characters.

    Raises:
        InvalidInput: as `check_tag_value`.
    """
    return check_text(text, field=field, max_chars=MAX_TEXT)


def check_message(text: str, *, field: str = "message") -> str:
    """Return a message unchanged: any text of at most `MAX_TEXT` characters.

    Raises:
        InvalidInput: as `check_tag_value`.
    """
    return check_text(text, field=field, max_chars=MAX_TEXT)


def check_version_number(n: int, *, field: str = "version") -> int:
    """Return ``n`` if a version can have it as its number: 1 to `MAX_VERSION`.

    Raises:
        InvalidInput: ``not_a_number`` (also for ``True``), ``version_out_of_range``.
    """
    if type(n) is not int:
        raise InvalidInput(
            f"A version is a whole number, not {type(n).__name__}.",
            code="not_a_number",
            hint="Versions count 1, 2, 3…; names such as production are aliases.",
            field=field,
        )
    if 1 <= n <= MAX_VERSION:
        return n
    shown = str(n) if n.bit_length() <= 128 else f"a number of {n.bit_length()} bits"
    raise InvalidInput(
        f"No version can have the number {shown}.",
        code="version_out_of_range",
        hint=f"Versions count from 1; the highest possible is {MAX_VERSION:,}.",
        field=field,
    )


# -- the frame of each check


def _normal(text: object, what: str, limit: int, field: str) -> str:
    """The text in NFC, within its limit; nothing else is examined yet."""
    reason = None
    if not isinstance(text, str):
        reason = Reason(
            "not_text", f"A {what} is text, not {type(text).__name__}.", "Pass a string.", field
        )
    elif not text:
        reason = Reason("empty", f"The {what} is empty.", "Give it at least one letter.", field)
    elif len(text) > 4 * limit or len(text := unicodedata.normalize("NFC", text)) > limit:
        reason = Reason(
            "too_long",
            f"The {what} {quoted(text)} has {len(text):,} characters.",
            f"At most {limit} fit; descriptions belong into tags.",
            field,
        )
    if reason is not None:
        _refuse([reason], field)
    return cast("str", text)


def _raise_first(what: str, text: str, field: str, flaws: list[Reason]) -> None:
    """Raise if there are flaws, each told as a sentence about the whole text."""
    if flaws:
        start = f"The {what} {quoted(text)} "
        _refuse([Reason(f.code, f"{start}{f.message}.", f.hint, field) for f in flaws], field)


def _refuse(reasons: list[Reason], field: str) -> NoReturn:
    first = reasons[0]
    raise InvalidName(first.message, code=first.code, hint=first.hint, field=field, reasons=reasons)


# -- rules: each yields what it finds, as the rest of the sentence "The name 'x' …"


def _shape_flaws(name: str) -> Iterator[Reason]:
    """What is wrong with a name as a path of segments."""
    if name.count("/") >= MAX_SEGMENTS:
        yield Reason(
            "too_many_segments",
            f"has {name.count('/') + 1} segments",
            f"At most {MAX_SEGMENTS} fit; use fewer folders.",
        )
    yield from _path_flaws(name)
    for segment in name.split("/"):
        if segment.strip(".") and (segment[0] == "." or segment[-1] == "."):
            yield Reason(
                "edge_dot",
                f"has a segment, {quoted(segment)}, with a dot at its edge",
                "Dots belong inside; hidden files and Windows paths give others a meaning.",
            )
            break
    if found := _PERCENT_ENCODED.search(name):
        yield Reason(
            "percent_encoded",
            f"has {found[0]} at character {found.start() + 1}, which URLs decode",
            "Write the character that is meant, or a space after the %.",
        )


def _path_flaws(path: str) -> Iterator[Reason]:
    """What would make a path mean another path, or look like one."""
    segments = path.split("/")
    if path.startswith("/") or path.endswith("/"):
        yield Reason("edge_slash", "begins or ends with a slash", "Leave that slash out.")
    if "" in segments[1:-1]:
        yield Reason(
            "empty_segment", "has two slashes in a row", "Write one slash, or what was left out."
        )
    if any(segment and not segment.strip(".") for segment in segments):
        yield Reason(
            "dot_segment",
            "has a segment of dots only, which paths read as a way up",
            "Give the segment a name.",
        )
    for segment in segments:
        if segment != segment.strip():
            yield Reason(
                "edge_space",
                f"has a segment, {quoted(segment)}, with a space at its edge",
                "Leave that space out: it can't be seen.",
            )
            break


def _alias_flaws(alias: str) -> Iterator[Reason]:
    if alias.lower() in NEWEST:
        yield Reason(
            "reserved_alias",
            "always means the newest version and can't be set",
            "Choose another word, or read without an alias to get the newest version.",
        )
    if _LIKE_VERSION.fullmatch(alias):
        yield Reason(
            "looks_like_version",
            "reads as a version number",
            "Choose a word; a version is selected with a colon, as in reply:7.",
        )
    if not alias.strip("."):
        yield Reason("dot_segment", "consists of dots only", "Choose a word.")


def _letter_flaws(text: str, signs: str) -> Iterator[Reason]:
    """The first character of each wrong sort, and look-alike traps. ``signs`` are welcome."""
    seen = set[str]()
    for n, char in enumerate(text, 1):
        if char in signs or (char.isascii() and char.isalnum()):
            continue
        flaw = _character_flaw(char, n)
        if flaw is not None and flaw.code not in seen:
            seen.add(flaw.code)
            yield flaw
    if not text.isascii():
        yield from _mark_flaws(text)
        for word in _WORD.findall(text):
            scripts = sorted({script for char in word if (script := _script(char))})
            if len(scripts) > 1:
                yield Reason(
                    "mixed_scripts",
                    f"mixes {' and '.join(scripts)} letters in the word {quoted(word)}: "
                    f"{', '.join(map(_named, _minority(word)))}",
                    "Write each word in one script: some letters of these look the same.",
                )
                break


def _character_flaw(char: str, n: int) -> Reason | None:
    category = unicodedata.category(char)
    where = f"at character {n}"
    if char in _RESERVED_SIGNS:
        return Reason(
            "reserved_character",
            f"has {char} {where}",
            "Selectors, URLs, filters or shells use it; write - or _ instead.",
        )
    if category == "Cs":
        return Reason(
            "lone_surrogate",
            f"has half of a surrogate pair, {_code(char)}, {where}",
            "Decode the text as UTF-8 or UTF-16 before use.",
        )
    if category == "Cc":
        return Reason(
            "control_character",
            f"has a control character, {_code(char)}, {where}",
            "Remove it; it often comes along when text is pasted.",
        )
    if category in ("Cf", "Zl", "Zp", "Co", "Cn") or _INVISIBLE.match(char):
        return Reason(
            "invisible_character",
            f"has an invisible character, {_named(char)}, {where}",
            "Remove it; it often comes along when text is pasted.",
        )
    if char not in _EVERYDAY_COMPATIBILITY and unicodedata.normalize("NFKC", char) != char:
        plain = unicodedata.normalize("NFKC", char)
        return Reason(
            "compatibility_character",
            f"has {_named(char)} {where}, a variant of {quoted(plain)}",
            f"Write {quoted(plain)}.",
        )
    if category[0] not in "LMN":
        return Reason(
            "invalid_character",
            f"has {_named(char)} {where}",
            "Use letters, marks, numbers and the signs _ - . instead.",
        )
    return None


def _mark_flaws(text: str) -> Iterator[Reason]:
    run, base = 0, False
    for n, char in enumerate(text, 1):
        category = unicodedata.category(char)
        if category[0] != "M":
            run, base = 0, category[0] in "LN"
            continue
        run += 1
        if not base and run == 1:
            yield Reason(
                "stray_mark",
                f"has a mark, {_named(char)}, at character {n} with no letter to carry it",
                "Remove it.",
            )
            return
        if run > _MAX_MARKS:
            yield Reason(
                "stacked_marks",
                f"has more than {_MAX_MARKS} marks on one letter, at character {n}",
                "Remove some; a pile of marks covers what is around it.",
            )
            return


def _script(char: str) -> str:
    """The script of a letter, if it is one of those that share shapes with Latin."""
    script = unicodedata.name(char, "").partition(" ")[0] if char.isalpha() else ""
    return script.capitalize() if script in _LOOK_ALIKE_SCRIPTS else ""


def _minority(word: str) -> list[str]:
    """The letters of the script that has fewest in the word: the likely intruders."""
    by_script: dict[str, list[str]] = {}
    for char in word:
        if script := _script(char):
            by_script.setdefault(script, []).append(char)
    fewest = min(by_script, key=lambda script: len(by_script[script]))
    return list(dict.fromkeys(by_script[fewest]))[:3]


def _named(char: str) -> str:
    name = unicodedata.name(char, "")
    visible = char.isprintable() and not char.isspace() and not unicodedata.combining(char)
    shown = f"{char} " if visible else ""
    return f"{shown}{_code(char)} ({name})" if name else f"{shown}{_code(char)}"


def _code(char: str) -> str:
    return f"U+{ord(char):04X}"


_NAME_SIGNS: Final = " /_-.+,=~!#$&'()[]\"%"
_ALIAS_SIGNS: Final = "_-."
_TAG_KEY_SIGNS: Final = " /_-.:"
_RESERVED_SIGNS: Final = "@:\\?*<>|;^{}`"
_MAX_MARKS: Final = 4

# What almost everybody writes, so that almost nobody waits for the rules above.
_SIMPLE_SEGMENT: Final = r"[A-Za-z0-9_-]+(?:[. ][A-Za-z0-9_-]+)*"
_SIMPLE_NAME: Final = re.compile(
    rf"{_SIMPLE_SEGMENT}(?:/{_SIMPLE_SEGMENT}){{0,{MAX_SEGMENTS - 1}}}"
)
_SIMPLE_ALIAS: Final = re.compile(
    r"(?!(?:[vV]?[0-9]+|(?i:latest|newest))\Z)[A-Za-z0-9_-][A-Za-z0-9_.-]*"
)
_SIMPLE_TAG_KEY: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:-]*")

_PERCENT_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_LIKE_VERSION: Final = re.compile(r"[vV]?\d+")
_WORD: Final = re.compile(r"[^\s/_\-.+,=~!#$&'()\[\]\"%:]+")

# Letters and marks that have no shape of their own (Default_Ignorable_Code_Point), and the
# Braille cell without dots.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0000-\U000e0fff]"
)
# Thai and Lao cannot be written without these, although they have compatibility forms.
_EVERYDAY_COMPATIBILITY: Final = "\u0e33\u0eb3\u0edc\u0edd"

_LOOK_ALIKE_SCRIPTS: Final = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})

# Lower-case letters whose capital or own shape is that of another, Latin letter: Cyrillic,
# Greek, Armenian, and Latin ones with a twin in ASCII.
_LOOK_ALIKES: Final = str.maketrans(
    "авекмнорстухүіјѕԁԛԝһӏ" + "αβεζηικμνορτυχϳ" + "օս" + "ıɑɡ",
    "abekmhopctyxyijsdqwhi" + "abezhikmnoptyxj" + "ou" + "iag",
)
