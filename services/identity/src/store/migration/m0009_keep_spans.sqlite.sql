-- A membership that ended and began again is two rows: each is kept with its own end.
DROP INDEX identity_membership_pair;

CREATE INDEX identity_membership_pair
    ON identity_membership (customer_fragment_id, account_fragment_id, role, source);

-- The time as of which the newest news of an account counted: no later news count as of an
-- earlier one.
ALTER TABLE identity_account_tally ADD COLUMN told_time INTEGER NULL;
