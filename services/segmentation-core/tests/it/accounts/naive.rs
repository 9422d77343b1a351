//! Accounts that tell of members, have events, come together and come apart, against a naive
//! reference.

use std::collections::BTreeMap;

use messages::stream::v1::record::Body;
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_assert_eq, prop_oneof};
use proptest::proptest;

use super::{ALL, account_key, changed, check_silent};
use crate::harness::Harness;
use crate::oracle::HOUR;
use crate::unmerges::World;

/// A happening between some accounts.
#[derive(Debug, Clone)]
enum Happening {
    /// A count of members of the account that a fragment is part of; or, late, of its own.
    Told {
        fragment: usize,
        number: u64,
        count: u32,
        is_late: bool,
    },
    Event {
        fragment: usize,
        name: &'static str,
    },
    /// The younger of two is joined into the older.
    Merge {
        one: usize,
        other: usize,
    },
    /// A fragment leaves with those that it took along.
    Unmerge {
        fragment: usize,
    },
}

const ACCOUNTS: usize = 4;

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let which = || 0..ACCOUNTS;
    let name = prop::sample::select(vec!["a", "b"]);
    let happening = prop_oneof![
        4 => (which(), 1..20_u64, 0..50_u32, any::<bool>()).prop_map(
            |(fragment, number, count, is_late)| Happening::Told { fragment, number, count, is_late }),
        3 => (which(), name).prop_map(|(fragment, name)| Happening::Event { fragment, name }),
        2 => (which(), which()).prop_map(|(one, other)| Happening::Merge { one, other }),
        2 => which().prop_map(|fragment| Happening::Unmerge { fragment }),
    ];
    prop::collection::vec(happening, 1..60)
}

/// A naive account: all that was said of each fragment, and under each id.
#[derive(Debug, Default)]
struct Naive {
    /// The newest number and count told of an id.
    told: BTreeMap<usize, (u64, u32)>,
    /// The number of events of each name at each fragment.
    counts: BTreeMap<(usize, &'static str), u64>,
    /// The fragments that an account had when it was joined, itself first, and into whom.
    joined: Vec<(Vec<usize>, usize)>,
}

impl Naive {
    fn tell(&mut self, id: usize, number: u64, count: u32) {
        let own = self.told.entry(id).or_insert((number, count));
        if number > own.0 {
            *own = (number, count);
        }
    }

    fn totals(&self, fragments: &[usize]) -> Vec<(String, u64)> {
        let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
        for ((fragment, name), count) in &self.counts {
            if fragments.contains(fragment) {
                *totals.entry(name).or_default() += count;
            }
        }
        totals
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count))
            .collect()
    }
}

/// Fragments that an account has, its own first.
fn fragments_of(world: &World, account: usize) -> Vec<usize> {
    let mut own: Vec<(u16, usize)> = (0..ACCOUNTS)
        .filter(|it| world.places[*it].0 == account)
        .map(|it| (world.places[it].1, it))
        .collect();
    own.sort_unstable();
    own.into_iter().map(|(_, fragment)| fragment).collect()
}

fn take(world: &mut World, naive: &mut Naive, happening: &Happening, at: i64) {
    match *happening {
        Happening::Told {
            fragment,
            number,
            count,
            is_late,
        } => {
            let (account, ordinal) = world.places[fragment];
            let id = if is_late { fragment } else { account };
            let own = &mut world.customers[account];
            own.ordinal = if is_late { ordinal } else { 0 };
            let whose = account_key(u128::try_from(id).expect("few") + 1);
            own.record(at, Body::Membership(changed(&whose, number, count)));
            naive.tell(id, number, count);
        }
        Happening::Event { fragment, name } => {
            let (account, ordinal) = world.places[fragment];
            let own = &mut world.customers[account];
            own.ordinal = ordinal;
            own.event_with(&format!("{fragment}-{at}"), name, at, &[], &[]);
            *naive.counts.entry((fragment, name)).or_default() += 1;
        }
        Happening::Merge { one, other } => {
            let (one, other) = (world.places[one].0, world.places[other].0);
            if one != other {
                let (from, into) = (one.max(other), one.min(other));
                naive.joined.push((fragments_of(world, from), into));
                world.merge(from, into, at);
            }
        }
        Happening::Unmerge { fragment } => {
            let of_fragment = naive.joined.iter().rposition(|(all, _)| all[0] == fragment);
            let Some(place) = of_fragment.filter(|_| world.places[fragment].0 != fragment) else {
                return;
            };
            let (all, _) = naive.joined.remove(place);
            let from = world.places[fragment].0;
            let leaving: Vec<usize> = all
                .into_iter()
                .filter(|it| world.places[*it].0 == from)
                .collect();
            world.unmerge(&leaving, from, fragment, at);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn each_account_has_the_members_and_counts_of_its_fragments(history in happenings()) {
        let mut world = World::new(Harness::account, ACCOUNTS, &ALL);
        let mut naive = Naive::default();
        for (happening, at) in history.iter().zip(1..) {
            take(&mut world, &mut naive, happening, at * HOUR);
            for account in 0..ACCOUNTS {
                let fragments = fragments_of(&world, account);
                if fragments.first() != Some(&account) {
                    continue;
                }
                let state = &world.customers[account].state;
                let expected = naive.told.get(&account).map(|(_, count)| *count);
                prop_assert_eq!(state.member_count(), expected, "{} after {:?}", account, happening);
                let totals = state.event_totals().iter();
                let totals: Vec<_> = totals.map(|it| (it.name.to_string(), it.count)).collect();
                prop_assert_eq!(totals, naive.totals(&fragments));
                check_silent(&world.customers[account]);
            }
        }
    }
}
