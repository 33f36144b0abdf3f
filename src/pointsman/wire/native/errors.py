"""Errors as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import msgspec

from pointsman import errors
from pointsman.wire.native.shapes import Problem, ReasonPart

# The most specific class comes first.
_STATUS: tuple[tuple[type[errors.PointsmanError], int, str], ...] = (
    (errors.TooLarge, 413, "Too large"),
    (errors.InvalidInput, 400, "Invalid request"),
    (errors.Unauthenticated, 401, "Not authenticated"),
    (errors.Refused, 403, "Refused"),
    (errors.Gone, 410, "Gone"),
    (errors.NotFound, 404, "Not found"),
    (errors.Conflict, 409, "Conflict"),
    (errors.RenderError, 422, "Can't be rendered"),
    (errors.OutcomeUnknown, 503, "Outcome unknown"),
    (errors.Unavailable, 503, "Unavailable"),
    (errors.IntegrityError, 500, "Damaged"),
    (errors.PointsmanError, 500, "Server error"),
)
_RETRY_AFTER = "1"
_BY_CODE = {
    "method_not_allowed": (405, "Method not allowed"),
    "head_too_large": (431, "Request header fields too large"),
    "range_not_satisfiable": (416, "Range not satisfiable"),
}


def problem_of(error: errors.PointsmanError, request_id: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body that tell of an error."""
    status, title = _BY_CODE.get(error.code) or next(
        (status, title) for cls, status, title in _STATUS if isinstance(error, cls)
    )
    problem = Problem(
        type=f"urn:pointsman:problem:{error.code}",
        title=title,
        status=status,
        detail=error.message,
        code=error.code,
        hint=error.hint,
        field=error.field,
        reasons=[ReasonPart(one.code, one.message, one.hint, one.field) for one in error.reasons],
        details=error.details,
        request_id=request_id,
    )
    headers = {"content-type": "application/problem+json"}
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="pointsman"'
    if status == 503:
        headers["retry-after"] = _RETRY_AFTER
    if status == 416 and "size" in error.details:
        headers["content-range"] = f"bytes */{error.details['size']}"
    if status == 405 and "allow" in error.details:
        headers["allow"] = ", ".join(error.details["allow"])
    return status, headers, msgspec.json.encode(problem)
