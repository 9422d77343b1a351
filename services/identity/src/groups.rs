//! The records that follow from events and merges, by partition.

use std::sync::Arc;

use ::rpc::TraceParent;
use identity_core::Resolution;
use kernel::{CustomerId, PartitionCount, Timestamp};
use proto::convert::id_bytes;
use proto::stream::v1::{CustomerMerged, MergeAwaited, Record, record::Body};

use crate::append::{Group, Sequenced};
use crate::event::Prepared;
use crate::evidence;
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

    /// Adds an event, after the news of the customers that it joined.
    pub(crate) fn add(&mut self, event: Prepared, resolution: &mut Resolution) {
        let customer = resolution.customer;
        let stretch = self.stretches.pass(resolution, event.sequence);
        let own = self.partitions.partition_of(customer.fragment());
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

/// The word for a customer that another one was joined into it, whose state it is to wait for.
pub(crate) fn awaited(from: CustomerId, into: CustomerId, time: Timestamp) -> Record {
    Record {
        customer_id: id_bytes(into),
        time_ms: time.as_millis(),
        body: Some(Body::Awaited(MergeAwaited {
            from_customer_ids: id_bytes(from),
        })),
        ..Record::default()
    }
}
