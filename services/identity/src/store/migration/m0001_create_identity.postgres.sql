-- Foreign keys are left out on purpose: they would lock fragment rows for every identifier that is
-- attached, and one function writes all of these tables.

CREATE TABLE identity_fragment (
    fragment_id UUID NOT NULL PRIMARY KEY,
    root_id UUID NOT NULL,
    create_time BIGINT NOT NULL
);

CREATE TABLE identity_identifier (
    namespace TEXT NOT NULL,
    value TEXT NOT NULL,
    fragment_id UUID NOT NULL,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (namespace, value)
);

CREATE TABLE identity_customer (
    customer_id UUID NOT NULL PRIMARY KEY,
    create_time BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    fragment_count BIGINT NOT NULL,
    identifier_counts TEXT NOT NULL
);

CREATE TABLE identity_merge (
    merge_id UUID NOT NULL PRIMARY KEY,
    from_customer_id UUID NOT NULL,
    into_customer_id UUID NOT NULL,
    reason TEXT NOT NULL,
    request_id TEXT NOT NULL,
    create_time BIGINT NOT NULL,
    announced BOOLEAN NOT NULL,
    claim_time BIGINT NOT NULL
);

CREATE TABLE identity_clock (
    id INTEGER NOT NULL PRIMARY KEY,
    time BIGINT NOT NULL
);

CREATE INDEX identity_fragment_root ON identity_fragment (root_id);
CREATE INDEX identity_identifier_fragment ON identity_identifier (fragment_id);
CREATE INDEX identity_customer_create_time ON identity_customer (create_time, customer_id);
CREATE INDEX identity_merge_announced ON identity_merge (announced, claim_time);
