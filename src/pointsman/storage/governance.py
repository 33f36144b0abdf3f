"""The rows of policies, changes, checks and broken glass."""

from __future__ import annotations

from pointsman.app.ports.governance import (
    ChangeRow,
    CheckRow,
    CommentRow,
    EndRow,
    GlassRow,
    PolicyRow,
    VoiceRow,
)
from pointsman.storage.statements import Connected, Statements, first_of

_LAST = 2**62


class GovernanceRecords(Statements):
    """Reads and writes of policies, changes and checks; see `app.ports.governance`.

    The policies of a project are asked for with every move and seldom change, so they are
    kept until one is written.
    """

    def __init__(self, connected: Connected) -> None:
        super().__init__(connected)
        self._policies: dict[int, list[PolicyRow]] = {}

    def _forget_rows(self) -> None:
        super()._forget_rows()
        self._policies.clear()

    def policies(self, project_id: int) -> list[PolicyRow]:
        kept = self._policies.get(project_id)
        if kept is None:
            rows = self._run("policies", project_id=project_id)
            kept = self._policies[project_id] = [PolicyRow(*row) for row in rows]
        return kept

    def every_policy(self, project_id: int) -> list[PolicyRow]:
        return [PolicyRow(*row) for row in self._run("every_policy", project_id=project_id)]

    def policy(self, project_id: int, name: str) -> PolicyRow | None:
        return first_of(PolicyRow, self._run("policy", project_id=project_id, name=name))

    def put_policy(self, project_id: int, row: PolicyRow) -> None:
        self._run("put_policy", project_id=project_id, **row._asdict())
        self._policies.pop(project_id, None)

    def change(self, project_id: int, number: int) -> ChangeRow | None:
        return first_of(ChangeRow, self._run("change", project_id=project_id, number=number))

    def changes(
        self, project_id: int, before: int | None, limit: int, *, only_open: bool
    ) -> list[ChangeRow]:
        last = _LAST if before is None else before
        if only_open:
            rows = self._run("open_changes", project_id=project_id, before=last, limit=limit)
        else:
            rows = self._run("changes", project_id=project_id, before=last, limit=limit)
        return [ChangeRow(*row) for row in rows]

    def ended_changes(
        self, project_id: int, how: str, before: int | None, limit: int
    ) -> list[ChangeRow]:
        last = _LAST if before is None else before
        rows = self._run("ended_changes", project_id=project_id, how=how, before=last, limit=limit)
        return [ChangeRow(*row) for row in rows]

    def put_change(self, project_id: int, row: ChangeRow) -> None:
        self._run("put_change", project_id=project_id, **row._asdict())

    def change_end(self, project_id: int, number: int) -> EndRow | None:
        return first_of(EndRow, self._run("change_end", project_id=project_id, number=number))

    def add_change_end(self, project_id: int, row: EndRow) -> None:
        self._run("add_change_end", project_id=project_id, **row._asdict())

    def voices(self, project_id: int, number: int) -> list[VoiceRow]:
        rows = self._run("voices", project_id=project_id, number=number)
        return [VoiceRow(*row) for row in rows]

    def put_voice(self, project_id: int, number: int, row: VoiceRow) -> None:
        self._run("put_voice", project_id=project_id, number=number, **row._asdict())

    def comments(self, project_id: int, number: int) -> list[CommentRow]:
        rows = self._run("comments", project_id=project_id, number=number)
        return [CommentRow(*row) for row in rows]

    def add_comment(self, project_id: int, number: int, row: CommentRow) -> None:
        self._run("add_comment", project_id=project_id, number=number, **row._asdict())

    def check_reports(self, project_id: int, digest: str) -> list[CheckRow]:
        rows = self._run("check_reports", project_id=project_id, digest=digest)
        return [CheckRow(*row) for row in rows]

    def every_check_report(self, project_id: int) -> list[CheckRow]:
        return [CheckRow(*row) for row in self._run("every_check_report", project_id=project_id)]

    def put_check_report(self, project_id: int, row: CheckRow) -> None:
        self._run("put_check_report", project_id=project_id, **row._asdict())

    def publisher(self, artifact_id: int, number: int) -> str | None:
        actor: str | None = self._value("publisher", artifact_id=artifact_id, number=number)
        return actor

    def broken_glass(self, project_id: int, limit: int) -> list[GlassRow]:
        rows = self._run("broken_glass", project_id=project_id, limit=limit)
        return [GlassRow(*row) for row in rows]

    def one_broken_glass(self, project_id: int, release: int) -> GlassRow | None:
        rows = self._run("one_broken_glass", project_id=project_id, release=release)
        return first_of(GlassRow, rows)

    def add_broken_glass(self, project_id: int, row: GlassRow) -> None:
        values = row._asdict()
        del values["reviewed_at"], values["reviewed_by"], values["note"]
        self._run("add_broken_glass", project_id=project_id, **values)

    def review_glass(self, project_id: int, release: int, at: int, by: str, note: str) -> None:
        self._run(
            "review_glass",
            project_id=project_id,
            release=release,
            reviewed_at=at,
            reviewed_by=by,
            note=note,
        )
