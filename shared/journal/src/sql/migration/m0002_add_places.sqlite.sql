CREATE TABLE journal_place (
    last BIGINT NOT NULL
);

INSERT INTO journal_place (last) VALUES (0);

ALTER TABLE journal_commit ADD COLUMN place BIGINT NOT NULL DEFAULT 0;

ALTER TABLE journal_entry ADD COLUMN place BIGINT NOT NULL DEFAULT 0;
