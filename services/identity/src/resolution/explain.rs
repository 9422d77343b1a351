//! Explains why a customer is who they are, and an account what it is.

use std::sync::Arc;

use ::rpc::Failure;
use identity_core::{EvidenceKind, HolderState, Identifier, Rules, Uniqueness};
use kernel::FragmentId;
use proto::convert;
use proto::identity::v1;

use super::sentences::sentences;
use super::sightings::Sightings;
use super::{ResolutionRpc, shown};
use crate::customers::message;
use crate::kind::Kind;
use crate::limits::EVIDENCE_TOLD;
use crate::named::Named;
use crate::store::{CustomerRecord, EvidenceRecord};

impl ResolutionRpc {
    /// Explains a customer, or an identifier.
    pub(super) async fn explain(
        &self,
        request: v1::ExplainIdentityRequest,
    ) -> Result<v1::ExplainIdentityResponse, Failure> {
        use v1::explain_identity_request::Key;
        let rules = Arc::clone(&self.rpc.intake.namespaces.borrow());
        let mut explained = v1::ExplainIdentityResponse::default();
        let id = match request.key {
            Some(Key::Identifier(identifier)) => {
                let (state, fragment) = self.state_of(&rules, identifier).await?;
                state.clone_into(&mut explained.identifier_state);
                fragment.map(|fragment| fragment.to_string())
            }
            Some(Key::CustomerId(id)) => Some(id),
            None => None,
        };
        if let Some(id) = id {
            let customer = self.named_customer(Named::Id(id)).await?;
            let own = Kind::of(customer.id).rules(&rules);
            self.complete(own, customer, &mut explained).await?;
        }
        explained.sentences = sentences(&explained);
        Ok(explained)
    }

    /// Says what is special about an identifier, and whose it is; nothing for an ordinary one.
    async fn state_of(
        &self,
        rules: &Rules,
        asked: v1::Identifier,
    ) -> Result<(&'static str, Option<FragmentId>), Failure> {
        let kind = Kind::named_by(rules, &asked.namespace);
        let namespace = kind.namespace(rules, &asked.namespace);
        let namespace = namespace.map_err(|it| Failure::invalid([it.under("identifier")]))?;
        if namespace.is_blocked(&asked.value) {
            return Ok(("BLOCKED_VALUE", None));
        }
        let Ok(value) = namespace.normalize(asked.value) else {
            return Ok(("MALFORMED_VALUE", None));
        };
        let identifier = Identifier {
            namespace: asked.namespace,
            value,
        };
        let is_shared = namespace.uniqueness() == Uniqueness::Shared;
        let state = self.rpc.intake.store.identifier_state(&identifier).await;
        let state = state.map_err(Failure::store_unavailable)?;
        Ok(match state {
            None if is_shared => ("SHARED", None),
            None => ("", None),
            Some((_, fragment)) if is_shared => ("SHARED", Some(fragment)),
            Some((HolderState::Live, fragment)) => ("", Some(fragment)),
            Some((HolderState::Alone, fragment)) => ("CONTESTED", Some(fragment)),
            Some((HolderState::Contested, _)) => ("CONTESTED", None),
            Some((HolderState::Quarantined, _)) => ("QUARANTINED", None),
        })
    }

    /// Tells the evidence of a customer, and what is to be looked at.
    async fn complete(
        &self,
        rules: &Rules,
        customer: CustomerRecord,
        explained: &mut v1::ExplainIdentityResponse,
    ) -> Result<(), Failure> {
        let store = &self.rpc.intake.store;
        let evidence = store.evidence(customer.id, EVIDENCE_TOLD as u64).await;
        let evidence = evidence.map_err(Failure::store_unavailable)?;
        let apart = store.cannot_links(customer.id).await;
        let apart = apart.map_err(Failure::store_unavailable)?;
        // Events of accounts carry no identifiers, and nobody else's device ties accounts.
        let is_account = customer.id.is_account();
        let sightings = match is_account {
            true => None,
            false => self.sightings(rules, &customer).await?,
        };
        explained.dangling_identifiers = match &sightings {
            _ if is_account => Vec::new(),
            Some(sightings) if sightings.is_whole => dangling(rules, &customer, sightings),
            _ => dangling_by_rows(rules, &customer, &evidence),
        };
        let told = evidence.into_iter().map(|record| {
            let seen = sightings.as_ref();
            evidence_of(record, seen)
        });
        explained.evidence = told.collect();
        explained.cannot_link_fragment_ids = apart.iter().map(ToString::to_string).collect();
        explained.customer = Some(message(customer));
        Ok(())
    }
}

