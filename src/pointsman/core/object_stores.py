"""The URLs of object stores, as settings name them: ``s3://bucket/folder``."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from pointsman.core.canonical import quoted
from pointsman.errors import InvalidInput

_SCHEMES: Final = ("s3", "gs", "az", "file")


def scheme_of(url: str, setting: str) -> str:
    """The scheme of the URL that a setting has. Raises `InvalidInput` if it is no store's."""
    try:
        parts = urlsplit(url)
        place = parts.path if parts.scheme == "file" else parts.netloc
        plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    except ValueError:
        raise no_store(url, setting, "it can't be read") from None
    if parts.scheme not in _SCHEMES:
        schemes = ", ".join(f"{one}://" for one in _SCHEMES)
        raise no_store(url, setting, f"it begins with none of {schemes}")
    if not place or not plain or (parts.scheme == "file" and parts.netloc):
        raise no_store(url, setting, "it names a place and a folder there, and nothing else")
    return parts.scheme


def no_store(url: str, setting: str, why: str) -> InvalidInput:
    """The error for a setting that names no object store."""
    shown = url if "@" not in url else f"{url.partition('://')[0]}://…"  # there may be a secret
    return InvalidInput(
        f"{setting} is {quoted(shown)}, not the URL of an object store: {why}.",
        code="invalid_setting",
        hint="Write it like s3://bucket/folder, gs://bucket/folder, az://container/folder or "
        "file:///folder; keys and endpoints go into the variables of the store's own tools.",
        field=setting,
    )


def first_line(error: Exception) -> str:
    """What a library says went wrong, without its notes for those who mend it."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else type(error).__name__
