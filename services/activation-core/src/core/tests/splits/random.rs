//! Random histories of three customers who are joined and come apart: each is as one who never was.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Happening {
    Ask(usize),
    Outcome(u32, DeliveryResult),
    Say(usize, u8, bool),
    Pass(i64),
    Merge(usize, usize),
    /// A customer comes out, alone or with all fragments that are younger.
    Split(usize, bool),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let results = prop::sample::select(vec![
        DeliveryResult::Delivered,
        DeliveryResult::Retry,
        DeliveryResult::Rejected,
    ]);
    let happening = prop_oneof![
        4 => (0..3_usize).prop_map(Happening::Ask),
        4 => (0..20_u32, results).prop_map(|(visit, result)| Happening::Outcome(visit, result)),
        4 => (0..3_usize, 0..3_u8, any::<bool>())
            .prop_map(|(who, purpose, granted)| Happening::Say(who, purpose, granted)),
        3 => (0..100_000_i64).prop_map(Happening::Pass),
        2 => prop::sample::select(vec![(1, 0), (2, 0), (2, 1)])
            .prop_map(|(who, into)| Happening::Merge(who, into)),
        1 => (1..3_usize, any::<bool>()).prop_map(|(who, all)| Happening::Split(who, all)),
    ];
    prop::collection::vec(happening, 1..60)
}

/// Three customers, of whom some are one.
struct Town {
    worlds: [World; 3],
    roots: [usize; 3],
    ordinals: [u16; 3],
    asked: u32,
}

impl Town {
    fn new() -> Self {
        Self {
            worlds: [1, 2, 3].map(world),
            roots: [0, 1, 2],
            ordinals: [0; 3],
            asked: 0,
        }
    }

    fn of(&mut self, who: usize) -> &mut World {
        let world = &mut self.worlds[self.roots[who]];
        world.ordinal = self.ordinals[who];
        world
    }

    fn take(&mut self, happening: &Happening, is_merged: bool) {
        match *happening {
            Happening::Ask(who) => {
                let visit = self.asked;
                self.asked += 1;
                let wanted = Action {
                    step: format!("of_{who}"),
                    ..action(visit)
                };
                self.of(who).send(Body::Action(wanted)).expect("an action");
            }
            Happening::Outcome(visit, result) => self.settle(visit, result),
            Happening::Say(who, purpose, granted) => {
                let change = ConsentChange {
                    purpose: format!("p{purpose}"),
                    granted,
                    ..ConsentChange::default()
                };
                self.of(who).send(Body::Consent(change)).expect("a word");
            }
            Happening::Pass(millis) => self.worlds.iter_mut().for_each(|own| own.pass(millis)),
            Happening::Merge(who, into) if is_merged => self.merge(who, into),
            Happening::Merge(..) => {}
            Happening::Split(who, with_younger) => {
                // Attempts under way stay, as another test says.
                (0..self.asked).for_each(|visit| self.settle(visit, DeliveryResult::Retry));
                if is_merged {
                    self.split(who, with_younger);
                }
            }
        }
    }

    /// Tells the outcome of the newest attempt.
    fn settle(&mut self, visit: u32, result: DeliveryResult) {
        for world in &mut self.worlds {
            let pending = world.state.pending.iter();
            let mut pending = pending.filter(|own| own.id.visit == visit && own.in_flight);
            if let Some(attempt) = pending.next().map(|own| own.attempts) {
                world.outcome(visit, attempt, result);
            }
        }
    }

    fn merge(&mut self, who: usize, into: usize) {
        let (from, to) = (self.roots[who], self.roots[into]);
        if from <= to {
            return;
        }
        let moved = self.worlds[from].leave();
        self.worlds[from].stored = world(1).stored;
        let theirs = std::mem::take(&mut self.worlds[from].fragments);
        let first = self.worlds[to].fragments + 1;
        let customer = self.worlds[from].customer;
        match moved {
            Some(moved) => self.worlds[to].fold_in(customer, &moved).expect("a state"),
            None => self.worlds[to].fragments = first,
        }
        self.worlds[to].fragments += theirs;
        for own in (0..3)
            .filter(|own| self.roots[*own] == from)
            .collect::<Vec<_>>()
        {
            self.roots[own] = to;
            self.ordinals[own] += first;
        }
    }

    fn split(&mut self, who: usize, with_younger: bool) {
        let root = self.roots[who];
        if root == who {
            return;
        }
        let younger = (who + 1..3).filter(|own| with_younger && self.roots[*own] == root);
        let leaving: Vec<usize> = std::iter::once(who).chain(younger).collect();
        let mut ordinals: Vec<(u16, u16)> = (0..)
            .zip(&leaving)
            .map(|(there, own)| (self.ordinals[*own], there))
            .collect();
        ordinals.sort_unstable();
        let gone = self.worlds[root].split(&ordinals);
        if let Some(gone) = gone {
            self.worlds[who].take_back(&gone);
        }
        for (there, own) in (0..).zip(&leaving) {
            self.roots[*own] = who;
            self.ordinals[*own] = there;
        }
        self.worlds[who].fragments = u16::try_from(leaving.len() - 1).expect("a few");
    }

    fn counts(&self) -> BTreeMap<&str, i64> {
        let mut total: BTreeMap<&str, i64> = BTreeMap::new();
        for (name, count) in self.worlds.iter().flat_map(|own| &own.counters) {
            *total.entry(name).or_default() += count;
        }
        total.retain(|_, count| *count != 0);
        total
    }
}

/// All that is known of a customer.
fn seen(world: &World) -> String {
    let mut text = String::new();
    let consents = world.consents();
    let mut words: Vec<_> = consents.iter().collect();
    words.sort_by_key(|word| (&word.purpose, &word.channel));
    writeln!(text, "{words:?} {:?}", consents.rest_withdrawn()).expect("a text takes it");
    assert_eq!(consents.superseded().len(), 0, "nothing of others is left");
    let sends: Vec<_> = world.state.send_times.iter().collect();
    writeln!(text, "{sends:?} {:?}", world.state.send_times.ordinals()).expect("a text takes it");
    for own in world.state.pending() {
        let how = (
            own.id.visit,
            own.ordinal,
            own.reason,
            own.attempts,
            own.in_flight,
        );
        let times = (own.create_time, own.update_time, own.due, own.reserved);
        let tries = (own.failures, own.lapses);
        writeln!(text, "{how:?} {times:?} {tries:?} {:?}", own.detail).expect("a text takes it");
    }
    for own in world.activations() {
        writeln!(text, "{own:?}").expect("a text takes it");
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn each_side_is_as_if_it_had_never_been_joined(happenings in happenings()) {
        let (mut merged, mut alone) = (Town::new(), Town::new());
        let apart = [Happening::Split(1, false), Happening::Split(2, false)];
        for happening in happenings.iter().chain(&apart) {
            merged.take(happening, true);
            alone.take(happening, false);
            for world in &merged.worlds {
                let pending = world.counters.iter().filter(|(name, _)| name.contains("/pending/"));
                let pending: Vec<i64> = pending.map(|(_, count)| *count).collect();
                prop_assert!(pending.iter().all(|count| *count >= 0));
                let held = i64::try_from(world.state.pending.len()).expect("a few");
                prop_assert_eq!(pending.iter().sum::<i64>(), held);
            }
            prop_assert_eq!(merged.counts(), alone.counts());
        }
        for who in 0..3 {
            prop_assert_eq!(seen(&merged.worlds[who]), seen(&alone.worlds[who]), "{}", who);
        }
    }
}
