//! Memberships under any puts, ends, merges and unmerges, against a list that is looked through.

use std::collections::{BTreeMap, BTreeSet};

use identity::store::{AccountError, MembershipPut, MembershipRecord, MembershipSource};
use kernel::{CustomerId, Duration, FragmentId, Timestamp};
use proptest::prelude::*;

use super::store_town::{Town, acted};

const ROLES: [&str; 3] = ["", "admin", "champion"];

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A put of a call: customer, account, role, begin and end from now in milliseconds, primary.
    Put(usize, usize, usize, Option<i64>, Option<i64>, bool),
    /// An event: customer, account, time from now, whether an import says so.
    Take(usize, usize, i64, bool),
    /// The end of some membership of an account, from now in milliseconds.
    End(usize, usize, i64),
    MergeCustomers(usize, usize),
    MergeAccounts(usize, usize),
    UnmergeCustomer(usize),
    UnmergeAccount(usize),
    Pass(i64),
}

/// A row as it was said.
#[derive(Debug, Clone)]
struct Said {
    customer: FragmentId,
    account: FragmentId,
    role: &'static str,
    source: MembershipSource,
    begin: Timestamp,
    end: Option<Timestamp>,
    /// The number of the step that made it the primary one.
    primary: Option<usize>,
}

/// A membership: customer, account, role, source, begin, end, and whether it is primary.
type Shown = (
    CustomerId,
    CustomerId,
    String,
    MembershipSource,
    Timestamp,
    Option<Timestamp>,
    bool,
);

/// Whose fragments are whose.
type Roots = BTreeMap<FragmentId, CustomerId>;

#[derive(Debug, Default)]
struct Reference(Vec<Said>);

impl Reference {
    fn union<'a>(
        &'a mut self,
        roots: &'a Roots,
        (customer, account): (FragmentId, FragmentId),
        (role, source): (&'a str, MembershipSource),
    ) -> Vec<&'a mut Said> {
        let own = move |it: &&mut Said| {
            roots[&it.customer] == roots[&customer]
                && roots[&it.account] == roots[&account]
                && (it.role, it.source) == (role, source)
        };
        self.0.iter_mut().filter(own).collect()
    }

    fn shown(&self, roots: &Roots, at: Timestamp) -> BTreeSet<Sorted> {
        let mut shown: Vec<Shown> = Vec::new();
        let holding = |it: &&Said| it.begin <= at && it.end.is_none_or(|end| at < end);
        for it in self.0.iter().filter(holding) {
            let (customer, account) = (roots[&it.customer], roots[&it.account]);
            let of_customer = self.0.iter().filter(holding);
            let of_customer = of_customer.filter(|it| roots[&it.customer] == customer);
            let first = of_customer.max_by_key(|it| it.primary);
            let first = first.filter(|it| it.primary.is_some());
            let is_primary = first.is_some_and(|first| {
                roots[&first.account] == account
                    && (first.role, first.source) == (it.role, it.source)
            });
            let other = shown.iter_mut().find(|other| {
                (other.0, other.1, other.2.as_str(), other.3)
                    == (customer, account, it.role, it.source)
            });
            match other {
                None => shown.push((
                    customer,
                    account,
                    it.role.to_owned(),
                    it.source,
                    it.begin,
                    it.end,
                    is_primary,
                )),
                Some(other) => {
                    other.4 = other.4.min(it.begin);
                    other.5 = other.5.zip(it.end).map(|(one, two)| one.max(two));
                }
            }
        }
        shown.into_iter().map(Sorted).collect()
    }
}

/// Shown memberships, which sort by anything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Sorted(Shown);

fn shown(record: MembershipRecord) -> Sorted {
    Sorted((
        record.customer,
        record.account,
        record.role,
        record.source,
        record.valid_from,
        record.valid_to,
        record.is_primary,
    ))
}

struct Play {
    town: Town,
    customers: Vec<FragmentId>,
    accounts: Vec<FragmentId>,
    reference: Reference,
    step: usize,
}

impl Play {
    async fn roots(&self) -> Roots {
        let mut roots = Roots::new();
        for fragment in self.customers.iter().chain(&self.accounts) {
            roots.insert(*fragment, self.town.root(*fragment).await);
        }
        roots
    }

    fn from_now(&self, millis: i64) -> Timestamp {
        self.town.now + Duration::from_millis(millis)
    }

