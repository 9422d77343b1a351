CREATE TABLE identity_import (
    import TEXT NOT NULL PRIMARY KEY,
    accept_time INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE identity_import_batch (
    import TEXT NOT NULL,
    number INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    marks BLOB NOT NULL,
    PRIMARY KEY (import, number)
);

CREATE INDEX identity_import_batch_create_time ON identity_import_batch (create_time);

CREATE TABLE identity_import_pending (
    batch_id uuid_text NOT NULL PRIMARY KEY,
    import TEXT NOT NULL,
    call_id uuid_text NOT NULL,
    number INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    stream INTEGER NOT NULL,
    records BLOB NOT NULL
);

CREATE INDEX identity_import_pending_import ON identity_import_pending (import);

CREATE INDEX identity_import_pending_create_time ON identity_import_pending (create_time);
