//! Consumers of changes: who keeps a set of members for each segment by the changes alone has the
//! memberships, whatever happens to customers and definitions.

use std::collections::BTreeSet;

use bytes::Bytes;
use kernel::{Timestamp, Value};
use messages::stream::v1::{ChangeReason, ChangeRecord, change_record::Kind};
use proptest::prelude::{ProptestConfig, Strategy, any, prop, prop_oneof};
use proptest::proptest;
use segmentation_core::Definitions;

use crate::harness::{DAY, Harness, compile, compile_version};

const HOUR: i64 = 3_600_000;
const CUSTOMERS: usize = 4;

/// The segments, each with the conditions that it has at one time or another. The first one is there
/// at all times, since others read it.
const SEGMENTS: [(&str, [&str; 3]); 5] = [
    (
        "base",
        [
            "events(\"a\").exists()",
            "events(\"b\").count() >= 2",
            "profile.plan == \"x\"",
        ],
    ),
    (
        "nested",
        [
            "segments.has(\"base\") && profile.plan != \"y\"",
            "!segments.has(\"base\")",
            "segments.has(\"base\") || events(\"c\").exists()",
        ],
    ),
    (
        "quiet",
        [
            "!events(\"a\").within(\"30h\").exists()",
            "now - last_seen > duration(\"20h\")",
            "events(\"b\").since_last() > duration(\"5h\")",
        ],
    ),
    (
        "recent",
        [
            "events(\"a\").within(\"20h\").exists()",
            "events(\"a\").within(\"3h\").count() >= 2",
            "events(\"c\").within(\"50h\").exists()",
        ],
    ),
    (
        "spender",
        [
            "events(\"a\").sum(\"value\") >= 5",
            "events(\"b\").within(\"40h\").sum(\"value\") >= 5",
            "events(\"a\").max(\"value\") >= 3",
        ],
    ),
];

/// A consumer who knows nothing but changes: customers and segments.
#[derive(Debug, Default)]
struct Members(BTreeSet<(Bytes, String)>);

impl Members {
    /// Takes changes, each of which changes something.
    fn take(&mut self, changes: Vec<ChangeRecord>) {
        for change in changes {
            let Some(Kind::Membership(membership)) = change.kind else {
                panic!("not of segmentation: {change:?}");
            };
            let place = (change.customer_id, membership.segment);
            let is_new = if membership.entered {
                self.0.insert(place.clone())
            } else {
                self.0.remove(&place)
            };
            assert!(is_new, "{place:?} is told twice");
        }
    }

    fn of(&self, customer: &Bytes) -> Vec<&str> {
        let all = self.0.iter().filter(|(who, _)| who == customer);
        all.map(|(_, segment)| segment.as_str()).collect()
    }
}

#[derive(Debug, Clone)]
enum Happening {
    Event {
        who: usize,
        name: &'static str,
        /// Hours after now, or before: it came late then.
        hours: i64,
        value: f64,
        plan: Option<&'static str>,
    },
    /// The younger of two is joined into the older. Something may come between leaving and arriving.
    Merge {
        one: usize,
        other: usize,
        is_slow: bool,
    },
    /// A segment is redefined, or deleted. One process may know it later than the others.
    Define {
        segment: usize,
        choice: usize,
        knows_late: Option<usize>,
    },
    Pass {
        hours: i64,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    let who = || 0..CUSTOMERS;
    let plan = prop::option::weighted(0.3, prop::sample::select(vec!["x", "y"]));
    let name = prop::sample::select(vec!["a", "b", "c"]);
    prop_oneof![
        10 => (who(), name, -60..20_i64, 0..4_u8, plan).prop_map(|(who, name, hours, value, plan)| {
            let hours = if hours < -20 { hours } else { hours.abs() };
            Happening::Event { who, name, hours, value: value.into(), plan }
        }),
        1 => (who(), who(), any::<bool>())
            .prop_map(|(one, other, is_slow)| Happening::Merge { one, other, is_slow }),
        2 => (0..SEGMENTS.len(), 0..4_usize, prop::option::of(who()))
            .prop_map(|(segment, choice, knows_late)| Happening::Define { segment, choice, knows_late }),
        3 => (0..40_i64).prop_map(|hours| Happening::Pass { hours }),
    ]
}

/// Some customers in different partitions, and a consumer of what changes for them.
struct World {
    customers: Vec<Harness>,
    /// The survivor of each who was joined into another.
    survivors: [Option<usize>; CUSTOMERS],
    /// The customer on the way to a survivor.
    moving: Option<usize>,
    /// The condition of each segment; 3 where it is deleted.
    choices: [usize; SEGMENTS.len()],
    version: u32,
    now: i64,
    members: Members,
}

impl World {
    fn new() -> Self {
        let choices = [0; SEGMENTS.len()];
        let numbers = (1..).take(CUSTOMERS);
        Self {
            customers: numbers
                .map(|number| Harness::of(number, compiled(&choices, 1)))
                .collect(),
            survivors: [None; CUSTOMERS],
            moving: None,
            choices,
            version: 1,
            now: 1_000 * DAY,
            members: Members::default(),
        }
    }

    fn root(&self, who: usize) -> usize {
        self.survivors[who].map_or(who, |survivor| self.root(survivor))
    }

