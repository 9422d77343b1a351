-- The progress of subscriptions: behind what was taken, the batch at hand, and who posts. The epoch grows with each new owner and
-- each order, and what is noted under an older one is refused.
CREATE TABLE subscription_state (
    name TEXT NOT NULL PRIMARY KEY,
    position TEXT NOT NULL,
    standing INTEGER NOT NULL,
    batch_id TEXT NULL,
    batch_end TEXT NULL,
    batch_filter TEXT NULL,
    failures INTEGER NOT NULL,
    first_failure_time BIGINT NULL,
    next_attempt_time BIGINT NULL,
    last_error TEXT NOT NULL,
    last_success_time BIGINT NULL,
    owner TEXT NOT NULL,
    epoch BIGINT NOT NULL
);
