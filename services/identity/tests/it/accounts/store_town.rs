//! Customers and accounts in tables, without streams: what the tests of memberships share.

use std::collections::BTreeMap;

use engine::TimeSource;
use identity::erasure::Held;
use identity::store::{
    AccountNews, Cause, IdentityStore, MIGRATIONS, MembershipPut, MembershipRecord,
    MembershipSource, Moment, NewMembership,
};
use identity::{Resolver, Subject, Unmerge, UnmergeBy, UnmergeError};
use identity_core::{Rules, screen};
use kernel::{CustomerId, Duration, FragmentId, Timestamp};
use sea_orm::ConnectionTrait;
use storage::Database;
use uuid::Uuid;

use crate::fixture::{Fixture, Sql, event};

/// The time of the first steps.
pub(super) const BEGIN: Timestamp = Timestamp::from_millis(1_700_000_000_000);

const CAUSE: Cause<'static> = Cause {
    reason: "test",
    request_id: "",
    time: BEGIN,
    looks_back: false,
    origins: &(),
    policy_version: 0,
    held: Held::ANY,
};

/// The news of each customer, account and role as they were told last: a member, and primarily.
pub(super) type Told = BTreeMap<(CustomerId, CustomerId, String), (bool, bool)>;

/// A town of customers and accounts.
pub(super) struct Town {
    _fixture: Option<Fixture>,
    pub(super) store: IdentityStore,
    pub(super) customers: Resolver,
    pub(super) accounts: Resolver,
    pub(super) now: Timestamp,
    pub(super) told: Told,
    /// The number and the count of the newest news of each account.
    pub(super) counts: BTreeMap<CustomerId, (u64, u32)>,
    made: u32,
    unmerges: u32,
}

impl Town {
    pub(super) async fn open(sql: Sql) -> Self {
        let fixture = Fixture::open(sql, TimeSource::system(), Rules::default()).await;
        let database = fixture.identity.database.clone();
        Self::of(database, Some(fixture)).await
    }

    pub(super) async fn in_memory() -> Self {
        let url = "sqlite::memory:".parse().expect("a URL");
        let database = Database::connect(&url).await.expect("connects");
        Self::of(database, None).await
    }

    async fn of(database: Database, fixture: Option<Fixture>) -> Self {
        let migrated = database.migrate("identity", MIGRATIONS).await;
        migrated.expect("migrates");
        let store = IdentityStore::new(database);
        let customers = Resolver::new(store.clone());
        Self {
            accounts: customers.of_accounts(),
            customers,
            store,
            _fixture: fixture,
            now: BEGIN,
            told: Told::new(),
            counts: BTreeMap::new(),
            made: 0,
            unmerges: 0,
        }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment {
            at: self.now,
            own: self.now,
        }
    }

    pub(super) fn pass(&mut self, millis: i64) {
        self.now = self.now + Duration::from_millis(millis);
    }

    /// A new customer.
    pub(super) async fn customer(&mut self) -> FragmentId {
        self.first_seen(false).await
    }

    /// A new account.
    pub(super) async fn account(&mut self) -> FragmentId {
        let account = self.first_seen(true).await;
        assert!(account.is_account());
        account
    }

    async fn first_seen(&mut self, is_account: bool) -> FragmentId {
        self.made += 1;
        let resolver = match is_account {
            true => &self.accounts,
            false => &self.customers,
        };
        let named = event(&format!("anonymous_id=n{}", self.made)).identifiers;
        let subject = Subject {
            screened: screen(&Rules::default(), named),
            time: self.now,
            event_time: self.now,
            sent: None,
        };
        let resolved = resolver
            .resolve(&Rules::default(), vec![subject], CAUSE)
            .await
            .expect("resolves");
        resolved.resolutions[0].customer.fragment()
    }

    fn resolver(&self, fragment: FragmentId) -> &Resolver {
        match fragment.is_account() {
            true => &self.accounts,
            false => &self.customers,
        }
    }

    pub(super) async fn root(&self, fragment: FragmentId) -> CustomerId {
        let customer = self.store.customer(fragment).await.expect("reads");
        customer.expect("there").id
    }

    /// Joins two customers or two accounts.
    pub(super) async fn merge(&self, one: FragmentId, other: FragmentId) {
        if self.root(one).await == self.root(other).await {
            return;
        }
        let ends = [one.into(), other.into()];
        let rules = Rules::default();
        let rules = match one.is_account() {
            true => &rules.accounts().rules,
            false => &rules,
        };
        let resolver = self.resolver(one);
        let merged = resolver.merge(rules, &ends, CAUSE).await;
        let (_, news) = merged.expect("merges");
        self.store.mark_announced(&news).await.expect("marks");
    }

