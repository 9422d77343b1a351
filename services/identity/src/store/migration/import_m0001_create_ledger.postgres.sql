CREATE TABLE identity_import (
    import TEXT NOT NULL PRIMARY KEY,
    accept_time BIGINT NOT NULL
);

CREATE TABLE identity_import_batch (
    import TEXT NOT NULL,
    number BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    marks BYTEA NOT NULL,
    PRIMARY KEY (import, number)
);

CREATE INDEX identity_import_batch_create_time ON identity_import_batch (create_time);

CREATE TABLE identity_import_pending (
    batch_id UUID NOT NULL PRIMARY KEY,
    import TEXT NOT NULL,
    call_id UUID NOT NULL,
    number BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    stream SMALLINT NOT NULL,
    records BYTEA NOT NULL
);

CREATE INDEX identity_import_pending_import ON identity_import_pending (import);

CREATE INDEX identity_import_pending_create_time ON identity_import_pending (create_time);
