-- Policies, changes and what was said to them, checks, broken glass. State is in rows: what
-- somebody did is a row with its time, and what follows from the rows is kept nowhere.

-- body is the policy as people write it, in canonical JSON; null where it was deleted.
CREATE TABLE policy (
    project_id BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    body TEXT,
    revision BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL,
    PRIMARY KEY (project_id, name)
) /* clustered */;

-- number is the sequence number of the entry that proposed it. moves is JSON, a list with
-- kind, name, alias, to, and the revision and target that the alias had when it was written.
-- editors lists the ids of all who wrote it. armed_by applies it when it is ready, from
-- apply_at on.
CREATE TABLE change (
    project_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    title TEXT NOT NULL,
    reason TEXT NOT NULL,
    labels TEXT NOT NULL,
    moves TEXT NOT NULL,
    revision BIGINT NOT NULL,
    author TEXT COLLATE "C" NOT NULL,
    author_name TEXT NOT NULL,
    editors TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    armed_by TEXT COLLATE "C",
    apply_at BIGINT,
    PRIMARY KEY (project_id, number)
) /* clustered */;

-- how: withdrawn, applied, superseded, expired.
CREATE TABLE change_end (
    project_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    how TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    by_name TEXT NOT NULL,
    note TEXT NOT NULL,
    release BIGINT,
    PRIMARY KEY (project_id, number)
) /* clustered */;

-- The last word of each who said something. basis is the digest of exactly what the change
-- would have done then, detail that same in words.
CREATE TABLE change_voice (
    project_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    by_name TEXT NOT NULL,
    standing TEXT COLLATE "C" NOT NULL,
    basis TEXT COLLATE "C" NOT NULL,
    detail TEXT NOT NULL,
    note TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (project_id, number, subject)
) /* clustered */;

CREATE TABLE change_comment (
    project_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    answers BIGINT,
    subject TEXT COLLATE "C" NOT NULL,
    by_name TEXT NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (project_id, number, seq)
) /* clustered */;

-- digest is that of a version, or the basis of a change.
CREATE TABLE check_report (
    project_id BIGINT NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    summary TEXT NOT NULL,
    link TEXT NOT NULL,
    figures TEXT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    by_name TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (project_id, digest, name)
) /* clustered */;

-- Releases made past what a policy asked for, until somebody has looked at them.
CREATE TABLE glass (
    project_id BIGINT NOT NULL,
    release BIGINT NOT NULL,
    at BIGINT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    by_name TEXT NOT NULL,
    reason TEXT NOT NULL,
    passed TEXT NOT NULL,
    reviewed_at BIGINT,
    reviewed_by TEXT,
    note TEXT,
    PRIMARY KEY (project_id, release)
) /* clustered */;
