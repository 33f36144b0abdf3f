"""Checkpoints of journals as text: C2SP tlog-checkpoint, in the form of a signed note.

::

    pointsman/5bd7…/91fe…                           the origin: which journal
    1024                                            how many entries it had
    qINS1GRFhWHwdkUeqLEoP4yEMkTBBzxBkGwGQlVlVcs=    the hash of the last one

    — pointsman/5bd7…/91fe… Zm9vYmFy…               the signatures

This is the form alone, both ways. Signing and verifying are elsewhere: they need a library.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from pointsman.core.canonical import quoted
from pointsman.errors import InvalidInput

MAX_NOTE = 64 << 10
_DASH = "\N{EM DASH}"
_ED25519 = b"\x01"
_HASH = 32
_ID = 4


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A statement that the journal `origin` has `size` entries, the last with this hash."""

    origin: str
    size: int
    hash: str

    @property
    def text(self) -> str:
        """What is signed."""
        root = base64.b64encode(bytes.fromhex(self.hash)).decode()
        return f"{self.origin}\n{self.size}\n{root}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed a note: the key's name and id, and the signature's bytes."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """The signature as it stands in the note."""
        return f"{_DASH} {self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A checkpoint with its signatures, none of them verified yet."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]

    @property
    def text(self) -> str:
        """The whole note."""
        return self.checkpoint.text + "\n" + "".join(one.line for one in self.signatures)


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public Ed25519 key and the name it signs under; as text ``name+id+key``."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a note says which key signed it."""
        named = self.name.encode() + b"\n" + _ED25519 + self.public
        return hashlib.sha256(named).digest()[:_ID]

    def __str__(self) -> str:
        public = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{public}"


def parse_note(text: str) -> Note:
    """Read a signed checkpoint. Raises `InvalidInput` if it is none."""
    if len(text) > MAX_NOTE:
        raise _no_checkpoint("it is too long")
    body, gap, signed = text.partition("\n\n")
    lines = body.split("\n")
    if not gap or len(lines) < 3 or not signed.endswith("\n"):
        raise _no_checkpoint("it needs three lines, an empty one, and signatures")
    origin, size, root = lines[:3]
    if not origin or len(lines) > 3:
        raise _no_checkpoint("it has lines that are not understood")
    if not (size.isascii() and size.isdecimal() and len(size) < 17 and str(int(size)) == size):
        raise _no_checkpoint(f"{quoted(size)} is not a number of entries")
    found = _decoded(root)
    if len(found) != _HASH:
        raise _no_checkpoint("its hash is not a SHA-256")
    signatures = tuple(_signature(line) for line in signed[:-1].split("\n"))
    return Note(Checkpoint(origin, int(size), found.hex()), signatures)


def parse_verifier_key(text: str) -> VerifierKey:
    """Read a public key. Raises `InvalidInput` if it is none, or its id is not its own."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        public = _decoded(encoded)
    except InvalidInput:
        public = b""
    key = VerifierKey(name, public[1:])
    whole = len(public) == 1 + _HASH and public[:1] == _ED25519 and key.key_id.hex() == key_id
    if not name or any(one.isspace() for one in name) or not whole:
        raise InvalidInput(
            f"{quoted(text)} is not the public key of a journal's checkpoints.",
            code="invalid_verifier_key",
            hint="Copy all of it from `pointsman checkpoint --show-key`: name+id+key.",
            field="key",
        )
    return key


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != _DASH or not name or "+" in name:
        raise _no_checkpoint("a signature's line is broken")
    blob = _decoded(encoded)
    if len(blob) <= _ID:
        raise _no_checkpoint("a signature is too short")
    return Signature(name, blob[:_ID], blob[_ID:])


def _decoded(text: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _no_checkpoint(f"{quoted(text)} is not base64") from None
    if base64.b64encode(found).decode() != text:
        raise _no_checkpoint(f"{quoted(text)} is not base64 in its one form")
    return found


def _no_checkpoint(why: str) -> InvalidInput:
    return InvalidInput(
        f"This is not a signed checkpoint: {why}.",
        code="invalid_checkpoint",
        hint="Give a file as `pointsman checkpoint` writes it, unchanged.",
        field="checkpoint",
    )
