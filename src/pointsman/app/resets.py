"""A new password for who has lost theirs: an admin makes a token, which its holder redeems."""

from __future__ import annotations

from pointsman.app import passwords, tokens
from pointsman.app.application import Application, Caller, Work
from pointsman.app.people import PERSON, person_of, person_told, require_everywhere
from pointsman.app.projects import at_home, installation
from pointsman.app.sessions import DAY
from pointsman.core.access import Actor
from pointsman.core.people import NewReset, Person
from pointsman.core.vocabulary import moment
from pointsman.errors import Conflict

RESET = tokens.Purpose(
    "reset", "pr", "token for a new password", DAY, "ask an admin of the installation for one"
)


def reset_password(app: Application, caller: Caller, email: str) -> NewReset:
    """Let a person set a password without the old one; the token is shown this once.

    It lasts a day, and makes earlier ones useless. Until it is redeemed nothing else changes.
    Raises `Refused` (for admins of the installation), `NotFound`, or `Conflict` for somebody
    who is deactivated.
    """

    def make(work: Work) -> NewReset:
        require_everywhere(work)
        person = person_of(work.tx, email)
        if person.deactivated_at is not None:
            raise Conflict(
                f"{person.email} is deactivated.",
                code="person_deactivated",
                hint="Reactivate them first.",
                field="email",
            )
        token, ends = tokens.issue(work, RESET, person.id)
        work.record(
            "person.reset", {"person": person.id, "email": person.email, "expires_at": ends}
        )
        return NewReset(person_told(person), token, moment(ends))

    return app.write(at_home(app, caller), make)


def show_reset(app: Application, token: str) -> Person:
    """For whom a token is. Raises `NotFound` or `Gone`."""
    with app.store.read() as reader:
        return person_told(tokens.standing(reader, RESET, token, app.clock())[1])


def redeem_reset(app: Application, token: str, password: str) -> Person:
    """Set a new password; all sessions of the person end.

    Raises `NotFound` or `Gone` for the token, `InvalidInput` for a password that won't do.
    """
    with app.store.read() as reader:
        _, person = tokens.standing(reader, RESET, token, app.clock())
    kept = passwords.hashed(password)  # slow: outside the transaction, and for known tokens only

    def redeem(work: Work) -> Person:
        row, found = tokens.standing(work.tx, RESET, token, app.clock())
        fact = {"person": found.id, "field": "password", "session": "", "reset": row.id}
        line = work.record("person.changed", fact)
        work.tx.drop_one_time_token(row.id)
        work.tx.put_password(found.id, kept)
        work.tx.end_sessions_of(found.id, line.at)
        return person_told(found)

    actor = Actor(f"{PERSON}{person.id}", person.name, None, "api", email=person.email)
    return app.write(Caller(actor, installation(app)), redeem)
