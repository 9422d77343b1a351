-- What an installation was created with.
CREATE TABLE store_meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Who owns a partition of a service, and since which epoch: a process that is alive by its row in
-- "worker", and otherwise nobody.
CREATE TABLE partition_lease (
    service TEXT NOT NULL,
    partition INTEGER NOT NULL,
    worker TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    PRIMARY KEY (service, partition)
);

CREATE INDEX partition_lease_worker ON partition_lease (service, worker);

-- The last word of each worker of a service, by the database's clock.
CREATE TABLE worker (
    service TEXT NOT NULL,
    worker TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    beat_time BIGINT NOT NULL,
    ttl_ms BIGINT NOT NULL,
    takes_part BOOLEAN NOT NULL,
    clock_skew_ms BIGINT NULL,
    PRIMARY KEY (service, worker)
);

-- The requests that were seen, each with its answer.
CREATE TABLE request (
    request_id TEXT NOT NULL,
    method TEXT NOT NULL,
    body_hash BYTEA NOT NULL,
    response BYTEA NULL,
    create_time BIGINT NOT NULL,
    expire_time BIGINT NOT NULL,
    PRIMARY KEY (request_id, method)
);

CREATE INDEX request_expire_time ON request (expire_time);
