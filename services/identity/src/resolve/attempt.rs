//! One attempt at a batch: look-up, plan, transaction, cache.

use std::collections::{HashMap, HashSet};

use identity_core::{
    Changes, EvidenceKind, HolderState, Identifier, Need, Overlay, Resolution, Rules, Step,
};
use kernel::{CustomerId, FragmentId};

use super::load::is_live;
use super::{ResolveError, Resolved, Resolver, Subject, known_customer, refused};
use crate::cache::{Holder, Partings};
use crate::evidence;
use crate::store::{Cause, CommitError, Found, FoundIdentifier, News, SentAs, SentBy, demotion_id};

/// The end of an attempt.
#[derive(Debug)]
pub(super) enum Attempt {
    /// It was written.
    Done(Resolved),
    /// Somebody else changed what it was planned for.
    Raced,
    /// Somebody was erased meanwhile.
    Erased,
}

/// The end of a transaction.
pub(super) enum Written {
    /// It was written, with these news.
    News(Vec<News>),
    /// Somebody else changed what it was planned for.
    Raced,
    /// Somebody was erased meanwhile.
    Erased,
}

/// The numbers of what a batch changed, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Values that became contested.
    pub(crate) contested: u64,
    /// Values that were quarantined.
    pub(crate) quarantined: u64,
    /// Values that went to another customer.
    pub(crate) moved: u64,
    /// Identifiers of the largest customer that was changed.
    pub(crate) largest: u32,
}

impl Outcome {
    fn of(changes: &Changes) -> Self {
        let became = |state: HolderState| {
            let changed = changes.holdings.iter().filter(|change| {
                let was = change.before.as_ref().map(|it| it.state);
                let is = change.after.as_ref().map(|it| it.state);
                is == Some(state) && was != is
            });
            changed.count() as u64
        };
        let moved = changes.evidence.iter();
        let moved = moved.filter(|row| row.kind == EvidenceKind::Moved);
        let sizes = changes.customers.iter();
        Self {
            contested: became(HolderState::Contested),
            quarantined: became(HolderState::Quarantined),
            moved: moved.count() as u64,
            largest: sizes
                .map(|it| it.view.identifier_count())
                .max()
                .unwrap_or(0),
        }
    }
}

impl Resolver {
    /// One attempt.
    pub(super) async fn attempt(
        &self,
        rules: &Rules,
        subjects: &[Subject],
        known: &[Option<Holder>],
        cause: Cause<'_>,
    ) -> Result<Attempt, ResolveError> {
        // All that the cache does not answer alone is decided by what SQL says now, its cached
        // part too.
        let unknown = subjects.iter().zip(known).filter(|(_, it)| it.is_none());
        let unknown = unknown.flat_map(|(subject, _)| &subject.screened.kept);
        let unknown: HashSet<&Identifier> = unknown.map(|(_, identifier)| identifier).collect();
        let partings = self.cache.partings();
        let mut found = self.load(rules, &unknown).await?;
        self.load_links(subjects, known, &mut found).await?;
        let decided = self
            .decide(rules, &mut found, |overlay| {
                self.resolve_all(overlay, subjects, known)
            })
            .await?;
        let Some((mut resolutions, overlay)) = decided else {
            return Ok(Attempt::Raced);
        };
        let mut changes = overlay.into_changes();
        self.leave_out_told(&mut changes);
        let sent = sent_by(subjects, known, &mut resolutions, (&found, &changes));
        let news = match self.write(&changes, cause, &sent).await? {
            Written::News(news) => news,
            Written::Raced => {
                for identifier in unknown {
                    self.cache.forget(identifier);
                }
                return Ok(Attempt::Raced);
            }
            Written::Erased => return Ok(Attempt::Erased),
        };
        let outcome = Outcome::of(&changes);
        let places: Vec<usize> = changes.steps().map(Step::event_place).collect();
        let told = news.iter().zip(places.iter().copied());
        let epochs = epochs(&found, &resolutions, told);
        if self.tombstones.is_current(cause.held) {
            let is_own = self.remember(found, changes, &sent);
            // Others may have been moved since they were read.
            if self.cache.partings() != partings.with(is_own) {
                unknown.iter().for_each(|it| self.cache.forget(it));
            }
        }
        Ok(Attempt::Done(Resolved {
            resolutions,
            news,
            places,
            epochs,
            outcome,
        }))
    }

