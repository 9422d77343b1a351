//! Unmerges and erasures, as an engine drives them.

use std::collections::BTreeMap;

use bytes::Bytes;
use decision::{Core as _, PartKey, Split, erase_once, split_off_once, take_back_once};
use kernel::Timestamp;
use messages::stream::v1::{ChangeReason, change_record};
use segmentation_core::{Inseparable, SegmentationCore, State, inseparable};

use super::Harness;

/// A state that left a customer: the head, and parts under the keys that they have from now on.
#[derive(Debug)]
pub(crate) struct Returned {
    at: i64,
    pub(crate) head: Bytes,
    pub(crate) parts: BTreeMap<PartKey, Bytes>,
}

impl Harness {
    /// Takes out what was learned under ordinals, each with its ordinal there.
    pub(crate) fn split_off(&mut self, ordinals: &[(u16, u16)], at: i64) -> Option<Returned> {
        let time = Timestamp::from_millis(at);
        self.pass(time);
        let (customer, now) = (self.customer(), self.watermark);
        let split = Split {
            to: super::customer(99),
            ordinals,
            merge_time: None,
        };
        let (head, effects) = self.call(|definitions, state, effects| {
            let (whose, times) = ((customer, split), (time, now));
            split_off_once::<SegmentationCore>(definitions, state, whose, times, effects)
        });
        let load = SegmentationCore::measure_parts(&self.state);
        let (dirty, bytes) = self.write_parts();
        assert!(load.dirty >= dirty && load.dirty_bytes >= bytes);
        let mut parts = BTreeMap::new();
        if let Some(head) = &head {
            let left = SegmentationCore::decode(head).expect("a state");
            for key in SegmentationCore::part_keys(&left) {
                let place = ordinals.iter().find(|(_, there)| *there == key.ordinal);
                let (ordinal, _) = *place.expect("an ordinal that leaves");
                let stored = self.parts.remove(&PartKey { ordinal, ..key });
                parts.insert(key, stored.expect("what is listed is stored"));
            }
        }
        let mut keys = SegmentationCore::part_keys(&self.state);
        keys.sort_unstable();
        assert!(keys.iter().eq(self.parts.keys()), "{keys:?}");
        self.head = SegmentationCore::encode(&self.state);
        self.forget();
        self.take_effects(effects, 0);
        self.due = Some(now);
        self.pass(now);
        head.map(|head| Returned { at, head, parts })
    }

    /// Gives a customer back what left another one.
    pub(crate) fn take_back(&mut self, returned: Returned) {
        let time = Timestamp::from_millis(returned.at);
        self.pass(time);
        self.state = State::default();
        self.parts = returned.parts;
        let (customer, now) = (self.customer(), self.watermark);
        let head = returned.head;
        let (outcome, effects) = self.call(|definitions, state, effects| {
            let (whose, times) = ((customer, &head), (time, now));
            take_back_once::<SegmentationCore>(definitions, state, whose, times, effects)
        });
        self.end(outcome.expect("a state"), effects);
    }

    /// Erases the customer. Returns the segments that they are told to have left.
    pub(crate) fn erase(&mut self) -> Vec<String> {
        let (customer, now) = (self.customer(), self.watermark);
        let ((), effects) = self.call(|definitions, state, effects| {
            erase_once::<SegmentationCore>(definitions, state, customer, (now, now), effects);
        });
        assert!(effects.records.is_empty(), "nothing goes on");
        for (key, change) in effects.counts {
            *self.counters.entry(key).or_default() += change;
        }
        let left = effects.changes.into_iter().map(|change| {
            let Some(change_record::Kind::Membership(left)) = change.kind else {
                panic!("not of segmentation: {change:?}");
            };
            assert_eq!(
                (left.entered, left.reason()),
                (false, ChangeReason::Erasure)
            );
            left.segment
        });
        left.collect()
    }

    /// Tells what does not go with ordinals.
    pub(crate) fn inseparable(&self, ordinals: &[u16]) -> Vec<Inseparable> {
        let ordinals: Vec<(u16, u16)> = ordinals
            .iter()
            .zip(0..)
            .map(|(own, to)| (*own, to))
            .collect();
        let split = Split {
            to: super::customer(99),
            ordinals: &ordinals,
            merge_time: None,
        };
        inseparable(&self.state, &split)
    }

    /// Looks at the customer now, as a timer does.
    pub(crate) fn look(&mut self) {
        self.due = Some(self.watermark);
        self.pass(self.watermark);
    }
}
