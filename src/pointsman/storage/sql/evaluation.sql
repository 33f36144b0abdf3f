-- Statements about evaluations. See queries.sql.

-- name: add_evaluation
INSERT INTO evaluation (
    project_id, number, seal, artifact_id, version, against, suite_id, suite_version, alias,
    orders, subject, by_name, at, change_number, fresh
) VALUES (
    :project_id, :number, :seal, :artifact_id, :version, :against, :suite_id, :suite_version,
    :alias, :orders, :subject, :by_name, :at, :change_number, :fresh
);

-- name: evaluation
SELECT number, seal, artifact_id, version, against, suite_id, suite_version, alias, orders,
    subject, by_name, at, change_number, fresh
FROM evaluation WHERE project_id = :project_id AND number = :number;

-- name: evaluations
SELECT number, seal, artifact_id, version, against, suite_id, suite_version, alias, orders,
    subject, by_name, at, change_number, fresh
FROM evaluation WHERE project_id = :project_id AND number < :before
ORDER BY number DESC LIMIT :limit;

-- name: evaluations_of
SELECT number, seal, artifact_id, version, against, suite_id, suite_version, alias, orders,
    subject, by_name, at, change_number, fresh
FROM evaluation WHERE artifact_id = :artifact_id AND number < :before
ORDER BY number DESC LIMIT :limit;

-- The seal's index alone finds the numbers: left to choose, SQLite would walk through all
-- evaluations of the project, in the order that is asked for.
-- name: evaluations_sealed
SELECT number, seal, artifact_id, version, against, suite_id, suite_version, alias, orders,
    subject, by_name, at, change_number, fresh
FROM evaluation WHERE project_id = :project_id AND number IN (
    SELECT number FROM evaluation
    WHERE project_id = :project_id AND seal = :seal ORDER BY number DESC LIMIT 1000
)
ORDER BY number DESC;

-- name: open_evaluations
SELECT evaluation.number, seal, artifact_id, version, against, suite_id, suite_version, alias,
    orders, subject, by_name, at, change_number, fresh
FROM evaluation_open JOIN evaluation ON evaluation.project_id = evaluation_open.project_id
    AND evaluation.number = evaluation_open.number
WHERE evaluation_open.project_id = :project_id
ORDER BY evaluation_open.number LIMIT :limit;

-- name: open_evaluation
INSERT INTO evaluation_open (project_id, number) VALUES (:project_id, :number);

-- name: close_evaluation
DELETE FROM evaluation_open WHERE project_id = :project_id AND number = :number;

-- name: any_evaluation
SELECT 1 FROM evaluation WHERE project_id = :project_id LIMIT 1;

-- Ordered by the skeleton, as the index begins with the kind and goes on by that.
-- name: artifacts_by_alias
SELECT artifact.id, artifact.kind, artifact.name, artifact.newest, artifact.created_at,
    artifact.created_by, artifact.updated_at, artifact.archived_at
FROM artifact JOIN alias ON alias.artifact_id = artifact.id AND alias.name = :alias
WHERE artifact.project_id = :project_id AND artifact.kind = :kind
AND (alias.version IS NOT NULL OR alias.split IS NOT NULL)
ORDER BY artifact.skeleton;

-- name: evaluation_work
SELECT number, worker, attempt, lease_until, done, total, reused, calls, spent FROM evaluation_work
WHERE project_id = :project_id AND number = :number;

-- name: put_evaluation_work
INSERT INTO evaluation_work (
    project_id, number, worker, attempt, lease_until, done, total, reused, calls, spent
) VALUES (
    :project_id, :number, :worker, :attempt, :lease_until, :done, :total, :reused, :calls, :spent
) ON CONFLICT (project_id, number) DO UPDATE SET
    worker = excluded.worker, attempt = excluded.attempt, lease_until = excluded.lease_until,
    done = excluded.done, total = excluded.total, reused = excluded.reused,
    calls = excluded.calls, spent = excluded.spent;

-- name: evaluation_end
SELECT number, state, at, by_name, summary, report FROM evaluation_end
WHERE project_id = :project_id AND number = :number;

-- name: add_evaluation_end
INSERT INTO evaluation_end (project_id, number, state, at, by_name, summary, report)
VALUES (:project_id, :number, :state, :at, :by_name, :summary, :report);

-- name: put_evaluation_report
UPDATE evaluation_end SET report = :report WHERE project_id = :project_id AND number = :number;

-- name: evaluations_naming
SELECT number, seal, artifact_id, version, against, suite_id, suite_version, alias, orders,
    subject, by_name, at, change_number, fresh
FROM evaluation WHERE project_id = :project_id AND orders LIKE :pattern ESCAPE '!'
ORDER BY number;

-- name: evaluation_dropped
SELECT number, at, label FROM evaluation_dropped
WHERE project_id = :project_id AND number = :number;

-- name: put_evaluation_dropped
INSERT INTO evaluation_dropped (project_id, number, at, label)
VALUES (:project_id, :number, :at, :label)
ON CONFLICT (project_id, number) DO UPDATE SET at = excluded.at, label = excluded.label;

-- name: drop_evaluation_cases
DELETE FROM evaluation_case WHERE project_id = :project_id AND number = :number;

-- Cases go from the oldest on, so what lies before the first that is left need not be looked at.
-- name: evaluations_with_old_cases
SELECT evaluation_end.number FROM evaluation_end
WHERE evaluation_end.project_id = :project_id AND evaluation_end.at < :before
AND evaluation_end.number >= (
    SELECT MIN(evaluation_case.number) FROM evaluation_case
    WHERE evaluation_case.project_id = :project_id
)
AND EXISTS (
    SELECT 1 FROM evaluation_case
    WHERE evaluation_case.project_id = :project_id
    AND evaluation_case.number = evaluation_end.number
)
ORDER BY evaluation_end.number LIMIT :limit;

-- name: put_evaluation_case
INSERT INTO evaluation_case (project_id, number, position, worse, body)
VALUES (:project_id, :number, :position, :worse, :body)
ON CONFLICT (project_id, number, position) DO UPDATE SET
    worse = excluded.worse, body = excluded.body;

-- name: evaluation_cases
SELECT position, worse, body FROM evaluation_case
WHERE project_id = :project_id AND number = :number AND position > :after
ORDER BY position LIMIT :limit;

-- name: worst_cases
SELECT position, worse, body FROM evaluation_case
WHERE project_id = :project_id AND number = :number
AND (worse < :worse OR (worse = :worse AND position > :after))
ORDER BY worse DESC, position LIMIT :limit;

-- name: made
SELECT body FROM made WHERE project_id = :project_id AND key = :key AND at >= :since;

-- name: keep_made
INSERT INTO made (project_id, key, body, at, number)
VALUES (:project_id, :key, :body, :at, :number)
ON CONFLICT (project_id, key) DO UPDATE SET
    body = excluded.body, at = excluded.at, number = excluded.number;

-- name: forget_made_for
DELETE FROM made WHERE project_id = :project_id AND number = :number;

-- name: forget_made
DELETE FROM made WHERE project_id = :project_id AND at < :before;
