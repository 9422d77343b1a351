//! Stored values: the head that the engine keeps of each customer, in front of the state of the
//! service.
//!
//! A value is one byte that names this form, the length of the head as a varint, the head, and the
//! state as its core encodes it. Whoever was never merged has an empty head, so that a value is two
//! bytes longer than its state.

use bytes::{BufMut, Bytes, BytesMut};
use decision::{Core, Poison};
use kernel::CustomerId;
use messages::engine::state_v1 as stored;
use prost::Message;
use prost::encoding::{decode_varint, encode_varint, encoded_len_varint};

/// The form of a value. No message begins with this byte, so that a state without a head is told
/// apart.
const FORM: u8 = 1;
/// Bytes of an id.
const ID_BYTES: usize = 16;

/// The engine's own record of one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The customer that this one was joined into. All that comes for this one goes there.
    pub redirect: Option<CustomerId>,
    /// The customers that were joined into this one, in the order in which their states were folded
    /// in. The place of one, plus 1, is its ordinal; the customer's own is 0.
    pub fragments: Vec<CustomerId>,
    /// Says that the service knows something of the customer.
    pub has_state: bool,
}

impl Head {
    /// The head of a customer of whom the service knows something, and who was never merged.
    pub const fn plain() -> Self {
        Self {
            redirect: None,
            fragments: Vec::new(),
            has_state: true,
        }
    }

    /// The head of a customer who was joined into another.
    pub const fn redirected_to(survivor: CustomerId) -> Self {
        Self {
            redirect: Some(survivor),
            fragments: Vec::new(),
            has_state: false,
        }
    }

    /// Returns whether a merge is remembered, so that the value stays where the service forgets the
    /// customer.
    pub const fn has_merges(&self) -> bool {
        self.redirect.is_some() || !self.fragments.is_empty()
    }

    fn read(mut bytes: &[u8]) -> Result<(Self, &[u8]), Poison> {
        let [FORM, rest @ ..] = bytes else {
            return Err(Poison::new(
                "it has no head: an older version of the program wrote it; begin with an empty store",
            ));
        };
        bytes = rest;
        let len = decode_varint(&mut bytes).map_err(unreadable)?;
        let len = usize::try_from(len).map_err(unreadable)?;
        let (head, state) = bytes
            .split_at_checked(len)
            .ok_or_else(|| unreadable("it ends early"))?;
        let head = stored::Head::decode(head).map_err(unreadable)?;
        let redirect = match head.redirect_customer_id.as_ref() {
            [] => None,
            id => Some(CustomerId::try_from_bytes(id).map_err(unreadable)?),
        };
        let head = Self {
            redirect,
            fragments: read_ids(&head.fragment_ids).map_err(unreadable)?,
            has_state: !head.stateless,
        };
        Ok((head, state))
    }

    fn message(&self) -> stored::Head {
        stored::Head {
            redirect_customer_id: self.redirect.map(id_bytes).unwrap_or_default(),
            fragment_ids: write_ids(&self.fragments),
            stateless: !self.has_state,
        }
    }
}

fn unreadable(error: impl std::fmt::Display) -> Poison {
    Poison::new(format!("its head cannot be read: {error}"))
}

/// An id as records carry it.
pub(crate) fn id_bytes(customer: CustomerId) -> Bytes {
    Bytes::copy_from_slice(customer.as_bytes())
}

/// Reads ids that stand one behind another.
pub(crate) fn read_ids(bytes: &[u8]) -> Result<Vec<CustomerId>, String> {
    let chunks = bytes.chunks(ID_BYTES).map(CustomerId::try_from_bytes);
    chunks
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// Writes ids one behind another.
pub(crate) fn write_ids(ids: &[CustomerId]) -> Bytes {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
    bytes.into()
}

/// Reads a stored value.
///
/// # Errors
/// [`Poison`] where it is not one, such as the value of an older version of the program.
pub fn read<C: Core>(value: &[u8]) -> Result<(Head, C::State), Poison> {
    let (head, state) = Head::read(value)?;
    let state = if head.has_state {
        C::decode(state)?
    } else {
        C::State::default()
    };
    Ok((head, state))
}

/// Writes a value to store. A state that the service does not know is left out.
pub fn write<C: Core>(head: &Head, state: &C::State) -> Bytes {
    let message = head.message();
    let state = if head.has_state {
        C::encode(state)
    } else {
        Bytes::new()
    };
    let len = message.encoded_len();
    let mut value = BytesMut::with_capacity(1 + encoded_len_varint(len as u64) + len + state.len());
    value.put_u8(FORM);
    encode_varint(len as u64, &mut value);
    message.encode_raw(&mut value);
    value.put_slice(&state);
    value.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::counting::{Counting, Seen};

    fn customer(number: u8) -> CustomerId {
        CustomerId::try_from_bytes(&[number; ID_BYTES]).expect("an id")
    }

    #[test]
    fn a_value_is_read_back_and_costs_two_bytes_where_nobody_was_merged() {
        let state = Seen {
            log: vec!["a".to_owned()],
            ..Seen::default()
        };
        let value = write::<Counting>(&Head::plain(), &state);
        assert_eq!(value.len(), <Counting>::encode(&state).len() + 2);
        for head in [
            Head::plain(),
            Head {
                fragments: (1..=200).map(customer).collect(),
                ..Head::plain()
            },
        ] {
            let value = write::<Counting>(&head, &state);
            assert_eq!(read::<Counting>(&value), Ok((head, state.clone())));
        }
        for head in [
            Head::redirected_to(customer(3)),
            Head {
                fragments: vec![customer(1)],
                ..Head::default()
            },
        ] {
            let value = write::<Counting>(&head, &state);
            assert_eq!(read::<Counting>(&value), Ok((head, Seen::default())));
        }
    }

    #[test]
    fn a_value_without_a_head_is_refused_with_the_remedy() {
        for older in [&b""[..], b"|a", b"\x0a\x01a"] {
            let reason = read::<Counting>(older).expect_err("no head").reason;
            assert!(reason.ends_with("begin with an empty store"), "{reason}");
        }
        for damaged in [&b"\x01"[..], b"\x01\x05\x0a", b"\x01\x03\x0a\x01a|"] {
            let reason = read::<Counting>(damaged).expect_err("damaged").reason;
            assert!(reason.starts_with("its head cannot be read"), "{reason}");
        }
    }
}
