//! Memberships under any puts, ends, merges and unmerges, against a list that is looked through.

use std::collections::{BTreeMap, BTreeSet};

use identity::store::{AccountError, MembershipPut, MembershipSource};
use kernel::{CustomerId, Duration, FragmentId, Timestamp};
use proptest::prelude::*;

use super::store_reference::{Reference, Roots, Said, Sorted, shown};
use super::store_town::{Town, acted};

const ROLES: [&str; 3] = ["", "admin", "champion"];

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A put of a call: customer, account, role, begin and end from now in milliseconds, primary.
    Put(usize, usize, usize, Option<i64>, Option<i64>, bool),
    /// An event: customer, account, time from now, whether an import says so.
    Take(usize, usize, i64, bool),
    /// The end of some membership of an account as of a time, at a time, from now in milliseconds.
    End(usize, usize, i64, Option<i64>),
    MergeCustomers(usize, usize),
    MergeAccounts(usize, usize),
    UnmergeCustomer(usize),
    UnmergeAccount(usize),
    Pass(i64),
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

    fn after_now(&self, millis: i64) -> Timestamp {
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
                    valid_from: begin.map(|it| self.after_now(it)),
                    valid_to: end.map(|it| self.after_now(it)),
                    is_primary,
                };
                self.put(&roots, put, ROLES[role]).await;
            }
            Step::Take(customer, account, time, lowers) => {
                let ends = (self.customers[customer], self.accounts[account]);
                self.take(&roots, ends, self.after_now(time), lowers).await;
            }
            Step::End(account, place, at, time) => {
                let account = (self.accounts[account], place);
                let time = time.map(|it| self.after_now(it));
                self.end(&roots, account, self.after_now(at), time).await;
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
        let how = (role, put.source);
        let own = self.reference.union(roots, ends, how);
        let is_replaced = |it: &&mut Said| match put.valid_from {
            None => !it.is_over(now),
            Some(from) => !it.is_over(from) && put.valid_to.is_none_or(|to| it.begin < to),
        };
        let replaced: Vec<usize> = own
            .into_iter()
            .filter(is_replaced)
            .map(|it| it.place)
            .collect();
        let own = replaced.iter().map(|place| self.reference.0[*place].begin);
        let begin = put.valid_from.or(own.min()).unwrap_or(now);
        let is_new = replaced.is_empty();
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
        if put.is_primary {
            let customer = roots[&put.customer];
            let rows = self.reference.0.iter_mut();
            rows.filter(|it| roots[&it.customer] == customer)
                .for_each(|it| it.primary = None);
        }
        let primary = put.is_primary.then_some(self.step);
        for place in replaced {
            let it = &mut self.reference.0[place];
            it.begin = put.valid_from.unwrap_or(it.begin);
            it.end = put.valid_to;
            it.primary = primary;
        }
        if is_new {
            let new = self.reference.add(ends, how, (begin, put.valid_to));
            new.primary = primary;
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
        let own: Vec<Said> = own.into_iter().map(|it| it.clone()).collect();
        let mut exact: Vec<&Said> = own.iter().collect();
        exact.retain(|it| (it.customer, it.account) == (customer, account));
        let mut open = exact.iter().filter(|it| it.end.is_none());
        if open.any(|it| !lowers || it.begin <= time) {
            return;
        }
        let mut ends: Vec<Timestamp> = own.iter().filter_map(|it| it.end).collect();
        ends.retain(|end| time < *end);
        ends.retain(|end| own.iter().all(|it| it.is_over(*end) || it.begin >= *end));
        let end = ends.into_iter().min();
        exact.retain(|it| !it.is_over(time) && end.is_none_or(|end| it.begin < end));
        exact.sort_by_key(|it| it.begin);
        if let Some(it) = exact.first() {
            let it = &mut self.reference.0[it.place];
            if lowers {
                it.begin = it.begin.min(time);
            }
            return;
        }
        self.reference.add((customer, account), how, (time, end));
    }

    async fn end(
        &mut self,
        roots: &Roots,
        (account, place): (FragmentId, usize),
        at: Timestamp,
        end: Option<Timestamp>,
    ) {
        let now = self.town.now;
        let members = self.town.members(roots[&account], at, 100).await;
        if members.is_empty() {
            return;
        }
        let member = &members[place % members.len()];
        let moment = self.town.moment();
        let ended = self.town.store.end_membership(member.id, end, moment).await;
        let how = (member.role.as_str(), member.source);
        let customer = member.customer.fragment();
        let all = self.reference.union(roots, (customer, account), how);
        let mut all: Vec<Said> = all.into_iter().map(|it| it.clone()).collect();
        let mut own: Vec<Said> = all.extract_if(.., |it| it.holds(at)).collect();
        while let Some(next) = all
            .iter()
            .position(|it| own.iter().any(|own| own.meets(it)))
        {
            own.push(all.remove(next));
        }
        let begin = own.iter().map(|it| it.begin).min().expect("there");
        let mut until = own.iter().map(|it| it.end).max();
        if own.iter().any(|it| it.end.is_none()) {
            until = None;
        }
        let until = until.flatten();
        let new = match until {
            Some(until) if until <= now => end.filter(|end| *end < until),
            _ => Some(end.unwrap_or(now)),
        };
        if new.is_some_and(|end| end <= begin) {
            assert!(
                matches!(ended, Err(AccountError::EndsBeforeBegin { .. })),
                "{ended:?}"
            );
            return;
        }
        let ended = ended.expect("ends");
        self.town.tell(&ended.news).await;
        assert_eq!(ended.membership.valid_from, begin);
        assert_eq!(ended.membership.valid_to, new.or(until));
        for it in own.iter().filter(|_| new.is_some()) {
            self.reference.0[it.place].end = new;
        }
    }

    async fn check(&mut self) {
        self.town.tell_all().await;
        let roots = self.roots().await;
        let mut times = [-700, -300, 0, 300].map(|it| self.after_now(it)).to_vec();
        // Between two memberships there is none.
        times.extend(self.reference.gaps(&roots));
        for at in times {
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
        3 => (account(), 0_usize..8, -300_i64..10, prop::option::of(from_now()))
            .prop_map(|(a, b, c, d)| Step::End(a, b, c, d)),
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
