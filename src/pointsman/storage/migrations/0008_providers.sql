-- Providers of models, by project.

-- body is the settings in canonical JSON; null where it was deleted. sealed is the key,
-- encrypted under a master key that is not in the database; empty if there is none.
CREATE TABLE provider (
    project_id BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    body TEXT,
    sealed TEXT NOT NULL,
    revision BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL,
    PRIMARY KEY (project_id, name)
) /* clustered */;
