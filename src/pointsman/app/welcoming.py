"""The link by which the first person comes in, as an admin of the installation.

It is an invitation that is for nobody's address: who accepts it gives their own. As with all
tokens its SHA-256 is kept, and using it up stands in the installation's journal.
"""

from __future__ import annotations

from pointsman.app.application import DEFAULT_PROJECT, Application, Caller, Work
from pointsman.app.people import require_everywhere
from pointsman.app.ports.people import InvitationRow
from pointsman.app.projects import SYSTEM, at_home
from pointsman.app.sessions import DAY, hash_of, invitation_told, new_token
from pointsman.core.patterns import ANY
from pointsman.core.people import INSTALLATION, NewInvitation


def welcome(app: Application) -> NewInvitation:
    """Invite an admin on behalf of whoever works on the machine that holds the data."""
    return invite_admin(app, Caller(SYSTEM, app.project(DEFAULT_PROJECT)))


def invite_admin(app: Application, caller: Caller) -> NewInvitation:
    """Let whoever has the token, which is shown this once, become admin of the installation.

    It is good once and for a day, and makes earlier ones useless that nobody has used. Raises
    `Refused` (for admins of the installation).
    """

    def add(work: Work) -> NewInvitation:
        require_everywhere(work)
        for one in work.tx.invitations(work.project.id):
            if one.accepted_at is None and one.withdrawn_at is None:
                line = work.record("person.uninvited", {"invitation": one.id, "email": one.email})
                work.tx.withdraw_invitation(one.id, line.at)
        identity, token = new_token("pi")
        ends = work.now + DAY
        fact = {
            "invitation": identity,
            "project": INSTALLATION,
            "email": "",
            "role": "admin",
            "kind": "",
            "artifacts": ANY,
            "expires_at": ends,
        }
        line = work.record("person.invited", fact)
        row = InvitationRow(
            id=identity,
            token_hash=hash_of(token),
            project_id=work.project.id,
            email="",
            name="",
            role="admin",
            kind="",
            artifacts=ANY,
            created_at=line.at,
            created_by=work.actor.name,
            expires_at=ends,
            accepted_at=None,
            withdrawn_at=None,
        )
        work.tx.add_invitation(row)
        return NewInvitation(invitation_told(row, INSTALLATION), token)

    return app.write(at_home(app, caller), add)
