//! Events decided in memory, so that rules can be tried: the same decisions, with nobody known at
//! first.

use std::collections::HashMap;

use kernel::{CustomerId, FragmentId, Timestamp};
use uuid::Uuid;

use crate::changes::{Merge, Split};
use crate::customer::Identifier;
use crate::namespace::Subject;
use crate::overlay::Overlay;
use crate::rules::Rules;
use crate::screen::{DropReason, Dropped, screen};

/// The outcome of one event. Customers are numbered from 1 in the order in which events went to
/// them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventOutcome {
    /// Its customer, for now; absent where it was refused.
    pub customer: Option<u32>,
    /// The fragment of it: [`Simulation::customer_of`] says whose it is later; absent where it was
    /// refused.
    pub fragment: Option<FragmentId>,
    /// The identifiers that it was resolved without, as they were sent.
    pub dropped: Vec<Dropped>,
    /// The customers that it joined into its own, of those that have a number.
    pub merged: Vec<u32>,
}

/// A customer at the end of a simulation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerOutcome {
    /// Its number.
    pub customer: u32,
    /// Its identifiers, normalised, by namespace and value.
    pub identifiers: Vec<Identifier>,
}

/// A simulation under way.
#[derive(Debug)]
pub struct Simulation<'r> {
    overlay: Overlay<'r>,
    now: Timestamp,
    fragments: u128,
    numbers: Numbers,
    /// The shared values that are listed, each with its fragment.
    shared: Vec<(Identifier, FragmentId)>,
}

impl<'r> Simulation<'r> {
    /// Nobody is known.
    pub fn new(rules: &'r Rules) -> Self {
        Self {
            overlay: Overlay::new(rules),
            now: Timestamp::MIN,
            fragments: 0,
            numbers: Numbers::default(),
            shared: Vec::new(),
        }
    }

    /// Takes an event: its time, and its identifiers as they were sent. Events are accepted in the
    /// order in which they are taken, so that one of an earlier time counts as of the latest so
    /// far.
    pub fn event(
        &mut self,
        time: Timestamp,
        identifiers: impl IntoIterator<Item = Identifier>,
    ) -> EventOutcome {
        let identifiers: Vec<Identifier> = identifiers.into_iter().collect();
        self.now = self.now.max(time);
        let rules = self.overlay.rules();
        let pairs = identifiers.iter();
        let pairs = pairs.map(|it| (it.namespace.clone(), it.value.clone()));
        let screened = screen(rules, pairs);
        let mut outcome = EventOutcome::default();
        if screened.kept.is_empty() {
            outcome.dropped = screened.dropped;
            return outcome;
        }
        let fragments = &mut self.fragments;
        let fragment = || {
            *fragments += 1;
            let drawn = FragmentId::new(Uuid::from_u128(*fragments));
            match rules.subject() {
                Subject::Customer => drawn,
                Subject::Account => drawn.into_account(),
            }
        };
        let resolution = self
            .overlay
            .resolve(&screened, fragment, self.now)
            .expect("everything is in memory");
        let (merges, splits, shared) = self.overlay.unforgotten();
        outcome.merged = self.numbers.follow(merges, splits);
        let shared = shared.iter();
        self.shared
            .extend(shared.map(|it| (it.identifier.clone(), it.fragment)));
        self.overlay.forget_changes();
        outcome.dropped = resolution.dropped;
        as_sent(rules, &identifiers, &mut outcome.dropped);
        if !resolution.is_refused {
            outcome.customer = Some(self.numbers.number(resolution.customer));
            outcome.fragment = Some(resolution.fragment);
        }
        outcome
    }

    /// Returns the customer of a fragment, as known now.
    pub fn customer_of(&self, fragment: FragmentId) -> u32 {
        self.numbers.find(self.overlay.customer_of(fragment))
    }

    /// Returns the customers that there are now, in the order of their numbers.
    pub fn customers(&self) -> Vec<CustomerOutcome> {
        let mut shared: HashMap<CustomerId, Vec<Identifier>> = HashMap::new();
        for (identifier, fragment) in &self.shared {
            let customer = self.overlay.customer_of(*fragment);
            let own = shared.entry(customer).or_default();
            own.push(identifier.clone());
        }
        let mut customers = Vec::new();
        for view in self.overlay.customers() {
            let held = view.detail.iter().flat_map(|detail| &detail.held);
            let mut identifiers: Vec<_> = held.map(|it| it.identifier.clone()).collect();
            identifiers.extend(shared.remove(&view.id).unwrap_or_default());
            identifiers.sort_unstable();
            identifiers.dedup();
            customers.push(CustomerOutcome {
                customer: self.numbers.find(view.id),
                identifiers,
            });
        }
        customers.sort_by_key(|it| it.customer);
        customers
    }
}

/// The numbers of the customers that there are. Whoever keeps the person keeps the number: of
/// customers that are joined the lowest one stays, and who gave something away stays who they were.
#[derive(Debug, Default)]
struct Numbers {
    numbers: HashMap<CustomerId, u32>,
    last: u32,
}

impl Numbers {
    fn find(&self, customer: CustomerId) -> u32 {
        self.numbers.get(&customer).copied().unwrap_or_default()
    }

    fn number(&mut self, customer: CustomerId) -> u32 {
        *self.numbers.entry(customer).or_insert_with(|| {
            self.last += 1;
            self.last
        })
    }

    /// Follows what an event did. Returns the numbers that are gone.
    fn follow(&mut self, merges: &[Merge], splits: &[Split]) -> Vec<u32> {
        let mut gone = Vec::new();
        let mut splits = splits.iter().peekable();
        for place in 0..=merges.len() {
            while let Some(split) = splits.next_if(|split| split.merges_before <= place) {
                if split.is_remainder
                    && let Some(number) = self.numbers.remove(&split.from)
                {
                    self.numbers.insert(split.into, number);
                }
            }
            let Some(merge) = merges.get(place) else {
                break;
            };
            let Some(from) = self.numbers.remove(&merge.from) else {
                continue;
            };
            match self.numbers.get_mut(&merge.into) {
                Some(own) => {
                    gone.push(from.max(*own));
                    *own = from.min(*own);
                }
                None => {
                    self.numbers.insert(merge.into, from);
                }
            }
        }
        gone
    }
}

/// Puts back the values of dropped identifiers as they were sent.
fn as_sent(rules: &Rules, sent: &[Identifier], dropped: &mut [Dropped]) {
    let is_screened = |reason| {
        matches!(
            reason,
            DropReason::BlockedValue | DropReason::MalformedValue | DropReason::UnknownNamespace
        )
    };
    if dropped.iter().all(|it| is_screened(it.reason)) {
        return;
    }
    let mut written: HashMap<(&str, String), &str> = HashMap::new();
    for identifier in sent.iter().rev() {
        let namespace = rules.find(&identifier.namespace);
        let value = namespace.map(|(_, own)| own.normalize(identifier.value.clone()));
        if let Some(Ok(value)) = value {
            let key = (identifier.namespace.as_str(), value);
            written.insert(key, &identifier.value);
        }
    }
    for dropped in dropped.iter_mut().filter(|it| !is_screened(it.reason)) {
        let own = &mut dropped.identifier;
        let value = std::mem::take(&mut own.value);
        let key = (own.namespace.as_str(), value);
        own.value = match written.get(&key) {
            Some(value) => (*value).to_owned(),
            None => key.1,
        };
    }
}