    /// Resolves all events of a batch, each seeing what those before it changed.
    fn resolve_all(
        &self,
        overlay: &mut Overlay<'_>,
        subjects: &[Subject],
        known: &[Option<Holder>],
    ) -> Result<Vec<Resolution>, Need> {
        let mut resolutions = Vec::with_capacity(subjects.len());
        for (subject, holder) in subjects.iter().zip(known) {
            if let Some(holder) = holder {
                overlay.pass();
                let mut known = known_customer(subject.clone(), holder);
                known.customer = overlay.root(known.customer);
                resolutions.push(known);
            } else if subject.screened.kept.is_empty() {
                overlay.pass();
                resolutions.push(refused(subject));
            } else {
                let fragment = || self.chance.fragment(subject.time);
                resolutions.push(overlay.resolve(&subject.screened, fragment, subject.time)?);
            }
        }
        Ok(resolutions)
    }

    /// Leaves evidence out that is on record: of identifiers that are left out of one event after
    /// the other for the same reason, as a default id is.
    fn leave_out_told(&self, changes: &mut Changes) {
        changes.evidence.retain(|row| {
            row.kind != EvidenceKind::Demoted || self.cache.tell_demotion(demotion_id(row))
        });
    }

    /// Writes changes, and redirects what the cache knows of customers that are gone.
    ///
    /// # Errors
    /// As [`Resolver::resolve`].
    pub(super) async fn write(
        &self,
        changes: &Changes,
        cause: Cause<'_>,
        sent: &SentBy,
    ) -> Result<Written, ResolveError> {
        if changes.is_empty() && changes.evidence.is_empty() {
            return Ok(Written::News(Vec::new()));
        }
        let partings = self.cache.partings();
        let committed = {
            let _turn = self.writers.acquire().await.expect("never closed");
            self.tables.commit(changes, cause, sent).await
        };
        match committed {
            Ok(committed) => {
                self.redirect(changes, partings);
                Ok(Written::News(committed.news))
            }
            Err(error) => {
                let told = changes.evidence.iter();
                let told = told.filter(|row| row.kind == EvidenceKind::Demoted);
                told.for_each(|row| self.cache.forget_demotion(demotion_id(row)));
                match error {
                    CommitError::Raced => Ok(Written::Raced),
                    CommitError::Erased => Ok(Written::Erased),
                    CommitError::Database(error) => Err(error.into()),
                    CommitError::Audit(error) => Err(error.into()),
                }
            }
        }
    }

    /// Redirects what the cache knows of customers that are gone, unless others may have taken them
    /// out again.
    fn redirect(&self, changes: &Changes, partings: Partings) {
        let fitted = changes.refits.iter();
        fitted.for_each(|it| self.cache.stand_alone(it.fragment.into()));
        for (from, into) in &changes.redirects {
            self.cache.redirect(*from, *into);
        }
        if self.cache.partings() != partings {
            let gone = changes.redirects.iter();
            gone.for_each(|(from, _)| self.cache.stand_alone(*from));
        }
    }

