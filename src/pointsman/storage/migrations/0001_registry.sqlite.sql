-- What must never be rewritten, refuses to be.
CREATE TRIGGER journal_is_append_only_update BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_is_append_only_delete BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

CREATE TRIGGER version_is_immutable_update BEFORE UPDATE ON version
BEGIN SELECT RAISE(ABORT, 'versions are immutable'); END;
CREATE TRIGGER version_is_immutable_delete BEFORE DELETE ON version
BEGIN SELECT RAISE(ABORT, 'versions are immutable'); END;

CREATE TRIGGER tombstone_is_immutable_update BEFORE UPDATE ON tombstone
BEGIN SELECT RAISE(ABORT, 'tombstones are immutable'); END;
CREATE TRIGGER tombstone_is_immutable_delete BEFORE DELETE ON tombstone
BEGIN SELECT RAISE(ABORT, 'tombstones are immutable'); END;

CREATE TRIGGER dependency_is_immutable_update BEFORE UPDATE ON dependency
BEGIN SELECT RAISE(ABORT, 'dependencies are immutable'); END;
CREATE TRIGGER dependency_is_immutable_delete BEFORE DELETE ON dependency
BEGIN SELECT RAISE(ABORT, 'dependencies are immutable'); END;

CREATE TRIGGER content_is_immutable BEFORE UPDATE ON content
BEGIN SELECT RAISE(ABORT, 'content is immutable'); END;
CREATE TRIGGER content_goes_by_tombstone BEFORE DELETE ON content
WHEN NOT EXISTS (SELECT 1 FROM tombstone WHERE tombstone.entry_id = OLD.entry_id)
BEGIN SELECT RAISE(ABORT, 'content is removed by a tombstone only'); END;

-- INSERT OR REPLACE would delete the old row without its delete trigger.
CREATE TRIGGER journal_has_no_replace BEFORE INSERT ON journal
WHEN EXISTS (SELECT 1 FROM journal WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER version_has_no_replace BEFORE INSERT ON version
WHEN EXISTS (SELECT 1 FROM version WHERE artifact_id = NEW.artifact_id AND number = NEW.number)
BEGIN SELECT RAISE(ABORT, 'versions are immutable'); END;
CREATE TRIGGER content_has_no_replace BEFORE INSERT ON content
WHEN EXISTS (SELECT 1 FROM content WHERE entry_id = NEW.entry_id)
BEGIN SELECT RAISE(ABORT, 'content is immutable'); END;
CREATE TRIGGER tombstone_has_no_replace BEFORE INSERT ON tombstone
WHEN EXISTS (
    SELECT 1 FROM tombstone
    WHERE (artifact_id = NEW.artifact_id AND number = NEW.number) OR entry_id = NEW.entry_id
)
BEGIN SELECT RAISE(ABORT, 'tombstones are immutable'); END;
CREATE TRIGGER dependency_has_no_replace BEFORE INSERT ON dependency
WHEN EXISTS (
    SELECT 1 FROM dependency
    WHERE artifact_id = NEW.artifact_id AND number = NEW.number AND position = NEW.position
)
BEGIN SELECT RAISE(ABORT, 'dependencies are immutable'); END;
