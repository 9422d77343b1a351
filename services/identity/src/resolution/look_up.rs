//! Finds customers by identifiers, and changes nothing.
//!
//! The cache of this process first; what it does not know is one look-up for all requests at hand.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ::rpc::Failure;
use identity_core::limits::{IDENTIFIER_CHARS, IDENTIFIERS_PER_EVENT};
use identity_core::{Identifier, Resolution, Rules, Screened, screen};
use kernel::{CustomerId, FragmentId, Timestamp};
use proto::identity::v1;

use super::ResolutionRpc;
use crate::resolve::Resolver;
use crate::rpc::{dropped_identifier, resolve_failure};

/// Bytes of the name of a namespace.
const NAMESPACE_BYTES: usize = 64;

impl ResolutionRpc {
    /// Finds customers, in the order of the requests.
    ///
    /// # Errors
    /// The database fails.
    pub(super) async fn look_up(
        &self,
        requests: Vec<Vec<v1::Identifier>>,
    ) -> Result<Vec<v1::ResolveResponse>, Failure> {
        let intake = &self.rpc.intake;
        let rules = Arc::clone(&intake.namespaces.borrow());
        let screened = requests.into_iter().map(|identifiers| {
            let pairs = identifiers.into_iter();
            screen(&rules, pairs.map(|own| (own.namespace, own.value)))
        });
        let mut screened: Vec<Screened> = screened.collect();
        // An event of now, which comes after every erasure.
        let events = screened.iter_mut().map(|own| (own, Timestamp::MAX));
        intake.resolver.tombstones.screen(events);
        let found = intake
            .resolver
            .preview(&rules, &screened, intake.clock.now())
            .await;
        let found = found.map_err(resolve_failure)?;
        let known = self.known_of(&rules, &screened, &found).await?;
        let answers = screened.into_iter().zip(found);
        let answers = answers.map(|(screened, preview)| answer(screened, preview, &known));
        Ok(answers.collect())
    }

    /// Tells of the customers that were found whether each is known.
    async fn known_of(
        &self,
        rules: &Rules,
        screened: &[Screened],
        found: &[Preview],
    ) -> Result<HashMap<CustomerId, bool>, Failure> {
        let mut known = HashMap::with_capacity(found.len());
        let mut unread = HashSet::new();
        for (screened, preview) in screened.iter().zip(found) {
            let Some(customer) = preview.customer else {
                continue;
            };
            // A customer who has a value that names people is known; most requests have one.
            let mut kept = screened.kept.iter();
            let names = |own: &Identifier| {
                let named = rules.find(&own.namespace);
                named.is_some_and(|(_, namespace)| namespace.names_people())
            };
            let is_named = kept.any(|(_, own)| names(own)) && preview.is_whole;
            match is_named.then_some(true).or(self.known.recall(customer)) {
                Some(is_known) => {
                    known.insert(customer, is_known);
                }
                None => {
                    unread.insert(customer.fragment());
                }
            }
        }
        if unread.is_empty() {
            return Ok(known);
        }
        let unread: Vec<FragmentId> = unread.into_iter().collect();
        let roots = self.rpc.intake.store.find_roots(&unread).await;
        let (roots, views) = roots.map_err(Failure::store_unavailable)?;
        for (fragment, root) in unread.into_iter().zip(roots) {
            let view = root.and_then(|root| views.customers.get(&root));
            if let Some((view, _)) = view {
                let is_known = view.is_known(rules);
                self.known.remember(fragment.into(), is_known);
                known.insert(fragment.into(), is_known);
            }
        }
        Ok(known)
    }
}

/// Returns whether a request holds to its contract beyond doubt, which is cheaper to say than the
/// whole truth. Others may hold too.
pub(super) fn is_plain(request: &v1::ResolveRequest) -> bool {
    (1..=IDENTIFIERS_PER_EVENT).contains(&request.identifiers.len())
        && request.identifiers.iter().all(|own| {
            let name = own.namespace.as_bytes();
            let is_named = name.first().is_some_and(u8::is_ascii_lowercase)
                && name.len() <= NAMESPACE_BYTES
                && name
                    .iter()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
            is_named && (1..=IDENTIFIER_CHARS).contains(&own.value.len())
        })
}

/// The customer whom an event would go to.
#[derive(Debug, Default)]
pub(crate) struct Preview {
    /// The customer; absent for somebody new, or where the event would be refused.
    pub(crate) customer: Option<CustomerId>,
    /// The fragment of the identifier that names the customer.
    pub(crate) fragment: Option<FragmentId>,
    /// Customers that it would join into that one.
    pub(crate) merged: Vec<CustomerId>,
    /// Identifiers that it would go without, beside those that screening dropped.
    pub(crate) dropped: Vec<identity_core::Dropped>,
    /// True where all identifiers that were kept are the customer's now.
    pub(crate) is_whole: bool,
}

impl Preview {
    /// Reads it from what would become of the event; `count` dropped ones are those of screening.
    pub(crate) fn of(resolution: Resolution, screened: &Screened) -> Self {
        let is_there = !resolution.is_new && !resolution.is_refused;
        let mut dropped = resolution.dropped;
        dropped.retain(|own| !screened.dropped.contains(own));
        Self {
            customer: is_there.then_some(resolution.customer),
            fragment: is_there.then_some(resolution.fragment),
            merged: resolution.merged,
            dropped,
            is_whole: false,
        }
    }
}

fn answer(
    screened: Screened,
    preview: Preview,
    known: &HashMap<CustomerId, bool>,
) -> v1::ResolveResponse {
    let dropped = screened.dropped.into_iter().chain(preview.dropped);
    let customer = preview.customer;
    let is_known = customer.and_then(|it| known.get(&it).copied());
    v1::ResolveResponse {
        customer_id: customer.map(|it| it.to_string()).unwrap_or_default(),
        fragment_id: preview
            .fragment
            .map(|it| it.to_string())
            .unwrap_or_default(),
        known: is_known.unwrap_or_default(),
        dropped_identifiers: dropped.map(dropped_identifier).collect(),
        would_merge_customer_ids: preview.merged.iter().map(ToString::to_string).collect(),
    }
}

impl Resolver {
    /// Tells whom events with these identifiers would go to, each as if it were the only one.
    ///
    /// # Errors
    /// [`crate::ResolveError::Database`].
    pub(crate) async fn preview(
        &self,
        rules: &Rules,
        events: &[Screened],
        now: Timestamp,
    ) -> Result<Vec<Preview>, crate::ResolveError> {
        let second = self.cache.second();
        let mut previews: Vec<Option<Preview>> = events
            .iter()
            .map(|screened| {
                if screened.kept.is_empty() {
                    return Some(Preview::default());
                }
                let holder = self.cache.only_holder(&screened.kept, second)?;
                Some(Preview {
                    customer: Some(holder.customer),
                    fragment: holder.fragments.first().map(|(first, _)| *first),
                    is_whole: true,
                    ..Preview::default()
                })
            })
            .collect();
        let both = || events.iter().zip(&previews);
        let unknown: Vec<&Screened> = both()
            .filter(|(_, preview)| preview.is_none())
            .map(|(screened, _)| screened)
            .collect();
        if !unknown.is_empty() {
            let decided = self.decide_alone(rules, &unknown, now).await?;
            let decided = decided.into_iter().zip(unknown);
            let mut decided = decided.map(|(resolution, own)| Preview::of(resolution, own));
            for preview in previews.iter_mut().filter(|preview| preview.is_none()) {
                *preview = decided.next();
            }
        }
        Ok(previews
            .into_iter()
            .map(Option::unwrap_or_default)
            .collect())
    }
}
