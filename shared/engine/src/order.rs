//! Passes on what operators decide about the quarantine, as commands in a stream of the owners of
//! the partitions.
//!
//! It does not carry anything out: the worker of each partition does, when it comes to the command.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hot::{Append, Appended, HotError, PageBounds, SourceRange, StreamId, StreamName};
use kernel::{PartitionId, Timestamp};
use messages::stream::v1::{Batch, QuarantineCommand, QuarantineVerb, Record, record::Body};
use prost::Message as _;

use crate::handle::Running;
use crate::quarantine::{self, Wanted};
use crate::{EngineError, QuarantineFilter, QuarantinePlace, TimeSource, limits};

/// A decision of an operator about records in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineOrder {
    /// The decision.
    pub verb: QuarantineVerb,
    /// The reason; empty for a retry.
    pub reason: String,
    /// Names the order, in at most 100 bytes: a partition that took it does not take it again.
    pub request_id: String,
}

impl QuarantineOrder {
    /// The source of its commands.
    fn source(&self) -> String {
        let verb = match self.verb {
            QuarantineVerb::Retry => "retry",
            QuarantineVerb::Discard => "discard",
            QuarantineVerb::Unspecified => "",
        };
        format!("{verb}/{}", self.request_id)
    }
}

/// The records that an order is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuarantineSelection {
    /// These, at most [`limits::QUARANTINED_PER_ORDER`].
    Places(BTreeSet<QuarantinePlace>),
    /// The first [`limits::QUARANTINED_PER_ORDER`] that match.
    Filter(QuarantineFilter),
}

/// The answer to an order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuarantineTaken {
    /// The number of records that it is about.
    pub taken: usize,
    /// Those that were named and are not in quarantine.
    pub missing: Vec<QuarantinePlace>,
    /// True where more match.
    pub has_more: bool,
}

impl Running {
    pub(crate) async fn order_quarantined(
        &self,
        selection: &QuarantineSelection,
        order: &QuarantineOrder,
    ) -> Result<QuarantineTaken, EngineError> {
        let (places, missing, has_more) = match selection {
            QuarantineSelection::Places(places) => {
                let (there, missing) = self.look_up(places).await?;
                (there, missing, false)
            }
            QuarantineSelection::Filter(filter) => {
                let wanted = Wanted {
                    page: PageBounds::entries(limits::QUARANTINED_PER_ORDER),
                    has_records: false,
                };
                let found = self.find_quarantined(filter, None, wanted).await?;
                let places = found.entries.into_iter().map(|entry| entry.place).collect();
                (places, Vec::new(), found.has_more)
            }
        };
        let taken = QuarantineTaken {
            taken: places.len(),
            missing,
            has_more,
        };
        let mut by_partition: BTreeMap<PartitionId, Vec<QuarantinePlace>> = BTreeMap::new();
        for place in places {
            by_partition.entry(place.partition).or_default().push(place);
        }
        for (partition, places) in by_partition {
            self.command(partition, &places, order).await?;
        }
        Ok(taken)
    }

    /// Splits places into those that are in quarantine and those that are not.
    async fn look_up(
        &self,
        places: &BTreeSet<QuarantinePlace>,
    ) -> Result<(Vec<QuarantinePlace>, Vec<QuarantinePlace>), EngineError> {
        let looked_up: Vec<(QuarantinePlace, bool)> = stream::iter(places.clone())
            .map(|place| async move { Ok::<_, HotError>((place, self.has(place).await?)) })
            .buffered(limits::PARALLEL_READS)
            .try_collect()
            .await?;
        let (there, missing): (Vec<_>, Vec<_>) =
            looked_up.into_iter().partition(|(_, is_there)| *is_there);
        let places = |found: Vec<(QuarantinePlace, bool)>| {
            found.into_iter().map(|(place, _)| place).collect()
        };
        Ok((places(there), places(missing)))
    }

    async fn has(&self, place: QuarantinePlace) -> Result<bool, HotError> {
        if place.partition.number() >= self.hot.partition_count().get() {
            return Ok(false);
        }
        let (slot, before) = (self.slot(place.partition), quarantine::before(place.id));
        let found = self
            .hot
            .quarantined(slot, before, PageBounds::entries(1))
            .await?;
        Ok(found.first().is_some_and(|entry| entry.id == place.id))
    }

    /// Appends one command for each place to the stream of the partition's owner.
    async fn command(
        &self,
        partition: PartitionId,
        places: &[QuarantinePlace],
        order: &QuarantineOrder,
    ) -> Result<(), EngineError> {
        let Some(name) = StreamName::commands_of(self.service) else {
            return Err(HotError::Invalid("the service has no quarantine").into());
        };
        let time = match &self.time {
            TimeSource::Wall(clock) => clock.now(),
            // Only the partition knows the time, and commands do not move it.
            TimeSource::Stream => Timestamp::default(),
        };
        let records = places.iter().map(|place| Record {
            time_ms: time.as_millis(),
            body: Some(Body::Quarantine(QuarantineCommand {
                verb: order.verb.into(),
                commit_seq: place.id.commit_seq,
                index: place.id.index,
                reason: order.reason.clone(),
            })),
            ..Record::default()
        });
        let batch = Batch {
            records: records.collect(),
            ..Batch::default()
        };
        let append = Append {
            to: StreamId { name, partition },
            payload: Bytes::from(batch.encode_to_vec()),
            // One number whatever the filter finds, so that the same order is taken once.
            source: Some(SourceRange {
                source: order.source().into(),
                first: 1,
                last: 1,
            }),
            origin: None,
        };
        match self.hot.append(&append).await? {
            Appended::Applied | Appended::Replayed | Appended::Overlaps { .. } => Ok(()),
            Appended::Full => Err(EngineError::CommandsFull),
            Appended::Gap { .. } => Err(HotError::unavailable(
                "the stream of commands has lost entries, and is to be recovered first",
            )
            .into()),
        }
    }
}
