//! All that there is in the store, to compare before and after a rebuild.

use std::collections::BTreeMap;

use hot::marks::Marks;
use hot::{
    CounterKey, HotError, HotStore as _, PageBounds, QuarantineSize, Quarantined, Slot, StateKey,
    Stored, StreamName,
};

use super::{World, slots};

/// All that there is of a slot.
#[derive(Debug, PartialEq)]
pub(super) struct Everything {
    slot: Slot,
    seq: u64,
    states: Vec<(StateKey, Stored)>,
    groups: Vec<Box<str>>,
    counters: Vec<(CounterKey, i64)>,
    marks: BTreeMap<StreamName, Marks>,
    aside: Vec<Quarantined>,
}

impl World {
    /// States, but for where the index has their timers; counters; records set aside.
    pub(super) async fn everything(&self) -> Result<Vec<Everything>, String> {
        let failed = |error: HotError| error.to_string();
        let mut everything = Vec::new();
        for slot in slots() {
            let strip = |(key, mut stored): (StateKey, Stored)| {
                stored.timer.entry = None;
                (key, stored)
            };
            let states = self.hot.states(slot).into_iter().map(strip).collect();
            let groups = self.hot.counter_groups(slot).await.map_err(failed)?;
            let groups: Vec<&str> = groups.iter().map(|group| &**group).collect();
            let counters = self.hot.counters(slot, &groups).await.map_err(failed)?;
            let aside = self
                .hot
                .quarantined(slot, None, PageBounds::entries(10_000));
            let aside = aside.await.map_err(failed)?;
            let size = self.hot.quarantine_size(slot).await.map_err(failed)?;
            if size != size_of(&aside) {
                return Err(format!("{slot:?} counts {size:?} of {aside:?}"));
            }
            let head = self.hot.head(slot).await.map_err(failed)?;
            everything.push(Everything {
                slot,
                seq: head.commit_seq,
                states,
                groups: groups.into_iter().map(Box::from).collect(),
                counters,
                marks: head.marks,
                aside,
            });
        }
        Ok(everything)
    }
}

fn size_of(entries: &[Quarantined]) -> QuarantineSize {
    QuarantineSize {
        records: entries.len() as u64,
        bytes: entries.iter().map(|it| it.payload.len() as u64).sum(),
    }
}
