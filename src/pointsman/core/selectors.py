"""How a version is asked for.

::

    support/reply                the newest version of a prompt
    support/reply@production     the version an alias points to
    support/reply:7              version 7
    support/reply@latest         the newest, said aloud (also @newest, in any case)
    model:churn@champion         another kind: prompt, model, suite or dataset, and a colon
    prompts:/support/reply/7     MLflow's URIs, also prompts:/name, prompts:/name@alias,
    models:/churn@champion       models:/name/latest

Names and aliases hold neither ``@`` nor ``:``, so one reading is left everywhere but in
three places, decided thus:

- A kind and a colon at the start are always that. ``model:7`` could be version 7 of the
  prompt ``model`` or the model ``7``, so it is refused, telling both ways out:
  ``prompt:model:7`` and ``model:7@latest``. ``model`` and ``model@production`` are the
  prompt named ``model``.
- In a URI, a last segment that is a number or ``latest`` selects, as MLflow has it.
  Elsewhere it belongs to the name: ``support/7`` is a prompt in the folder ``support``.
- A URI with both, ``prompts:/support/7@production``, is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, cast

from pointsman.core.canonical import quoted
from pointsman.core.names import (
    KINDS,
    MAX_ALIAS,
    MAX_NAME,
    MAX_VERSION,
    NEWEST,
    Kind,
    check_alias,
    check_name,
)
from pointsman.errors import InvalidName, Reason

__all__ = ["Selector", "parse_selector"]


@dataclass(frozen=True, slots=True)
class Selector:
    """Which version of which artifact: a number, an alias, or (neither) the newest.

    The parts are as `parse_selector` leaves them: checked and in NFC. Its text is canonical:
    ``parse_selector(str(selector)) == selector``, and equal selectors have equal texts.
    """

    kind: Kind
    name: str
    version: int | None = None
    alias: str | None = None

    def __str__(self) -> str:
        text = self.name
        if self.alias is not None:
            text = f"{text}@{self.alias}"
        elif self.version is not None:
            text = f"{text}:{self.version}"
        if self.kind != "prompt":
            # A number alone after the kind would be refused: see the head of this file.
            return f"{self.kind}:{text}@latest" if _is_number(text) else f"{self.kind}:{text}"
        if self.version is not None and self.name in KINDS:
            return f"prompt:{text}"
        return text


def parse_selector(text: str, *, kind: Kind | None = None) -> Selector:
    """Read a selector in any of the forms above.

    With ``kind``, a selector without a kind means that kind, and one that names another kind
    is refused.

    Raises:
        InvalidName: ``invalid_selector``. ``details["position"]`` is the character, from 1,
            at which reading failed; ``reasons`` has what is wrong with the name or alias
            there, if that is the trouble.
    """
    match = _COMMON.fullmatch(text) if type(text) is str and len(text) <= MAX_ALIAS else None
    if match is not None:
        prefix, name, alias, version = match.groups()
        if prefix is None or kind is None or prefix == kind:
            if alias is not None and alias.lower() in NEWEST:
                alias = None
            its_kind = cast("Kind", prefix or kind or "prompt")
            return Selector(its_kind, name, int(version) if version else None, alias)
    if not isinstance(text, str):
        raise _error(repr(text), 1, f"it is {type(text).__name__}, not text")
    if len(text) > _MAX_SELECTOR:
        raise _error(text, _MAX_SELECTOR + 1, f"it has {len(text):,} characters")
    for scheme, scheme_kind in _SCHEMES:
        if text.startswith(scheme):
            return _parse_uri(text, len(scheme), _agreed(text, scheme_kind, kind))
    head, colon, rest = text.partition(":")
    if not colon or head not in KINDS:
        return _parse_rest(text, 0, kind or "prompt")
    start = len(head) + 1
    if _is_number(rest):
        raise _error(
            text,
            start + 1,
            f"{rest} may be a version or a name",
            f"Write prompt:{text} for version {rest} of the prompt {head}, "
            f"{text}@latest for the {head} named {rest}.",
        )
    return _parse_rest(text, start, _agreed(text, head, kind))


def _parse_rest(text: str, start: int, kind: Kind) -> Selector:
    """``name``, ``name@alias`` or ``name:version``, from ``start``."""
    found = _SEPARATOR.search(text, start)
    if found is None:
        return Selector(kind, _name(text, start, len(text)))
    at = found.start()
    name = _name(text, start, at)
    if found[0] == "@":
        return Selector(kind, name, alias=_alias(text, at + 1))
    return Selector(kind, name, version=_version(text, at + 1))


def _parse_uri(text: str, start: int, kind: Kind) -> Selector:
    """The part of an MLflow URI after its scheme."""
    at = text.find("@", start)
    end = at if at >= 0 else len(text)
    slash = text.rfind("/", start, end)
    last = text[slash + 1 : end] if slash >= 0 else ""
    if not (_is_number(last) or last.lower() == "latest"):
        name = _name(text, start, end)
        return Selector(kind, name, alias=_alias(text, at + 1) if at >= 0 else None)
    if at >= 0:
        raise _error(
            text,
            slash + 2,
            f"it selects twice, by /{last} and by @",
            f"Leave one out; if the name ends in /{last}, write "
            f"{_plain(kind + ':' + text[start:])}.",
        )
    name = _name(text, start, slash)
    return Selector(kind, name, version=_version(text, slash + 1) if _is_number(last) else None)


def _agreed(text: str, found: Kind, wanted: Kind | None) -> Kind:
    if wanted is not None and wanted != found:
        raise _error(
            text, 1, f"it names a {found} where a {wanted} is wanted", f"Select a {wanted}."
        )
    return found


def _name(text: str, start: int, end: int) -> str:
    try:
        return check_name(text[start:end], field="selector")
    except InvalidName as error:
        raise _error(text, start + 1, "there is no valid name", reasons=error.reasons) from None


def _alias(text: str, start: int) -> str | None:
    """The alias from ``start`` to the end; none if it is a word for the newest version."""
    alias = text[start:]
    if alias.lower() in NEWEST:
        return None
    if found := _SEPARATOR.search(alias):
        raise _error(text, start + found.start() + 1, f"a second {found[0]} is in the way")
    if re.fullmatch(r"[vV]?[0-9]+", alias):
        version = alias.lstrip("vV")
        raise _error(
            text,
            start + 1,
            f"{quoted(alias)} reads as a version, but @ asks for an alias",
            f"Write {text[: start - 1]}:{version} for version {version}.",
        )
    try:
        return check_alias(alias, field="selector")
    except InvalidName as error:
        raise _error(text, start + 1, "there is no valid alias", reasons=error.reasons) from None


def _version(text: str, start: int) -> int:
    """The version number from ``start`` to the end."""
    digits = text[start:]
    if _VERSION.fullmatch(digits) and int(digits) <= MAX_VERSION:
        return int(digits)
    if found := _SEPARATOR.search(digits):
        raise _error(text, start + found.start() + 1, f"a second {found[0]} is in the way")
    if _is_number(digits):
        hint = f"Versions are written as 1 to {MAX_VERSION}, without zeros in front."
    elif re.fullmatch(r"[vV][1-9][0-9]*", digits):
        hint = f"Write {text[:start]}{digits[1:]}."
    elif digits:
        alias = _plain(f"{text[: start - 1]}@{digits}")
        hint = f"After a colon comes a number; an alias is written {alias}."
    else:
        hint = "After a colon comes a number; leave the colon out for the newest version."
    what = f"no version can be numbered {_plain(digits)}" if digits else "the number is missing"
    raise _error(text, start + 1, what, hint)


def _error(
    text: str, position: int, why: str, hint: str = "", *, reasons: tuple[Reason, ...] = ()
) -> InvalidName:
    because = f": {reasons[0].message}" if reasons else "."
    return InvalidName(
        f"The selector {quoted(text)} can't be read: at character {position}, {why}{because}",
        code="invalid_selector",
        hint=hint or (reasons[0].hint if reasons else "") or _FORMS,
        field="selector",
        reasons=reasons,
        details={"position": position, "forms": list(_EXAMPLES)},
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _plain(text: str) -> str:
    """As `quoted`, without the quotes."""
    return quoted(text)[1:-1]


_EXAMPLES: Final = (
    "support/reply",
    "support/reply@production",
    "support/reply:7",
    "model:churn@champion",
    "prompts:/support/reply@production",
    "models:/churn/7",
)
_FORMS: Final = f"Write it like one of these: {', '.join(_EXAMPLES)}."
_SCHEMES: Final[tuple[tuple[str, Kind], ...]] = (("prompts:/", "prompt"), ("models:/", "model"))
_MAX_SELECTOR: Final = MAX_NAME + MAX_ALIAS + 20
_SEPARATOR: Final = re.compile("[@:]")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,9}")

# What almost everybody writes. It takes in less than the rules allow, never more: each part
# begins with a letter, so that no number is taken for a name or an alias, and what a colon
# may mean after a kind is left to the rules.
_COMMON: Final = re.compile(
    rf"(?:({'|'.join(KINDS)}):)?"
    rf"(?!(?:{'|'.join(KINDS)}):)([A-Za-z][A-Za-z0-9_-]*(?:/[A-Za-z][A-Za-z0-9_-]*){{0,7}})"
    r"(?:@(?![vV][0-9]+\Z)([A-Za-z][A-Za-z0-9_.-]*)|:([1-9][0-9]{0,8}))?"
)
