//! Reads customers, as `GetCustomer` and `ListCustomers` answer, and accounts where a call takes
//! both.

use std::collections::HashSet;
use std::sync::Arc;

use ::rpc::{Failure, PageRequest, Violation};
use identity_core::{Identifier, Rules, Uniqueness};
use kernel::{CustomerId, FragmentId};
use prost::Message as _;
use proto::convert;
use proto::identity::v1;

use crate::ingest::Intake;
use crate::kind::Kind;
use crate::limits::PAGE_SIZE;
use crate::page_key;
use crate::resolve::is_live;
use crate::store::CustomerRecord;

impl Intake {
    /// The customer of a request, following redirects.
    pub(crate) async fn customer(
        &self,
        request: v1::GetCustomerRequest,
    ) -> Result<CustomerRecord, Failure> {
        use v1::get_customer_request::Key;
        match &request.key {
            Some(Key::CustomerId(id)) => {
                Kind::Customer.check("customer_id", parse_id("customer_id", id)?)?;
            }
            Some(Key::Identifier(identifier)) => {
                let rules = Arc::clone(&self.namespaces.borrow());
                let found = Kind::Customer.namespace(&rules, &identifier.namespace);
                found.map_err(|it| Failure::invalid([it.under("identifier")]))?;
            }
            None => {}
        }
        self.subject_of(request.key).await
    }

    /// The customer or account of a request, following redirects.
    pub(crate) async fn subject_of(
        &self,
        key: Option<v1::get_customer_request::Key>,
    ) -> Result<CustomerRecord, Failure> {
        use v1::get_customer_request::Key;
        let (fragment, kind, name) = match key {
            Some(Key::CustomerId(id)) => {
                let read = parse_id("customer_id", &id)?;
                (Some(read.fragment()), Kind::of(read), id)
            }
            Some(Key::Identifier(identifier)) => {
                let rules = Arc::clone(&self.namespaces.borrow());
                let kind = Kind::named_by(&rules, &identifier.namespace);
                let name = format!("{}:{}", identifier.namespace, identifier.value);
                let fragment = self.holder(&rules, (kind, "identifier"), identifier);
                (fragment.await?, kind, name)
            }
            None => (None, Kind::Customer, String::new()),
        };
        let record = match fragment {
            Some(fragment) => self.store.customer(fragment).await,
            None => Ok(None),
        };
        record
            .map_err(Failure::store_unavailable)?
            .ok_or_else(|| kind.missing(&name))
    }

    /// A page of customers.
    pub(crate) async fn customers(
        &self,
        request: &v1::ListCustomersRequest,
    ) -> Result<v1::ListCustomersResponse, Failure> {
        let page = PageRequest::read(
            &["ListCustomers"],
            request.page_size,
            &request.page_token,
            PAGE_SIZE,
        )?;
        let after = page.after().and_then(page_key::read_subject);
        let rows = self
            .store
            .list(after, page.size() as u64 + 1)
            .await
            .map_err(Failure::store_unavailable)?;
        audit::subjects(rows.iter().take(page.size()).map(|row| row.id));
        let customers = rows.into_iter().map(|row| {
            (
                page_key::write(row.create_time, row.id.uuid()),
                message(row),
            )
        });
        let (customers, next_page_token) = page.cut(
            customers.collect(),
            |(key, _)| key.clone(),
            |(_, customer)| customer.encoded_len(),
        );
        Ok(v1::ListCustomersResponse {
            customers: customers.into_iter().map(|(_, it)| it).collect(),
            next_page_token,
        })
    }

    /// Finds the fragment that holds an identifier of a kind, which a request names in a field.
    pub(crate) async fn holder(
        &self,
        rules: &Rules,
        (kind, field): (Kind, &str),
        identifier: v1::Identifier,
    ) -> Result<Option<FragmentId>, Failure> {
        let namespace = kind.namespace(rules, &identifier.namespace);
        let namespace = namespace.map_err(|it| Failure::invalid([it.under(field)]))?;
        let Ok(value) = namespace.normalizer().normalize(identifier.value) else {
            return Ok(None);
        };
        let identifier = Identifier {
            namespace: identifier.namespace,
            value,
        };
        let found = self
            .store
            .find(&HashSet::from([&identifier]))
            .await
            .map_err(Failure::store_unavailable)?;
        let held = found.identifiers.iter().find(|it| is_live(it.state));
        if let Some(held) = held {
            return Ok(Some(held.fragment));
        }
        if namespace.uniqueness() != Uniqueness::Shared {
            return Ok(None);
        }
        // Of several holders the one who has the events that carry nothing else, or the first one.
        let state = self.store.identifier_state(&identifier).await;
        let state = state.map_err(Failure::store_unavailable)?;
        Ok(state.map(|(_, fragment)| fragment))
    }
}

pub(crate) fn parse_id(field: &str, text: &str) -> Result<CustomerId, Failure> {
    text.parse().map_err(|error: kernel::ParseIdError| {
        Failure::invalid([Violation::new(field, error.to_string())])
    })
}

/// A customer as answers show it.
pub(crate) fn message(record: CustomerRecord) -> v1::Customer {
    v1::Customer {
        customer_id: record.id.to_string(),
        fragment_ids: record.fragments.iter().map(ToString::to_string).collect(),
        identifiers: record
            .identifiers
            .into_iter()
            .map(|identifier| v1::Identifier {
                namespace: identifier.namespace,
                value: identifier.value,
            })
            .collect(),
        create_time: Some(convert::timestamp(record.create_time)),
    }
}
