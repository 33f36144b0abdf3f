-- The journal and its views. One text for SQLite and PostgreSQL: storage/dialects.py says
-- which words are rewritten for SQLite. Times are microseconds since the epoch, JSON is
-- canonical text, text is compared by its bytes.

CREATE TABLE meta (
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) /* strict */;

-- Locking this row is what makes writers to one project take turns. The head of its journal
-- is the journal's last row and is kept nowhere else.
CREATE TABLE project (
    id BIGINT PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE,
    uid TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    next_artifact BIGINT NOT NULL
) /* strict */;

-- An entry's id holds its project's id in the high bits and its sequence number in the low
-- ones (id = project << 40 | seq): one number, so that the table only ever grows at its end.
CREATE TABLE journal (
    id BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    by_name TEXT NOT NULL,
    via TEXT NOT NULL,
    artifact_id BIGINT,
    alias TEXT COLLATE "C",
    data TEXT NOT NULL,
    hash TEXT NOT NULL
) /* strict */;

-- Each entry stands in one of the two, so that a move touches one index page and no more.
CREATE INDEX journal_by_alias ON journal (artifact_id, alias, at) WHERE alias IS NOT NULL;
CREATE INDEX journal_by_artifact ON journal (artifact_id, at)
WHERE alias IS NULL AND artifact_id IS NOT NULL;

-- An artifact's id holds its project's id in the high bits (id = project << 32 | n), so that
-- projects hand out ids without waiting for one another.
CREATE TABLE artifact (
    id BIGINT PRIMARY KEY,
    project_id BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    skeleton TEXT COLLATE "C" NOT NULL,
    newest BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    updated_at BIGINT NOT NULL,
    archived_at BIGINT
) /* strict */;

-- The skeleton follows from the name; it is here so that searching in names reads this alone.
CREATE UNIQUE INDEX artifact_by_name ON artifact (project_id, name, kind, skeleton);
CREATE UNIQUE INDEX artifact_by_skeleton ON artifact (project_id, kind, skeleton);
CREATE INDEX artifact_by_update ON artifact (project_id, updated_at, id);

-- entry_id is the journal entry that published the version.
CREATE TABLE version (
    artifact_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    entry_id BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    message TEXT NOT NULL,
    author TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    shape TEXT,
    PRIMARY KEY (artifact_id, number)
) /* clustered */;

-- A version's content goes by the id of the entry that published it: like the journal, the
-- table grows at its end.
CREATE TABLE content (
    entry_id BIGINT PRIMARY KEY,
    body TEXT NOT NULL
) /* strict */;

CREATE TABLE tombstone (
    artifact_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    entry_id BIGINT NOT NULL UNIQUE,
    at BIGINT NOT NULL,
    by_name TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (artifact_id, number)
) /* clustered */;

-- target_alias and target_version are both null where the newest version is meant.
CREATE TABLE dependency (
    artifact_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    position BIGINT NOT NULL,
    relation TEXT COLLATE "C" NOT NULL,
    selector TEXT NOT NULL,
    target_id BIGINT NOT NULL,
    target_alias TEXT COLLATE "C",
    target_version BIGINT,
    PRIMARY KEY (artifact_id, number, position)
) /* clustered */;

CREATE INDEX dependency_by_target ON dependency (target_id, relation, artifact_id, number);

-- version and split are both null where the alias was deleted; its revision lives on, so that
-- revisions have no gaps. split is JSON: [[version, weight], ...].
CREATE TABLE alias (
    artifact_id BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    version BIGINT,
    split TEXT,
    revision BIGINT NOT NULL,
    release BIGINT NOT NULL,
    moved_at BIGINT NOT NULL,
    moved_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (artifact_id, name)
) /* clustered */;

-- number 0 is the artifact itself. project_id, kind and name repeat the artifact's, and
-- value_start the first 64 characters of value, for the search index alone.
CREATE TABLE tag (
    artifact_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    value_start TEXT COLLATE "C" NOT NULL,
    project_id BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (artifact_id, number, key)
) /* clustered */;

CREATE INDEX tag_by_value ON tag (project_id, key, value_start, name, artifact_id, number);

CREATE TABLE api_key (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    project_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    last_used_at BIGINT
) /* strict */;

CREATE INDEX api_key_by_project ON api_key (project_id, created_at, id);

CREATE TABLE idempotency (
    project_id BIGINT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    request TEXT NOT NULL,
    answer TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (project_id, key)
) /* strict */;

CREATE INDEX idempotency_by_time ON idempotency (at);
