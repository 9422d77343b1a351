-- Erased and suppressed identifiers as keyed hashes, the key, and what is done of each erasure. Times are milliseconds since the epoch.

-- The number of the newest change of tombstones: one row, from the first change on.
CREATE TABLE identity_tombstone_version (
    id INTEGER NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL
);

-- HMAC-SHA-256 of namespace and value. Events up to the time of erasure are dropped; of who is suppressed all are.
CREATE TABLE identity_tombstone (
    hash BLOB NOT NULL PRIMARY KEY,
    erase_time INTEGER NULL,
    suppress_time INTEGER NULL,
    version INTEGER NOT NULL
);

CREATE INDEX identity_tombstone_by_version ON identity_tombstone (version);

-- Secrets of the installation, by name; sealed where there are keys for that.
CREATE TABLE identity_secret (
    name TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL,
    create_time INTEGER NOT NULL
);

-- Erasures. Values of identifiers stay until every store was looked through for them.
CREATE TABLE identity_erasure (
    operation_id uuid_text NOT NULL PRIMARY KEY,
    customer_ids BLOB NOT NULL,
    fragment_ids BLOB NOT NULL,
    mode INTEGER NOT NULL,
    reason TEXT NOT NULL,
    erase_time INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    is_urgent BOOLEAN NOT NULL,
    found_count INTEGER NOT NULL,
    not_found_count INTEGER NOT NULL,
    identifier_count INTEGER NOT NULL,
    event_count INTEGER NULL,
    version INTEGER NOT NULL,
    value_list TEXT NOT NULL,
    steps BLOB NOT NULL,
    is_announced BOOLEAN NOT NULL,
    claim_time INTEGER NOT NULL,
    done_time INTEGER NULL
);

CREATE INDEX identity_erasure_by_version ON identity_erasure (version);

CREATE INDEX identity_erasure_by_done_time ON identity_erasure (done_time, create_time);
