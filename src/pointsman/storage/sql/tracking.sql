-- Experiments, runs, logged models and their files; see queries.sql for how statements are written.

-- name: experiment
SELECT number, name, location, created_at, updated_at, deleted_at
FROM experiment WHERE project_id = :project_id AND number = :number;

-- name: experiment_by_name
SELECT number, name, location, created_at, updated_at, deleted_at
FROM experiment WHERE project_id = :project_id AND name = :name;

-- name: experiments
SELECT number, name, location, created_at, updated_at, deleted_at
FROM experiment WHERE project_id = :project_id AND number < :before
ORDER BY number DESC LIMIT :limit;

-- name: put_experiment
INSERT INTO experiment (project_id, number, name, location, created_at, updated_at, deleted_at)
VALUES (:project_id, :number, :name, :location, :created_at, :updated_at, :deleted_at)
ON CONFLICT (project_id, number) DO UPDATE SET
    name = excluded.name, updated_at = excluded.updated_at, deleted_at = excluded.deleted_at;

-- name: run
SELECT id, experiment, name, by_name, status, started_at, ended_at, location, created_at, deleted_at
FROM run WHERE project_id = :project_id AND id = :id;

-- name: runs
SELECT id, experiment, name, by_name, status, started_at, ended_at, location, created_at, deleted_at
FROM run WHERE project_id = :project_id AND experiment = :experiment
    AND (created_at < :before OR (created_at = :before AND id < :before_id))
ORDER BY created_at DESC, id DESC LIMIT :limit;

-- name: put_run
INSERT INTO run (
    project_id, id, experiment, name, by_name, status, started_at, ended_at, location, created_at,
    deleted_at
) VALUES (
    :project_id, :id, :experiment, :name, :by_name, :status, :started_at, :ended_at, :location,
    :created_at, :deleted_at
) ON CONFLICT (project_id, id) DO UPDATE SET
    name = excluded.name, status = excluded.status, ended_at = excluded.ended_at,
    deleted_at = excluded.deleted_at;

-- name: logged_model
SELECT id, experiment, run_id, name, type, status, location, created_at, updated_at, deleted_at
FROM logged_model WHERE project_id = :project_id AND id = :id;

-- name: logged_models
SELECT id, experiment, run_id, name, type, status, location, created_at, updated_at, deleted_at
FROM logged_model WHERE project_id = :project_id AND experiment = :experiment
    AND (created_at < :before OR (created_at = :before AND id < :before_id))
ORDER BY created_at DESC, id DESC LIMIT :limit;

-- name: put_logged_model
INSERT INTO logged_model (
    project_id, id, experiment, run_id, name, type, status, location, created_at, updated_at,
    deleted_at
) VALUES (
    :project_id, :id, :experiment, :run_id, :name, :type, :status, :location, :created_at,
    :updated_at, :deleted_at
) ON CONFLICT (project_id, id) DO UPDATE SET
    status = excluded.status, updated_at = excluded.updated_at, deleted_at = excluded.deleted_at;

-- name: tracked_notes
SELECT kind, key, value FROM tracked_note
WHERE project_id = :project_id AND subject = :subject ORDER BY kind, key;

-- name: put_tracked_note
INSERT INTO tracked_note (project_id, subject, kind, key, value)
VALUES (:project_id, :subject, :kind, :key, :value)
ON CONFLICT (project_id, subject, kind, key) DO UPDATE SET value = excluded.value;

-- name: drop_tracked_note
DELETE FROM tracked_note
WHERE project_id = :project_id AND subject = :subject AND kind = :kind AND key = :key;

-- name: add_metric_point
INSERT INTO metric_point (project_id, subject, key, step, at, value)
VALUES (:project_id, :subject, :key, :step, :at, :value)
ON CONFLICT (project_id, subject, key, step, at, value) DO NOTHING;

-- name: metric_points
SELECT key, step, at, value FROM metric_point
WHERE project_id = :project_id AND subject = :subject AND key = :key
    AND (step > :step OR (step = :step AND (at > :at OR (at = :at AND value > :value))))
ORDER BY step, at, value LIMIT :limit;

-- name: last_metrics
SELECT key, step, at, value FROM metric_last
WHERE project_id = :project_id AND subject = :subject ORDER BY key;

-- name: put_last_metric
INSERT INTO metric_last (project_id, subject, key, step, at, value)
VALUES (:project_id, :subject, :key, :step, :at, :value)
ON CONFLICT (project_id, subject, key) DO UPDATE SET
    step = excluded.step, at = excluded.at, value = excluded.value
WHERE excluded.step > metric_last.step
    OR (excluded.step = metric_last.step AND excluded.at >= metric_last.at);

-- name: run_file
SELECT path, size, sha256, at FROM run_file WHERE project_id = :project_id AND path = :path;

-- name: run_files
SELECT path, size, sha256, at FROM run_file
WHERE project_id = :project_id AND path > :after AND path < :before ORDER BY path LIMIT :limit;

-- name: run_file_named
SELECT path FROM run_file WHERE project_id = :project_id AND sha256 = :blob LIMIT 1;

-- name: put_run_file
INSERT INTO run_file (project_id, path, size, sha256, at)
VALUES (:project_id, :path, :size, :blob, :at)
ON CONFLICT (project_id, path) DO UPDATE SET
    size = excluded.size, sha256 = excluded.sha256, at = excluded.at;

-- name: drop_run_files
DELETE FROM run_file WHERE project_id = :project_id AND (
    path = :path OR (path > :after AND path < :before)
);

-- name: trace
SELECT id, experiment, body, at FROM trace WHERE project_id = :project_id AND id = :id;

-- name: put_trace
INSERT INTO trace (project_id, id, experiment, body, at)
VALUES (:project_id, :id, :experiment, :body, :at)
ON CONFLICT (project_id, id) DO UPDATE SET experiment = excluded.experiment, body = excluded.body;
