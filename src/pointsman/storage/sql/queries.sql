-- Every statement has a name; parameters are written :name. Statements run unchanged on
-- SQLite and PostgreSQL, but for "FOR UPDATE", which SQLite neither has nor needs.

-- name: meta
SELECT value FROM meta WHERE key = :key;

-- name: add_meta
INSERT INTO meta (key, value) VALUES (:key, :value) ON CONFLICT (key) DO NOTHING;

-- name: has_migration
SELECT number FROM schema_migration WHERE name = :name;

-- name: projects
SELECT id, name, uid, created_at FROM project ORDER BY id;

-- name: project
SELECT id, name, uid, created_at FROM project WHERE name = :name;

-- name: project_by_id
SELECT id, name, uid, created_at FROM project WHERE id = :id;

-- name: next_project_id
SELECT COALESCE(MAX(id), 0) + 1 FROM project;

-- name: add_project
INSERT INTO project (id, name, uid, created_at, next_artifact) VALUES (:id, :name, :uid, :at, 1);

-- name: heads
SELECT id, COALESCE((
    SELECT MAX(journal.id) & 1099511627775 FROM journal
    WHERE journal.id > project.id << 40 AND journal.id < (project.id + 1) << 40
), 0)
FROM project;

-- name: head
SELECT id & 1099511627775, at, hash FROM journal
WHERE id > :first AND id <= :last ORDER BY id DESC LIMIT 1;

-- name: lock_project
SELECT uid, next_artifact FROM project WHERE id = :id FOR UPDATE;

-- name: put_next_artifact
UPDATE project SET next_artifact = :next_artifact WHERE id = :id;

-- name: append
INSERT INTO journal (
    id, at, type, actor, by_name, via, artifact_id, alias, data, hash
) VALUES (
    :id, :at, :type, :actor, :by, :via, :artifact_id, :alias, :data, :hash
);

-- name: lines
SELECT id & 1099511627775, at, type, actor, by_name, via, artifact_id, alias, data, hash
FROM journal WHERE id > :after AND id <= :last ORDER BY id LIMIT :limit;

-- name: line_time
SELECT at FROM journal WHERE id = :id;

-- name: alias_line_at
SELECT id & 1099511627775, at, type, actor, by_name, via, artifact_id, alias, data, hash
FROM journal WHERE artifact_id = :artifact_id AND alias = :alias AND at <= :at
ORDER BY at DESC LIMIT 1;

-- name: alias_lines
SELECT id & 1099511627775, at, type, actor, by_name, via, artifact_id, alias, data, hash
FROM journal WHERE artifact_id = :artifact_id AND alias = :alias AND at < :before
ORDER BY at DESC LIMIT :limit;

-- name: artifact
SELECT id, kind, name, newest, created_at, created_by, updated_at, archived_at
FROM artifact WHERE project_id = :project_id AND kind = :kind AND name = :name;

-- name: artifact_by_id
SELECT id, kind, name, newest, created_at, created_by, updated_at, archived_at
FROM artifact WHERE id = :id;

-- name: artifact_by_skeleton
SELECT id, kind, name, newest, created_at, created_by, updated_at, archived_at
FROM artifact WHERE project_id = :project_id AND kind = :kind AND skeleton = :skeleton;

-- name: artifacts_after
SELECT id, kind, name, newest, created_at, created_by, updated_at, archived_at
FROM artifact WHERE id > :after AND id <= :until ORDER BY id LIMIT :limit;

-- name: add_artifact
INSERT INTO artifact (
    id, project_id, kind, name, skeleton, newest, created_at, created_by, updated_at
) VALUES (:id, :project_id, :kind, :name, :skeleton, 0, :at, :by, :at);

-- name: touch_artifact
UPDATE artifact SET newest = :newest, updated_at = :at WHERE id = :id;

-- name: archive_artifact
UPDATE artifact SET archived_at = :archived_at, updated_at = :at WHERE id = :id;

-- name: version
SELECT artifact_id, number, digest, message, author, created_at, shape
FROM version WHERE artifact_id = :artifact_id AND number = :number;

