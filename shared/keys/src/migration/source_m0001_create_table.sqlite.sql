-- The source of each key that sends for one. A table of its own, with an owner of its own: programs from before take such a
-- key for any other one.
CREATE TABLE api_key_source (
    key_id TEXT NOT NULL PRIMARY KEY,
    source TEXT NOT NULL
);
