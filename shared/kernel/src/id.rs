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
    /// The id given to the first sight of somebody: a UUIDv7, never reused.
    FragmentId
}

uuid_id! {
    /// The canonical id of a customer: that of the oldest of its fragments.
    CustomerId
}

uuid_id! {
    /// One customer walking one journey version.
    RunId
}

impl CustomerId {
    /// The customer as the fragment that gave it its id.
    pub const fn fragment(self) -> FragmentId {
        FragmentId(self.0)
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