/// A piece of evidence as answers show it, with how often events of the log repeat it.
pub(super) fn evidence_of(
    record: EvidenceRecord,
    sightings: Option<&Sightings>,
) -> v1::IdentityEvidence {
    let kind = match record.kind {
        EvidenceKind::Attached => v1::EvidenceKind::Attached,
        EvidenceKind::Joined => v1::EvidenceKind::Joined,
        EvidenceKind::Forced => v1::EvidenceKind::Forced,
        EvidenceKind::Demoted => v1::EvidenceKind::Demoted,
        EvidenceKind::Moved => v1::EvidenceKind::Moved,
        EvidenceKind::Released => v1::EvidenceKind::Released,
    };
    let place = record.identifier.clone().map(|own| (own, record.fragment));
    let is_attached = record.kind == EvidenceKind::Attached;
    let place = place.filter(|_| is_attached);
    let seen = place.and_then(|place| sightings?.seen.get(&place).copied());
    let count = seen.map_or(record.count, |seen| seen.count.max(record.count));
    let last = seen.map_or(record.last_time, |seen| seen.last.max(record.last_time));
    v1::IdentityEvidence {
        fragment_id: record.fragment.to_string(),
        identifier: record.identifier.map(shown),
        joined_fragment_id: record.joined.map(|it| it.to_string()).unwrap_or_default(),
        kind: kind.into(),
        event_id: record.event_id,
        source: record.source,
        first_time: Some(convert::timestamp(record.first_time)),
        last_time: Some(convert::timestamp(last)),
        count,
        policy_version: record.policy_version,
        reason: record.reason,
        operation_id: record
            .operation
            .map(|it| it.to_string())
            .unwrap_or_default(),
        retracted: record.retracted_by.is_some(),
        found_by: record.found_by.unwrap_or_default(),
    }
}

/// Returns the identifiers of a known customer that never came with one that names a person, and
/// rank above others: a login that a device ties to somebody.
fn dangling(
    rules: &Rules,
    customer: &CustomerRecord,
    sightings: &Sightings,
) -> Vec<v1::Identifier> {
    suspects(rules, customer, |own| !sightings.with_person.contains(own))
}

/// Returns the same without the events: whatever came by an event of its own that brought no value
/// that names a person and that no such value found the customer of, once they had one.
fn dangling_by_rows(
    rules: &Rules,
    customer: &CustomerRecord,
    evidence: &[EvidenceRecord],
) -> Vec<v1::Identifier> {
    let attached = || {
        let own = evidence.iter();
        own.filter(|it| it.kind == EvidenceKind::Attached)
    };
    let names = |it: &&EvidenceRecord| {
        let own = it.identifier.as_ref();
        own.is_some_and(|own| names_people(rules, &own.namespace))
    };
    let Some(first) = attached().filter(names).map(|it| it.first_time).min() else {
        return Vec::new();
    };
    suspects(rules, customer, |own| {
        let by = attached().find(|it| it.identifier.as_ref() == Some(own));
        by.is_some_and(|by| {
            let mut beside = attached().filter(|it| it.event_id == by.event_id);
            // Of evidence of earlier programs nobody knows, so that nobody is suspected by it.
            let is_found = by.found_by.as_deref();
            let is_found = is_found.is_none_or(|found_by| names_people(rules, found_by));
            by.first_time > first
                && !by.event_id.is_empty()
                && !is_found
                && !beside.any(|it| names(&it))
        })
    })
}

fn suspects(
    rules: &Rules,
    customer: &CustomerRecord,
    is_suspect: impl Fn(&Identifier) -> bool,
) -> Vec<v1::Identifier> {
    let rank = |own: &Identifier| rules.find(&own.namespace).map(|(rank, _)| rank);
    let own = &customer.identifiers;
    if !own.iter().any(|it| names_people(rules, &it.namespace)) {
        return Vec::new();
    }
    // The lowest rank is that of what ties, such as a device.
    let last = own.iter().filter_map(rank).max();
    let found = own
        .iter()
        .filter(|it| !names_people(rules, &it.namespace) && rank(it) < last && is_suspect(it));
    found.cloned().map(shown).collect()
}

fn names_people(rules: &Rules, namespace: &str) -> bool {
    let found = rules.find(namespace);
    found.is_some_and(|(_, namespace)| namespace.names_people())
}
