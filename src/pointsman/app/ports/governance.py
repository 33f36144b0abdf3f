"""What the use cases need of a store for policies, changes, approvals, checks and broken glass."""

from __future__ import annotations

from typing import Protocol


class GovernanceReader(Protocol):
    """What is read of policies, changes, approvals, checks and broken glass."""


class GovernanceTransaction(GovernanceReader, Protocol):
    """What is written of policies, changes, approvals, checks and broken glass."""
