//! Reads one customer from outside their worker: the head, and the parts that the reader wants.

use std::collections::BTreeSet;

use bytes::Bytes;
use decision::{Core, PartKey, Poison};
use hot::{HotError, HotStore, Slot};
use kernel::CustomerId;

use crate::head::{self, Head, id_bytes};
use crate::limits;

/// A customer cannot be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The store does not answer, or the customer changes faster than they can be read.
    Store(HotError),
    /// The head or a part is damaged.
    Unreadable(Poison),
}

/// Reads a customer, and the parts that `want` names of those that are not loaded. It is asked
/// again once they are, until it wants nothing more. `None` where the store has nothing.
///
/// Head and parts are of one commit: they are read together, and again where the head turns out to
/// want others.
///
/// # Errors
/// [`ReadError::Unreadable`] also where a part that the head lists is not there.
pub(crate) async fn read_customer<C: Core>(
    hot: &dyn HotStore,
    slot: Slot,
    customer: CustomerId,
    want: impl Fn(&Head, &C::State) -> Vec<PartKey> + Send,
) -> Result<Option<(Head, C::State)>, ReadError> {
    let mut parts: BTreeSet<PartKey> = BTreeSet::new();
    for _ in 0..limits::READ_ROUNDS {
        let of_parts = parts.iter().map(|part| part.of_customer(customer));
        let keys: Vec<_> = std::iter::once(id_bytes(customer))
            .chain(of_parts)
            .collect();
        let loaded = hot.load(slot, &keys).await.map_err(ReadError::Store)?;
        let mut loaded = loaded.into_iter().map(|it| it.map(|stored| stored.value));
        let Some(value) = loaded.next().flatten() else {
            return Ok(None);
        };
        let (head, mut state) = head::read::<C>(&value).map_err(ReadError::Unreadable)?;
        if !head.has_state {
            return Ok(Some((head, state)));
        }
        load_parts::<C>(&mut state, parts.iter().copied().zip(loaded))
            .map_err(ReadError::Unreadable)?;
        let wanted = want(&head, &state);
        if wanted.is_empty() {
            return Ok(Some((head, state)));
        }
        let known = parts.len();
        parts.extend(wanted);
        if parts.len() == known {
            return Err(ReadError::Unreadable(Poison::new(
                "parts are wanted again that were loaded",
            )));
        }
    }
    Err(ReadError::Store(HotError::unavailable(
        "the customer changes faster than they can be read: read them again",
    )))
}

/// Hands parts to the state that lists them; others were asked for by an older head.
fn load_parts<C: Core>(
    state: &mut C::State,
    parts: impl Iterator<Item = (PartKey, Option<Bytes>)>,
) -> Result<(), Poison> {
    let listed: BTreeSet<_> = C::part_keys(state).into_iter().collect();
    for (part, value) in parts.filter(|(part, _)| listed.contains(part)) {
        let value = value.ok_or_else(|| {
            Poison::new(format!(
                "the state lists the part {part}, and the store does not have it"
            ))
        })?;
        C::load_part(state, part, value)
            .map_err(|poison| Poison::new(format!("the part {part} cannot be read: {poison}")))?;
    }
    Ok(())
}