    async fn carry_out(&mut self, step: Step) {
        self.step += 1;
        self.town.pass(1);
        let roots = self.roots().await;
        match step {
            Step::Put(customer, account, role, begin, end, is_primary) => {
                let put = MembershipPut {
                    customer: self.customers[customer],
                    account: self.accounts[account],
                    role: ROLES[role],
                    source: MembershipSource::Call,
                    confidence: 0.5,
                    valid_from: begin.map(|it| self.from_now(it)),
                    valid_to: end.map(|it| self.from_now(it)),
                    is_primary,
                };
                self.put(&roots, put, ROLES[role]).await;
            }
            Step::Take(customer, account, time, lowers) => {
                let ends = (self.customers[customer], self.accounts[account]);
                self.take(&roots, ends, self.from_now(time), lowers).await;
            }
            Step::End(account, place, time) => {
                self.end(&roots, self.accounts[account], place, self.from_now(time))
                    .await;
            }
            Step::MergeCustomers(one, other) => {
                self.town
                    .merge(self.customers[one], self.customers[other])
                    .await;
            }
            Step::MergeAccounts(one, other) => {
                self.town
                    .merge(self.accounts[one], self.accounts[other])
                    .await;
            }
            Step::UnmergeCustomer(one) => self.town.unmerge(self.customers[one]).await,
            Step::UnmergeAccount(one) => self.town.unmerge(self.accounts[one]).await,
            Step::Pass(millis) => self.town.pass(millis),
        }
    }

    async fn put(&mut self, roots: &Roots, put: MembershipPut<'_>, role: &'static str) {
        let now = self.town.now;
        let ends = (put.customer, put.account);
        let own = self.reference.union(roots, ends, (role, put.source));
        let begin = own.iter().map(|it| it.begin).min();
        let begin = put.valid_from.or(begin).unwrap_or(now);
        let is_new = own.is_empty();
        let moment = self.town.moment();
        let written = self.town.store.put_membership(put, moment).await;
        if put.valid_to.is_some_and(|end| end <= begin) {
            assert!(
                matches!(written, Err(AccountError::EndsBeforeBegin { .. })),
                "{written:?}"
            );
            return;
        }
        let written = written.expect("writes");
        assert_eq!(written.is_new, is_new);
        self.town.tell(&written.news).await;
        if is_new {
            self.reference.0.push(Said {
                customer: put.customer,
                account: put.account,
                role,
                source: put.source,
                begin,
                end: None,
                primary: None,
            });
        }
        if put.is_primary {
            let customer = roots[&put.customer];
            let rows = self.reference.0.iter_mut();
            rows.filter(|it| roots[&it.customer] == customer)
                .for_each(|it| it.primary = None);
        }
        for it in self.reference.union(roots, ends, (role, put.source)) {
            it.begin = put.valid_from.unwrap_or(it.begin);
            it.end = put.valid_to;
            it.primary = put.is_primary.then_some(self.step);
        }
    }

    async fn take(
        &mut self,
        roots: &Roots,
        (customer, account): (FragmentId, FragmentId),
        time: Timestamp,
        lowers: bool,
    ) {
        let mut new = acted(customer, account, time);
        new.lowers = lowers;
        let moment = self.town.moment();
        let taken = self.town.store.take_memberships(&[new], moment).await;
        let taken = taken.expect("writes");
        self.town.tell(&taken.news).await;
        let how = ("", MembershipSource::Event);
        let own = self.reference.union(roots, (customer, account), how);
        let is_ended = !own.is_empty() && own.iter().all(|it| it.end.is_some());
        let end = own.iter().filter_map(|it| it.end).max();
        let end = end.filter(|end| is_ended && time < *end);
        let mut own = own.into_iter();
        let exact = own.find(|it| (it.customer, it.account) == (customer, account));
        if let Some(it) = exact {
            if it.end.is_some_and(|end| end <= time) {
                it.end = None;
            }
            if lowers {
                it.begin = it.begin.min(time);
            }
            return;
        }
        self.reference.0.push(Said {
            customer,
            account,
            role: "",
            source: MembershipSource::Event,
            begin: time,
            end,
            primary: None,
        });
    }