-- name: standing
SELECT
    version.digest,
    CASE WHEN EXISTS (
        SELECT 1 FROM tombstone
        WHERE tombstone.artifact_id = :artifact_id AND tombstone.number = :number
    ) THEN 1 ELSE 0 END,
    CASE WHEN EXISTS (
        SELECT 1 FROM dependency
        WHERE dependency.artifact_id = :artifact_id AND dependency.number = :number
            AND dependency.relation = 'includes'
    ) OR EXISTS (
        SELECT 1 FROM dependency
        WHERE dependency.target_id = :artifact_id AND dependency.relation = 'includes'
    ) THEN 1 ELSE 0 END
FROM version WHERE version.artifact_id = :artifact_id AND version.number = :number;

-- name: versions
SELECT artifact_id, number, digest, message, author, created_at, shape
FROM version WHERE artifact_id = :artifact_id AND number < :before
ORDER BY number DESC LIMIT :limit;

-- name: kept_versions_with_tag
SELECT version.artifact_id, version.number, version.digest, version.message, version.author,
    version.created_at, version.shape
FROM tag JOIN version
    ON version.artifact_id = tag.artifact_id AND version.number = tag.number
WHERE tag.project_id = :project_id AND tag.key = :key AND tag.value_start = :value
    AND tag.name = :name AND tag.artifact_id = :artifact_id
    AND NOT EXISTS (
        SELECT 1 FROM tombstone
        WHERE tombstone.artifact_id = tag.artifact_id AND tombstone.number = tag.number
    )
ORDER BY tag.number DESC LIMIT :limit;

-- name: kept_versions_without_tag
SELECT artifact_id, number, digest, message, author, created_at, shape
FROM version WHERE artifact_id = :artifact_id
    AND NOT EXISTS (
        SELECT 1 FROM tag
        WHERE tag.artifact_id = version.artifact_id AND tag.number = version.number
            AND tag.key = :key AND tag.value = :value
    )
    AND NOT EXISTS (
        SELECT 1 FROM tombstone
        WHERE tombstone.artifact_id = version.artifact_id
            AND tombstone.number = version.number
    )
ORDER BY number DESC LIMIT :limit;

-- name: version_at
SELECT artifact_id, number, digest, message, author, created_at, shape
FROM version WHERE artifact_id = :artifact_id AND created_at <= :at
ORDER BY number DESC LIMIT 1;

-- name: version_by_digest
SELECT artifact_id, number, digest, message, author, created_at, shape
FROM version WHERE artifact_id = :artifact_id AND digest >= :first AND digest < :behind
ORDER BY
    CASE WHEN EXISTS (
        SELECT 1 FROM tombstone
        WHERE tombstone.artifact_id = version.artifact_id AND tombstone.number = version.number
    ) THEN 1 ELSE 0 END,
    number DESC
LIMIT 1;

-- name: add_version
INSERT INTO version (
    artifact_id, number, entry_id, digest, message, author, created_at, shape
) VALUES (
    :artifact_id, :number, :entry_id, :digest, :message, :author, :created_at, :shape
);

-- name: content
SELECT content.body FROM version JOIN content ON content.entry_id = version.entry_id
WHERE version.artifact_id = :artifact_id AND version.number = :number;

-- name: add_content
INSERT INTO content (entry_id, body) VALUES (:entry_id, :body);

-- name: tombstone
SELECT artifact_id, number, at, by_name, reason
FROM tombstone WHERE artifact_id = :artifact_id AND number = :number;

-- name: tombstones
SELECT artifact_id, number, at, by_name, reason
FROM tombstone WHERE artifact_id = :artifact_id ORDER BY number;

-- name: add_tombstone
INSERT INTO tombstone (artifact_id, number, entry_id, at, by_name, reason)
SELECT artifact_id, number, entry_id, :at, :by_name, :reason
FROM version WHERE artifact_id = :artifact_id AND number = :number;

-- name: drop_content
DELETE FROM content WHERE entry_id = (
    SELECT entry_id FROM version WHERE artifact_id = :artifact_id AND number = :number
);

-- name: dependencies
SELECT artifact_id, number, position, relation, selector, target_id, target_alias,
    target_version, variable
FROM dependency WHERE artifact_id = :artifact_id AND number = :number ORDER BY position;

-- name: add_dependency
INSERT INTO dependency (
    artifact_id, number, position, relation, selector, target_id, target_alias, target_version,
    variable
) VALUES (
    :artifact_id, :number, :position, :relation, :selector, :target_id, :target_alias,
    :target_version, :variable
);

