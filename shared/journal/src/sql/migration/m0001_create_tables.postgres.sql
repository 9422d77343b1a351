CREATE TABLE journal_commit (
    service SMALLINT NOT NULL,
    partition INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    batch_id BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (service, partition, seq)
);

CREATE TABLE journal_entry (
    stream SMALLINT NOT NULL,
    partition INTEGER NOT NULL,
    writer INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    span SMALLINT,
    first_time BIGINT,
    last_time BIGINT,
    event_count INTEGER,
    customers BYTEA,
    source TEXT,
    source_first BIGINT,
    source_last BIGINT,
    create_time BIGINT NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (stream, partition, writer, seq)
);

CREATE INDEX journal_entry_event ON journal_entry (partition, span, first_time, stream, writer, seq)
    WHERE span IS NOT NULL;

CREATE TABLE journal_writer (
    id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    worker TEXT NOT NULL,
    create_time BIGINT NOT NULL
);

CREATE TABLE journal_snapshot (
    service SMALLINT NOT NULL,
    partition INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    batch_id BIGINT NOT NULL,
    chunks BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (service, partition)
);

CREATE TABLE journal_chunk (
    service SMALLINT NOT NULL,
    partition INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    number BIGINT NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (service, partition, seq, number)
);

-- Payloads are compressed already.
ALTER TABLE journal_commit ALTER payload SET STORAGE EXTERNAL;
ALTER TABLE journal_entry ALTER payload SET STORAGE EXTERNAL, ALTER customers SET STORAGE EXTERNAL;
ALTER TABLE journal_snapshot ALTER payload SET STORAGE EXTERNAL;
ALTER TABLE journal_chunk ALTER payload SET STORAGE EXTERNAL;

-- Old rows go in bulk: the room is wanted back before a fifth of a large table is dead.
ALTER TABLE journal_commit
    SET (autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE journal_entry
    SET (autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05);
