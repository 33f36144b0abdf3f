"""What the use cases need of a store for people, their groups, grants, sessions and invitations."""

from __future__ import annotations

from typing import Protocol


class PeopleReader(Protocol):
    """What is read of people, their groups, grants, sessions and invitations."""


class PeopleTransaction(PeopleReader, Protocol):
    """What is written of people, their groups, grants, sessions and invitations."""
