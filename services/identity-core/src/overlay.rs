//! Decides the events of a batch one after the other, each seeing what those before it changed.

mod alone;
mod apply;
mod log;
mod moves;
mod output;
mod resolve;
mod trim;

use std::collections::{HashMap, HashSet};

use kernel::{CustomerId, FragmentId, Timestamp};

use self::log::Log;
use crate::changes::{EvidenceKind, Merge, Need};
use crate::customer::{CustomerView, Detail, Held, Identifier, NewFragment};
use crate::holding::{FanOut, HolderState, Holding};
use crate::namespace::Uniqueness;
use crate::rules::Rules;

/// The knowledge of identifiers and customers, with the changes of a batch laid over it.
#[derive(Debug)]
pub struct Overlay<'r> {
    rules: &'r Rules,
    holders: HashMap<Identifier, Holder>,
    customers: HashMap<CustomerId, Known>,
    /// The customer of each fragment that was made, joined or split off in the batch; one that is
    /// the root leads to itself.
    roots: HashMap<FragmentId, CustomerId>,
    /// The fragments for which a shared value is listed, each with its customer when that was told.
    listed: HashMap<Identifier, Vec<(FragmentId, CustomerId)>>,
    cannot_link: HashSet<(CustomerId, CustomerId)>,
    log: Log,
}

/// A value as it is held, and the customer of its fragment when that was told.
#[derive(Debug, Clone)]
struct Holder {
    holding: Holding,
    customer: CustomerId,
}

#[derive(Debug)]
struct Known {
    view: CustomerView,
    /// As loaded; absent for a customer of this batch.
    epoch: Option<u64>,
    is_changed: bool,
    /// The customers, as loaded, of whose details this one would need.
    lacks: Vec<CustomerId>,
}

impl<'r> Overlay<'r> {
    /// Knows nothing yet.
    pub fn new(rules: &'r Rules) -> Self {
        Self {
            rules,
            holders: HashMap::new(),
            customers: HashMap::new(),
            roots: HashMap::new(),
            listed: HashMap::new(),
            cannot_link: HashSet::new(),
            log: Log::default(),
        }
    }

    /// Tells how a value is held, and the customer of its fragment; of a shared value only the
    /// anonymous customer of its own is told so.
    pub fn hold(
        &mut self,
        identifier: Identifier,
        fragment: FragmentId,
        customer: CustomerId,
        state: HolderState,
        fan_out: FanOut,
    ) {
        let holding = Holding {
            fragment,
            state,
            fan_out,
        };
        self.holders
            .insert(identifier, Holder { holding, customer });
    }

    /// Tells that a shared value is listed for a customer.
    pub fn know_shared(&mut self, identifier: Identifier, customer: CustomerId) {
        let listed = self.listed.entry(identifier).or_default();
        listed.push((customer.fragment(), customer));
    }

    /// Tells that two customers must never be joined by events.
    pub fn know_cannot_link(&mut self, a: CustomerId, b: CustomerId) {
        self.cannot_link.insert((a, b));
    }

    /// Counts an event that was resolved without this overlay.
    pub const fn pass(&mut self) {
        self.log.event += 1;
    }

    /// Tells what is known of a customer, and the epoch of that knowledge.
    pub fn know(&mut self, view: CustomerView, epoch: u64) {
        let lacks = match view.detail {
            Some(_) => Vec::new(),
            None => vec![view.id],
        };
        self.customers.insert(
            view.id,
            Known {
                view,
                epoch: Some(epoch),
                is_changed: false,
                lacks,
            },
        );
    }

    /// Returns the customer that one is now, after the merges of this batch.
    pub fn root(&self, customer: CustomerId) -> CustomerId {
        self.root_of(customer.fragment(), customer)
    }

    /// Joins customers into the first of them, which must be the oldest, as [`crate::plan_merge`]
    /// says. The word of an unmerge about them is passed over.
    ///
    /// # Panics
    /// Where one of them was not told.
    pub fn merge(&mut self, into: CustomerId, others: &[CustomerId]) {
        for from in others {
            self.fold(*from, into);
            let edge = (into.fragment(), Some(from.fragment()));
            self.log.note(EvidenceKind::Forced, edge, None, "");
        }
    }

