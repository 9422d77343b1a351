-- By which event an identifier was attached, and by which event or request customers were joined:
-- a hash of the source and the place there. NULL where what was sent has no name.
ALTER TABLE identity_identifier ADD COLUMN sent_as BIGINT NULL;
ALTER TABLE identity_merge ADD COLUMN sent_as BIGINT NULL;

CREATE INDEX identity_merge_sent_as ON identity_merge (sent_as) WHERE sent_as IS NOT NULL;
