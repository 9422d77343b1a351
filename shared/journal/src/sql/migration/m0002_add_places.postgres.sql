CREATE SEQUENCE journal_place;

ALTER TABLE journal_commit ADD COLUMN place BIGINT NOT NULL DEFAULT nextval('journal_place');

ALTER TABLE journal_entry ADD COLUMN place BIGINT NOT NULL DEFAULT nextval('journal_place');
