//! Turns a batch that was run into one commit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hot::{Commit, OutboxMessage};
use kernel::Timestamp;

use super::batch::Change;
use super::cache::KnownTimer;
use super::quarantine::panic_text;
use super::run::Failed;
use super::{Pending, Planned, Worker};
use crate::Core;

impl<C: Core> Worker<C> {
    /// Encodes what changed.
    pub(super) fn build(
        &mut self,
        ran: &[Planned],
        timers: Option<Timestamp>,
    ) -> Result<Pending, Failed> {
        self.attempts += 1;
        let mut commit = Commit {
            epoch: self.epoch,
            seq: self.commit_seq + 1,
            batch_id: batch_id(self.epoch, self.commit_seq + 1, self.attempts),
            ..Commit::default()
        };
        self.encode_states(&mut commit)?;
        commit.outputs = self.batch.packer.take();
        commit.outbox = self
            .batch
            .forwards
            .drain(..)
            .map(|(to, payload)| OutboxMessage {
                to,
                payload: payload.freeze(),
            })
            .collect();
        for (name, change) in self.batch.counts.drain() {
            let now = self
                .counters
                .get(&name)
                .copied()
                .unwrap_or(0)
                .saturating_add(change);
            commit.counters.push((name, now));
        }
        commit.quarantine = std::mem::take(&mut self.batch.quarantine);
        if self.is_on_stream_time() && self.batch.watermark > self.watermark {
            commit.watermark = Some(self.batch.watermark);
        }
        let places = self.places(ran, &mut commit);
        let asked = timers.or(self.no_timer_before);
        let no_timer_before = match (asked, self.batch.earliest_timer()) {
            (Some(asked), Some(earliest)) => Some(asked.min(earliest)),
            (asked, _) => asked,
        };
        Ok(Pending {
            commit,
            places,
            no_timer_before,
        })
    }

    fn encode_states(&mut self, commit: &mut Commit) -> Result<(), Failed> {
        for work in &mut self.batch.works {
            match work.change {
                Change::None => {}
                Change::Remove => {
                    if work.stored {
                        commit.states.push((work.key_bytes.clone(), None));
                    }
                    work.stored = false;
                    work.bytes = 0;
                }
                Change::Write => {
                    let failed = |reason| Failed {
                        origin: work.last.expect("a change has a cause"),
                        reason,
                    };
                    let bytes = catch_unwind(AssertUnwindSafe(|| C::encode(&work.state)))
                        .map_err(|panic| failed(panic_text(panic.as_ref())))?;
                    if bytes.len() > hot::limits::STATE_BYTES {
                        return Err(failed(format!(
                            "the state would be {} bytes, and {} are the limit",
                            bytes.len(),
                            hot::limits::STATE_BYTES
                        )));
                    }
                    work.bytes = bytes.len();
                    work.stored = true;
                    commit.states.push((work.key_bytes.clone(), Some(bytes)));
                }
            }
            if let (true, KnownTimer::Is(due)) = (work.timer_changed, work.timer) {
                commit.timers.push((work.key_bytes.clone(), due));
            }
        }
        Ok(())
    }

    /// Where each lane is after the batch; cursors and the places within entries go into the commit.
    fn places(&self, ran: &[Planned], commit: &mut Commit) -> Vec<(usize, super::Place)> {
        let mut places: Vec<(usize, super::Place)> = Vec::with_capacity(self.lanes.len());
        // A plan goes lane by lane, so the last record of a lane is the one before the next lane begins.
        for (at, planned) in ran.iter().enumerate() {
            if ran
                .get(at + 1)
                .is_some_and(|next| next.lane == planned.lane)
            {
                continue;
            }
            let lane = &self.lanes[planned.lane];
            let (before, after) = (lane.committed(), lane.after(planned.place));
            if after.cursor != before.cursor {
                commit.cursors.push((lane.stream.name, after.cursor));
            }
            if after.index != before.index {
                let index = i64::try_from(after.index).unwrap_or(i64::MAX);
                commit.counters.push((lane.index_counter.clone(), index));
            }
            places.push((planned.lane, after));
        }
        places
    }
}

/// A name that no other batch has: SplitMix64 over what tells batches apart.
fn batch_id(epoch: u64, seq: u64, attempt: u64) -> u64 {
    [epoch, seq, attempt].into_iter().fold(0, |id, part| {
        let mut x = (id ^ part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    })
}
