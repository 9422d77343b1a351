-- The only row says how far the log goes. Whoever writes to the log locks it first.
CREATE TABLE change_head (
    id SMALLINT NOT NULL PRIMARY KEY,
    log_id BIGINT NOT NULL,
    next_row BIGINT NOT NULL,
    oldest_row BIGINT NOT NULL,
    change_count BIGINT NOT NULL
);

-- The last commit of each partition that the log has: one row a service.
CREATE TABLE change_mark (
    service SMALLINT NOT NULL PRIMARY KEY,
    marks BYTEA NOT NULL
);

-- The changes, in the order in which they were committed. Bytes are those of the body once it is unpacked.
CREATE TABLE change_log (
    row_number BIGINT NOT NULL PRIMARY KEY,
    append_time BIGINT NOT NULL,
    change_count INTEGER NOT NULL,
    byte_count INTEGER NOT NULL,
    body BYTEA NOT NULL
);

-- Bodies are compressed already, and marks are too short to gain by it.
ALTER TABLE change_log ALTER body SET STORAGE EXTERNAL;
ALTER TABLE change_mark ALTER marks SET STORAGE EXTERNAL;

-- Old rows go in bulk: the room is wanted back before a fifth of a large table is dead.
ALTER TABLE change_log
    SET (autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05);
