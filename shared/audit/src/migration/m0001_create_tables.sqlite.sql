-- One chain of entries for each process that ever ran, and its newest entry.
CREATE TABLE audit_chain (
    chain_id BLOB NOT NULL PRIMARY KEY,
    worker TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL,
    open_time INTEGER NOT NULL,
    close_time INTEGER NULL
);

-- The entries. They are only ever added.
CREATE TABLE audit_entry (
    chain_id BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    time INTEGER NOT NULL,
    caller_id TEXT NOT NULL,
    caller_kind TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    subject BLOB NOT NULL,
    outcome TEXT NOT NULL,
    trace_parent TEXT NOT NULL,
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (chain_id, sequence)
);

CREATE INDEX audit_entry_time ON audit_entry (time, chain_id, sequence);
CREATE INDEX audit_entry_subject ON audit_entry (subject, time);

-- The key of each customer, by which entries name them. A customer who is forgotten has none.
CREATE TABLE audit_subject (
    customer_id BLOB NOT NULL PRIMARY KEY,
    key BLOB NOT NULL
) WITHOUT ROWID;

-- Mistakes of programs are refused; who may drop a trigger is found by the hashes.
CREATE TRIGGER audit_entry_kept BEFORE UPDATE ON audit_entry
BEGIN
    SELECT RAISE(ABORT, 'entries of the audit log are never changed');
END;

CREATE TRIGGER audit_entry_not_removed BEFORE DELETE ON audit_entry
BEGIN
    SELECT RAISE(ABORT, 'entries of the audit log are never removed');
END;
