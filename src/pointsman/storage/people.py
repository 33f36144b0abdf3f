"""The rows of people, their groups, grants, sessions and invitations."""

from __future__ import annotations

from pointsman.storage.statements import Statements


class PeopleRecords(Statements):
    """Reads and writes of people and what they may do; see `app.ports.people`."""
