-- The entries that were removed from the beginning of each chain because they are old: the last of
-- them, and their time. An entry of the log says the same, and `record_time` is not after it.
CREATE TABLE audit_pruned (
    chain_id UUID NOT NULL PRIMARY KEY,
    sequence BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    first_time BIGINT NOT NULL,
    last_time BIGINT NOT NULL,
    record_time BIGINT NOT NULL
);

-- Mistakes of programs are refused as before, but for entries that are written down as removed.
CREATE FUNCTION audit_entry_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM removed LEFT JOIN audit_pruned USING (chain_id)
        WHERE removed.sequence > coalesce(audit_pruned.sequence, 0)
    ) THEN
        RAISE EXCEPTION 'entries of the audit log are never changed or removed';
    END IF;
    RETURN NULL;
END
$$;

DROP TRIGGER audit_entry_kept ON audit_entry;

CREATE TRIGGER audit_entry_kept BEFORE UPDATE OR TRUNCATE ON audit_entry
FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_refuse();

CREATE TRIGGER audit_entry_not_removed AFTER DELETE ON audit_entry
REFERENCING OLD TABLE AS removed
FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_keep();
