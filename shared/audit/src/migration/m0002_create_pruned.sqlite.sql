-- The entries that were removed from the beginning of each chain because they are old: the last of
-- them, and their time. An entry of the log says the same, and `record_time` is not after it.
CREATE TABLE audit_pruned (
    chain_id BLOB NOT NULL PRIMARY KEY,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL,
    first_time INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    record_time INTEGER NOT NULL
);

-- Mistakes of programs are refused as before, but for entries that are written down as removed.
DROP TRIGGER audit_entry_not_removed;

CREATE TRIGGER audit_entry_not_removed BEFORE DELETE ON audit_entry
WHEN OLD.sequence > coalesce((SELECT sequence FROM audit_pruned WHERE chain_id = OLD.chain_id), 0)
BEGIN
    SELECT RAISE(ABORT, 'entries of the audit log are never removed');
END;
