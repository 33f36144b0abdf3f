"""Do the values fit the variables? What is declared, what is missing, what becomes of each.

A value that isn't text becomes text like this:

=================  ======================================================================
``True``, number   as JSON writes it: ``true``, ``7``, ``0.5``
list, dict         compact JSON, keys in the order given
``None``           refused as missing, unless a declared schema allows null: then nothing
anything else      refused; pass ``str(value)`` if that is what is meant
=================  ======================================================================

The jinja2 format gets the values themselves, lists and dicts included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final

from pointsman.core.canonical import JSON
from pointsman.core.schemas import Check, admits_any_text, allows_null, compile_schema
from pointsman.core.tags import Placeholder, Variable
from pointsman.errors import Reason, RenderError


class _Nothing:
    """The absence of a default; None is a default like any other."""

    def __repr__(self) -> str:
        return "NOTHING"

    def __reduce__(self) -> str:
        return "NOTHING"  # there is but one, also after copying


NOTHING: Final = _Nothing()


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the author says of a variable.

    `required` is None where nothing is said: then a variable must be given if it is used and
    has no default. One that is not required and not given renders as nothing.
    """

    schema: JSON = True
    default: JSON | _Nothing = NOTHING
    description: str = ""
    required: bool | None = None

    @property
    def has_default(self) -> bool:
        """Whether there is a value for when none is given."""
        return self.default is not NOTHING


@dataclass(slots=True)
class Signature:
    """All that a template may be given, and the checks that it takes.

    `keeps_values` is true of the jinja2 format, which does more with a value than print it.
    """

    variables: Mapping[str, Variable]
    placeholders: Mapping[str, Placeholder]
    declared: Mapping[str, Declaration]
    keeps_values: bool = False
    _checks: dict[str, Check] = field(default_factory=dict)

    @property
    def takes_any_text(self) -> bool:
        """Whether nothing is left to check once each variable has got a text."""
        return not self.placeholders and all(
            admits_any_text(self.declared[name].schema)
            for name in self.variables
            if name in self.declared
        )

    def fit(self, values: Mapping[str, object]) -> dict[str, Any]:
        """The value of each variable and placeholder that the template uses.

        Raises:
            RenderError: its ``reasons`` name all that is missing, unknown or of the wrong
                type.
        """
        fitted: dict[str, Any] = {}
        reasons: list[Reason] = []
        for name, variable in self.variables.items():
            self._fit_variable(variable, values.get(name, NOTHING), fitted, reasons)
        for name, placeholder in self.placeholders.items():
            self._fit_messages(placeholder, values.get(name), fitted, reasons)
        reasons += [self._unknown(str(name)) for name in values if not self._knows(name)]
        if reasons:
            raise refusal(reasons)
        return fitted

    def _fit_variable(
        self, variable: Variable, value: object, fitted: dict[str, Any], reasons: list[Reason]
    ) -> None:
        name = variable.name
        declaration = self.declared.get(name, _UNDECLARED)
        if value is None and not self._takes_none(declaration):
            value = NOTHING
        if value is NOTHING:
            value = declaration.default
        if value is NOTHING:
            required = declaration.required
            if variable.required if required is None else required:
                reasons.append(_missing(variable))
            elif not self.keeps_values:
                fitted[name] = ""
            return
        if declaration.schema is not True:
            problems = self._check_of(name, declaration.schema)(value)
            if problems:
                reasons += [_wrong(name, problem) for problem in problems]
                return
        try:
            fitted[name] = plain(value) if self.keeps_values else as_text(value)
        except (TypeError, ValueError, RecursionError) as error:
            reasons.append(_wrong(name, str(error)))

    def _takes_none(self, declaration: Declaration) -> bool:
        if declaration.schema is True:
            return self.keeps_values
        return allows_null(declaration.schema)

    def _check_of(self, name: str, schema: JSON) -> Check:
        if name not in self._checks:
            self._checks[name] = compile_schema(schema)
        return self._checks[name]

    def _fit_messages(
        self,
        placeholder: Placeholder,
        value: object,
        fitted: dict[str, Any],
        reasons: list[Reason],
    ) -> None:
        name = placeholder.name
        if value is None:
            if placeholder.optional:
                fitted[name] = []
            else:
                reasons.append(
                    Reason(
                        "missing_variable",
                        f"The placeholder {name} is missing: entry {placeholder.field} is to be "
                        "replaced by a list of messages.",
                        f"Pass {name}=[…], or an empty list.",
                        name,
                    )
                )
            return
        try:
            fitted[name] = _messages(value)
        except (TypeError, ValueError, RecursionError) as error:
            reasons.append(_wrong(name, str(error)))

    def _knows(self, name: object) -> bool:
        return name in self.variables or name in self.placeholders or name in self.declared

    def _unknown(self, name: str) -> Reason:
        known = [*self.variables, *self.placeholders, *self.declared]
        if not known:
            hint = "The template has no variables: pass none."
        else:
            hint = suggestion(name, known) or "It has: " + ", ".join(dict.fromkeys(known)) + "."
        return Reason("unknown_variable", f"The template has no variable {name!r}.", hint, name)


def refusal(reasons: Sequence[Reason]) -> RenderError:
    """One error that tells all of the reasons."""
    first = reasons[0]
    message = " ".join(reason.message for reason in reasons)
    return RenderError(
        message,
        hint=first.hint if len(reasons) == 1 else "",
        field=first.field,
        code=first.code if len({reason.code for reason in reasons}) == 1 else "",
        reasons=reasons,
    )


def suggestion(name: str, known: Sequence[str]) -> str:
    """A question after the nearest of the known names; empty if none is near."""
    near = get_close_matches(name[:200], known, n=1)
    return f"Did you mean {near[0]!r}?" if near else ""


def as_text(value: object) -> str:
    """What a value reads like in a text; see the table above.

    Raises:
        TypeError, ValueError: the value is not JSON; the message says why.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def plain(value: object, depth: int = 64) -> Any:
    """A copy of a JSON value that shares nothing with it; tuples become lists.

    Raises:
        TypeError, ValueError: the value is not JSON; the message says why.
    """
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float)):
        if not isfinite(value) or abs(value) >= 2**1023:
            raise ValueError("it is not a number that JSON can hold")
        return value
    if not depth:
        raise ValueError("it is nested too deeply")
    if isinstance(value, (list, tuple)):
        return [plain(item, depth - 1) for item in value]
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("the keys of an object must be text")
        return {key: plain(item, depth - 1) for key, item in value.items()}
    raise TypeError(f"a {type(value).__name__} is not JSON; pass str(value) if that is meant")


def _messages(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"it must be a list of messages, not a {type(value).__name__}")
    copied = plain(value)
    for index, message in enumerate(copied):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise TypeError(f"message {index} must be an object with a role and content")
        if not isinstance(message.get("content"), (str, list, type(None))):
            raise TypeError(f"the content of message {index} must be text or a list of parts")
    return copied  # type: ignore[no-any-return]


def _missing(variable: Variable) -> Reason:
    name = variable.name
    keyword = f"{name}=…" if name.isidentifier() else f"**{{{name!r}: …}}"
    return Reason(
        "missing_variable",
        f"The variable {name} is missing; it is first used at {variable.position}.",
        f"Pass {keyword}.",
        name,
    )


def _wrong(name: str, problem: str) -> Reason:
    return Reason("wrong_type", f"The value of {name} does not fit: {problem}.", "", name)


_UNDECLARED: Final = Declaration()
__all__ = [
    "NOTHING",
    "Declaration",
    "Signature",
    "as_text",
    "plain",
    "refusal",
    "suggestion",
]
