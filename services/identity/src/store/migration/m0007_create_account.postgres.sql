-- Accounts are among the customers, with a kind of their own: 0 is a customer, 1 an account.
ALTER TABLE identity_customer ADD COLUMN kind SMALLINT NOT NULL DEFAULT 0;

CREATE INDEX identity_customer_account ON identity_customer (create_time, customer_id) WHERE kind = 1;

-- The members of accounts. A row names fragments: merges and unmerges change none. Times are milliseconds since the epoch.
-- Of a customer's primary ones the one counts whose primary_time is the newest.
CREATE TABLE identity_membership (
    membership_id UUID NOT NULL PRIMARY KEY,
    customer_fragment_id UUID NOT NULL,
    account_fragment_id UUID NOT NULL,
    role TEXT NOT NULL,
    source SMALLINT NOT NULL,
    confidence DOUBLE PRECISION NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_to BIGINT NULL,
    primary_time BIGINT NULL
);

-- One that ended and began again is two rows: each keeps its own end.
CREATE INDEX identity_membership_pair
    ON identity_membership (customer_fragment_id, account_fragment_id, role, source);
CREATE INDEX identity_membership_account ON identity_membership (account_fragment_id, membership_id);

-- The number of memberships that name a fragment of an account; of the account of that id the number of its newest news, and how
-- many members these told of, and as of when: no later news count as of an earlier time.
CREATE TABLE identity_account_tally (
    fragment_id UUID NOT NULL PRIMARY KEY,
    membership_count BIGINT NOT NULL,
    news_number BIGINT NOT NULL,
    told_count BIGINT NULL,
    told_time BIGINT NULL
);

-- Of whom there is something to tell, from the due time on. The version grows with each change that is to be told.
CREATE TABLE identity_account_news (
    news_id UUID NOT NULL PRIMARY KEY,
    account_id UUID NOT NULL,
    customer_id UUID NOT NULL,
    role TEXT NOT NULL,
    due_time BIGINT NOT NULL,
    claim_time BIGINT NOT NULL,
    version BIGINT NOT NULL,
    is_bulk BOOLEAN NOT NULL,
    news_number BIGINT NOT NULL
);

CREATE UNIQUE INDEX identity_account_news_pair ON identity_account_news (account_id, customer_id, role);
CREATE INDEX identity_account_news_due ON identity_account_news (is_bulk, due_time);

-- Fragments that went to another customer or account, and whose memberships are not looked through yet.
CREATE TABLE identity_account_move (
    move_id UUID NOT NULL PRIMARY KEY,
    fragment_id UUID NOT NULL,
    from_id UUID NOT NULL,
    into_id UUID NOT NULL,
    after_id UUID NULL,
    claim_time BIGINT NOT NULL
);

CREATE TABLE identity_buying_group (
    buying_group_id UUID NOT NULL PRIMARY KEY,
    account_fragment_id UUID NOT NULL,
    opportunity TEXT NOT NULL,
    create_time BIGINT NOT NULL,
    update_time BIGINT NOT NULL
);

CREATE UNIQUE INDEX identity_buying_group_opportunity
    ON identity_buying_group (account_fragment_id, opportunity);

CREATE TABLE identity_buying_group_slot (
    buying_group_id UUID NOT NULL,
    place SMALLINT NOT NULL,
    role TEXT NOT NULL,
    required_count SMALLINT NOT NULL,
    PRIMARY KEY (buying_group_id, place)
);

CREATE TABLE identity_buying_group_member (
    buying_group_id UUID NOT NULL,
    slot_place SMALLINT NOT NULL,
    place SMALLINT NOT NULL,
    customer_fragment_id UUID NOT NULL,
    PRIMARY KEY (buying_group_id, slot_place, place)
);

CREATE INDEX identity_buying_group_member_customer
    ON identity_buying_group_member (customer_fragment_id);
