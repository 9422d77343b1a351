//! The pace of the way in on stream time: where answers hang on receipts, an event is let in once
//! all that those before it caused has happened, and time goes from one due timer to the next.
//!
//! So an import and its lines one by one are told the same. Where nothing sends or hears receipts,
//! nothing waits.

mod portion;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hot::StreamName;
use kernel::{PartitionId, Timestamp};
use proto::stream::v1::{Record, Tick, record::Body};
use runtime::Downstream;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout_at};

use self::portion::portions;
use crate::append::{AppendError, Appender, Group, Sequenced, Took};
use crate::limits::PACED_PATIENCE;

/// Lets calls in one after another, and time pass between them.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Absent on the wall clock, and where nothing is known of the services behind.
    downstream: Option<Arc<dyn Downstream>>,
    /// Held by the call whose turn it is, so that all calls have one order.
    passed: Mutex<Passed>,
}

/// The newest tick that each partition was sent on the way to a later time.
type Passed = HashMap<PartitionId, Timestamp>;

/// The turn of one call. The next one comes when it is dropped.
pub(crate) struct Turn<'a> {
    downstream: &'a dyn Downstream,
    appender: &'a Appender,
    passed: MutexGuard<'a, Passed>,
    deadline: Option<Instant>,
}

impl Pace {
    /// Paces by the services behind, if anything is known of them.
    pub(crate) fn new(downstream: Option<Arc<dyn Downstream>>) -> Self {
        Self {
            downstream,
            passed: Mutex::default(),
        }
    }

    /// Returns whether events wait for those before them now.
    pub(crate) fn is_in_force(&self) -> bool {
        let downstream = self.downstream.as_deref();
        downstream.is_some_and(Downstream::hears_receipts)
    }

    /// Waits for the turn of a call; none where nothing waits.
    ///
    /// # Errors
    /// [`AppendError::Unsettled`] at the deadline.
    pub(crate) async fn turn<'a>(
        &'a self,
        appender: &'a Appender,
        deadline: Option<Instant>,
    ) -> Result<Option<Turn<'a>>, AppendError> {
        let downstream = self.downstream.as_deref();
        let Some(downstream) = downstream.filter(|own| own.hears_receipts()) else {
            return Ok(None);
        };
        let passed = timeout_at(until(deadline), self.passed.lock()).await;
        Ok(Some(Turn {
            downstream,
            appender,
            passed: passed.map_err(|_| AppendError::Unsettled)?,
            deadline,
        }))
    }
}

impl Turn<'_> {
    /// Appends the events of some groups, each once all that those before it caused has happened.
    /// Those of different customers at one instant go together.
    ///
    /// # Errors
    /// [`AppendError`]; the first events may have been appended, and a source makes it safe to send
    /// all again.
    pub(crate) async fn append(
        &mut self,
        name: StreamName,
        groups: Vec<Group>,
        source: Option<&str>,
    ) -> Result<Took, AppendError> {
        let mut took = Took::NOTHING;
        for portion in portions(groups) {
            let appended = match self.pass_time(portion.partitions(), portion.time).await {
                Ok(()) => {
                    let groups = portion.into_groups();
                    let appender = self.appender;
                    appender.append(name, groups, source, self.deadline).await
                }
                Err(error) => Err(error),
            };
            took = took.and(appended.map_err(|error| error.after(took.events))?);
        }
        Ok(took)
    }

    /// Waits until all that was let in has happened, and lets time pass in some partitions, up to
    /// an instant and with it: from one due timer to the next, so that what a timer sends is heard
    /// before the next one fires.
    ///
    /// # Errors
    /// [`AppendError`]; time has passed as far as it came, and the same again goes on from there.
    pub(crate) async fn pass_time(
        &mut self,
        partitions: impl IntoIterator<Item = PartitionId>,
        time: Timestamp,
    ) -> Result<(), AppendError> {
        let partitions: Vec<_> = partitions.into_iter().collect();
        loop {
            let mut next: BTreeMap<PartitionId, Timestamp> = BTreeMap::new();
            for (partition, due) in self.settle().await? {
                // A timer that was set aside does not fire at its time, and holds nothing up.
                let is_new = self.passed.get(&partition).is_none_or(|last| *last < due);
                if is_new && due <= time && partitions.contains(&partition) {
                    let first = next.entry(partition).or_insert(due);
                    *first = due.min(*first);
                }
            }
            if next.is_empty() {
                return Ok(());
            }
            let ticks = next.iter().map(|(partition, due)| tick(*partition, *due));
            let (name, ticks) = (StreamName::Events, ticks.collect());
            self.appender
                .append(name, ticks, None, self.deadline)
                .await?;
            self.passed.extend(next);
        }
    }

    /// Waits until all that was let in has happened. Returns the instants before which no timer is
    /// due.
    async fn settle(&self) -> Result<Vec<(PartitionId, Timestamp)>, AppendError> {
        let settled = async {
            loop {
                self.downstream.settle().await?;
                // Absent where a partition looks once more whether it has something to do.
                if let Some(dues) = self.downstream.next_dues() {
                    return Ok(dues);
                }
            }
        };
        let settled = timeout_at(until(self.deadline), settled).await;
        settled.map_err(|_| AppendError::Unsettled)?
    }
}

/// Returns until when one wait lasts.
fn until(deadline: Option<Instant>) -> Instant {
    deadline.unwrap_or_else(|| Instant::now() + PACED_PATIENCE)
}

/// Returns the news for a partition that time has come so far.
pub(crate) fn tick(partition: PartitionId, time: Timestamp) -> Group {
    Group {
        partition,
        records: vec![Sequenced {
            sequence: 0,
            stretch: None,
            record: Record {
                time_ms: time.as_millis(),
                body: Some(Body::Tick(Tick {})),
                ..Record::default()
            },
        }],
    }
}
