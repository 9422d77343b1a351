//! Loads what a batch is decided by, and more where that does not suffice.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use identity_core::{
    HolderState, Identifier, Need, Overlay, Resolution, Rules, Screened, Uniqueness,
};
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::DbErr;

use super::{ResolveError, Resolver, Subject};
use crate::cache::Holder;
use crate::limits::NEEDS;
use crate::store::Found;

impl Resolver {
    /// Finds who holds identifiers, by the rules in force.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) async fn load(
        &self,
        rules: &Rules,
        identifiers: &HashSet<&Identifier>,
    ) -> Result<Found, DbErr> {
        let mut found = self.tables.find(identifiers).await?;
        let shared = identifiers
            .iter()
            .copied()
            .filter(|it| is_shared(rules, it));
        let shared: Vec<&Identifier> = shared.collect();
        if shared.is_empty() {
            return Ok(found);
        }
        // The holder of a value from when it was one customer's is one of those who have it now.
        let own = found
            .identifiers
            .extract_if(.., |it| is_shared(rules, &it.identifier));
        let own: Vec<_> = own.map(|it| (it.identifier, it.customer)).collect();
        found.shared.extend(own);
        self.tables.find_shared(&shared, &mut found).await?;
        Ok(found)
    }

    /// Returns those who hold identifiers that are theirs alone, each with the fragment.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) async fn holders(
        &self,
        rules: &Rules,
        identifiers: &HashSet<&Identifier>,
    ) -> Result<HashMap<Identifier, (FragmentId, CustomerId)>, DbErr> {
        let found = self.load(rules, identifiers).await?;
        let live = found.identifiers.into_iter().filter(|it| is_live(it.state));
        Ok(live
            .map(|it| (it.identifier, (it.fragment, it.customer)))
            .collect())
    }

    /// Adds which customers must never be joined, where events may join any of those found.
    pub(super) async fn load_links(
        &self,
        subjects: &[Subject],
        known: &[Option<Holder>],
        found: &mut Found,
    ) -> Result<(), DbErr> {
        if found.customers.len() < 2 {
            return Ok(());
        }
        let unknown = subjects.iter().zip(known).filter(|(_, it)| it.is_none());
        let screened = unknown.map(|(subject, _)| &subject.screened);
        if may_join(screened, found) {
            let customers: Vec<CustomerId> = found.customers.keys().copied().collect();
            found.cannot_links = self.tables.find_cannot_links(&customers).await?;
        }
        Ok(())
    }

    /// Decides by what was found, and loads more where that does not suffice; `None` where what was
    /// found is stale.
    ///
    /// # Errors
    /// As the database says.
    pub(super) async fn decide<'a, T: Send>(
        &self,
        rules: &'a Rules,
        found: &mut Found,
        mut run: impl FnMut(&mut Overlay<'a>) -> Result<T, Need> + Send,
    ) -> Result<Option<(T, Overlay<'a>)>, DbErr> {
        for round in 0..NEEDS {
            let wanted = {
                let mut overlay = lay_over(rules, found);
                match run(&mut overlay) {
                    Ok(decided) => return Ok(Some((decided, overlay))),
                    Err(Need::View(_)) => return Ok(None),
                    Err(Need::Detail(wanted)) if round == 0 => wanted,
                    // Events that follow would ask for one after the other.
                    Err(Need::Detail(_)) => {
                        let views = found.customers.values().map(|(view, _)| view);
                        let bare = views.filter(|view| view.detail.is_none());
                        bare.map(|view| view.id).collect()
                    }
                }
            };
            let mut is_nearer = false;
            for (id, detail) in self.tables.details(&wanted).await? {
                if let Some((view, _)) = found.customers.get_mut(&id) {
                    view.detail = Some(Arc::new(detail));
                    is_nearer = true;
                }
            }
            if !is_nearer {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Tells what would become of events now, each as if it were the only one. Nothing is written.
    ///
    /// # Errors
    /// [`ResolveError::Database`], and [`ResolveError::Contended`] where others change the same
    /// customers all the time.
    pub(crate) async fn decide_alone(
        &self,
        rules: &Rules,
        events: &[&Screened],
        now: Timestamp,
    ) -> Result<Vec<Resolution>, ResolveError> {
        let subjects = events.iter().map(|screened| Subject {
            screened: (*screened).clone(),
            time: now,
            event_time: now,
            sent: None,
        });
        let mut subjects: Vec<Subject> = subjects.collect();
        self.screen(&mut subjects);
        let kept = subjects.iter().flat_map(|subject| &subject.screened.kept);
        let identifiers: HashSet<&Identifier> = kept.map(|(_, it)| it).collect();
        'load: for attempt in 0..crate::limits::RESOLVE_ATTEMPTS {
            let found = self.load(rules, &identifiers).await?;
            let by_name = Names::of(&found);
            let mut resolutions = Vec::with_capacity(subjects.len());
            for subject in &subjects {
                if subject.screened.kept.is_empty() {
                    resolutions.push(super::refused(subject));
                    continue;
                }
                let mut own = by_name.narrow(&found, &subject.screened);
                if own.customers.len() > 1 {
                    let customers: Vec<CustomerId> = own.customers.keys().copied().collect();
                    own.cannot_links = self.tables.find_cannot_links(&customers).await?;
                }
                let decided = self.decide(rules, &mut own, |overlay| {
                    let fragment = || self.chance.fragment(now);
                    overlay.resolve(&subject.screened, fragment, now)
                });
                let Some((resolution, _)) = decided.await? else {
                    self.pause(attempt).await;
                    continue 'load;
                };
                resolutions.push(resolution);
            }
            return Ok(resolutions);
        }
        Err(ResolveError::Contended)
    }
}

/// The places of what was found, by identifier.
struct Names<'a> {
    held: HashMap<&'a Identifier, usize>,
    shared: HashMap<&'a Identifier, Vec<CustomerId>>,
}

