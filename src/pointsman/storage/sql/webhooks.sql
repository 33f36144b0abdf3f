-- Webhooks and their deliveries; see queries.sql for how statements are written.

-- name: webhook
SELECT id, project_id, name, url, events, artifacts, aliases, format, secret, token, created_at,
    created_by, disabled_at, disabled_why, position, next_delivery, lease_owner, lease_until,
    description, updated_at
FROM webhook WHERE id = :id;

-- name: webhooks
SELECT id, project_id, name, url, events, artifacts, aliases, format, secret, token, created_at,
    created_by, disabled_at, disabled_why, position, next_delivery, lease_owner, lease_until,
    description, updated_at
FROM webhook WHERE project_id = :project_id ORDER BY created_at, id;

-- name: enabled_webhooks
SELECT id, project_id, CASE WHEN EXISTS (
    SELECT 1 FROM delivery
    WHERE delivery.webhook_id = webhook.id AND delivery.state = 'pending'
        AND (delivery.due_at = 0 OR delivery.lane < 0)
        AND NOT EXISTS (
            SELECT 1 FROM delivery AS earlier
            WHERE earlier.webhook_id = delivery.webhook_id AND earlier.state = 'pending'
                AND earlier.lane = delivery.lane AND earlier.number < delivery.number
        )
) THEN 1 ELSE 0 END
FROM webhook WHERE disabled_at IS NULL ORDER BY id;

-- name: put_webhook
INSERT INTO webhook (
    id, project_id, name, url, events, artifacts, aliases, format, secret, token, created_at,
    created_by, disabled_at, disabled_why, position, next_delivery, lease_owner, lease_until,
    description, updated_at
) VALUES (
    :id, :project_id, :name, :url, :events, :artifacts, :aliases, :format, :secret, :token,
    :created_at, :created_by, :disabled_at, :disabled_why, :position, :next_delivery,
    :lease_owner, :lease_until, :description, :updated_at
) ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, url = excluded.url, events = excluded.events,
    artifacts = excluded.artifacts, aliases = excluded.aliases, format = excluded.format,
    secret = excluded.secret, token = excluded.token, disabled_at = excluded.disabled_at,
    disabled_why = excluded.disabled_why, position = excluded.position,
    next_delivery = excluded.next_delivery, lease_owner = excluded.lease_owner,
    lease_until = excluded.lease_until, description = excluded.description,
    updated_at = excluded.updated_at;

-- name: drop_webhook
DELETE FROM webhook WHERE id = :id;

-- name: drop_deliveries
DELETE FROM delivery WHERE webhook_id = :webhook_id;

-- name: delivery
SELECT webhook_id, number, seq, event, type, subject, lane, state, attempts, created_at, due_at,
    failing_since, attempted_at, status, duration, answer, error
FROM delivery WHERE webhook_id = :webhook_id AND number = :number;

-- name: deliveries
SELECT webhook_id, number, seq, event, type, subject, lane, state, attempts, created_at, due_at,
    failing_since, attempted_at, status, duration, answer, error
FROM delivery WHERE webhook_id = :webhook_id AND number < :before
ORDER BY number DESC LIMIT :limit;

-- name: pending_deliveries
SELECT webhook_id, number, seq, event, type, subject, lane, state, attempts, created_at, due_at,
    failing_since, attempted_at, status, duration, answer, error
FROM delivery WHERE webhook_id = :webhook_id AND state = 'pending' ORDER BY number;

-- name: put_delivery
INSERT INTO delivery (
    webhook_id, number, seq, event, type, subject, lane, state, attempts, created_at, due_at,
    failing_since, attempted_at, status, duration, answer, error
) VALUES (
    :webhook_id, :number, :seq, :event, :type, :subject, :lane, :state, :attempts, :created_at,
    :due_at, :failing_since, :attempted_at, :status, :duration, :answer, :error
) ON CONFLICT (webhook_id, number) DO UPDATE SET
    state = excluded.state, attempts = excluded.attempts, due_at = excluded.due_at,
    failing_since = excluded.failing_since, attempted_at = excluded.attempted_at,
    status = excluded.status, duration = excluded.duration, answer = excluded.answer,
    error = excluded.error;

-- name: hurry_deliveries
UPDATE delivery SET due_at = :at, failing_since = NULL
WHERE webhook_id = :webhook_id AND state = 'pending';

-- name: forget_deliveries
DELETE FROM delivery
WHERE webhook_id = :webhook_id AND number < :before AND state <> 'pending';
