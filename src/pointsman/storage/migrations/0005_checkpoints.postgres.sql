CREATE TRIGGER checkpoint_is_immutable BEFORE UPDATE OR DELETE ON checkpoint
FOR EACH ROW EXECUTE FUNCTION pointsman_refuse();
CREATE TRIGGER checkpoint_keeps_all BEFORE TRUNCATE ON checkpoint
FOR EACH STATEMENT EXECUTE FUNCTION pointsman_refuse();
