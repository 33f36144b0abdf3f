-- Webhooks: consumers of the journal, each with a place of its own in it.

-- position is the number of the last entry that was looked at: what it had to be told of is in
-- delivery by then. lease_owner is the server that delivers it until lease_until.
CREATE TABLE webhook (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    project_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    artifacts TEXT NOT NULL,
    aliases TEXT NOT NULL,
    format TEXT NOT NULL,
    secret TEXT NOT NULL,
    token TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    disabled_at BIGINT,
    disabled_why TEXT NOT NULL,
    position BIGINT NOT NULL,
    next_delivery BIGINT NOT NULL,
    lease_owner TEXT NOT NULL,
    lease_until BIGINT NOT NULL
) /* strict */;

CREATE INDEX webhook_by_project ON webhook (project_id, created_at, id);

-- seq is the journal's entry, 0 for a ping. Deliveries of one lane are made one after the
-- other: a lane is an artifact's id, 0 for entries about none, below 0 for those by hand.
CREATE TABLE delivery (
    webhook_id TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    event TEXT NOT NULL,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    lane BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    attempts BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    failing_since BIGINT,
    attempted_at BIGINT,
    status BIGINT,
    duration BIGINT,
    answer TEXT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (webhook_id, number)
) /* clustered */;

CREATE INDEX delivery_pending ON delivery (webhook_id, number) WHERE state = 'pending';
