"""The rows of policies, changes, approvals, checks and broken glass."""

from __future__ import annotations

from pointsman.storage.statements import Statements


class GovernanceRecords(Statements):
    """Reads and writes of policies, changes and checks; see `app.ports.governance`."""
