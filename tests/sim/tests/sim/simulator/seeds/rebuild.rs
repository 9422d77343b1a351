//! Snapshots, and the last test of a journal: everything hot is made anew from it.

use std::time::Duration;

use hot::Slot;
use kernel::Timestamp;

use super::Run;
use crate::simulator::checks;
use crate::simulator::installation::SERVICES;
use crate::simulator::picture::Picture;

impl Run {
    /// What is hot is what the journal says: a store that forgets everything is made anew as it
    /// was.
    pub(super) async fn rebuild(&mut self, before: &Picture, now: Timestamp) {
        for owner in SERVICES {
            for partition in self.on.partitions().iter() {
                if self.rng.hits(500) {
                    self.fold(Slot { owner, partition }).await;
                }
            }
        }
        self.on.world().tell("the store is emptied");
        self.on.shared.backing.forget();
        self.on.disturb();
        self.on.settle().await;
        let after = Picture::take(&self.on).await;
        let doubled = self.may_be_doubled();
        checks::check(&self.on, &after, now, &doubled).await;
        let (was, is) = (before.lines(), after.lines());
        let differences: Vec<_> = was.symmetric_difference(&is).collect();
        if !differences.is_empty() {
            let world = self.on.world();
            world.violate(format!("the journal says otherwise: {differences:#?}"));
        }
    }

    /// Makes a snapshot.
    pub(super) async fn fold(&mut self, slot: Slot) {
        let place = usize::try_from(self.rng.below(self.on.shared.options.services.len() as u64))
            .unwrap_or(0);
        let connection = self
            .on
            .process(place)
            .and_then(|process| process.connection());
        let Some(journal) = connection.and_then(|it| it.journal) else {
            return;
        };
        let fold = async move { journal.fold(slot).await.is_ok() };
        // Whoever is killed meanwhile never answers.
        tokio::time::timeout(Duration::from_secs(5), fold)
            .await
            .ok();
    }
}
