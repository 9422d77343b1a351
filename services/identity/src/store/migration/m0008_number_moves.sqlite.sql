-- Fragments that went to another customer or lost a value, by the number of the change: other
-- processes forget what they know of them. The numbers come from one row, so that they are
-- committed in their order.
CREATE TABLE identity_moved_version (
    id INTEGER NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL
);

CREATE TABLE identity_moved_fragment (
    version INTEGER NOT NULL,
    fragment_id uuid_text NOT NULL,
    PRIMARY KEY (version, fragment_id)
) WITHOUT ROWID;

-- The namespace of the identifier that named the customer when this one was attached; empty where
-- the customer was new, and NULL where nobody knows.
ALTER TABLE identity_identifier ADD COLUMN found_by TEXT NULL;
ALTER TABLE identity_shared ADD COLUMN found_by TEXT NULL;
ALTER TABLE identity_evidence ADD COLUMN found_by TEXT NULL;
