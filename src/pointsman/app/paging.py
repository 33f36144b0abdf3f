"""Pages of long lists: limits, and cursors that say where the next page begins.

A cursor carries the position and a fingerprint of the question, so that one that was
tampered with, or sent along with another question, is refused and not misread. It grants
nothing: whoever sends it could have asked for that position directly.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence

from pointsman.core.canonical import canonical_json, digest
from pointsman.errors import InvalidInput

MAX_PAGE = 1_000
_FAR = 2**63
"""Beyond what any database counts to."""


def check_limit(limit: int, most: int = MAX_PAGE) -> int:
    """The limit, or `InvalidInput` if it is not between 1 and `most`."""
    if not 1 <= limit <= most:
        raise InvalidInput(
            f"A page of {limit} was asked for.",
            code="invalid_limit",
            hint=f"Ask for 1 to {most}.",
            field="limit",
        )
    return limit


class Cursor:
    """Writes and reads the cursors of one question."""

    def __init__(self, name: str, question: Sequence[object]) -> None:
        self._print = digest(canonical_json([name, list(question)]))[:16]

    def write(self, *position: str | int) -> str:
        """The cursor for the page that begins after `position`."""
        text = canonical_json([self._print, *position])
        return base64.urlsafe_b64encode(f"{digest(text)[:8]}{text}".encode()).decode().rstrip("=")

    def number(self, cursor: str | None) -> int | None:
        """The position in a cursor that is one number, or None for the first page."""
        position = self.read(cursor, int)
        if position is None:
            return None
        number = position[0]
        assert isinstance(number, int), "read has checked the type"
        return number

    def read(self, cursor: str | None, *types: type) -> tuple[str | int, ...] | None:
        """The position in a cursor, or None for the first page. Raises `InvalidInput`."""
        if cursor is None:
            return None
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            decoded = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
            check, text = decoded[:8], decoded[8:]
            fingerprint, *position = json.loads(text)
            whole = digest(text)[:8] == check and fingerprint == self._print
        except (ValueError, TypeError, binascii.Error, RecursionError):
            whole, position = False, []
        fits = [type(part) for part in position] == list(types) and all(
            abs(part) < _FAR if isinstance(part, int) else _is_text(part) for part in position
        )
        if not whole or not fits:
            raise InvalidInput(
                "The cursor does not belong to this question.",
                code="invalid_cursor",
                hint="Use the cursor of the page before with the same conditions, or begin anew.",
                field="cursor",
            )
        return tuple(position)


def _is_text(part: object) -> bool:
    return isinstance(part, str) and part.isprintable()
