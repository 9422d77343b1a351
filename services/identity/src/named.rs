//! Names of customers and accounts in requests.

use proto::identity::v1;

/// An account or a customer by an id or an identifier.
#[derive(Debug, Clone)]
pub(crate) enum Named {
    /// An id, or that of a fragment.
    Id(String),
    /// An identifier.
    Identifier(v1::Identifier),
}

impl Named {
    /// Reads the key of an account.
    pub(crate) fn account(key: Option<v1::AccountKey>) -> Self {
        use v1::account_key::Key;
        match key.and_then(|it| it.key) {
            Some(Key::AccountId(id)) => Self::Id(id),
            Some(Key::Identifier(identifier)) => Self::Identifier(identifier),
            None => Self::Id(String::new()),
        }
    }

    /// Reads the key of a customer.
    pub(crate) fn customer(key: Option<v1::CustomerKey>) -> Self {
        use v1::customer_key::Key;
        match key.and_then(|it| it.key) {
            Some(Key::CustomerId(id)) => Self::Id(id),
            Some(Key::Identifier(identifier)) => Self::Identifier(identifier),
            None => Self::Id(String::new()),
        }
    }

    /// The name, as errors show it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Id(id) => id.clone(),
            Self::Identifier(own) => format!("{}:{}", own.namespace, own.value),
        }
    }
}
