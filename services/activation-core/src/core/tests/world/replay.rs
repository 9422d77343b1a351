//! A consumer who knows nothing but changes.

use messages::stream::v1::{ActivationMoved, ChangeRecord, change_record};

use super::*;

/// A consumer who knows nothing but changes.
#[derive(Debug, Default)]
pub(in crate::core::tests) struct Replay {
    /// The newest change of each activation.
    known: BTreeMap<ActivationId, ActivationMoved>,
    /// All changes in order, with the visits.
    pub(in crate::core::tests) told: Vec<(u32, ActivationMoved)>,
}

impl Replay {
    /// Takes a change of a customer.
    pub(super) fn take(&mut self, who: CustomerId, change: &ChangeRecord) {
        assert_eq!(change.customer_id, Bytes::copy_from_slice(who.as_bytes()));
        let Some(change_record::Kind::Activation(moved)) = &change.kind else {
            panic!("not of activations: {change:?}");
        };
        let id = activation_id(&moved.run_id, moved.visit).expect("an id");
        self.told.push((moved.visit, moved.clone()));
        let before = self.known.insert(id, moved.clone());
        assert_ne!(before.as_ref(), Some(moved), "nothing changed");
    }

    /// Takes what another consumer knows, of a customer who was joined into this one. Of an activation
    /// that both know, the survivor's stays, as it does in the state.
    pub(in crate::core::tests) fn join(&mut self, other: &Self) {
        for (id, own) in &other.known {
            self.known.entry(*id).or_insert_with(|| own.clone());
        }
    }

    /// Compares with the state.
    pub(in crate::core::tests) fn check(&self, world: &World) {
        let mut pending = 0;
        for own in world.activations() {
            let told = &self.known[&own.id];
            let status = own.status.as_str_name();
            let status = status.trim_start_matches("ACTIVATION_STATUS_");
            assert_eq!(
                (told.status.as_str(), told.reason.as_str()),
                (status, own.reason.code())
            );
            assert_eq!(
                (told.journey.as_str(), told.step.as_str()),
                (&*own.journey, &*own.step)
            );
            assert_eq!(
                (told.channel.as_str(), told.template.as_str()),
                (&*own.channel, &*own.template)
            );
            pending += usize::from(own.status == ActivationStatus::Pending);
        }
        let told = self.known.values().filter(|own| own.status == "PENDING");
        assert_eq!(told.count(), pending, "all that is pending is known");
    }
}
