-- One chain of entries for each process that ever ran, and its newest entry.
CREATE TABLE audit_chain (
    chain_id UUID NOT NULL PRIMARY KEY,
    worker TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    open_time BIGINT NOT NULL,
    close_time BIGINT NULL
);

-- The entries. They are only ever added.
CREATE TABLE audit_entry (
    chain_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    time BIGINT NOT NULL,
    caller_id TEXT NOT NULL,
    caller_kind TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    subject BYTEA NOT NULL,
    outcome TEXT NOT NULL,
    trace_parent TEXT NOT NULL,
    previous_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (chain_id, sequence)
);

CREATE INDEX audit_entry_time ON audit_entry (time, chain_id, sequence);
CREATE INDEX audit_entry_subject ON audit_entry (subject, time);

-- The key of each customer, by which entries name them. A customer who is forgotten has none.
CREATE TABLE audit_subject (
    customer_id UUID NOT NULL PRIMARY KEY,
    key BYTEA NOT NULL
);

-- Mistakes of programs are refused; who may drop a trigger is found by the hashes.
CREATE FUNCTION audit_entry_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of the audit log are never changed or removed';
END
$$;

CREATE TRIGGER audit_entry_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
FOR EACH STATEMENT EXECUTE FUNCTION audit_entry_refuse();
