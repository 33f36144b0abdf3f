"""Pointsman: a registry for prompts and models.

Everything here is loaded when it is first used, so that importing the package costs nothing.
"""

# The constant of `typing` is true for type checkers only, and so is any of this name: loading
# `typing` for it would take longer than all the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pointsman._version import __version__
    from pointsman.compose import Registry
    from pointsman.core.prompt import Prompt
    from pointsman.errors import (
        Conflict,
        Gone,
        IntegrityError,
        InvalidContent,
        InvalidInput,
        InvalidName,
        NotFound,
        OutcomeUnknown,
        PointsmanError,
        Reason,
        Refused,
        RenderError,
        StaleRevision,
        TemplateSyntaxError,
        TooLarge,
        Unauthenticated,
        Unavailable,
    )
    from pointsman.sdk.aio import AsyncClient
    from pointsman.sdk.client import Client

__all__ = [
    "AsyncClient",
    "Client",
    "Conflict",
    "Gone",
    "IntegrityError",
    "InvalidContent",
    "InvalidInput",
    "InvalidName",
    "NotFound",
    "OutcomeUnknown",
    "PointsmanError",
    "Prompt",
    "Reason",
    "Refused",
    "Registry",
    "RenderError",
    "StaleRevision",
    "TemplateSyntaxError",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "__version__",
]

_HOMES = {
    "AsyncClient": "pointsman.sdk.aio",
    "Client": "pointsman.sdk.client",
    "Prompt": "pointsman.core.prompt",
    "Registry": "pointsman.compose",
    "__version__": "pointsman._version",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES.get(name, "pointsman.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
