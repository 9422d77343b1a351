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
use crate::store::{News, SplitRecord};
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

    /// Adds an event, after the news of the customers that it split off and joined, in the order in
    /// which that happened. The graph epoch of its customer is told where it names others.
    pub(crate) fn add(
        &mut self,
        event: Prepared,
        resolution: &mut Resolution,
        (news, epoch): (&[News], u64),
    ) {
        let customer = resolution.customer;
        let stretch = self.stretches.pass(resolution, event.sequence);
        let own = self.partitions.partition_of(customer.fragment());
        for it in news {
            let (told, record) = match it {
                News::Merge(merge) => {
                    // Into the customer of the event, who may be an older one than of that merge.
                    let epoch = epoch.max(merge.graph_epoch);
                    let way = (merge.from, customer);
                    merged(way, epoch, event.time, &self.trace_parent)
                }
                News::Split(record) => split(record, event.time, &self.trace_parent),
            };
            // The records of one event go together, where they go to one partition.
            let is_beside = self.partitions.partition_of(told.fragment()) == own;
            let stretch = stretch.clone().filter(|_| is_beside);
            self.push(event.sequence, stretch, (told, record));
        }
        let mut body = event.event;
        let is_own = resolution.fragment == customer.fragment();
        if !is_own || !resolution.merged.is_empty() {
            body.graph_epoch = epoch;
        }
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

    pub(crate) fn into_groups(self) -> Vec<Group> {
        self.partitions
            .iter()
            .zip(self.records)
            .filter(|(_, records)| !records.is_empty())
            .map(|(partition, records)| Group { partition, records })
            .collect()
    }
}

/// The news for a customer that it was joined into another, at a graph epoch.
pub(crate) fn merged(
    (from, into): (CustomerId, CustomerId),
    graph_epoch: u64,
    time: Timestamp,
    trace_parent: &str,
) -> (CustomerId, Record) {
    let record = Record {
        customer_id: id_bytes(from),
        time_ms: time.as_millis(),
        trace_parent: trace_parent.to_owned(),
        body: Some(Body::Merged(CustomerMerged {
            into_customer_id: id_bytes(into),
            graph_epoch,
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
            graph_epoch: split.graph_epoch,
            ..CustomerSplit::default()
        })),
        ..Record::default()
    };
    (split.customer, record)
}

/// The word for a customer that another one was joined into it, whose state it is to wait for.
pub(crate) fn awaited(
    (from, into): (CustomerId, CustomerId),
    graph_epoch: u64,
    time: Timestamp,
) -> Record {
    Record {
        customer_id: id_bytes(into),
        time_ms: time.as_millis(),
        body: Some(Body::Awaited(MergeAwaited {
            from_customer_ids: id_bytes(from),
            graph_epoch,
        })),
        ..Record::default()
    }
}
