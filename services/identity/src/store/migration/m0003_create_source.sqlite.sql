CREATE TABLE identity_source (
    source TEXT NOT NULL PRIMARY KEY,
    mark INTEGER NOT NULL,
    accept_time INTEGER NOT NULL
) WITHOUT ROWID;
