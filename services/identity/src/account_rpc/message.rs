//! Accounts, as answers show them.

use identity_core::Rules;
use kernel::CustomerId;
use proto::convert;
use proto::identity::v1;

use crate::store::CustomerRecord;

/// Fragments of an account that an answer lists.
const FRAGMENTS_TOLD: usize = 100;

/// An account as answers show it.
pub(super) fn account(rules: &Rules, record: CustomerRecord) -> v1::Account {
    let fragments = record.fragments.iter().take(FRAGMENTS_TOLD);
    let namespaces = record.identifiers.iter().map(|own| own.namespace.as_str());
    v1::Account {
        account_id: record.id.to_string(),
        r#type: rules.accounts().type_of(namespaces).to_owned(),
        fragment_ids: fragments.map(ToString::to_string).collect(),
        identifiers: record
            .identifiers
            .into_iter()
            .map(|own| v1::Identifier {
                namespace: own.namespace,
                value: own.value,
            })
            .collect(),
        create_time: Some(convert::timestamp(record.create_time)),
        member_count: 0,
    }
}

/// Ids as answers show them.
pub(super) fn texts<'a>(ids: impl IntoIterator<Item = &'a CustomerId>) -> Vec<String> {
    ids.into_iter().map(ToString::to_string).collect()
}