-- name: included_artifacts
SELECT DISTINCT target_id FROM dependency
WHERE artifact_id = :artifact_id AND relation = 'includes';

-- name: including_artifacts
SELECT DISTINCT artifact_id FROM dependency
WHERE target_id = :artifact_id AND relation = 'includes';

-- name: is_included
SELECT 1 FROM dependency WHERE target_id = :artifact_id AND relation = 'includes' LIMIT 1;

-- name: includers
SELECT DISTINCT
    dependency.artifact_id, artifact.kind, artifact.name, dependency.number,
    dependency.target_alias, dependency.target_version,
    CASE WHEN artifact.newest = dependency.number OR EXISTS (
        SELECT 1 FROM alias
        WHERE alias.artifact_id = dependency.artifact_id AND alias.version = dependency.number
    ) OR EXISTS (
        SELECT 1 FROM alias
        WHERE alias.artifact_id = dependency.artifact_id AND alias.split IS NOT NULL
    ) THEN 1 ELSE 0 END
FROM dependency JOIN artifact ON artifact.id = dependency.artifact_id
WHERE dependency.target_id = :artifact_id AND dependency.relation = 'includes'
ORDER BY dependency.artifact_id, dependency.number;

-- name: alias
SELECT artifact_id, name, version, split, revision, release, moved_at, moved_by, reason
FROM alias WHERE artifact_id = :artifact_id AND name = :name;

-- name: aliases
SELECT artifact_id, name, version, split, revision, release, moved_at, moved_by, reason
FROM alias WHERE artifact_id = :artifact_id ORDER BY name;

-- name: put_alias
INSERT INTO alias (
    artifact_id, name, version, split, revision, release, moved_at, moved_by, reason
) VALUES (
    :artifact_id, :name, :version, :split, :revision, :release, :moved_at, :moved_by, :reason
) ON CONFLICT (artifact_id, name) DO UPDATE SET
    version = excluded.version, split = excluded.split, revision = excluded.revision,
    release = excluded.release, moved_at = excluded.moved_at, moved_by = excluded.moved_by,
    reason = excluded.reason;

-- name: tags
SELECT key, value FROM tag WHERE artifact_id = :artifact_id AND number = :number ORDER BY key;

-- name: tags_of
SELECT number, key, value FROM tag WHERE artifact_id = :artifact_id ORDER BY number, key;

-- name: put_tag
INSERT INTO tag (artifact_id, number, key, value, value_start, project_id, name)
VALUES (:artifact_id, :number, :key, :value, :value_start, :project_id, :name)
ON CONFLICT (artifact_id, number, key) DO UPDATE SET
    value = excluded.value, value_start = excluded.value_start;

-- name: drop_tag
DELETE FROM tag WHERE artifact_id = :artifact_id AND number = :number AND key = :key;

-- name: key
SELECT id, project_id, name, role, secret_hash, created_at, created_by, expires_at, revoked_at,
    last_used_at, owner, verbs, artifacts, aliases, everywhere
FROM api_key WHERE id = :id;

-- name: keys
SELECT id, project_id, name, role, secret_hash, created_at, created_by, expires_at, revoked_at,
    last_used_at, owner, verbs, artifacts, aliases, everywhere
FROM api_key WHERE project_id = :project_id ORDER BY created_at, id;

-- name: add_key
INSERT INTO api_key (
    id, project_id, name, role, secret_hash, created_at, created_by, expires_at, owner, verbs,
    artifacts, aliases, everywhere
) VALUES (
    :id, :project_id, :name, :role, :secret_hash, :created_at, :created_by, :expires_at, :owner,
    :verbs, :artifacts, :aliases, :everywhere
);

-- name: revoke_key
UPDATE api_key SET revoked_at = :at WHERE id = :id AND revoked_at IS NULL;

-- name: key_used
UPDATE api_key SET last_used_at = :at
WHERE id = :id AND (last_used_at IS NULL OR last_used_at < :at);

-- name: remembered
SELECT request, answer FROM idempotency WHERE project_id = :project_id AND key = :key;

-- name: remember
INSERT INTO idempotency (project_id, key, request, answer, at)
VALUES (:project_id, :key, :request, :answer, :at);

-- name: forget_before
DELETE FROM idempotency WHERE at < :at;
