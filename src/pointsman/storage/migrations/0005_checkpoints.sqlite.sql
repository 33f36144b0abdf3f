CREATE TRIGGER checkpoint_is_immutable_update BEFORE UPDATE ON checkpoint
BEGIN SELECT RAISE(ABORT, 'checkpoints are immutable'); END;
CREATE TRIGGER checkpoint_is_immutable_delete BEFORE DELETE ON checkpoint
BEGIN SELECT RAISE(ABORT, 'checkpoints are immutable'); END;
CREATE TRIGGER checkpoint_has_no_replace BEFORE INSERT ON checkpoint
WHEN EXISTS (
    SELECT 1 FROM checkpoint
    WHERE project_id = NEW.project_id AND seq = NEW.seq AND key = NEW.key
)
BEGIN SELECT RAISE(ABORT, 'checkpoints are immutable'); END;
