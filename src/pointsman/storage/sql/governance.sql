-- Statements about policies, changes, checks and broken glass. See queries.sql.

-- name: policies
SELECT name, body, revision, updated_at, updated_by FROM policy
WHERE project_id = :project_id AND body IS NOT NULL;

-- name: every_policy
SELECT name, body, revision, updated_at, updated_by FROM policy
WHERE project_id = :project_id ORDER BY name;

-- name: policy
SELECT name, body, revision, updated_at, updated_by FROM policy
WHERE project_id = :project_id AND name = :name;

-- name: put_policy
INSERT INTO policy (project_id, name, body, revision, updated_at, updated_by)
VALUES (:project_id, :name, :body, :revision, :updated_at, :updated_by)
ON CONFLICT (project_id, name) DO UPDATE SET
    body = excluded.body, revision = excluded.revision, updated_at = excluded.updated_at,
    updated_by = excluded.updated_by;

-- name: change
SELECT number, title, reason, labels, moves, revision, author, author_name, editors, created_at,
    updated_at, expires_at, armed_by, apply_at
FROM change WHERE project_id = :project_id AND number = :number;

-- name: changes
SELECT number, title, reason, labels, moves, revision, author, author_name, editors, created_at,
    updated_at, expires_at, armed_by, apply_at
FROM change WHERE project_id = :project_id AND number < :before ORDER BY number DESC LIMIT :limit;

-- name: open_changes
SELECT number, title, reason, labels, moves, revision, author, author_name, editors, created_at,
    updated_at, expires_at, armed_by, apply_at
FROM change
WHERE project_id = :project_id AND number < :before AND NOT EXISTS (
    SELECT 1 FROM change_end
    WHERE change_end.project_id = change.project_id AND change_end.number = change.number
)
ORDER BY number DESC LIMIT :limit;

-- name: ended_changes
SELECT change.number, title, reason, labels, moves, revision, author, author_name, editors,
    created_at, updated_at, expires_at, armed_by, apply_at
FROM change
JOIN change_end
    ON change_end.project_id = change.project_id AND change_end.number = change.number
WHERE change.project_id = :project_id AND change.number < :before
    AND (:how = '' OR change_end.how = :how)
ORDER BY change.number DESC LIMIT :limit;

-- name: put_change
INSERT INTO change (
    project_id, number, title, reason, labels, moves, revision, author, author_name, editors,
    created_at, updated_at, expires_at, armed_by, apply_at
) VALUES (
    :project_id, :number, :title, :reason, :labels, :moves, :revision, :author, :author_name,
    :editors, :created_at, :updated_at, :expires_at, :armed_by, :apply_at
) ON CONFLICT (project_id, number) DO UPDATE SET
    title = excluded.title, reason = excluded.reason, labels = excluded.labels,
    moves = excluded.moves, revision = excluded.revision, editors = excluded.editors,
    updated_at = excluded.updated_at, expires_at = excluded.expires_at,
    armed_by = excluded.armed_by, apply_at = excluded.apply_at;

-- name: change_end
SELECT number, how, at, by_name, note, release FROM change_end
WHERE project_id = :project_id AND number = :number;

-- name: add_change_end
INSERT INTO change_end (project_id, number, how, at, by_name, note, release)
VALUES (:project_id, :number, :how, :at, :by_name, :note, :release);

-- name: voices
SELECT subject, by_name, standing, basis, detail, note, at FROM change_voice
WHERE project_id = :project_id AND number = :number ORDER BY at, subject;

-- name: put_voice
INSERT INTO change_voice (
    project_id, number, subject, by_name, standing, basis, detail, note, at
) VALUES (
    :project_id, :number, :subject, :by_name, :standing, :basis, :detail, :note, :at
) ON CONFLICT (project_id, number, subject) DO UPDATE SET
    by_name = excluded.by_name, standing = excluded.standing, basis = excluded.basis,
    detail = excluded.detail, note = excluded.note, at = excluded.at;

-- name: comments
SELECT seq, answers, subject, by_name, body, at FROM change_comment
WHERE project_id = :project_id AND number = :number ORDER BY seq;

-- name: add_comment
INSERT INTO change_comment (project_id, number, seq, answers, subject, by_name, body, at)
VALUES (:project_id, :number, :seq, :answers, :subject, :by_name, :body, :at);

-- name: check_reports
SELECT digest, name, state, summary, link, figures, subject, by_name, at FROM check_report
WHERE project_id = :project_id AND digest = :digest ORDER BY name;

-- name: every_check_report
SELECT digest, name, state, summary, link, figures, subject, by_name, at FROM check_report
WHERE project_id = :project_id ORDER BY digest, name;

-- name: put_check_report
INSERT INTO check_report (
    project_id, digest, name, state, summary, link, figures, subject, by_name, at
) VALUES (
    :project_id, :digest, :name, :state, :summary, :link, :figures, :subject, :by_name, :at
) ON CONFLICT (project_id, digest, name) DO UPDATE SET
    state = excluded.state, summary = excluded.summary, link = excluded.link,
    figures = excluded.figures, subject = excluded.subject, by_name = excluded.by_name,
    at = excluded.at;

-- name: publisher
SELECT journal.actor FROM version JOIN journal ON journal.id = version.entry_id
WHERE version.artifact_id = :artifact_id AND version.number = :number;

-- name: broken_glass
SELECT release, at, subject, by_name, reason, passed, reviewed_at, reviewed_by, note FROM glass
WHERE project_id = :project_id ORDER BY release DESC LIMIT :limit;

-- name: one_broken_glass
SELECT release, at, subject, by_name, reason, passed, reviewed_at, reviewed_by, note FROM glass
WHERE project_id = :project_id AND release = :release;

-- name: add_broken_glass
INSERT INTO glass (project_id, release, at, subject, by_name, reason, passed)
VALUES (:project_id, :release, :at, :subject, :by_name, :reason, :passed);

-- name: review_glass
UPDATE glass SET reviewed_at = :reviewed_at, reviewed_by = :reviewed_by, note = :note
WHERE project_id = :project_id AND release = :release;
