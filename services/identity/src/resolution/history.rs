//! Lists what changed who a customer or an account is.

use std::sync::Arc;

use ::rpc::{Failure, PageRequest};
use kernel::FragmentId;
use prost::Message as _;
use proto::convert;
use proto::identity::v1;

use super::ResolutionRpc;
use crate::customers::parse_id;
use crate::kind::Kind;
use crate::limits::PAGE_SIZE;
use crate::named::Named;
use crate::page_key;
use crate::store::{CustomerRecord, OperationKind, OperationRecord};

impl ResolutionRpc {
    /// A page of the operations of a customer, newest first.
    pub(super) async fn history(
        &self,
        request: v1::ListHistoryRequest,
    ) -> Result<v1::ListHistoryResponse, Failure> {
        use v1::list_history_request::Key;
        let page = PageRequest::read(
            &["ListHistory", &format!("{:?}", request.key)],
            request.page_size,
            &request.page_token,
            PAGE_SIZE,
        )?;
        let named = match request.key {
            Some(Key::Identifier(identifier)) => Named::Identifier(identifier),
            Some(Key::CustomerId(id)) => Named::Id(id),
            None => Named::Id(String::new()),
        };
        let customer = self.named_customer(named).await?;
        let before = page.after().and_then(page_key::read);
        let limit = page.size() as u64 + 1;
        let store = &self.rpc.intake.store;
        let found = store.history(customer.id, before, limit).await;
        let found = found.map_err(Failure::store_unavailable)?;
        let operations = found
            .into_iter()
            .map(|it| (page_key::write(it.time, it.id), operation(it)));
        let (operations, next_page_token) = page.cut(
            operations.collect(),
            |(key, _)| key.clone(),
            |(_, operation)| operation.encoded_len(),
        );
        Ok(v1::ListHistoryResponse {
            operations: operations.into_iter().map(|(_, it)| it).collect(),
            next_page_token,
        })
    }

    /// Finds a customer or an account that somebody named; the call is about it.
    ///
    /// # Errors
    /// A failure for one that is not there, and for a name that is none.
    pub(super) async fn named_customer(&self, named: Named) -> Result<CustomerRecord, Failure> {
        let (fragment, kind, name) = match named {
            Named::Id(id) => {
                let read = parse_id("customer_id", &id)?;
                (Some(read.fragment()), Kind::of(read), id)
            }
            Named::Identifier(identifier) => {
                let rules = Arc::clone(&self.rpc.intake.namespaces.borrow());
                let kind = Kind::named_by(&rules, &identifier.namespace);
                let name = format!("{}:{}", identifier.namespace, identifier.value);
                let fragment = self.holder((kind, "identifier"), identifier).await?;
                (fragment, kind, name)
            }
        };
        let record = match fragment {
            Some(fragment) => self.rpc.intake.store.customer(fragment).await,
            None => Ok(None),
        };
        let record = record.map_err(Failure::store_unavailable)?;
        let record = record.ok_or_else(|| kind.missing(&name))?;
        audit::subject(record.id);
        Ok(record)
    }

    /// Finds the fragment that holds an identifier, as the tables have it now.
    pub(super) async fn holder(
        &self,
        (kind, field): (Kind, &str),
        identifier: v1::Identifier,
    ) -> Result<Option<FragmentId>, Failure> {
        let intake = &self.rpc.intake;
        let rules = Arc::clone(&intake.namespaces.borrow());
        let identifier = kind.normalized(&rules, field, identifier)?;
        let only = std::collections::HashSet::from([&identifier]);
        let found = intake.store.find(&only).await;
        let found = found.map_err(Failure::store_unavailable)?;
        Ok(found.identifiers.first().map(|known| known.fragment))
    }
}

/// An operation as answers show it.
fn operation(record: OperationRecord) -> v1::IdentityOperation {
    let kind = match record.kind {
        OperationKind::Merge => v1::IdentityOperationKind::Merge,
        OperationKind::Unmerge => v1::IdentityOperationKind::Unmerge,
        OperationKind::Move => v1::IdentityOperationKind::Move,
        OperationKind::Erasure => v1::IdentityOperationKind::Erasure,
    };
    v1::IdentityOperation {
        operation_id: record.id.to_string(),
        kind: kind.into(),
        time: Some(convert::timestamp(record.time)),
        from_customer_ids: record.from.iter().map(ToString::to_string).collect(),
        to_customer_ids: record.to.iter().map(ToString::to_string).collect(),
        event_id: record.event_id,
        request_id: record.request_id,
        reason: record.reason,
        retracted: record.retracted_by.is_some(),
    }
}
