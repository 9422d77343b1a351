-- Events that could not be taken. Ids grow with the time at which they were received; the digest tells one that is sent again.
CREATE TABLE dead_letter (
    id UUID NOT NULL PRIMARY KEY,
    digest BYTEA NOT NULL,
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    reason TEXT NOT NULL,
    field TEXT NOT NULL,
    description TEXT NOT NULL,
    payload TEXT NOT NULL,
    is_cut BOOLEAN NOT NULL,
    receive_time BIGINT NOT NULL,
    sent_time BIGINT NULL,
    replay_count INTEGER NOT NULL
);

CREATE UNIQUE INDEX dead_letter_by_digest ON dead_letter (digest);

CREATE INDEX dead_letter_by_source ON dead_letter (source, id);

-- The events and calls of each day, by source and outcome. Days are those since the epoch, by UTC.
CREATE TABLE intake_count (
    day INTEGER NOT NULL,
    source TEXT NOT NULL,
    reason TEXT NOT NULL,
    number BIGINT NOT NULL,
    last_time BIGINT NOT NULL,
    PRIMARY KEY (day, source, reason)
);
