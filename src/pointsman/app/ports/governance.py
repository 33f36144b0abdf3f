"""What the use cases need of a store for policies, changes, checks and broken glass."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class PolicyRow(NamedTuple):
    """A policy as people wrote it, in canonical JSON; None where it was deleted."""

    name: str
    body: str | None
    revision: int
    updated_at: int
    updated_by: str


class ChangeRow(NamedTuple):
    """A proposed release. `labels`, `moves` and `editors` are JSON."""

    number: int
    title: str
    reason: str
    labels: str
    moves: str
    revision: int
    author: str
    author_name: str
    editors: str
    created_at: int
    updated_at: int
    expires_at: int
    armed_by: str | None
    apply_at: int | None


class EndRow(NamedTuple):
    """How a change ended: withdrawn, applied, superseded or expired."""

    number: int
    how: str
    at: int
    by_name: str
    note: str
    release: int | None


class VoiceRow(NamedTuple):
    """The last word of somebody on a change, and for exactly what it was said."""

    subject: str
    by_name: str
    standing: str
    basis: str
    detail: str
    note: str
    at: int


class CommentRow(NamedTuple):
    """A comment; `answers` is the sequence number of the one that it answers."""

    seq: int
    answers: int | None
    subject: str
    by_name: str
    body: str
    at: int


class CheckRow(NamedTuple):
    """The last report of a check on a digest. `figures` is JSON."""

    digest: str
    name: str
    state: str
    summary: str
    link: str
    figures: str
    subject: str
    by_name: str
    at: int


class GlassRow(NamedTuple):
    """A release made past what a policy asked for. `passed` is JSON."""

    release: int
    at: int
    subject: str
    by_name: str
    reason: str
    passed: str
    reviewed_at: int | None
    reviewed_by: str | None
    note: str | None


class GovernanceReader(Protocol):
    """What is read of policies, changes, checks and broken glass."""

    def policies(self, project_id: int) -> list[PolicyRow]: ...
    def every_policy(self, project_id: int) -> list[PolicyRow]:
        """All policies, those that were deleted as well."""
        ...

    def policy(self, project_id: int, name: str) -> PolicyRow | None: ...
    def change(self, project_id: int, number: int) -> ChangeRow | None: ...
    def changes(
        self, project_id: int, before: int | None, limit: int, *, only_open: bool
    ) -> list[ChangeRow]:
        """Changes, newest first, below a number."""
        ...

    def ended_changes(
        self, project_id: int, how: str, before: int | None, limit: int
    ) -> list[ChangeRow]:
        """Changes that have ended in some way (empty: any), newest first, below a number."""
        ...

    def change_end(self, project_id: int, number: int) -> EndRow | None: ...
    def voices(self, project_id: int, number: int) -> list[VoiceRow]: ...
    def comments(self, project_id: int, number: int) -> list[CommentRow]: ...
    def check_reports(self, project_id: int, digest: str) -> list[CheckRow]: ...
    def every_check_report(self, project_id: int) -> list[CheckRow]: ...
    def publisher(self, artifact_id: int, number: int) -> str | None:
        """The id of who published a version."""
        ...

    def broken_glass(self, project_id: int, limit: int) -> list[GlassRow]: ...
    def one_broken_glass(self, project_id: int, release: int) -> GlassRow | None: ...


class GovernanceTransaction(GovernanceReader, Protocol):
    """What is written of policies, changes, checks and broken glass."""

    def put_policy(self, project_id: int, row: PolicyRow) -> None: ...
    def put_change(self, project_id: int, row: ChangeRow) -> None: ...
    def add_change_end(self, project_id: int, row: EndRow) -> None: ...
    def put_voice(self, project_id: int, number: int, row: VoiceRow) -> None: ...
    def add_comment(self, project_id: int, number: int, row: CommentRow) -> None: ...
    def put_check_report(self, project_id: int, row: CheckRow) -> None: ...
    def add_broken_glass(self, project_id: int, row: GlassRow) -> None: ...
    def review_glass(self, project_id: int, release: int, at: int, by: str, note: str) -> None: ...
