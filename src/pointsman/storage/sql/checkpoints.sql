-- Signed checkpoints of journals.

-- name: checkpoints
SELECT project_id, seq, key, at, hash, note FROM checkpoint
WHERE project_id = :project_id AND seq < :before ORDER BY seq DESC, key LIMIT :limit;

-- name: checkpoint
SELECT project_id, seq, key, at, hash, note FROM checkpoint
WHERE project_id = :project_id AND seq = :seq AND key = :key;

-- name: add_checkpoint
INSERT INTO checkpoint (project_id, seq, key, at, hash, note)
VALUES (:project_id, :seq, :key, :at, :hash, :note);
