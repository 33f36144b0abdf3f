-- Texts of evaluations go before their figures do: with a version that took part in them and
-- was removed, or when they are old.

-- at is when the rows were dropped, and label the version with which they went; empty where
-- they were only old.
CREATE TABLE evaluation_dropped (
    project_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (project_id, number)
) /* clustered */;

-- The evaluation that made it last; 0 where nobody noted that.
ALTER TABLE made ADD COLUMN number BIGINT NOT NULL DEFAULT 0;

CREATE INDEX made_by_evaluation ON made (project_id, number);
