//! Changes of customers that were committed and are not in the log of changes yet. They come there
//! with the new record, since their places are those of the old one.

use std::collections::BTreeMap;

use changes::Pending;
use hot::{Slot, StateWrite};

use crate::LogError;

/// The changes that the old record has pending, by slot.
#[derive(Debug, Default)]
pub(super) struct PendingChanges {
    slots: BTreeMap<Slot, Vec<Pending>>,
    bytes: usize,
}

impl PendingChanges {
    /// Takes a state of pending changes, or the word that it was removed.
    pub(super) fn take(&mut self, slot: Slot, write: &StateWrite) -> Result<(), LogError> {
        let Some(value) = &write.value else {
            return Ok(());
        };
        let pending = Pending::load(value).ok_or_else(|| {
            let (service, partition) = (slot.owner.name(), slot.partition);
            LogError::Damaged(format!(
                "the changes {:?} in partition {partition} of {service} have no place",
                write.key
            ))
        })?;
        self.bytes += pending.changes.len();
        self.slots.entry(slot).or_default().push(pending);
        Ok(())
    }

    /// Bytes of them, those included that the log has already.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns them by slot, oldest first.
    pub(super) fn in_order(self) -> impl Iterator<Item = (Slot, Vec<Pending>)> {
        self.slots.into_iter().map(|(slot, mut pending)| {
            pending.sort_unstable_by_key(|pending| pending.place);
            (slot, pending)
        })
    }
}
