-- People, groups, grants, owners, sessions and invitations.

-- name: person
SELECT id, email, name, password_hash, created_at, deactivated_at FROM person WHERE id = :id;

-- name: person_by_email
SELECT id, email, name, password_hash, created_at, deactivated_at
FROM person WHERE email = :email;

-- name: people
SELECT id, email, name, password_hash, created_at, deactivated_at FROM person ORDER BY email;

-- name: next_person_id
SELECT COALESCE(MAX(id), 0) + 1 FROM person;

-- name: add_person
INSERT INTO person (id, email, name, password_hash, created_at)
VALUES (:id, :email, :name, :password_hash, :at);

-- name: rename_person
UPDATE person SET name = :name WHERE id = :id;

-- name: put_password
UPDATE person SET password_hash = :password_hash WHERE id = :id;

-- name: deactivate_person
UPDATE person SET deactivated_at = :at WHERE id = :id;

-- name: grants
SELECT project_id, subject, role, kind, artifacts, granted_at, granted_by
FROM role_grant WHERE project_id = :project_id ORDER BY subject, kind, artifacts;

-- name: grants_to
SELECT project_id, subject, role, kind, artifacts, granted_at, granted_by
FROM role_grant WHERE subject = :subject ORDER BY project_id, kind, artifacts;

-- name: put_grant
INSERT INTO role_grant (project_id, subject, role, kind, artifacts, granted_at, granted_by)
VALUES (:project_id, :subject, :role, :kind, :artifacts, :granted_at, :granted_by)
ON CONFLICT (project_id, subject, kind, artifacts) DO UPDATE SET
    role = excluded.role, granted_at = excluded.granted_at, granted_by = excluded.granted_by;

-- name: drop_grant
DELETE FROM role_grant
WHERE project_id = :project_id AND subject = :subject AND kind = :kind AND artifacts = :artifacts;

-- name: groups_of
SELECT group_name FROM group_member WHERE person_id = :person_id ORDER BY group_name;

-- name: memberships
SELECT group_name, person_id FROM group_member ORDER BY group_name, person_id;

-- name: add_member
INSERT INTO group_member (group_name, person_id) VALUES (:group_name, :person_id)
ON CONFLICT (group_name, person_id) DO NOTHING;

-- name: drop_member
DELETE FROM group_member WHERE group_name = :group_name AND person_id = :person_id;

-- name: owners
SELECT subject FROM owner WHERE artifact_id = :artifact_id ORDER BY subject;

-- name: owners_between
SELECT artifact_id, subject FROM owner
WHERE artifact_id >= :first AND artifact_id <= :last ORDER BY artifact_id, subject;

-- name: add_owner
INSERT INTO owner (artifact_id, subject) VALUES (:artifact_id, :subject)
ON CONFLICT (artifact_id, subject) DO NOTHING;

-- name: drop_owner
DELETE FROM owner WHERE artifact_id = :artifact_id AND subject = :subject;

-- name: session
SELECT id, person_id, token_hash, created_at, expires_at, ended_at FROM session WHERE id = :id;

-- name: sessions_of
SELECT id, person_id, token_hash, created_at, expires_at, ended_at
FROM session WHERE person_id = :person_id ORDER BY created_at;

-- name: add_session
INSERT INTO session (id, person_id, token_hash, created_at, expires_at)
VALUES (:id, :person_id, :token_hash, :created_at, :expires_at);

-- name: end_session
UPDATE session SET ended_at = :at WHERE id = :id AND ended_at IS NULL;

-- name: end_sessions_of
UPDATE session SET ended_at = :at
WHERE person_id = :person_id AND ended_at IS NULL AND id <> :but;

-- name: forget_sessions
DELETE FROM session WHERE expires_at < :at;

-- name: invitation
SELECT id, token_hash, project_id, email, name, role, kind, artifacts, created_at, created_by,
    expires_at, accepted_at, withdrawn_at
FROM invitation WHERE id = :id;

-- name: invitations
SELECT id, token_hash, project_id, email, name, role, kind, artifacts, created_at, created_by,
    expires_at, accepted_at, withdrawn_at
FROM invitation WHERE project_id = :project_id ORDER BY created_at, id;

-- name: add_invitation
INSERT INTO invitation (
    id, token_hash, project_id, email, name, role, kind, artifacts, created_at, created_by,
    expires_at
) VALUES (
    :id, :token_hash, :project_id, :email, :name, :role, :kind, :artifacts, :created_at,
    :created_by, :expires_at
);

-- name: accept_invitation
UPDATE invitation SET accepted_at = :at WHERE id = :id;

-- name: withdraw_invitation
UPDATE invitation SET withdrawn_at = :at WHERE id = :id;

-- name: keys_of
SELECT id, project_id, name, role, secret_hash, created_at, created_by, expires_at, revoked_at,
    last_used_at, owner, verbs, artifacts, aliases, everywhere
FROM api_key WHERE owner = :owner ORDER BY created_at, id;
