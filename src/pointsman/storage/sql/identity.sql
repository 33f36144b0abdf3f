-- Single sign-on: identities and what came from the provider's groups; tokens that work once.

-- name: identity
SELECT issuer, subject, person_id, created_at FROM identity
WHERE issuer = :issuer AND subject = :subject;

-- name: identities
SELECT issuer, subject, person_id, created_at FROM identity ORDER BY issuer, subject;

-- name: identities_of
SELECT issuer, subject, person_id, created_at FROM identity
WHERE person_id = :person_id ORDER BY issuer;

-- name: add_identity
INSERT INTO identity (issuer, subject, person_id, created_at)
VALUES (:issuer, :subject, :person_id, :created_at);

-- name: mapped_grants
SELECT project_id, granted_at FROM mapped_grant
WHERE person_id = :person_id ORDER BY project_id;

-- name: put_mapped_grant
INSERT INTO mapped_grant (project_id, person_id, granted_at)
VALUES (:project_id, :person_id, :at)
ON CONFLICT (project_id, person_id) DO UPDATE SET granted_at = excluded.granted_at;

-- name: drop_mapped_grant
DELETE FROM mapped_grant WHERE project_id = :project_id AND person_id = :person_id;

-- name: mapped_groups
SELECT group_name FROM mapped_member WHERE person_id = :person_id ORDER BY group_name;

-- name: add_mapped_member
INSERT INTO mapped_member (group_name, person_id) VALUES (:group_name, :person_id)
ON CONFLICT (person_id, group_name) DO NOTHING;

-- name: drop_mapped_member
DELETE FROM mapped_member WHERE person_id = :person_id AND group_name = :group_name;

-- name: one_time_token
SELECT id, purpose, token_hash, person_id, challenge, created_at, expires_at
FROM one_time_token WHERE id = :id;

-- name: add_one_time_token
INSERT INTO one_time_token (
    id, purpose, token_hash, person_id, challenge, created_at, expires_at
) VALUES (:id, :purpose, :token_hash, :person_id, :challenge, :created_at, :expires_at);

-- name: drop_one_time_token
DELETE FROM one_time_token WHERE id = :id;

-- name: drop_one_time_tokens
DELETE FROM one_time_token
WHERE expires_at < :at OR (person_id = :person_id AND purpose = :purpose);
