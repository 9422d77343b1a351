-- The keys of callers, and those of services. Of a key itself nothing is kept but hashes.
CREATE TABLE api_key (
    id TEXT NOT NULL PRIMARY KEY,
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    creator TEXT NOT NULL,
    create_time BIGINT NOT NULL,
    expire_time BIGINT NULL,
    revoke_time BIGINT NULL
);

-- The secrets of each key, with the end of those that were replaced.
CREATE TABLE api_key_secret (
    key_id TEXT NOT NULL,
    hash BYTEA NOT NULL,
    create_time BIGINT NOT NULL,
    expire_time BIGINT NULL,
    PRIMARY KEY (key_id, hash)
);

-- How often any of that has changed: one row, which every change takes first.
CREATE TABLE api_key_revision (
    id INTEGER NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
);

INSERT INTO api_key_revision (id, revision) VALUES (1, 0);
