-- Which variable of a prompt takes the output of what it consumes, and who pins a version.

ALTER TABLE dependency ADD COLUMN variable TEXT;

CREATE INDEX dependency_by_pin ON dependency (target_id, target_version)
WHERE target_version IS NOT NULL;
