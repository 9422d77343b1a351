//! The book of a run: which processes could work when, what was done to them, and for how long no
//! partition was anybody's who could.
//!
//! Pure: times are those of the clock of this machine in milliseconds, as the database tells them
//! too.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// Leases outlive the last word of their process by this.
pub(super) const LEASE_TTL: Duration = Duration::from_secs(2);
/// No partition may be nobody's for longer where processes end in order.
pub(super) const HAND_OVER_MOST: Duration = Duration::from_secs(2);
/// Nor for longer where a process dies or is cut off: its leases lapse first.
pub(super) const TAKE_OVER_MOST: Duration =
    Duration::from_secs(LEASE_TTL.as_secs() + HAND_OVER_MOST.as_secs());
/// One look at one partition of one service.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) time_ms: i64,
    pub(super) service: String,
    pub(super) partition: u32,
    /// The worker that its lease names; empty for none.
    pub(super) worker: String,
    /// The number of the last commit in the journal.
    pub(super) commit_seq: u64,
}

/// A blow that a process did not see coming.
#[derive(Debug, Clone)]
pub(super) struct Blow {
    pub(super) time_ms: i64,
    pub(super) service: String,
    pub(super) kind: BlowKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BlowKind {
    Kill,
    /// Cut off from the stores.
    Cut,
    /// Heard again: its connections from before the cut take a moment to notice.
    Heal,
}

/// A time in which nobody owned a partition who could work on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) service: String,
    pub(super) partition: u32,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    /// The owner before it, and the one after it; empty where there is none yet.
    pub(super) owners: [String; 2],
    /// The last blow to its service while the gap lasted, or so shortly before that its victim
    /// still counted as alive: the partition may have been given up for it.
    pub(super) blow: Option<(BlowKind, i64)>,
}

impl Gap {
    /// Its length, since the last blow where that is later, and the longest that is allowed.
    pub(super) fn length(&self) -> (Duration, Duration) {
        match self.blow {
            None => (length(self.start_ms..self.end_ms), HAND_OVER_MOST),
            Some((_, time_ms)) => {
                let start_ms = time_ms.max(self.start_ms);
                let before_ms = time_ms.min(self.start_ms)..self.start_ms;
                let most = TAKE_OVER_MOST.saturating_sub(length(before_ms));
                (length(start_ms..self.end_ms), most.max(HAND_OVER_MOST))
            }
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, most) = self.length();
        let Self {
            service,
            partition,
            owners: [before, after],
            ..
        } = self;
        let cause = self.cause();
        write!(
            f,
            "partition {partition} of {service} was nobody's for {length:?} after a {cause}, at the most {most:?}, \
             between {before} and {after} until {}",
            self.end_ms
        )
    }
}

impl Gap {
    /// The kind of event that it follows.
    pub(super) const fn cause(&self) -> &'static str {
        match self.blow {
            Some((BlowKind::Kill, _)) => "kill",
            Some((BlowKind::Cut, _)) => "cut",
            Some((BlowKind::Heal, _)) => "cut that ended",
            None => "hand-over",
        }
    }
}

/// The times of one process.
#[derive(Debug, Default)]
struct Life {
    end_ms: Option<i64>,
    /// Times in which it did not reach the stores.
    cuts: Vec<Range<i64>>,
}

/// Everything that was done, and all that was seen.
#[derive(Debug, Default)]
pub(super) struct Book {
    lives: BTreeMap<String, Life>,
    blows: Vec<Blow>,
    /// Times without any blow in which processes came and went in order.
    calm: Vec<Range<i64>>,
}

impl Book {
    /// A process begins.
    pub(super) fn begin(&mut self, worker: &str) {
        self.lives.insert(worker.to_owned(), Life::default());
    }

    /// A process has ended in order.
    pub(super) fn end(&mut self, worker: &str, time_ms: i64) {
        self.life(worker).end_ms = Some(time_ms);
    }

    /// A process was killed.
    pub(super) fn kill(&mut self, worker: &str, blow: Blow) {
        self.life(worker).end_ms = Some(blow.time_ms);
        self.blows.push(blow);
    }

    /// A process is cut off from the stores until [`Self::heal`].
    pub(super) fn cut(&mut self, worker: &str, blow: Blow) {
        self.life(worker).cuts.push(blow.time_ms..i64::MAX);
        self.blows.push(blow);
    }

    /// A process reaches the stores again.
    pub(super) fn heal(&mut self, worker: &str, blow: Blow) {
        if let Some(cut) = self.life(worker).cuts.last_mut() {
            cut.end = blow.time_ms;
        }
        self.blows.push(blow);
    }

