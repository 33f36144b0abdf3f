"""Secret keys in files of the registry's folder, made when they are first needed."""

from __future__ import annotations

import base64
import os
import threading
from contextlib import suppress
from pathlib import Path

SIZE = 32
"""Bytes of a key."""


def make_key(file: Path) -> None:
    """Put a new key there, whole or not at all; whoever was faster wins.

    When this returns it is durable, its name included. Raises `OSError`.
    """
    part = file.with_name(f"{file.name}.{os.getpid()}-{threading.get_ident()}.part")
    made = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(made, "wb") as opened:
        opened.write(base64.b64encode(os.urandom(SIZE)) + b"\n")
        opened.flush()
        os.fsync(opened.fileno())
    with suppress(FileExistsError):
        os.link(part, file)
    part.unlink()
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