impl<'a> Names<'a> {
    fn of(found: &'a Found) -> Self {
        let held = found.identifiers.iter().enumerate();
        let mut shared: HashMap<&Identifier, Vec<CustomerId>> = HashMap::new();
        for (identifier, customer) in &found.shared {
            shared.entry(identifier).or_default().push(*customer);
        }
        Self {
            held: held.map(|(place, it)| (&it.identifier, place)).collect(),
            shared,
        }
    }

    /// Returns what was found of one event.
    fn narrow(&self, found: &Found, screened: &Screened) -> Found {
        let mut own = Found::default();
        for (_, identifier) in &screened.kept {
            if let Some(place) = self.held.get(identifier) {
                let held = &found.identifiers[*place];
                if let Some(customer) = found.customers.get(&held.customer) {
                    own.customers.insert(held.customer, customer.clone());
                }
                own.identifiers.push(held.clone());
            }
        }
        for (_, identifier) in &screened.kept {
            let listed = self.shared.get(identifier).into_iter().flatten();
            let listed = listed.filter(|it| own.customers.contains_key(it));
            let listed: Vec<_> = listed.map(|it| (identifier.clone(), *it)).collect();
            own.shared.extend(listed);
        }
        own
    }
}

/// Returns whether any event has identifiers of more than one customer, or one that nobody holds
/// beside others: it may join those of another event.
fn may_join<'a>(screened: impl Iterator<Item = &'a Screened>, found: &Found) -> bool {
    let held = found.identifiers.iter();
    let holders: HashMap<&Identifier, CustomerId> =
        held.map(|it| (&it.identifier, it.customer)).collect();
    screened.into_iter().any(|screened| {
        let mut kept = screened.kept.iter().map(|(_, it)| holders.get(it));
        let first = kept.next().flatten();
        kept.any(|other| other != first || other.is_none())
    })
}

fn is_shared(rules: &Rules, identifier: &Identifier) -> bool {
    let named = rules.find(&identifier.namespace);
    named.is_some_and(|(_, it)| it.uniqueness() == Uniqueness::Shared)
}

/// Lays an overlay over what was found.
pub(crate) fn lay_over<'a>(rules: &'a Rules, found: &Found) -> Overlay<'a> {
    let mut overlay = Overlay::new(rules);
    for known in &found.identifiers {
        overlay.hold(
            known.identifier.clone(),
            known.fragment,
            known.customer,
            known.state,
            known.fan_out.clone(),
        );
    }
    for (view, epoch) in found.customers.values() {
        overlay.know(view.clone(), *epoch);
    }
    for (identifier, customer) in &found.shared {
        overlay.know_shared(identifier.clone(), *customer);
    }
    for (one, other) in &found.cannot_links {
        overlay.know_cannot_link(*one, *other);
    }
    overlay
}

/// Returns whether a value is its customer's, so that the cache may know of it.
pub(crate) fn is_live(state: HolderState) -> bool {
    state == HolderState::Live
}
