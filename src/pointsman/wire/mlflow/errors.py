"""Errors as MLflow's client knows them: an `error_code`, and one message that says it all.

The client shows nothing but the message, so it holds the hint and every reason as well.
"""

from __future__ import annotations

import msgspec

from pointsman import errors

# The most specific class comes first. Only what can help when tried again is answered with a
# status that makes the client try again.
_CODES: tuple[tuple[type[errors.PointsmanError], int, str], ...] = (
    (errors.InvalidInput, 400, "INVALID_PARAMETER_VALUE"),
    (errors.RenderError, 400, "INVALID_PARAMETER_VALUE"),
    (errors.Unauthenticated, 401, "UNAUTHENTICATED"),
    (errors.Refused, 403, "PERMISSION_DENIED"),
    (errors.NotFound, 404, "RESOURCE_DOES_NOT_EXIST"),
    (errors.Conflict, 409, "RESOURCE_CONFLICT"),
    (errors.Unavailable, 503, "TEMPORARILY_UNAVAILABLE"),
    (errors.PointsmanError, 500, "INTERNAL_ERROR"),
)
_BY_CODE = {
    "artifact_exists": (400, "RESOURCE_ALREADY_EXISTS"),
    "experiment_exists": (400, "RESOURCE_ALREADY_EXISTS"),
    "no_such_address": (404, "ENDPOINT_NOT_FOUND"),
    "method_not_allowed": (405, "BAD_REQUEST"),
    "spans_not_supported": (501, "NOT_IMPLEMENTED"),
}
_RETRY_AFTER = "1"


def told(error: errors.PointsmanError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body that tell of an error."""
    status, name = _BY_CODE.get(error.code) or next(
        (status, name) for cls, status, name in _CODES if isinstance(error, cls)
    )
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if status == 401:
        headers["www-authenticate"] = 'Basic realm="pointsman"'
    if status == 503:
        headers["retry-after"] = _RETRY_AFTER
    if status == 405 and "allow" in error.details:
        headers["allow"] = ", ".join(error.details["allow"])
    body = {"error_code": name, "message": message_of(error), "error_class": error.code}
    return status, headers, msgspec.json.encode(body)


def message_of(error: errors.PointsmanError) -> str:
    """The error in one text, with everything that stands against the request."""
    if len(error.reasons) < 2:
        return str(error)
    return " ".join(
        f"({number}) {one.message} {one.hint}".rstrip()
        for number, one in enumerate(error.reasons, 1)
    )
