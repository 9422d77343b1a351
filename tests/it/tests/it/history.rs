//! The history checker: what was sent and acknowledged, against what the services and the receiver
//! of webhooks saw.
//!
//! Pure: it asks nobody. Every rule that is broken becomes one sentence. It knows the definitions
//! of [`crate::faults::installation`]: each purchase starts one run, waits a moment, sends one
//! webhook, and ends with its receipt; the second purchase of a customer makes them a buyer, who is
//! welcomed once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The number of sentences that are worth reading.
const FAULTS: usize = 25;

/// One event that the load tried to send.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// Names it: unique in the whole history.
    pub(crate) order: u32,
    /// The customer that it belongs to.
    pub(crate) user: usize,
    /// When it was sent for the first time.
    pub(crate) first_time: Instant,
    /// When it was acknowledged; absent where it never was.
    pub(crate) ack_time: Option<Instant>,
}

/// A webhook that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    /// Its idempotency key.
    pub(crate) effect_id: String,
    pub(crate) customer_id: String,
    pub(crate) order: u32,
    pub(crate) time: Instant,
}

/// The knowledge of one customer, by any of the ids that they had.
#[derive(Debug, Clone, Default)]
pub(crate) struct Customer {
    pub(crate) fragment_ids: Vec<String>,
    /// The purchases that the profile counts.
    pub(crate) purchases: u64,
    /// The receipts that the profile counts.
    pub(crate) receipts: u64,
    /// The purchases among its newest events.
    pub(crate) recent: Vec<u32>,
}

/// The counts over all customers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    /// Runs that purchases started.
    pub(crate) entered: u64,
    /// Of these, how many are under way.
    pub(crate) active: u64,
    /// Of these, how many ended as they should.
    pub(crate) completed: u64,
    /// The steps of all journeys: name, in, out, present.
    pub(crate) steps: Vec<(String, u64, u64, u64)>,
    /// Runs that welcomed a buyer.
    pub(crate) welcomed: u64,
    /// Customers in the segment of buyers.
    pub(crate) buyers: u64,
    /// Purchases counted over all partitions.
    pub(crate) purchases: u64,
    /// Records set aside in any partition.
    pub(crate) quarantined: u64,
}

/// The loss of a store without a journal: events that were acknowledged after a copy of it was
/// made, and sent before the copy took its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss {
    pub(crate) copy_time: Instant,
    pub(crate) restore_time: Instant,
    /// True where the customers are lost too whom these events were the first to name.
    pub(crate) has_customers: bool,
}

impl Loss {
    fn allows(&self, sent: &Sent) -> bool {
        sent.first_time <= self.restore_time
            && sent.ack_time.is_none_or(|time| time >= self.copy_time)
    }
}

/// Everything that was seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    pub(crate) sent: Vec<Sent>,
    pub(crate) arrived: Vec<Arrived>,
    /// By user; a user whose first event never took effect is a default.
    pub(crate) customers: Vec<Customer>,
    pub(crate) totals: Totals,
    /// The least time between the sending of an event and its webhook.
    pub(crate) wait: Duration,
    /// Absent where nothing may be lost.
    pub(crate) loss: Option<Loss>,
}