    async fn end(&mut self, roots: &Roots, account: FragmentId, place: usize, end: Timestamp) {
        let now = self.town.now;
        let members = self.town.members(roots[&account], now, 100).await;
        if members.is_empty() {
            return;
        }
        let member = &members[place % members.len()];
        let moment = self.town.moment();
        let ended = self.town.store.end_membership(member.id, end, moment).await;
        let how = (member.role.as_str(), member.source);
        let customer = member.customer.fragment();
        let mut own = self.reference.union(roots, (customer, account), how);
        let begin = own.iter().map(|it| it.begin).min().expect("there");
        if end <= begin {
            assert!(
                matches!(ended, Err(AccountError::EndsBeforeBegin { .. })),
                "{ended:?}"
            );
            return;
        }
        own.iter_mut().for_each(|it| it.end = Some(end));
        let ended = ended.expect("ends");
        self.town.tell(&ended.news).await;
        assert_eq!(ended.membership.valid_to, Some(end));
    }

    async fn check(&mut self) {
        self.town.tell_all().await;
        let roots = self.roots().await;
        for at in [-700, -300, 0, 300].map(|it| self.from_now(it)) {
            self.check_lists(&roots, at).await;
        }
        let now = self.reference.shown(&roots, self.town.now);
        let mut members: BTreeMap<(CustomerId, CustomerId, String), bool> = BTreeMap::new();
        for Sorted(it) in now {
            *members.entry((it.0, it.1, it.2)).or_default() |= it.6;
        }
        let living: BTreeSet<CustomerId> = roots.values().copied().collect();
        let told = self.town.told.iter().filter(|(pair, (is_member, _))| {
            *is_member && living.contains(&pair.0) && living.contains(&pair.1)
        });
        let told = told.map(|(pair, (_, is_primary))| (pair.clone(), *is_primary));
        let told: BTreeMap<_, bool> = told.collect();
        assert_eq!(told, members, "told");
    }

    async fn check_lists(&self, roots: &Roots, at: Timestamp) {
        let all = self.reference.shown(roots, at);
        let living: BTreeSet<CustomerId> = roots.values().copied().collect();
        for root in living {
            let own = all.iter().filter(|it| it.0.0 == root || it.0.1 == root);
            let own: BTreeSet<Sorted> = own.cloned().collect();
            let found = match root.is_account() {
                true => self.town.members(root, at, 2).await,
                false => self.town.memberships(root, at, 2).await,
            };
            let number = found.len();
            let found: BTreeSet<Sorted> = found.into_iter().map(shown).collect();
            assert_eq!(found, own, "of {root} at {at}");
            assert_eq!(number, own.len(), "each once");
            if root.is_account() {
                let customers: BTreeSet<CustomerId> = own.iter().map(|it| it.0.0).collect();
                let counted = self.town.store.member_count(root, at).await;
                let counted = counted.expect("counts");
                assert_eq!(usize::try_from(counted), Ok(customers.len()));
                if at == self.town.now {
                    let told = self.town.counts.get(&root).map_or(0, |it| it.1);
                    assert_eq!(told, counted, "told to {root}");
                }
            }
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (one, account) = (|| 0_usize..4, || 0_usize..3);
    let from_now = || -500_i64..500;
    let maybe = || prop::option::weighted(0.3, from_now());
    let step = prop_oneof![
        4 => (one(), account(), 0_usize..3, maybe(), maybe(), any::<bool>())
            .prop_map(|(a, b, c, d, e, f)| Step::Put(a, b, c, d, e, f)),
        4 => (one(), account(), from_now(), prop::bool::weighted(0.2))
            .prop_map(|(a, b, c, d)| Step::Take(a, b, c, d)),
        2 => (account(), 0_usize..8, from_now()).prop_map(|(a, b, c)| Step::End(a, b, c)),
        2 => (one(), one()).prop_map(|(a, b)| Step::MergeCustomers(a, b)),
        2 => (account(), account()).prop_map(|(a, b)| Step::MergeAccounts(a, b)),
        1 => one().prop_map(Step::UnmergeCustomer),
        1 => account().prop_map(Step::UnmergeAccount),
        1 => (0_i64..800).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..30)
}

async fn play(steps: Vec<Step>) {
    let mut town = Town::in_memory().await;
    let (mut customers, mut accounts) = (Vec::new(), Vec::new());
    for _ in 0..4 {
        customers.push(town.customer().await);
    }
    for _ in 0..3 {
        accounts.push(town.account().await);
    }
    let mut play = Play {
        town,
        customers,
        accounts,
        reference: Reference::default(),
        step: 0,
    };
    for step in steps {
        play.carry_out(step).await;
        play.check().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn memberships_are_those_that_were_said_whoever_is_one_with_whom(steps in steps()) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(play(steps));
    }
}
