-- Signed statements of where a journal stood. A checkpoint is no journal entry: it must not
-- make the journal grow that it is about.
CREATE TABLE checkpoint (
    project_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    hash TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (project_id, seq, key)
) /* clustered */;