    pub(crate) const fn rules(&self) -> &'r Rules {
        self.rules
    }

    /// Returns a customer as it was told and changed since.
    pub(crate) fn view(&self, customer: CustomerId) -> Result<&CustomerView, Need> {
        let known = self.customers.get(&customer);
        known.map(|known| &known.view).ok_or(Need::View(customer))
    }

    /// The customers whose details would have to be loaded to know those of one.
    pub(crate) fn lacking(&self, customer: CustomerId) -> &[CustomerId] {
        let known = self.customers.get(&customer);
        known.map_or(&[], |known| known.lacks.as_slice())
    }

    pub(crate) fn is_weak(&self, rank: usize) -> bool {
        self.rules.namespaces.at(rank).uniqueness() == Uniqueness::Weak
    }

    pub(crate) fn is_cannot_link(&self, a: CustomerId, b: CustomerId) -> bool {
        let mut pairs = self.cannot_link.iter();
        pairs.any(|(one, other)| {
            let pair = (self.root(*one), self.root(*other));
            pair == (a, b) || pair == (b, a)
        })
    }

    /// The customer of a fragment, which was one's when that was told.
    fn root_of(&self, fragment: FragmentId, customer: CustomerId) -> CustomerId {
        let mut root = self.roots.get(&fragment).copied().unwrap_or(customer);
        // Each step leads to an older customer, or stays where it is, so that this ends.
        while let Some(next) = self.roots.get(&root.fragment()) {
            if *next == root {
                break;
            }
            root = *next;
        }
        root
    }

    fn create(&mut self, fragment: FragmentId, now: Timestamp) -> CustomerId {
        let customer = CustomerId::from(fragment);
        let made = NewFragment {
            id: fragment,
            create_time: now,
        };
        self.log.fragments.push(made);
        let mut view = CustomerView::new(customer, now);
        view.detail = Some(
            Detail {
                fragments: vec![made],
                ..Detail::default()
            }
            .into(),
        );
        self.customers.insert(
            customer,
            Known {
                view,
                epoch: None,
                is_changed: true,
                lacks: Vec::new(),
            },
        );
        customer
    }

    /// Joins two customers into the older one. Returns that.
    fn join(&mut self, one: CustomerId, other: CustomerId) -> CustomerId {
        if one == other {
            return one;
        }
        let is_older = |a: CustomerId, b: CustomerId| match (self.view(a), self.view(b)) {
            (Ok(a), Ok(b)) => a.is_older_than(b),
            (Err(_), _) | (_, Err(_)) => a < b,
        };
        let (into, from) = if is_older(one, other) {
            (one, other)
        } else {
            (other, one)
        };
        self.fold(from, into);
        into
    }

    fn fold(&mut self, from: CustomerId, into: CustomerId) {
        let loser = self
            .customers
            .get_mut(&from)
            .expect("a merge was planned with both");
        let lacks = std::mem::take(&mut loser.lacks);
        let empty = CustomerView::new(from, loser.view.create_time);
        let view = std::mem::replace(&mut loser.view, empty);
        let survivor = self.changed(into);
        survivor.view.fold(&view);
        survivor.lacks.extend(lacks);
        self.roots.insert(from.fragment(), into);
        let event_place = self.log.event;
        self.log.merges.push(Merge {
            from,
            into,
            event_place,
        });
    }

    /// Gives a customer a value that nobody has, on one of its fragments.
    fn attach(
        &mut self,
        customer: CustomerId,
        fragment: FragmentId,
        identifier: &Identifier,
        now: Timestamp,
    ) {
        let known = self.changed(customer);
        known.view.add_identifiers(&identifier.namespace, 1);
        if let Some(detail) = known.detail() {
            detail.held.push(Held {
                identifier: identifier.clone(),
                fragment,
                attach_time: now,
            });
        }
        let before = self.holders.get(identifier);
        let fan_out = before.map(|it| it.holding.fan_out.clone());
        self.log.touch(identifier, before.map(|it| &it.holding));
        self.log.attached.insert(identifier.clone());
        let state = HolderState::Live;
        self.hold(
            identifier.clone(),
            fragment,
            customer,
            state,
            fan_out.unwrap_or_default(),
        );
    }

    /// Takes a value from the customer who has it. It stays where it was told to be held.
    fn detach(&mut self, identifier: &Identifier) -> Option<FragmentId> {
        let holder = self.holders.get(identifier)?;
        let fragment = holder.holding.fragment;
        let customer = self.root_of(fragment, holder.customer);
        self.log.touch(identifier, Some(&holder.holding));
        let known = self.changed(customer);
        known.view.remove_identifier(&identifier.namespace);
        if let Some(detail) = known.detail() {
            detail.held.retain(|held| held.identifier != *identifier);
        }
        Some(fragment)
    }

    /// Takes a value from a customer of which no event of the batch says anything.
    fn detach_untold(&mut self, customer: CustomerId, held: &Held) {
        let holding = Holding {
            fragment: held.fragment,
            state: HolderState::Live,
            fan_out: FanOut::default(),
        };
        self.log.touch(&held.identifier, Some(&holding));
        let known = self.changed(customer);
        known.view.remove_identifier(&held.identifier.namespace);
        if let Some(detail) = known.detail() {
            detail.held.retain(|it| it.identifier != held.identifier);
        }
    }

    fn changed(&mut self, customer: CustomerId) -> &mut Known {
        let known = self
            .customers
            .get_mut(&customer)
            .expect("what changes was planned with");
        known.is_changed = true;
        known
    }
}

impl Known {
    fn detail(&mut self) -> Option<&mut Detail> {
        let detail = self.view.detail.as_mut()?;
        Some(std::sync::Arc::make_mut(detail))
    }
}
