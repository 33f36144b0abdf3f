"""Secrets that are given back: encrypted under a master key that is not in the database.

AES-256-GCM, each time with a new nonce. What is sealed for one place can't be opened at
another: the place is part of what the seal covers. So neither a copy of the database nor
whoever can write to it gets at a secret, or has it sent elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pointsman.app.keyfiles import make_key
from pointsman.app.ports.checkpoints import CheckpointReader
from pointsman.errors import Conflict, InvalidInput, Unavailable

KEY = "POINTSMAN_SECRET_KEY"
KEY_FILE = "secret.key"
SEALED = "v1."
"""What every sealed secret begins with."""
_SIZE = 32
_NONCE = 12
_MAKE_ONE = "Make one with: openssl rand -base64 32"


class Sealer:
    """A master key that seals secrets. Raises `InvalidInput` for bytes that are none."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _SIZE:
            raise InvalidInput(
                f"The master key has {len(key)} bytes, not {_SIZE}.",
                code="invalid_secret_key",
                hint=_MAKE_ONE,
                field=KEY,
            )
        self._cipher = AESGCM(key)

    def seal(self, secret: str, place: str) -> str:
        """The secret as text that only this key opens, and only for this place."""
        nonce = os.urandom(_NONCE)
        closed = self._cipher.encrypt(nonce, secret.encode(), place.encode())
        return SEALED + base64.b64encode(nonce + closed).decode()

    def open(self, sealed: str, place: str) -> str | None:
        """The secret; None if it was sealed under another key or for another place, or changed."""
        try:
            whole = base64.b64decode(sealed.removeprefix(SEALED), validate=True)
            opened = self._cipher.decrypt(whole[:_NONCE], whole[_NONCE:], place.encode())
        except (InvalidTag, ValueError):
            return None
        return opened.decode()


def find_sealer(
    reader: CheckpointReader, environ: Mapping[str, str] = os.environ, *, make: bool = False
) -> Sealer:
    """The master key given in the environment, or else the one in the registry's folder.

    With `make`, a folder that has none gets one. Raises `Conflict` if there is none,
    `InvalidInput` if what there is can't be one, and `Unavailable` if its file can't be used.
    """
    given = environ.get(KEY)
    if given:
        return Sealer(_decoded(given, KEY))
    home = reader.home()
    if home is None:
        raise Conflict(
            "There is no master key to encrypt secrets with.",
            code="no_secret_key",
            hint=f"Set {KEY} for every server of this database: openssl rand -base64 32",
        )
    file = Path(home) / KEY_FILE
    try:
        if not file.exists():
            if not make:
                raise Conflict(
                    f"The master key {file} is not there.",
                    code="no_secret_key",
                    hint="Put it back, or set the secrets anew.",
                )
            make_key(file)
        return Sealer(_decoded(file.read_text("ascii"), str(file)))
    except OSError as error:
        raise Unavailable(
            f"The master key {file} can't be used: {error.strerror or error}.",
            code="secret_key_unusable",
            hint="Check its owner and permissions.",
        ) from error


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        # Not from that error, which quotes what it could not read.
        raise InvalidInput(
            f"The master key in {where} is not base64.",
            code="invalid_secret_key",
            hint=_MAKE_ONE,
            field=KEY,
        ) from None
