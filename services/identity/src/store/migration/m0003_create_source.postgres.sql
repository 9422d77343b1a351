CREATE TABLE identity_source (
    source TEXT NOT NULL PRIMARY KEY,
    mark BIGINT NOT NULL,
    accept_time BIGINT NOT NULL
);