    /// Keeps in the cache who holds what after a batch. Returns whether that took a parting.
    fn remember(&self, found: Found, changes: Changes, sent: &SentBy) -> bool {
        let fitted: HashMap<FragmentId, CustomerId> = changes
            .refits
            .iter()
            .map(|it| (it.fragment, it.to))
            .collect();
        // A customer left behind, or left with more than what the batch names, has other
        // identifiers in the cache.
        let splits = changes.splits.iter();
        let others = splits.filter(|it| it.is_remainder || it.fragments.len() > 1);
        let gone: HashSet<FragmentId> = others.flat_map(|it| it.fragments.clone()).collect();
        self.part(&gone);
        let roots: HashMap<_, _> = changes.redirects.into_iter().collect();
        let root = |fragment: FragmentId, customer: CustomerId| {
            let root = roots.get(&customer).copied().unwrap_or(customer);
            fitted.get(&fragment).copied().unwrap_or(root)
        };
        for mut known in found.identifiers {
            if is_live(known.state) {
                known.customer = root(known.fragment, known.customer);
                self.cache.hold(known);
            }
        }
        let customers: HashMap<FragmentId, CustomerId> = changes
            .customers
            .iter()
            .map(|it| (it.view.id.fragment(), it.view.id))
            .collect();
        let attached = changes.identifiers.into_iter();
        let attached = attached.map(|(identifier, fragment)| (identifier, Some(fragment)));
        let others = changes.holdings.into_iter().map(|change| {
            let after = change.after.filter(|it| is_live(it.state));
            (change.identifier, after.map(|it| it.fragment))
        });
        for (identifier, fragment) in attached.chain(others) {
            // A fragment that is neither a customer nor joined in this batch is some customer's of
            // before, whom the next look-up tells.
            let customer = fragment.and_then(|fragment| {
                let own = customers.get(&fragment).copied();
                let joined = roots.get(&fragment.into()).copied();
                fitted.get(&fragment).copied().or(own).or(joined)
            });
            match fragment.zip(customer) {
                Some((fragment, customer)) => self.cache.hold(FoundIdentifier {
                    sent: sent.identifier(&identifier),
                    identifier,
                    fragment,
                    customer,
                    state: HolderState::Live,
                    fan_out: identity_core::FanOut::default(),
                }),
                None => self.cache.forget(&identifier),
            }
        }
        !gone.is_empty()
    }
}

/// Returns the graph epoch of the customer of each event, as it was after it.
fn epochs<'a>(
    found: &Found,
    resolutions: &[Resolution],
    told: impl Iterator<Item = (&'a News, usize)>,
) -> Vec<u64> {
    let known = found.customers.iter();
    let mut epochs: HashMap<CustomerId, u64> = known.map(|(id, (_, it))| (*id, *it)).collect();
    let mut told = told.peekable();
    let of_events = resolutions.iter().enumerate().map(|(place, resolution)| {
        while let Some((news, _)) = told.next_if(|(_, own)| *own <= place) {
            epochs.extend(news.customers().map(|it| (it, news.graph_epoch())));
        }
        epochs.get(&resolution.customer).copied().unwrap_or(0)
    });
    of_events.collect()
}

/// Tells by what each change of a batch was made, and says of events that were sent before what
/// their first try did.
fn sent_by(
    subjects: &[Subject],
    known: &[Option<Holder>],
    resolutions: &mut [Resolution],
    (found, changes): (&Found, &Changes),
) -> SentBy {
    let attached = found.identifiers.iter();
    let attached: HashMap<_, _> = attached.map(|it| (&it.identifier, it.sent)).collect();
    let mut sent = SentBy::default();
    let events = subjects.iter().zip(known).zip(resolutions).enumerate();
    for (place, ((subject, holder), resolution)) in events {
        if holder.is_some() {
            continue;
        }
        sent.add(place, subject.sent, resolution);
        let named = resolution.evidence.iter();
        let by: Vec<Option<SentAs>> = named
            .map(|own| attached.get(&own.identifier).copied().flatten())
            .collect();
        evidence::restore_attached(resolution, subject.sent, by);
    }
    let held = found.identifiers.iter();
    let mut customers: HashMap<FragmentId, CustomerId> =
        held.map(|it| (it.fragment, it.customer)).collect();
    for (view, _) in found.customers.values() {
        let detail = view.detail.iter().flat_map(|detail| &detail.fragments);
        customers.extend(detail.map(|fragment| (fragment.id, view.id)));
    }
    sent.name_joins(changes, |fragment| {
        customers.get(&fragment).copied().unwrap_or(fragment.into())
    });
    sent
}
