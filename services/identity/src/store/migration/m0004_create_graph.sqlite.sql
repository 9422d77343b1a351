-- State 0: somebody's; 1: contested and 2: quarantined, so that it is nobody's any more; 3: contested
-- too, and its fragment is the customer of events that carry nothing else. The fan-out tells between
-- which customers it stood. The event is the one that attached it; NULL where nobody knows.
ALTER TABLE identity_identifier ADD COLUMN state INTEGER NOT NULL DEFAULT 0;
ALTER TABLE identity_identifier ADD COLUMN fan_out BLOB NULL;
ALTER TABLE identity_identifier ADD COLUMN event_id TEXT NULL;
ALTER TABLE identity_identifier ADD COLUMN source TEXT NULL;
ALTER TABLE identity_identifier ADD COLUMN event_time INTEGER NULL;
ALTER TABLE identity_identifier ADD COLUMN policy_version INTEGER NULL;

ALTER TABLE identity_merge ADD COLUMN event_id TEXT NULL;
ALTER TABLE identity_merge ADD COLUMN retracted_by uuid_text NULL;

CREATE INDEX identity_merge_from ON identity_merge (from_customer_id);
CREATE INDEX identity_merge_into ON identity_merge (into_customer_id);

-- The holders of values that may have several. One of them has events that carry nothing else.
CREATE TABLE identity_shared (
    namespace TEXT NOT NULL,
    value TEXT NOT NULL,
    fragment_id uuid_text NOT NULL,
    create_time INTEGER NOT NULL,
    is_alone BOOLEAN NOT NULL,
    event_id TEXT NULL,
    source TEXT NULL,
    event_time INTEGER NULL,
    policy_version INTEGER NULL,
    PRIMARY KEY (namespace, value, fragment_id)
) WITHOUT ROWID;

CREATE INDEX identity_shared_fragment ON identity_shared (fragment_id);
CREATE UNIQUE INDEX identity_shared_alone ON identity_shared (namespace, value) WHERE is_alone;

-- Beside the rows of identifiers, which tell by which event each was attached.
CREATE TABLE identity_evidence (
    evidence_id uuid_text NOT NULL PRIMARY KEY,
    fragment_id uuid_text NOT NULL,
    joined_fragment_id uuid_text NULL,
    namespace TEXT NULL,
    value TEXT NULL,
    kind INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    source TEXT NOT NULL,
    event_time INTEGER NOT NULL,
    first_time INTEGER NOT NULL,
    last_time INTEGER NOT NULL,
    count INTEGER NOT NULL,
    policy_version INTEGER NOT NULL,
    reason TEXT NOT NULL,
    operation_id uuid_text NULL,
    retracted_by uuid_text NULL
);

CREATE INDEX identity_evidence_fragment ON identity_evidence (fragment_id);
CREATE INDEX identity_evidence_joined ON identity_evidence (joined_fragment_id)
    WHERE joined_fragment_id IS NOT NULL;
CREATE INDEX identity_evidence_event ON identity_evidence (event_id) WHERE event_id <> '';

-- All that changed who is who but merges. The customers before and after are ids with commas
-- between them.
CREATE TABLE identity_operation (
    operation_id uuid_text NOT NULL PRIMARY KEY,
    kind INTEGER NOT NULL,
    request_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    from_ids TEXT NOT NULL,
    to_ids TEXT NOT NULL,
    reason TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    retracted_by uuid_text NULL,
    outcome BLOB NULL
);

-- The fragments that an operation was about: each finds its history by them.
CREATE TABLE identity_operation_fragment (
    fragment_id uuid_text NOT NULL,
    operation_id uuid_text NOT NULL,
    PRIMARY KEY (fragment_id, operation_id)
) WITHOUT ROWID;

CREATE TABLE identity_cannot_link (
    fragment_a uuid_text NOT NULL,
    fragment_b uuid_text NOT NULL,
    operation_id uuid_text NOT NULL,
    reason TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    PRIMARY KEY (fragment_a, fragment_b)
) WITHOUT ROWID;

CREATE INDEX identity_cannot_link_other ON identity_cannot_link (fragment_b);

-- Customers who came out of others, announced as merges are.
CREATE TABLE identity_split (
    split_id uuid_text NOT NULL PRIMARY KEY,
    operation_id uuid_text NOT NULL,
    customer_id uuid_text NOT NULL,
    from_customer_id uuid_text NOT NULL,
    fragment_ids TEXT NOT NULL,
    merge_time INTEGER NOT NULL,
    announced BOOLEAN NOT NULL,
    claim_time INTEGER NOT NULL,
    sent_as INTEGER NULL
);

CREATE INDEX identity_split_announced ON identity_split (announced, claim_time);
CREATE INDEX identity_split_customer ON identity_split (customer_id);
CREATE INDEX identity_split_from ON identity_split (from_customer_id);
CREATE INDEX identity_split_operation ON identity_split (operation_id);
CREATE INDEX identity_split_sent_as ON identity_split (sent_as) WHERE sent_as IS NOT NULL;

-- The merges of before are evidence too.
INSERT INTO identity_evidence (evidence_id, fragment_id, joined_fragment_id, kind, event_id, source,
        event_time, first_time, last_time, count, policy_version, reason, operation_id)
    SELECT merge_id, from_customer_id, into_customer_id, CASE WHEN reason = 'event' THEN 2 ELSE 3 END,
        '', '', create_time, create_time, create_time, 1, 0, '', merge_id
    FROM identity_merge;
