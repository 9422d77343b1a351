-- Erased and suppressed identifiers as keyed hashes, the key, and what is done of each erasure. Times are milliseconds since the epoch.

-- The number of the newest change of tombstones: one row, from the first change on.
CREATE TABLE identity_tombstone_version (
    id INTEGER NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
);

-- HMAC-SHA-256 of namespace and value. Events up to the time of erasure are dropped; of who is suppressed all are.
CREATE TABLE identity_tombstone (
    hash BYTEA NOT NULL PRIMARY KEY,
    erase_time BIGINT NULL,
    suppress_time BIGINT NULL,
    version BIGINT NOT NULL
);

CREATE INDEX identity_tombstone_by_version ON identity_tombstone (version);

-- Secrets of the installation, by name; sealed where there are keys for that.
CREATE TABLE identity_secret (
    name TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL,
    create_time BIGINT NOT NULL
);

-- Erasures. Values of identifiers stay until every store was looked through for them.
CREATE TABLE identity_erasure (
    operation_id UUID NOT NULL PRIMARY KEY,
    customer_ids BYTEA NOT NULL,
    fragment_ids BYTEA NOT NULL,
    mode SMALLINT NOT NULL,
    reason TEXT NOT NULL,
    erase_time BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    deadline BIGINT NOT NULL,
    is_urgent BOOLEAN NOT NULL,
    found_count BIGINT NOT NULL,
    not_found_count BIGINT NOT NULL,
    identifier_count BIGINT NOT NULL,
    event_count BIGINT NULL,
    version BIGINT NOT NULL,
    value_list TEXT NOT NULL,
    steps BYTEA NOT NULL,
    is_announced BOOLEAN NOT NULL,
    claim_time BIGINT NOT NULL,
    done_time BIGINT NULL
);

CREATE INDEX identity_erasure_by_version ON identity_erasure (version);

CREATE INDEX identity_erasure_by_done_time ON identity_erasure (done_time, create_time);
