-- Evaluations: what was asked for, who works on it, what came out; and the outputs and scores
-- that were paid for once.

-- number is the sequence number of the entry that asked for it. seal is the digest of all
-- that the result depends on, orders those same things in words (JSON).
CREATE TABLE evaluation (
    project_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    seal TEXT COLLATE "C" NOT NULL,
    artifact_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    against BIGINT,
    suite_id BIGINT NOT NULL,
    suite_version BIGINT NOT NULL,
    alias TEXT COLLATE "C" NOT NULL,
    orders TEXT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    by_name TEXT NOT NULL,
    at BIGINT NOT NULL,
    change_number BIGINT,
    fresh BIGINT NOT NULL,
    PRIMARY KEY (project_id, number)
) /* clustered */;

CREATE INDEX evaluation_by_seal ON evaluation (project_id, seal, number);
CREATE INDEX evaluation_by_artifact ON evaluation (artifact_id, number);

-- Who works on it, until when without a sign of life, and how far it is. attempt counts the
-- workers that took it up: only the last of them may write. calls and spent (in 10^-12 of the
-- currency's unit) are what all of them used of the budget.
CREATE TABLE evaluation_work (
    project_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    worker TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    done BIGINT NOT NULL,
    total BIGINT NOT NULL,
    reused BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    PRIMARY KEY (project_id, number)
) /* clustered */;

-- state: passed, failed, inconclusive, cancelled.
CREATE TABLE evaluation_end (
    project_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    by_name TEXT NOT NULL,
    summary TEXT NOT NULL,
    report TEXT,
    PRIMARY KEY (project_id, number)
) /* clustered */;

-- A row of the dataset with what both sides gave. worse orders them: how much lower the
-- candidate's scores are, in millionths.
CREATE TABLE evaluation_case (
    project_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    position BIGINT NOT NULL,
    worse BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project_id, number, position)
) /* clustered */;

CREATE INDEX evaluation_case_by_worse ON evaluation_case (project_id, number, worse, position);

-- Outputs and scores by the digest of everything that made them.
CREATE TABLE made (
    project_id BIGINT NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (project_id, key)
) /* clustered */;

CREATE INDEX made_by_time ON made (project_id, at);

-- The evaluations that have not ended: few at any time, however many were ever asked for.
CREATE TABLE evaluation_open (
    project_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (project_id, number)
) /* clustered */;