    fn take(&mut self, happening: &Happening) {
        let moving = self.moving;
        match *happening {
            Happening::Event {
                who,
                name,
                hours,
                value,
                plan,
            } => {
                let at = self.now + hours * HOUR;
                self.now = self.now.max(at);
                let traits = plan.map(|plan| ("plan", Value::from(plan)));
                let id = format!("{}-{name}-{who}", self.now);
                let root = self.root(who);
                let customer = &mut self.customers[root];
                let traits: Vec<_> = traits.into_iter().collect();
                customer.event_with(&id, name, at, &[("value", value.into())], &traits);
            }
            Happening::Merge {
                one,
                other,
                is_slow,
            } => self.merge(self.root(one), self.root(other), is_slow),
            Happening::Define {
                segment,
                choice,
                knows_late,
            } => self.define(segment, choice, knows_late),
            Happening::Pass { hours } => {
                self.now += hours * HOUR;
                for customer in &mut self.customers {
                    customer.pass(Timestamp::from_millis(self.now));
                }
            }
        }
        if moving.is_some() {
            self.arrive();
        }
        self.check();
    }

    fn merge(&mut self, one: usize, other: usize, is_slow: bool) {
        if one == other {
            return;
        }
        self.arrive();
        let (survivor, loser) = (one.min(other), one.max(other));
        self.customers[loser].leave(self.now);
        self.survivors[loser] = Some(survivor);
        self.moving = Some(loser);
        if !is_slow {
            self.arrive();
        }
    }

    fn arrive(&mut self) {
        let Some(loser) = self.moving.take() else {
            return;
        };
        let root = self.root(loser);
        let [survivor, loser] = self
            .customers
            .get_disjoint_mut([root, loser])
            .expect("two customers");
        survivor.fold_in(loser);
    }

    fn define(&mut self, segment: usize, choice: usize, knows_late: Option<usize>) {
        // The first is there at all times.
        self.choices[segment] = if segment == 0 { choice % 3 } else { choice };
        self.version += 1;
        for (number, customer) in self.customers.iter_mut().enumerate() {
            if Some(number) != knows_late {
                customer.definitions = compiled(&self.choices, self.version);
            }
        }
    }

    fn check(&mut self) {
        for customer in &mut self.customers {
            self.members.take(std::mem::take(&mut customer.changes));
        }
        for customer in &self.customers {
            assert_eq!(self.members.of(&customer.key), customer.members());
        }
    }
}

fn compiled(choices: &[usize; SEGMENTS.len()], version: u32) -> Definitions {
    let chosen = SEGMENTS.iter().zip(choices);
    let chosen: Vec<(&str, &str)> = chosen
        .filter_map(|((name, conditions), choice)| Some((*name, *conditions.get(*choice)?)))
        .collect();
    compile_version(&chosen, version)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sets_of_members_are_right_by_the_changes_alone(
        history in prop::collection::vec(happening(), 1..80),
    ) {
        let mut world = World::new();
        for happening in &history {
            world.take(happening);
        }
        world.take(&Happening::Pass { hours: 1_000 });
    }
}

/// Changes as `segment version +|- REASON @time`.
fn told(customer: &mut Harness) -> Vec<String> {
    let changes = std::mem::take(&mut customer.changes).into_iter();
    let told = changes.map(|change| {
        let Some(Kind::Membership(own)) = change.kind else {
            panic!("not of segmentation");
        };
        let reason = ChangeReason::try_from(own.reason).expect("a reason");
        let reason = reason.as_str_name().trim_start_matches("CHANGE_REASON_");
        let sign = if own.entered { '+' } else { '-' };
        let (segment, version, at) = (own.segment, own.version, change.time_ms / HOUR);
        format!("{sign}{segment} {version} {reason} @{at}h")
    });
    told.collect()
}

const BUYERS: (&str, &str) = ("buyers", "events(\"a\").exists()");
const RECENT: (&str, &str) = ("recent", "events(\"a\").within(\"20h\").exists()");

#[test]
fn changes_say_the_version_the_reason_and_the_time() {
    let mut customer = Harness::new(&[BUYERS, RECENT]);
    customer.event("a", 0, &[]);
    customer.event("a", HOUR, &[]);
    assert_eq!(
        told(&mut customer),
        ["+buyers 1 EVENT @0h", "+recent 1 EVENT @0h"]
    );
    customer.pass(Timestamp::from_millis(30 * HOUR));
    assert_eq!(told(&mut customer), ["-recent 1 TIME @21h"]);
    // Nothing changes for who stays a member, nor before the customer is looked at.
    customer.definitions = compile_version(&[("buyers", "events(\"a\").count() >= 2"), RECENT], 2);
    customer.event("b", 31 * HOUR, &[]);
    assert!(told(&mut customer).is_empty());
    customer.definitions = compile(&[RECENT]);
    assert!(told(&mut customer).is_empty());
    customer.event("b", 32 * HOUR, &[]);
    assert_eq!(told(&mut customer), ["-buyers 2 DEFINITION @32h"]);
}

#[test]
fn who_leaves_by_a_merge_leaves_every_segment_and_the_survivor_enters_them() {
    let (mut survivor, mut loser) = (
        Harness::of(1, compile(&[BUYERS, RECENT])),
        Harness::of(2, compile(&[BUYERS, RECENT])),
    );
    loser.event("a", 0, &[]);
    loser.changes.clear();
    loser.leave(25 * HOUR);
    assert_eq!(
        told(&mut loser),
        ["-recent 1 TIME @20h", "-buyers 1 MERGE @25h"]
    );
    survivor.fold_in(&mut loser);
    // The survivor is one since the other was.
    assert_eq!(told(&mut survivor), ["+buyers 1 MERGE @0h"]);
    assert!(told(&mut loser).is_empty());
}
