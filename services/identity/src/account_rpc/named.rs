//! Finds the accounts and customers that requests name, and says where a name is one of the other
//! kind.

use std::sync::Arc;

use ::rpc::{Failure, Violation};
use kernel::{CustomerId, FragmentId};

use super::AccountRpc;
use crate::customers::parse_id;
use crate::kind::Kind;
use crate::named::Named;
use crate::store::CustomerRecord;

impl AccountRpc {
    /// Finds an account with all that names it; the call is about it.
    ///
    /// # Errors
    /// [`::rpc::ErrorReason::AccountNotFound`], [`::rpc::ErrorReason::IsCustomer`]; what is wrong
    /// with the name.
    pub(super) async fn account(&self, named: Named) -> Result<CustomerRecord, Failure> {
        let text = named.text();
        let fragment = self.fragment(Kind::Account, "", named).await?;
        let record = match fragment {
            Some(fragment) => self.rpc().intake.store.customer(fragment).await,
            None => Ok(None),
        };
        let record = record.map_err(Failure::store_unavailable)?;
        let record = record.ok_or_else(|| Kind::Account.missing(&text))?;
        audit::subject(record.id);
        Ok(record)
    }

    /// Finds the canonical id of an account or a customer, whom a request names in a field; the
    /// call is about it.
    ///
    /// # Errors
    /// As [`Self::account`], and the same of a customer.
    pub(super) async fn root(
        &self,
        kind: Kind,
        field: &str,
        named: Named,
    ) -> Result<CustomerId, Failure> {
        let text = named.text();
        let fragment = self.fragment(kind, field, named).await?;
        let fragment = fragment.ok_or_else(|| kind.missing(&text))?;
        let (roots, _) = self
            .rpc()
            .intake
            .store
            .find_roots(&[fragment])
            .await
            .map_err(Failure::store_unavailable)?;
        let root = roots.first().copied().flatten();
        let root = root.ok_or_else(|| kind.missing(&text))?;
        audit::subject(root);
        Ok(root)
    }

    /// Finds the fragment of a name.
    async fn fragment(
        &self,
        kind: Kind,
        field: &str,
        named: Named,
    ) -> Result<Option<FragmentId>, Failure> {
        match named {
            Named::Id(id) => {
                let field = under(kind.id_field(), field);
                let read = kind.check(&field, parse_id(&field, &id)?)?;
                Ok(Some(read.fragment()))
            }
            Named::Identifier(identifier) => {
                let intake = &self.rpc().intake;
                let rules = Arc::clone(&intake.namespaces.borrow());
                let field = under("identifier", field);
                intake.holder(&rules, (kind, &field), identifier).await
            }
        }
    }
}

/// The path of a field under another one, which may be empty.
fn under(field: &str, prefix: &str) -> String {
    Violation::new(field, "").under(prefix).field
}
