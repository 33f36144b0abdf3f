-- People, what they may do, and how they come in. Passwords, tokens and keys are kept as
-- hashes only, and none of them stands in the journal.

CREATE TABLE person (
    id BIGINT PRIMARY KEY,
    email TEXT COLLATE "C" NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT,
    created_at BIGINT NOT NULL,
    deactivated_at BIGINT
) /* strict */;

-- A subject is person:N or group:NAME. An empty kind means all kinds.
CREATE TABLE role_grant (
    project_id BIGINT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    role TEXT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    artifacts TEXT COLLATE "C" NOT NULL,
    granted_at BIGINT NOT NULL,
    granted_by TEXT NOT NULL,
    PRIMARY KEY (project_id, subject, kind, artifacts)
) /* clustered */;

CREATE INDEX role_grant_by_subject ON role_grant (subject, project_id);

CREATE TABLE group_member (
    group_name TEXT COLLATE "C" NOT NULL,
    person_id BIGINT NOT NULL,
    PRIMARY KEY (group_name, person_id)
) /* clustered */;

CREATE INDEX group_member_by_person ON group_member (person_id, group_name);

CREATE TABLE owner (
    artifact_id BIGINT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (artifact_id, subject)
) /* clustered */;

CREATE TABLE session (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    person_id BIGINT NOT NULL,
    token_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT
) /* strict */;

CREATE INDEX session_by_person ON session (person_id, created_at);

CREATE TABLE invitation (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    token_hash TEXT NOT NULL,
    project_id BIGINT NOT NULL,
    email TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    kind TEXT NOT NULL,
    artifacts TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    accepted_at BIGINT,
    withdrawn_at BIGINT
) /* strict */;

CREATE INDEX invitation_by_project ON invitation (project_id, created_at, id);

-- owner is person:N, or null for a service; verbs is a JSON list, or null for all verbs. The
-- first key of a store is for the whole installation.
ALTER TABLE api_key ADD COLUMN owner TEXT;
ALTER TABLE api_key ADD COLUMN verbs TEXT;
ALTER TABLE api_key ADD COLUMN artifacts TEXT NOT NULL DEFAULT '*';
ALTER TABLE api_key ADD COLUMN aliases TEXT NOT NULL DEFAULT '*';
ALTER TABLE api_key ADD COLUMN everywhere BIGINT NOT NULL DEFAULT 0;

UPDATE api_key SET everywhere = 1 WHERE project_id = 1 AND created_by = 'system' AND EXISTS (
    SELECT 1 FROM journal
    WHERE journal.type = 'key.created' AND journal.actor = 'system'
        AND journal.at = api_key.created_at
);

CREATE INDEX api_key_by_owner ON api_key (owner, created_at) WHERE owner IS NOT NULL;
