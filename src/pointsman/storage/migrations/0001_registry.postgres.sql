-- What must never be rewritten, refuses to be.
CREATE FUNCTION pointsman_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % refused: its rows are immutable', TG_OP, TG_TABLE_NAME;
END $$;

CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR DELETE ON journal
FOR EACH ROW EXECUTE FUNCTION pointsman_refuse();
CREATE TRIGGER journal_keeps_all BEFORE TRUNCATE ON journal
FOR EACH STATEMENT EXECUTE FUNCTION pointsman_refuse();

CREATE TRIGGER version_is_immutable BEFORE UPDATE OR DELETE ON version
FOR EACH ROW EXECUTE FUNCTION pointsman_refuse();
CREATE TRIGGER version_keeps_all BEFORE TRUNCATE ON version
FOR EACH STATEMENT EXECUTE FUNCTION pointsman_refuse();

CREATE TRIGGER tombstone_is_immutable BEFORE UPDATE OR DELETE ON tombstone
FOR EACH ROW EXECUTE FUNCTION pointsman_refuse();
CREATE TRIGGER tombstone_keeps_all BEFORE TRUNCATE ON tombstone
FOR EACH STATEMENT EXECUTE FUNCTION pointsman_refuse();

CREATE TRIGGER dependency_is_immutable BEFORE UPDATE OR DELETE ON dependency
FOR EACH ROW EXECUTE FUNCTION pointsman_refuse();
CREATE TRIGGER dependency_keeps_all BEFORE TRUNCATE ON dependency
FOR EACH STATEMENT EXECUTE FUNCTION pointsman_refuse();

CREATE FUNCTION pointsman_content_goes_by_tombstone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM tombstone WHERE tombstone.entry_id = OLD.entry_id) THEN
        RAISE EXCEPTION 'content is removed by a tombstone only';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER content_is_immutable BEFORE UPDATE ON content
FOR EACH ROW EXECUTE FUNCTION pointsman_refuse();
CREATE TRIGGER content_goes_by_tombstone BEFORE DELETE ON content
FOR EACH ROW EXECUTE FUNCTION pointsman_content_goes_by_tombstone();
CREATE TRIGGER content_keeps_all BEFORE TRUNCATE ON content
FOR EACH STATEMENT EXECUTE FUNCTION pointsman_refuse();
