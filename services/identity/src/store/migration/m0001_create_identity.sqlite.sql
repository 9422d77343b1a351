-- Foreign keys are left out on purpose: they would lock fragment rows for every identifier that is
-- attached, and one function writes all of these tables. Every look-up of fragments, identifiers
-- and customers is by primary key: without row ids SQLite keeps such rows in the index of the key,
-- which takes half the steps.

CREATE TABLE identity_fragment (
    fragment_id uuid_text NOT NULL PRIMARY KEY,
    root_id uuid_text NOT NULL,
    create_time INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE identity_identifier (
    namespace TEXT NOT NULL,
    value TEXT NOT NULL,
    fragment_id uuid_text NOT NULL,
    create_time INTEGER NOT NULL,
    PRIMARY KEY (namespace, value)
) WITHOUT ROWID;

CREATE TABLE identity_customer (
    customer_id uuid_text NOT NULL PRIMARY KEY,
    create_time INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    fragment_count INTEGER NOT NULL,
    identifier_counts TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE identity_merge (
    merge_id uuid_text NOT NULL PRIMARY KEY,
    from_customer_id uuid_text NOT NULL,
    into_customer_id uuid_text NOT NULL,
    reason TEXT NOT NULL,
    request_id TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    announced BOOLEAN NOT NULL,
    claim_time INTEGER NOT NULL
);

CREATE TABLE identity_clock (
    id INTEGER NOT NULL PRIMARY KEY,
    time INTEGER NOT NULL
);

CREATE INDEX identity_fragment_root ON identity_fragment (root_id);
CREATE INDEX identity_identifier_fragment ON identity_identifier (fragment_id);
CREATE INDEX identity_customer_create_time ON identity_customer (create_time, customer_id);
CREATE INDEX identity_merge_announced ON identity_merge (announced, claim_time);
