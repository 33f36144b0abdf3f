-- Tracking, for MLflow's client: experiments, their runs and logged models, what was logged to
-- them, and the files of runs. Telemetry about versions, which no entry of the journal tells of.

-- number 0 is the default experiment; it has a row once something of it was changed.
CREATE TABLE experiment (
    project_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    location TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    PRIMARY KEY (project_id, number)
) /* clustered */;

CREATE UNIQUE INDEX experiment_by_name ON experiment (project_id, name);

-- started_at and ended_at are what the client said, created_at is ours. location is where the
-- run's files are: below mlflow-artifacts: with us, anything else elsewhere.
CREATE TABLE run (
    project_id BIGINT NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    experiment BIGINT NOT NULL,
    name TEXT NOT NULL,
    by_name TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    location TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    PRIMARY KEY (project_id, id)
) /* clustered */;

CREATE INDEX run_by_experiment ON run (project_id, experiment, created_at, id);

-- run_id is empty for a model that was logged outside of any run.
CREATE TABLE logged_model (
    project_id BIGINT NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    experiment BIGINT NOT NULL,
    run_id TEXT COLLATE "C" NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    location TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT,
    PRIMARY KEY (project_id, id)
) /* clustered */;

CREATE INDEX logged_model_by_experiment ON logged_model (project_id, experiment, created_at, id);

-- What was said once of a subject: e:<experiment>, r:<run>, m:<logged model>, t:<trace>.
-- kind: param, tag, dataset, input, output, prompt.
CREATE TABLE tracked_note (
    project_id BIGINT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (project_id, subject, kind, key)
) /* clustered */;

-- Every point of every metric. value is the shortest text of a double: also NaN and Infinity.
CREATE TABLE metric_point (
    project_id BIGINT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    step BIGINT NOT NULL,
    at BIGINT NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, subject, key, step, at, value)
) /* clustered */;

-- The last point of each metric, by step and time.
CREATE TABLE metric_last (
    project_id BIGINT NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    step BIGINT NOT NULL,
    at BIGINT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (project_id, subject, key)
) /* clustered */;

-- The files of runs and logged models by their paths, and the blobs that their bytes are.
CREATE TABLE run_file (
    project_id BIGINT NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    sha256 TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (project_id, path)
) /* clustered */;

CREATE INDEX run_file_by_blob ON run_file (project_id, sha256);

-- Traces without their spans: what ties them to prompts is among their notes.
CREATE TABLE trace (
    project_id BIGINT NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    experiment BIGINT NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (project_id, id)
) /* clustered */;