    /// Processes came and went in order in this time, and nothing else happened.
    pub(super) fn calm(&mut self, time: Range<i64>) {
        self.calm.push(time);
    }

    /// Returns whether a time began while processes came and went in order, and had no blow.
    pub(super) fn is_calm(&self, time: &Range<i64>) -> bool {
        let has_blow = self.blows.iter().any(|blow| time.contains(&blow.time_ms));
        let mut calm = self.calm.iter();
        !has_blow && calm.any(|calm| calm.contains(&time.start))
    }

    /// The number of blows of a kind.
    pub(super) fn count(&self, kind: BlowKind) -> usize {
        self.blows.iter().filter(|blow| blow.kind == kind).count()
    }

    fn life(&mut self, worker: &str) -> &mut Life {
        self.lives.get_mut(worker).expect("a process that began")
    }

    /// Returns whether a process could work at a time.
    fn works(&self, worker: &str, time_ms: i64) -> bool {
        self.lives.get(worker).is_some_and(|life| {
            let is_cut = life.cuts.iter().any(|cut| cut.contains(&time_ms));
            !is_cut && life.end_ms.is_none_or(|end_ms| time_ms < end_ms)
        })
    }

    /// When a process stopped to work, within a time.
    fn stop_ms(&self, worker: &str, time: &Range<i64>) -> Option<i64> {
        let life = self.lives.get(worker)?;
        let cuts = life.cuts.iter().map(|cut| cut.start);
        let stops = cuts.chain(life.end_ms);
        stops.filter(|stop_ms| time.contains(stop_ms)).min()
    }

    /// The times in which a partition was nobody's, of looks in their order.
    pub(super) fn gaps(&self, looks: &[Look]) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for looks in by_partition(looks).into_values() {
            let mut owned: Option<&Look> = None;
            let mut start_ms = None;
            for look in &looks {
                if self.works(&look.worker, look.time_ms) {
                    if let (Some(start_ms), Some(before)) = (start_ms.take(), owned) {
                        gaps.push(self.gap(before, look, start_ms));
                    }
                    owned = Some(look);
                } else if start_ms.is_none()
                    && let Some(owned) = owned
                {
                    let stop_ms = self.stop_ms(&owned.worker, &(owned.time_ms..look.time_ms));
                    start_ms = Some(stop_ms.unwrap_or(owned.time_ms));
                }
            }
            if let (Some(start_ms), Some(before), Some(last)) = (start_ms, owned, looks.last()) {
                gaps.push(self.gap(before, last, start_ms));
            }
        }
        gaps
    }

    fn gap(&self, before: &Look, after: &Look, start_ms: i64) -> Gap {
        let lease_ms = i64::try_from(LEASE_TTL.as_millis()).expect("seconds");
        let seen = start_ms - lease_ms..after.time_ms;
        let blows = self.blows.iter();
        let last = blows
            .filter(|blow| blow.service == before.service && seen.contains(&blow.time_ms))
            .max_by_key(|blow| blow.time_ms);
        Gap {
            service: before.service.clone(),
            partition: before.partition,
            start_ms,
            end_ms: after.time_ms,
            owners: [before.worker.clone(), after.worker.clone()],
            blow: last.map(|blow| (blow.kind, blow.time_ms)),
        }
    }

    /// The longest time without a commit in any partition while processes came and went in order,
    /// with the service and the number.
    pub(super) fn longest_standstill(&self, looks: &[Look]) -> (Duration, String, u32) {
        let mut longest = (Duration::ZERO, String::new(), 0);
        for ((service, partition), looks) in by_partition(looks) {
            for time in &self.calm {
                let mut last: Option<&Look> = None;
                for look in looks.iter().filter(|look| time.contains(&look.time_ms)) {
                    let since = last.get_or_insert(look);
                    let stood = length(since.time_ms..look.time_ms);
                    if stood > longest.0 {
                        longest = (stood, service.to_owned(), partition);
                    }
                    if since.commit_seq != look.commit_seq {
                        last = Some(look);
                    }
                }
            }
        }
        longest
    }
}

fn by_partition(looks: &[Look]) -> BTreeMap<(&str, u32), Vec<&Look>> {
    let mut partitions: BTreeMap<_, Vec<&Look>> = BTreeMap::new();
    for look in looks {
        let partition = (&*look.service, look.partition);
        partitions.entry(partition).or_default().push(look);
    }
    partitions
}

fn length(time: Range<i64>) -> Duration {
    Duration::from_millis(u64::try_from(time.end - time.start).unwrap_or_default())
}

#[cfg(test)]
mod tests;
