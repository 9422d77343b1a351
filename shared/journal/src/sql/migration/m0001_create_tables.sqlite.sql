CREATE TABLE journal_commit (
    service SMALLINT NOT NULL,
    partition INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    batch_id BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    payload BLOB NOT NULL,
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
    customers BLOB,
    source TEXT,
    source_first BIGINT,
    source_last BIGINT,
    create_time BIGINT NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (stream, partition, writer, seq)
);

CREATE INDEX journal_entry_event ON journal_entry (partition, span, first_time, stream, writer, seq)
    WHERE span IS NOT NULL;

CREATE TABLE journal_writer (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
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
    payload BLOB NOT NULL,
    PRIMARY KEY (service, partition)
);

CREATE TABLE journal_chunk (
    service SMALLINT NOT NULL,
    partition INTEGER NOT NULL,
    seq BIGINT NOT NULL,
    number BIGINT NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (service, partition, seq, number)
);
