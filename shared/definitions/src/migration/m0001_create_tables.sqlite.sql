-- Every version of every definition. A deleted one has a version with the time of that.
CREATE TABLE definition (
    kind INTEGER NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL,
    etag TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    delete_time INTEGER NULL,
    PRIMARY KEY (kind, name, version)
);

-- How often the definitions of an owner have changed.
CREATE TABLE definition_revision (
    owner TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL
);
