"""The parameters of a request: a query string or a JSON object, read one by one.

What is absent and what is empty differ, as they do in MLflow's messages; fields that nobody
asks for are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from pointsman.app.application import Caller
from pointsman.core.canonical import check_text, parse_json, quoted
from pointsman.core.names import MAX_VERSION
from pointsman.errors import InvalidInput, PointsmanError, TooLarge

MAX_QUERY = 64 << 10
_LISTS = frozenset({"order_by", "stages"})


@dataclass(frozen=True, slots=True)
class Call:
    """A request: who asks, for what, and the reason if one was given in a header.

    `origin` is the address that the request came by, such as ``https://pointsman.example.com``.
    """

    caller: Caller
    values: Mapping[str, Any]
    reason: str = ""
    origin: str = ""

    def text(self, name: str) -> str:
        """A text that has to be there and to say something. Raises `InvalidInput`."""
        value = self.optional(name)
        if not value:
            raise missing(name)
        return value

    def present(self, name: str) -> str:
        """A text that has to be there, and may be empty. Raises `InvalidInput`."""
        value = self.optional(name)
        if value is None:
            raise missing(name)
        return value

    def optional(self, name: str) -> str | None:
        """A text, or None if there is none. Raises `InvalidInput` for anything else."""
        value = self.values.get(name)
        return None if value is None else check_text(value, field=name)

    def texts(self, name: str) -> list[str]:
        """A list of texts, empty if there is none. Raises `InvalidInput`."""
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise _invalid(name, "must be a list of strings")
        return [check_text(one, field=name) for one in value]

    def flag(self, name: str) -> bool:
        """Whether something is so; false if nothing is said. Raises `InvalidInput`."""
        value = self.values.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        raise _invalid(name, f"must be true or false, got {quoted(str(value))}")

    def count(self, name: str, default: int, least: int, most: int) -> int:
        """A number between two others. Raises `InvalidInput`."""
        value = self.values.get(name)
        if value is None or value == "":
            return default
        text = str(value)
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else -1
        if isinstance(value, bool) or not least <= number <= most:
            raise _invalid(name, f"must be {least:,} to {most:,}, got {quoted(text)}")
        return number

    def version(self) -> int:
        """The number of a version, which MLflow writes as a text. Raises `InvalidInput`."""
        text = self.text("version")
        if not (text.isascii() and text.isdecimal() and len(text) < 16):
            raise _invalid("version", f"must be an integer, got {quoted(text)}")
        return min(int(text), MAX_VERSION)  # beyond it there is none to be found

    def tags(self) -> dict[str, str]:
        """The tags, by key. Raises `InvalidInput`."""
        value = self.values.get("tags")
        if value is None:
            return {}
        if not isinstance(value, list):
            raise _invalid("tags", "must be a list of objects with key and value")
        found: dict[str, str] = {}
        for one in value:
            key = one.get("key") if isinstance(one, dict) else None
            said = one.get("value", "") if isinstance(one, dict) else None
            if not isinstance(key, str) or not isinstance(said, str) or not key:
                raise _invalid("tags", "must be a list of objects with key and value")
            found[key] = said
        return found


def from_query(query: bytes) -> dict[str, Any]:
    """The parameters in a query string. Raises `InvalidInput`."""
    if len(query) > MAX_QUERY:
        raise TooLarge(
            f"The query string has {len(query):,} bytes.",
            code="query_too_large",
            hint=f"At most {MAX_QUERY:,} are read.",
        )
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200
        )
    except ValueError as error:
        raise InvalidInput(
            "The query string is not UTF-8 in percent-encoding, or has over 200 parameters.",
            code="invalid_query",
            hint="Percent-encode each value as UTF-8, and ask for less at once.",
        ) from error
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in _LISTS:
            values.setdefault(name, []).append(value)
        else:
            values.setdefault(name, value)
    return values


def from_body(body: bytes, content_type: str) -> dict[str, Any]:
    """The parameters in a body of JSON; none if it can't be read, as MLflow's server has it.

    Raises `InvalidInput` for a body that isn't said to be JSON.
    """
    if not body and not content_type:  # clients delete by the path alone
        return {}
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise InvalidInput(
            f"Bad Request. Content-Type must be application/json, not {quoted(content_type)}.",
            code="invalid_content_type",
            hint="Send the parameters as a JSON object.",
            field="Content-Type",
        )
    try:
        value = parse_json(body)
        if isinstance(value, str):  # old clients encode it twice
            value = parse_json(value)
    except PointsmanError:
        return {}
    return value if isinstance(value, dict) else {}


def missing(name: str) -> InvalidInput:
    """The error for a parameter that has to be there."""
    return InvalidInput(
        f"Missing value for required parameter '{name}'.",
        code="missing_parameter",
        hint="See MLflow's REST API for what the request takes.",
        field=name,
    )


def _invalid(name: str, told: str) -> InvalidInput:
    return InvalidInput(
        f"Parameter '{name}' {told}.",
        code="invalid_parameter",
        hint="See MLflow's REST API for what the request takes.",
        field=name,
    )
