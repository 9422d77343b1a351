-- Accounts are among the customers, with a kind of their own: 0 is a customer, 1 an account.
ALTER TABLE identity_customer ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;

CREATE INDEX identity_customer_account ON identity_customer (create_time, customer_id) WHERE kind = 1;

-- The members of accounts. A row names fragments: merges and unmerges change none. Times are milliseconds since the epoch.
-- Of a customer's primary ones the one counts whose primary_time is the newest.
CREATE TABLE identity_membership (
    membership_id uuid_text NOT NULL PRIMARY KEY,
    customer_fragment_id uuid_text NOT NULL,
    account_fragment_id uuid_text NOT NULL,
    role TEXT NOT NULL,
    source INTEGER NOT NULL,
    confidence REAL NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER NULL,
    primary_time INTEGER NULL
) WITHOUT ROWID;

-- One that ended and began again is two rows: each keeps its own end.
CREATE INDEX identity_membership_pair
    ON identity_membership (customer_fragment_id, account_fragment_id, role, source);
CREATE INDEX identity_membership_account ON identity_membership (account_fragment_id, membership_id);

-- The number of memberships that name a fragment of an account; of the account of that id the number of its newest news, and how
-- many members these told of, and as of when: no later news count as of an earlier time.
CREATE TABLE identity_account_tally (
    fragment_id uuid_text NOT NULL PRIMARY KEY,
    membership_count INTEGER NOT NULL,
    news_number INTEGER NOT NULL,
    told_count INTEGER NULL,
    told_time INTEGER NULL
) WITHOUT ROWID;

-- Of whom there is something to tell, from the due time on. The version grows with each change that is to be told.
CREATE TABLE identity_account_news (
    news_id uuid_text NOT NULL PRIMARY KEY,
    account_id uuid_text NOT NULL,
    customer_id uuid_text NOT NULL,
    role TEXT NOT NULL,
    due_time INTEGER NOT NULL,
    claim_time INTEGER NOT NULL,
    version INTEGER NOT NULL,
    is_bulk BOOLEAN NOT NULL,
    news_number INTEGER NOT NULL
) WITHOUT ROWID;

CREATE UNIQUE INDEX identity_account_news_pair ON identity_account_news (account_id, customer_id, role);
CREATE INDEX identity_account_news_due ON identity_account_news (is_bulk, due_time);

-- Fragments that went to another customer or account, and whose memberships are not looked through yet.
CREATE TABLE identity_account_move (
    move_id uuid_text NOT NULL PRIMARY KEY,
    fragment_id uuid_text NOT NULL,
    from_id uuid_text NOT NULL,
    into_id uuid_text NOT NULL,
    after_id uuid_text NULL,
    claim_time INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE identity_buying_group (
    buying_group_id uuid_text NOT NULL PRIMARY KEY,
    account_fragment_id uuid_text NOT NULL,
    opportunity TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
) WITHOUT ROWID;

CREATE UNIQUE INDEX identity_buying_group_opportunity
    ON identity_buying_group (account_fragment_id, opportunity);

CREATE TABLE identity_buying_group_slot (
    buying_group_id uuid_text NOT NULL,
    place INTEGER NOT NULL,
    role TEXT NOT NULL,
    required_count INTEGER NOT NULL,
    PRIMARY KEY (buying_group_id, place)
) WITHOUT ROWID;

CREATE TABLE identity_buying_group_member (
    buying_group_id uuid_text NOT NULL,
    slot_place INTEGER NOT NULL,
    place INTEGER NOT NULL,
    customer_fragment_id uuid_text NOT NULL,
    PRIMARY KEY (buying_group_id, slot_place, place)
) WITHOUT ROWID;

CREATE INDEX identity_buying_group_member_customer
    ON identity_buying_group_member (customer_fragment_id);
