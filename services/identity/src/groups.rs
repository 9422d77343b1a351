//! The records that follow from events and merges, by partition.

use std::sync::Arc;

use ::rpc::TraceParent;
use identity_core::Resolution;
use kernel::{CustomerId, PartitionCount, Timestamp};
use proto::convert::id_bytes;
use proto::stream::v1::{CustomerMerged, CustomerSplit, MergeAwaited, Record, record::Body};

use crate::append::{Group, Sequenced};
use crate::event::Prepared;
use crate::evidence;
use crate::store::SplitRecord;
use crate::stretch::Stretches;

/// Records by partition, in the order in which they came.
pub(crate) struct Groups {
    partitions: PartitionCount,
    records: Vec<Vec<Sequenced>>,
    stretches: Stretches,
    trace_parent: String,
}

impl Groups {
    pub(crate) fn new(partitions: PartitionCount) -> Self {
        Self {
            partitions,
            records: vec![Vec::new(); usize::from(partitions.get())],
            stretches: Stretches::default(),
            trace_parent: TraceParent::current()
                .map(|parent| parent.to_string())
                .unwrap_or_default(),
        }
    }

    /// Adds an event, after the news of the customers that it split off and joined. The splits that
    /// it made are taken out of those of the batch.
    pub(crate) fn add(
        &mut self,
        event: Prepared,
        resolution: &mut Resolution,
        splits: &mut Vec<SplitRecord>,
    ) {
        let customer = resolution.customer;
        let stretch = self.stretches.pass(resolution, event.sequence);
        let own = self.partitions.partition_of(customer.fragment());
        let is_own = |it: &mut SplitRecord| {
            let merged = &resolution.merged;
            let is_of = |it| merged.contains(it) || *it == customer;
            !merged.is_empty() && (merged.contains(&it.customer) || is_of(&it.from))
        };
        let own_splits: Vec<SplitRecord> = splits.extract_if(.., is_own).collect();
        for record in own_splits {
            let is_beside = self.partitions.partition_of(record.customer.fragment()) == own;
            let stretch = stretch.clone().filter(|_| is_beside);
            let news = split(&record, event.time, &self.trace_parent);
            self.push(event.sequence, stretch, news);
        }
        for from in &resolution.merged {
            // The records of one event go together, where they go to one partition.
            let is_beside = self.partitions.partition_of(from.fragment()) == own;
            let stretch = stretch.clone().filter(|_| is_beside);
            let news = merged(*from, customer, event.time, &self.trace_parent);
            self.push(event.sequence, stretch, news);
        }
        let mut body = event.event;
        evidence::write(&mut body, resolution);
        let record = Record {
            customer_id: id_bytes(customer),
            time_ms: event.time.as_millis(),
            trace_parent: self.trace_parent.clone(),
            body: Some(Body::Event(body)),
            ..Record::default()
        };
        self.push(event.sequence, stretch, (customer, record));
    }

    fn push(
        &mut self,
        sequence: u64,
        stretch: Option<Arc<str>>,
        (customer, record): (CustomerId, Record),
    ) {
        let partition = self.partitions.partition_of(customer.fragment());
        self.records[usize::from(partition.number())].push(Sequenced {
            sequence,
            stretch,
            record,
        });
    }

    /// Adds the news of customers that the batch split off, behind its events.
    pub(crate) fn add_splits(
        &mut self,
        splits: Vec<SplitRecord>,
        (sequence, time): (u64, Timestamp),
    ) {
        for record in splits {
            let news = split(&record, time, &self.trace_parent);
            self.push(sequence, None, news);
        }
    }

    pub(crate) fn into_groups(self) -> Vec<Group> {
        self.partitions
            .iter()
            .zip(self.records)
            .filter(|(_, records)| !records.is_empty())
            .map(|(partition, records)| Group { partition, records })
            .collect()
    }
}

/// The news for a customer that it was joined into another.
pub(crate) fn merged(
    from: CustomerId,
    into: CustomerId,
    time: Timestamp,
    trace_parent: &str,
) -> (CustomerId, Record) {
    let record = Record {
        customer_id: id_bytes(from),
        time_ms: time.as_millis(),
        trace_parent: trace_parent.to_owned(),
        body: Some(Body::Merged(CustomerMerged {
            into_customer_id: id_bytes(into),
            ..CustomerMerged::default()
        })),
        ..Record::default()
    };
    (from, record)
}

/// The news for a customer who came out of another.
pub(crate) fn split(
    split: &SplitRecord,
    time: Timestamp,
    trace_parent: &str,
) -> (CustomerId, Record) {
    let fragments = split.fragments.iter();
    let fragments: Vec<u8> = fragments.flat_map(|it| *it.as_bytes()).collect();
    let record = Record {
        customer_id: id_bytes(split.customer),
        time_ms: time.as_millis(),
        trace_parent: trace_parent.to_owned(),
        body: Some(Body::Split(CustomerSplit {
            from_customer_id: id_bytes(split.from),
            fragment_ids: fragments.into(),
            operation_id: split.operation.as_bytes().to_vec().into(),
            merge_time_ms: Ord::max(split.merge_time.as_millis(), 0),
            ..CustomerSplit::default()
        })),
        ..Record::default()
    };
    (split.customer, record)
}

/// The word for a customer that another one was joined into it, whose state it is to wait for.
pub(crate) fn awaited(from: CustomerId, into: CustomerId, time: Timestamp) -> Record {
    Record {
        customer_id: id_bytes(into),
        time_ms: time.as_millis(),
        body: Some(Body::Awaited(MergeAwaited {
            from_customer_ids: id_bytes(from),
            ..MergeAwaited::default()
        })),
        ..Record::default()
    }
}