    /// Takes a fragment out of its customer or account.
    pub(super) async fn unmerge(&mut self, fragment: FragmentId) {
        self.unmerges += 1;
        let request = Unmerge {
            is_account: fragment.is_account(),
            customer: None,
            by: UnmergeBy::Fragment(fragment),
            is_dry_run: false,
            reason: String::new(),
            request_id: format!("r{}", self.unmerges),
        };
        let resolver = self.resolver(fragment);
        let unmerged = resolver.unmerge(&self.store, &request, self.now).await;
        match unmerged {
            Ok(unmerged) => {
                // Whoever comes out is told anew of all: an unmerge says so in the log of changes.
                for it in unmerged.customers.iter().skip(1) {
                    self.told.retain(|pair, _| pair.0 != it.id);
                }
                let marked = self.store.mark_announced(&unmerged.news).await;
                marked.expect("marks");
            }
            Err(UnmergeError::Nothing) => {}
            Err(error) => panic!("not taken apart: {error}"),
        }
    }

    /// An id, as a statement has it.
    pub(super) fn literal(&self, id: Uuid) -> String {
        match self.store.has_single_writer() {
            true => format!("x'{}'", id.simple()),
            false => format!("'{id}'"),
        }
    }

    /// Says that the rows of customers or accounts are gone, as an erasure does.
    pub(super) async fn erase(&mut self, roots: &[CustomerId], fragments: &[FragmentId]) {
        for root in roots {
            let id = self.literal(root.uuid());
            let delete = format!("DELETE FROM identity_customer WHERE customer_id = {id}");
            let orm = self.store.database().orm();
            orm.execute_unprepared(&delete).await.expect("deletes");
        }
        let now = self.moment();
        let mut looks = 0;
        while !self
            .store
            .forget_memberships(fragments, now)
            .await
            .expect("forgets")
        {
            looks += 1;
            assert!(looks < 100, "it ends");
        }
    }

    /// Tells the news that a call got.
    pub(super) async fn tell(&mut self, news: &[AccountNews]) {
        for it in news {
            let pair = (it.customer, it.account, it.role.clone());
            if it.tells_customer {
                self.told.insert(pair, (it.is_member, it.is_primary));
            }
            if it.tells_account {
                let (number, count) = self.counts.entry(it.account).or_default();
                assert_ne!(*number, it.number, "each has a number of its own");
                if it.number > *number {
                    (*number, *count) = (it.number, it.member_count);
                }
            }
        }
        self.store.mark_account_news(news).await.expect("marks");
    }

    /// Tells all that is owed now, and returns how much that was.
    pub(super) async fn tell_all(&mut self) -> Vec<AccountNews> {
        let mut all = Vec::new();
        let mut own = self.now;
        for _ in 0..1_000 {
            // Nobody else has claims that last longer.
            own = own + Duration::from_millis(10_000);
            let now = Moment { at: self.now, own };
            let news = self.store.claim_account_news(now).await.expect("claims");
            self.tell(&news).await;
            let is_done = news.is_empty();
            all.extend(news);
            let owed = self.store.owed_account_news(self.now).await.expect("reads");
            if is_done && owed.moves == 0 && owed.news == 0 {
                return all;
            }
        }
        panic!("news without end");
    }

    /// All memberships of an account that hold at a time, read by pages.
    pub(super) async fn members(
        &self,
        account: CustomerId,
        at: Timestamp,
        page: usize,
    ) -> Vec<MembershipRecord> {
        let mut all: Vec<MembershipRecord> = Vec::new();
        loop {
            let after = all.last().map(|it| it.id);
            let found = self
                .store
                .members(account, (at, None), after, page)
                .await
                .expect("lists");
            let is_last = found.len() < page;
            all.extend(found);
            if is_last {
                assert!(all.is_sorted_by(|one, next| one.id < next.id), "{all:?}");
                return all;
            }
        }
    }

    /// All memberships of a customer that hold at a time, read by pages.
    pub(super) async fn memberships(
        &self,
        customer: CustomerId,
        at: Timestamp,
        page: usize,
    ) -> Vec<MembershipRecord> {
        let mut all: Vec<MembershipRecord> = Vec::new();
        loop {
            let after = all.last().map(|it| (it.is_primary, it.id));
            let found = self
                .store
                .memberships(customer, at, after, page)
                .await
                .expect("lists");
            let is_last = found.len() < page;
            all.extend(found);
            if is_last {
                return all;
            }
        }
    }
}

/// A membership by the word of a call, without an end.
pub(super) const fn said(
    customer: FragmentId,
    account: FragmentId,
    role: &str,
) -> MembershipPut<'_> {
    MembershipPut {
        customer,
        account,
        role,
        source: MembershipSource::Call,
        confidence: 1.0,
        valid_from: None,
        valid_to: None,
        is_primary: false,
    }
}

/// A membership by an event.
pub(super) const fn acted(
    customer: FragmentId,
    account: FragmentId,
    time: Timestamp,
) -> NewMembership {
    NewMembership {
        customer,
        account,
        source: MembershipSource::Event,
        confidence: 1.0,
        time,
        lowers: false,
    }
}
