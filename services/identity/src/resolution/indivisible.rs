//! Says what of customers who come apart cannot be told apart: what identity knows of it itself,
//! and for a dry run what the services that decide say.

use std::error::Error;

use engine::PlannedSplit;
use futures::future::join_all;
use kernel::{CustomerId, FragmentId, Owner};
use runtime::{SplitPreviews, Unasked};
use tokio::time::Instant;

use super::ResolutionRpc;
use crate::store::CustomerRecord;
use crate::unmerge::{Unmerge, UnmergeBy, Unmerged};

/// The services that decide, in the order in which they come. Only the first hears of accounts.
const ASKED: [Owner; 3] = [Owner::Segmentation, Owner::Journey, Owner::Activation];

impl ResolutionRpc {
    /// Says what of customers who come apart, the one who stays first, cannot be told apart, and
    /// whose it stays.
    pub(super) async fn indivisible(&self, unmerge: &Unmerge, done: &Unmerged) -> Vec<String> {
        let [keeper, others @ ..] = done.customers.as_slice() else {
            return Vec::new();
        };
        if others.is_empty() {
            return Vec::new();
        }
        let mut told = match self.previews.as_ref().filter(|_| unmerge.is_dry_run) {
            Some(previews) => asked(previews, keeper, others, self.rpc.patience()).await,
            None if unmerge.is_account => Vec::new(),
            None => vec![
                format!(
                    "Runs whose waits fell due while they were one customer go on where they went \
                     then, and what was sent on their behalf was sent: both stay with {}.",
                    keeper.id
                ),
                "Runs that ended when the customers were joined stay ended.".to_owned(),
            ],
        };
        told.extend(identifiers((&unmerge.by, done.left), &done.customers));
        told.extend(self.event_log());
        told
    }

    /// Says what the event log does not give back.
    fn event_log(&self) -> Option<String> {
        match (&self.rpc.events, self.event_retention) {
            (None, _) => Some(
                "This deployment keeps no event log: what was learned goes back by fragments, and \
                 cannot be learned anew from events."
                    .to_owned(),
            ),
            (Some(_), Some(kept)) => Some(format!(
                "The event log keeps {kept}: what was learned of older events goes back by \
                 fragments, and cannot be learned anew."
            )),
            (Some(_), None) => None,
        }
    }
}

/// Says which identifiers are of several customers, and whose it stays what one taught that leaves
/// its fragment.
fn identifiers(
    (by, left): (&UnmergeBy, Option<FragmentId>),
    customers: &[CustomerRecord],
) -> Vec<String> {
    let [keeper, others @ ..] = customers else {
        return Vec::new();
    };
    let mut told = Vec::new();
    for other in others {
        let shared = other.identifiers.iter();
        let shared = shared.filter(|own| keeper.identifiers.contains(own));
        told.extend(shared.map(|own| {
            let (namespace, value) = (&own.namespace, &own.value);
            format!(
                "{namespace}:{value} is of both: events that carried nothing else stay where they \
                 went."
            )
        }));
    }
    let stays = left.and_then(|left| customers.iter().find(|it| it.fragments.contains(&left)));
    if let (UnmergeBy::Identifier(identifier), Some(stays)) = (by, stays) {
        let (namespace, value) = (&identifier.namespace, &identifier.value);
        told.push(format!(
            "{namespace}:{value} shares its fragment with other identifiers, and leaves alone: \
             what its events taught stays with {}.",
            stays.id
        ));
    }
    told
}

/// Asks all services at once, each for one customer after another. Each sentence is told once.
async fn asked(
    previews: &SplitPreviews,
    keeper: &CustomerRecord,
    others: &[CustomerRecord],
    until: Instant,
) -> Vec<String> {
    let plans: Vec<PlannedSplit> = others.iter().map(|other| plan(keeper, other)).collect();
    let services = match keeper.id.is_account() {
        true => &ASKED[..1],
        false => &ASKED[..],
    };
    let answers = services.iter().map(|service| {
        let service = *service;
        let plans = plans.iter();
        async move {
            let mut said = Vec::new();
            for plan in plans {
                match previews.ask(service, plan, until).await {
                    Ok(sentences) => said.extend(sentences),
                    Err(error) => {
                        said.push(unasked(service, &error));
                        break;
                    }
                }
            }
            said
        }
    });
    let mut told: Vec<String> = Vec::new();
    for sentence in join_all(answers).await.into_iter().flatten() {
        if !told.contains(&sentence) {
            told.push(sentence);
        }
    }
    told
}

fn plan(keeper: &CustomerRecord, other: &CustomerRecord) -> PlannedSplit {
    let fragments = other.fragments.iter().map(|it| CustomerId::from(*it));
    PlannedSplit {
        customer: keeper.id,
        to: other.id,
        fragments: fragments.filter(|it| *it != other.id).collect(),
    }
}

/// Says that a service could not be asked: what stays there is not known, which is not nothing.
fn unasked(service: Owner, error: &Unasked) -> String {
    let service = service.name();
    tracing::warn!(
        service,
        error = error as &dyn Error,
        "a service does not say what an unmerge leaves"
    );
    format!("The service {service} could not be asked what stays, because {error}: ask again.")
}
