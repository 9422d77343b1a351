-- The graph epoch that the streams are told of each merge and split; absent for those of earlier programs.

ALTER TABLE identity_merge ADD COLUMN graph_epoch BIGINT NULL;

ALTER TABLE identity_split ADD COLUMN graph_epoch BIGINT NULL;