impl History {
    /// Every rule that is broken, in sentences; empty where all is well.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let applied = self.check_customers(&mut faults);
        self.check_effects(&applied, &mut faults);
        self.check_totals(&mut faults);
        let more = faults.len().saturating_sub(FAULTS);
        faults.truncate(FAULTS);
        if more > 0 {
            faults.push(format!("and {more} more"));
        }
        faults
    }

    /// Returns the number of acknowledged events that had no effect that lasted.
    pub(crate) fn missing(&self) -> usize {
        let applied = self.applied();
        let is_missing =
            |sent: &&Sent| sent.ack_time.is_some() && !applied[sent.user].contains(&sent.order);
        self.sent.iter().filter(is_missing).count()
    }

    /// The purchases that count, by user. Where nothing may be lost the webhooks tell; otherwise
    /// some of these went out for events that were lost afterwards, and the profiles tell.
    fn applied(&self) -> Vec<BTreeSet<u32>> {
        let mut applied = vec![BTreeSet::new(); self.customers.len()];
        if self.loss.is_some() {
            for (own, customer) in applied.iter_mut().zip(&self.customers) {
                own.extend(&customer.recent);
            }
        } else {
            let users: BTreeMap<u32, usize> = self
                .sent
                .iter()
                .map(|sent| (sent.order, sent.user))
                .collect();
            for arrived in &self.arrived {
                if let Some(user) = users.get(&arrived.order) {
                    applied[*user].insert(arrived.order);
                }
            }
        }
        applied
    }

    /// No acknowledged event is missing, and none counts twice.
    fn check_customers(&self, faults: &mut Vec<String>) -> Vec<BTreeSet<u32>> {
        let applied = self.applied();
        for sent in &self.sent {
            let may_be_missing = self.loss.is_some_and(|loss| loss.allows(sent));
            let is_there = applied[sent.user].contains(&sent.order);
            if sent.ack_time.is_some() && !is_there && !may_be_missing {
                faults.push(format!(
                    "event {} of user {} was acknowledged and is missing",
                    sent.order, sent.user
                ));
            }
        }
        let attempted: BTreeSet<(usize, u32)> = self
            .sent
            .iter()
            .map(|sent| (sent.user, sent.order))
            .collect();
        for (user, (customer, orders)) in self.customers.iter().zip(&applied).enumerate() {
            let count = orders.len() as u64;
            if customer.purchases != count {
                faults.push(format!(
                    "user {user} has {count} purchases, and the profile counts {}",
                    customer.purchases
                ));
            }
            if customer.receipts != count {
                faults.push(format!(
                    "user {user} has {count} purchases, and {} receipts",
                    customer.receipts
                ));
            }
            let recent: BTreeSet<u32> = customer.recent.iter().copied().collect();
            if recent.len() != customer.recent.len() {
                faults.push(format!(
                    "user {user} has an event twice: {:?}",
                    customer.recent
                ));
            }
            for order in recent.difference(orders) {
                faults.push(format!("event {order} of user {user} has no webhook"));
            }
            for order in orders
                .iter()
                .filter(|order| !attempted.contains(&(user, **order)))
            {
                faults.push(format!("event {order} of user {user} was never sent"));
            }
        }
        applied
    }

    /// Each effect is decided once: one id for an event, one event for an id, never before its
    /// time.
    fn check_effects(&self, applied: &[BTreeSet<u32>], faults: &mut Vec<String>) {
        let sent: BTreeMap<u32, &Sent> = self.sent.iter().map(|sent| (sent.order, sent)).collect();
        let mut ids: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
        let mut orders: BTreeMap<&str, u32> = BTreeMap::new();
        for arrived in &self.arrived {
            ids.entry(arrived.order)
                .or_default()
                .insert(&arrived.effect_id);
            let first = orders.entry(&arrived.effect_id).or_insert(arrived.order);
            if *first != arrived.order {
                faults.push(format!(
                    "effect {} is of event {first} and of event {}",
                    arrived.effect_id, arrived.order
                ));
            }
            let Some(sent) = sent.get(&arrived.order) else {
                faults.push(format!(
                    "a webhook is of event {}, never sent",
                    arrived.order
                ));
                continue;
            };
            let ids = &self.customers[sent.user].fragment_ids;
            let mut losses = self.loss.iter().filter(|loss| loss.has_customers);
            let may_be_unknown = losses.any(|loss| loss.allows(sent));
            if !ids.contains(&arrived.customer_id) && !may_be_unknown {
                faults.push(format!(
                    "event {} of user {} came as one of customer {}",
                    arrived.order, sent.user, arrived.customer_id
                ));
            }
            if arrived.time < sent.first_time + self.wait {
                faults.push(format!("the webhook of event {} is early", arrived.order));
            }
        }
        for (order, ids) in &ids {
            let may_differ = self
                .loss
                .is_some_and(|loss| sent.get(order).is_some_and(|sent| loss.allows(sent)));
            if ids.len() > 1 && !may_differ {
                faults.push(format!("event {order} has {} effects: {ids:?}", ids.len()));
            }
        }
        let without = applied
            .iter()
            .flatten()
            .filter(|order| !ids.contains_key(order));
        faults.extend(without.map(|order| format!("event {order} counts and has no webhook")));
    }

    /// Counts over all customers are the sums of those of each, and in = out + present everywhere.
    fn check_totals(&self, faults: &mut Vec<String>) {
        let totals = &self.totals;
        let purchases: u64 = self
            .customers
            .iter()
            .map(|customer| customer.purchases)
            .sum();
        let buyers = self
            .customers
            .iter()
            .filter(|customer| customer.purchases >= 2)
            .count() as u64;
        for (what, found, expected) in [
            ("runs started", totals.entered, purchases),
            ("runs ended as they should", totals.completed, purchases),
            ("runs under way", totals.active, 0),
            ("purchases over all partitions", totals.purchases, purchases),
            ("buyers", totals.buyers, buyers),
            ("buyers welcomed", totals.welcomed, buyers),
            ("records set aside", totals.quarantined, 0),
        ] {
            if found != expected {
                faults.push(format!("{what}: {found} instead of {expected}"));
            }
        }
        for (step, arrivals, departures, present) in &totals.steps {
            if *arrivals != departures + present {
                faults.push(format!(
                    "step {step}: {arrivals} in, {departures} out, {present} there"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests;
