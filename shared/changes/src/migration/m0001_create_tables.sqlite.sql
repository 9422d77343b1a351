-- The only row says how far the log goes. Whoever writes to the log locks it first.
CREATE TABLE change_head (
    id INTEGER NOT NULL PRIMARY KEY,
    log_id INTEGER NOT NULL,
    next_row INTEGER NOT NULL,
    oldest_row INTEGER NOT NULL,
    change_count INTEGER NOT NULL
);

-- The last commit of each partition that the log has: one row a service.
CREATE TABLE change_mark (
    service INTEGER NOT NULL PRIMARY KEY,
    marks BLOB NOT NULL
);

-- The changes, in the order in which they were committed. Bytes are those of the body once it is unpacked.
CREATE TABLE change_log (
    row_number INTEGER NOT NULL PRIMARY KEY,
    append_time INTEGER NOT NULL,
    change_count INTEGER NOT NULL,
    byte_count INTEGER NOT NULL,
    body BLOB NOT NULL
);
