-- What MLflow's client says of a webhook, and when it was last changed (0: never since it was
-- made, or before this was kept).
ALTER TABLE webhook ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE webhook ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
