//! Ids of fragments, customers, runs and activations.
//!
//! Ids are made where randomness is allowed (the services); this module only names and reads them.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A text or a sequence of bytes is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id: expected a UUID such as 01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23")]
pub struct ParseIdError {
    text: String,
}

macro_rules! uuid_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Names an id that was made elsewhere.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID.
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The 16 bytes of the UUID, as records and keys carry them.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Reads the 16 bytes of a UUID.
            ///
            /// # Errors
            /// [`ParseIdError`] where there are not exactly 16 bytes.
            pub fn try_from_bytes(bytes: &[u8]) -> Result<Self, ParseIdError> {
                Uuid::from_slice(bytes)
                    .map(Self)
                    .map_err(|_| ParseIdError { text: format!("{} bytes", bytes.len()) })
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                Uuid::try_parse(text).map(Self).map_err(|_| ParseIdError {
                    text: text.chars().take(60).collect(),
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id! {
    /// The id given to the first sight of a subject, which is a customer or an account: a UUIDv7
    /// for a customer, a UUIDv8 of the same layout for an account. It is never reused.
    FragmentId
}

uuid_id! {
    /// The canonical id of a subject, which is a customer or an account: that of the oldest of its
    /// fragments. At the surface that of an account is called `account_id`.
    CustomerId
}

uuid_id! {
    /// One customer walking one journey version.
    RunId
}

/// The version of the ids of accounts (RFC 9562 §5.8).
const ACCOUNT_VERSION: u8 = 8;

impl CustomerId {
    /// The customer as the fragment that gave it its id.
    pub const fn fragment(self) -> FragmentId {
        FragmentId(self.0)
    }

    /// Returns whether this is an account. Every other id is a customer's.
    pub const fn is_account(self) -> bool {
        self.fragment().is_account()
    }
}

impl FragmentId {
    /// Returns whether this is a fragment of an account. Every other id is a customer's.
    pub const fn is_account(self) -> bool {
        self.0.as_bytes()[6] >> 4 == ACCOUNT_VERSION
    }

    /// Returns this id as that of an account: with another version, and all else as it is, so that
    /// ids of accounts sort as those that they are made of.
    #[must_use]
    pub const fn into_account(self) -> Self {
        let mut bytes = *self.0.as_bytes();
        bytes[6] = (ACCOUNT_VERSION << 4) | (bytes[6] & 0x0f);
        Self(Uuid::from_bytes(bytes))
    }
}

impl From<FragmentId> for CustomerId {
    fn from(fragment: FragmentId) -> Self {
        Self(fragment.0)
    }
}

/// Names one activation: the run and the visit that asked for it. Destinations see it as the
/// idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActivationId {
    /// The run.
    pub run: RunId,
    /// The visit of the run, from 1.
    pub visit: u32,
}

impl fmt::Display for ActivationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.run, self.visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_from_its_text_and_bytes() {
        let id: CustomerId = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23"
            .parse()
            .expect("an id");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(CustomerId::try_from_bytes(id.as_bytes()), Ok(id));
    }

    #[test]
    fn an_account_is_told_by_its_id() {
        let customer: FragmentId = "01924f7e-1c5b-7a3e-9d2c-5f0b8a6c1d23"
            .parse()
            .expect("an id");
        let account = customer.into_account();
        assert_eq!(account.to_string(), "01924f7e-1c5b-8a3e-9d2c-5f0b8a6c1d23");
        assert!(account.is_account() && CustomerId::from(account).is_account());
        assert!(!customer.is_account() && !CustomerId::from(customer).is_account());
        assert_eq!(account.into_account(), account);
    }

    #[test]
    fn what_is_not_an_id_says_what_would_be() {
        let error = "null".parse::<CustomerId>().expect_err("not an id");
        assert!(
            error
                .to_string()
                .starts_with("`null` is not an id: expected a UUID")
        );
        assert!(RunId::try_from_bytes(&[1, 2]).is_err());
    }
}
