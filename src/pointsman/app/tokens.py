"""Tokens that work once: made for a person and a purpose, redeemed by whoever holds them.

As with keys, only the SHA-256 of a token is kept. Redeeming one drops it in the transaction
that does what it is for.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from pointsman.app.application import Work
from pointsman.app.ports import Reader
from pointsman.app.ports.people import OneTimeRow, PersonRow
from pointsman.app.sessions import hash_of, id_in, new_token
from pointsman.errors import Gone, NotFound


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a token is for, how it is spelt and called, and how long it lasts (microseconds)."""

    name: str
    prefix: str
    called: str
    lasts: int
    again: str
    """What to do for another one."""


def issue(work: Work, purpose: Purpose, person_id: int, challenge: str = "") -> tuple[str, int]:
    """Make a token, and those made before for this purpose useless; the token and its end."""
    identity, token = new_token(purpose.prefix)
    now = work.now
    work.tx.drop_one_time_tokens(person_id, purpose.name, now)
    row = OneTimeRow(
        id=identity,
        purpose=purpose.name,
        token_hash=hash_of(token),
        person_id=person_id,
        challenge=challenge,
        created_at=now,
        expires_at=now + purpose.lasts,
    )
    work.tx.add_one_time_token(row)
    return token, row.expires_at


def standing(
    reader: Reader, purpose: Purpose, token: str, now: int
) -> tuple[OneTimeRow, PersonRow]:
    """The row of a token that can be redeemed now, and whom it is for.

    Raises `NotFound` for one that is unknown, was used or replaced, and `Gone` for one that
    has expired or belongs to somebody deactivated.
    """
    identity = id_in(token, purpose.prefix)
    row = None if identity is None else reader.one_time_token(identity)
    known = row is not None and hmac.compare_digest(row.token_hash, hash_of(token))
    if row is None or not known or row.purpose != purpose.name:
        raise NotFound(
            f"The {purpose.called} is not known here, or not any more: each works once.",
            code="unknown_token",
            hint=f"Check that it was copied as a whole, or {purpose.again}.",
            field="token",
        )
    person = reader.person(row.person_id)
    if row.expires_at <= now or person is None or person.deactivated_at is not None:
        raise Gone(
            f"The {purpose.called} has ended.",
            code="ended_token",
            hint=f"To go on, {purpose.again}.",
            field="token",
        )
    return row, person
