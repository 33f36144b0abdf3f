"""Errors as clients of a Hugging Face Hub know them: a word in a header, and a message.

The answer to HEAD has no body, so the message is in a header as well, in ASCII.
"""

from __future__ import annotations

import msgspec

from pointsman import errors

# The most specific class comes first. What can't be tried again with success is answered with
# a status that clients don't try again.
_CODES: tuple[tuple[type[errors.PointsmanError], int, str], ...] = (
    (errors.TooLarge, 413, ""),
    (errors.InvalidInput, 400, ""),
    (errors.Unauthenticated, 401, ""),
    (errors.Refused, 403, "GatedRepo"),
    (errors.Gone, 404, "RevisionNotFound"),
    (errors.NotFound, 404, ""),
    (errors.Unavailable, 503, ""),
    (errors.PointsmanError, 500, ""),
)
_BY_CODE = {
    "artifact_not_found": (404, "RepoNotFound"),
    "version_not_found": (404, "RevisionNotFound"),
    "alias_not_found": (404, "RevisionNotFound"),
    "file_not_found": (404, "EntryNotFound"),
    "method_not_allowed": (405, ""),
    "range_not_satisfiable": (416, ""),
    "head_too_large": (431, ""),
}
_RETRY_AFTER = "1"
_WRONG_KEY = "Invalid credentials in Authorization header"
"""What keeps clients from telling that the model does not exist when it is the key."""


def told(error: errors.PointsmanError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body that tell of an error."""
    status, word = _BY_CODE.get(error.code) or next(
        (status, word) for cls, status, word in _CODES if isinstance(error, cls)
    )
    wrong_key = status == 401 and error.code != "no_key"
    headers = {
        "content-type": "application/json",
        "cache-control": "no-store",
        "x-error-message": _WRONG_KEY if wrong_key else _plain(str(error)),
    }
    if word:
        headers["x-error-code"] = word
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="pointsman"'
    if status == 503:
        headers["retry-after"] = _RETRY_AFTER
    if status == 416 and "size" in error.details:
        headers["content-range"] = f"bytes */{error.details['size']}"
    if status == 405 and "allow" in error.details:
        headers["allow"] = ", ".join(error.details["allow"])
    return status, headers, msgspec.json.encode({"error": str(error), "code": error.code})


def _plain(text: str) -> str:
    """The text as a header's value can hold it."""
    return "".join(sign if " " <= sign <= "~" else "?" for sign in " ".join(text.split()))
