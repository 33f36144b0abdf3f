-- Statements about providers of models. See queries.sql.

-- name: provider
SELECT name, body, sealed, revision, updated_at, updated_by FROM provider
WHERE project_id = :project_id AND name = :name;

-- name: providers
SELECT name, body, sealed, revision, updated_at, updated_by FROM provider
WHERE project_id = :project_id AND body IS NOT NULL ORDER BY name;

-- name: every_provider
SELECT name, body, sealed, revision, updated_at, updated_by FROM provider
WHERE project_id = :project_id ORDER BY name;

-- name: put_provider
INSERT INTO provider (project_id, name, body, sealed, revision, updated_at, updated_by)
VALUES (:project_id, :name, :body, :sealed, :revision, :updated_at, :updated_by)
ON CONFLICT (project_id, name) DO UPDATE SET
    body = excluded.body, sealed = excluded.sealed, revision = excluded.revision,
    updated_at = excluded.updated_at, updated_by = excluded.updated_by;
