//! Makes accounts and adds to them, by an event `account` through the way in of all events.

use std::sync::Arc;

use ::rpc::{Failure, Violation};
use hot::StreamName;
use proto::identity::v1;

use super::AccountRpc;
use super::message::{account, texts};
use crate::ingest::Accepted;
use crate::kind::Kind;
use crate::metrics::Taken;
use crate::rejected::Rejected;
use crate::rpc::{dropped_identifier, resolve_failure};
use crate::sources::Source;

/// The word that tells the sources of these requests from those of other events.
const SOURCE: &str = "account";

impl AccountRpc {
    /// Takes the event. The same request again takes it once.
    pub(super) async fn put(
        &self,
        request: v1::PutAccountRequest,
    ) -> Result<v1::PutAccountResponse, Failure> {
        let rpc = self.rpc();
        let intake = &rpc.intake;
        self.refuse_customers(&request.identifiers).await?;
        // A request of events may have the same id.
        let source = format!("{SOURCE}:{}", request.request_id);
        let source = Source::Request(&source);
        let accepted = intake.accept_account(request.identifiers, request.traits, source);
        let Accepted {
            mut events,
            rejected,
            outbound,
            replays: _,
        } = accepted.await.map_err(resolve_failure)?;
        let stream = outbound.stream;
        let group = events.pop().and_then(|mut event| event.groups.pop());
        let Some(group) = group else {
            let taken = Taken {
                rejected: 1,
                ..Taken::default()
            };
            intake.metrics.taken(stream, taken);
            return Err(refused(rejected));
        };
        let took = rpc.append_one(outbound).await?;
        let resolution = group.resolution;
        let record = intake.store.customer(resolution.customer.fragment()).await;
        let record = record.map_err(Failure::store_unavailable)?;
        let rules = self.rules();
        let dropped = resolution.dropped.into_iter().map(dropped_identifier);
        Ok(v1::PutAccountResponse {
            account: record.map(|it| account(&rules, it)),
            created: resolution.is_new,
            merged_account_ids: texts(&resolution.merged),
            dropped_identifiers: dropped.collect(),
            position: took.position(intake.positions, StreamName::Events),
        })
    }

    /// Refuses identifiers of customers: an account that is made of them would be somebody's.
    async fn refuse_customers(&self, identifiers: &[v1::Identifier]) -> Result<(), Failure> {
        let intake = &self.rpc().intake;
        // Another process may have defined it since.
        let probe = v1::Event {
            other_identifiers: identifiers.to_vec(),
            ..v1::Event::default()
        };
        let rules = intake.namespaces_for(std::slice::from_ref(&probe)).await;
        let named = identifiers.iter().enumerate();
        let faults = named.filter_map(|(place, own)| {
            let name = &own.namespace;
            Kind::Customer.rules(&rules).find(name)?;
            let fault = Kind::Account.namespace(&rules, name).err()?;
            Some(fault.under(&format!("identifiers[{place}]")))
        });
        let faults: Vec<Violation> = faults.collect();
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Failure::invalid(faults)),
        }
    }

    /// The rules in force.
    pub(super) fn rules(&self) -> Arc<identity_core::Rules> {
        Arc::clone(&self.rpc().intake.namespaces.borrow())
    }
}

/// The refusal of the event, with the fields of the request.
fn refused(rejected: Rejected) -> Failure {
    let (faults, omitted) = rejected.into_faults();
    let faults = faults.map(|(_, fault)| fault);
    Failure::invalid_and_more(faults.collect(), omitted)
}
