//! The records that follow from events and merges, by partition.

use std::sync::Arc;

use ::rpc::TraceParent;
use identity_core::Resolution;
use kernel::{CustomerId, FragmentId, PartitionCount, PartitionId, Timestamp};
use proto::convert::id_bytes;
use proto::stream::v1::{
    self as stream, CustomerMerged, CustomerSplit, MergeAwaited, Record, record::Body,
};

use crate::append::{Group, Sequenced};
use crate::event::Prepared;
use crate::evidence;
use crate::ingest::ResolvedGroup;
use crate::membership;
use crate::store::{AccountNews, News, SplitRecord};
use crate::stretch::Stretches;

/// The customer of an event, with what it did to others.
pub(crate) struct Acted {
    /// The customer; the evidence goes into the record.
    pub(crate) resolution: Resolution,
    /// The graph epoch of the customer.
    pub(crate) epoch: u64,
    /// The merges and splits that the event made.
    pub(crate) news: Vec<News>,
}

/// The customer who acted in an event of an account, and the fragment to which it happened.
type Member = (CustomerId, FragmentId);

/// The place of the records of an event.
struct At {
    sequence: u64,
    time: Timestamp,
    /// The partition and the stretch of its customer; absent where it names none.
    beside: Option<(PartitionId, Option<Arc<str>>)>,
}

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

    /// Adds an event, after the news of the customers and the accounts that it split off and
    /// joined, in the order in which that happened, and of the memberships that it began. The graph
    /// epoch of its customer is told where it names others. Each of its accounts gets a record of
    /// its own.
    pub(crate) fn add(
        &mut self,
        mut event: Prepared,
        mut acted: Option<&mut Acted>,
        accounts: Vec<ResolvedGroup>,
        members: &[AccountNews],
    ) {
        let mut at = At {
            sequence: event.sequence,
            time: event.time,
            beside: None,
        };
        let mut stretch = None;
        if let Some(acted) = acted.as_deref() {
            let customer = acted.resolution.customer;
            stretch = self.stretches.pass(&acted.resolution, event.sequence);
            at.beside = Some((self.partition(customer), stretch.clone()));
            self.add_news(&acted.news, customer, acted.epoch, &at);
        }
        if !(accounts.is_empty() && members.is_empty()) {
            let member = acted.as_deref().map(|it| &it.resolution);
            let member = member.map(|it| (it.customer, it.fragment));
            self.add_accounts(&mut event, member, accounts, (members, &at));
        }
        let Some(acted) = acted.take() else { return };
        let resolution = &mut acted.resolution;
        let customer = resolution.customer;
        let mut body = event.event;
        let is_own = resolution.fragment == customer.fragment();
        if !is_own || !resolution.merged.is_empty() {
            body.graph_epoch = acted.epoch;
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

    /// Adds the news of those whom an event joined into a subject, or split off.
    fn add_news(&mut self, news: &[News], subject: CustomerId, epoch: u64, at: &At) {
        for it in news {
            let told = match it {
                News::Merge(merge) => {
                    // Into the subject of the event, who may be an older one than of that merge.
                    let epoch = epoch.max(merge.graph_epoch);
                    let way = (merge.from, subject);
                    merged(way, epoch, at.time, &self.trace_parent)
                }
                News::Split(record) => split(record, at.time, &self.trace_parent),
            };
            self.push_beside(at, None, told);
        }
    }

    /// Adds the accounts of an event: their news, the memberships that began, and a record of the
    /// event for each. Names them on the event.
    fn add_accounts(
        &mut self,
        event: &mut Prepared,
        member: Option<Member>,
        accounts: Vec<ResolvedGroup>,
        (members, at): (&[AccountNews], &At),
    ) {
        for own in &accounts {
            self.add_news(&own.news, own.resolution.customer, own.epoch, at);
        }
        for news in members {
            for told in membership::told(news, at.time) {
                self.push_beside(at, None, told);
            }
        }
        for mut own in one_each(accounts, event) {
            let account = own.resolution.customer;
            let stretch = self.stretches.pass(&own.resolution, at.sequence);
            let record = Record {
                customer_id: id_bytes(account),
                time_ms: at.time.as_millis(),
                trace_parent: self.trace_parent.clone(),
                body: Some(Body::Event(of_account(event, member, &mut own))),
                ..Record::default()
            };
            self.push_beside(at, stretch, (account, record));
        }
    }

    /// Adds a record of an event. Those of one event go together, where they go to one partition.
    fn push_beside(&mut self, at: &At, own: Option<Arc<str>>, told: (CustomerId, Record)) {
        let partition = self.partition(told.0);
        let beside = at.beside.as_ref().filter(|(own, _)| *own == partition);
        let stretch = beside.map_or(own, |(_, stretch)| stretch.clone());
        self.push(at.sequence, stretch, told);
    }

    fn partition(&self, subject: CustomerId) -> PartitionId {
        self.partitions.partition_of(subject.fragment())
    }

    fn push(
        &mut self,
        sequence: u64,
        stretch: Option<Arc<str>>,
        (customer, record): (CustomerId, Record),
    ) {
        let partition = self.partition(customer);
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

/// Names the accounts on an event, and returns each once: two keys may be of one, which has one
/// record then, with all that is told of it.
fn one_each(accounts: Vec<ResolvedGroup>, event: &mut Prepared) -> Vec<ResolvedGroup> {
    let mut each: Vec<ResolvedGroup> = Vec::with_capacity(accounts.len());
    for mut own in accounts {
        if own.resolution.is_refused {
            continue;
        }
        let account = own.resolution.customer;
        let group = own.group.place;
        if let Some(group) = group.and_then(|place| event.event.groups.get_mut(place)) {
            group.account_id = id_bytes(account);
        }
        let mut before = each.iter_mut();
        match before.find(|first| first.resolution.customer == account) {
            None => each.push(own),
            Some(first) => {
                let traits = &mut first.group.traits;
                traits.append(&mut own.group.traits);
                // Stable: what the first key tells stays.
                traits.sort_by(|one, other| one.name.cmp(&other.name));
                traits.dedup_by(|one, other| one.name == other.name);
            }
        }
    }
    each
}

/// The event as its account has it: that it happened, by whom, and what it tells of the account. Of
/// an event of accounts alone each of these has the properties and the context too, which nobody
/// else has; others stay with the customer who acted.
fn of_account(event: &Prepared, member: Option<Member>, own: &mut ResolvedGroup) -> stream::Event {
    let resolution = &own.resolution;
    let is_own = resolution.fragment == resolution.customer.fragment();
    let joined = resolution.merged.iter().flat_map(|from| *from.as_bytes());
    let apart = member.filter(|(customer, fragment)| customer.fragment() != *fragment);
    let (properties, context_json) = match member {
        Some(_) => (Vec::new(), String::new()),
        None => (
            event.event.properties.clone(),
            event.event.context_json.clone(),
        ),
    };
    stream::Event {
        event_id: event.event.event_id.clone(),
        name: event.event.name.clone(),
        properties,
        context_json,
        traits: std::mem::take(&mut own.group.traits),
        sent_time_ms: event.event.sent_time_ms,
        sender_time_ms: event.event.sender_time_ms,
        fragment_id: id_bytes(resolution.fragment.into()),
        joined_ids: joined.collect::<Vec<u8>>().into(),
        graph_epoch: match is_own && resolution.merged.is_empty() {
            true => 0,
            false => own.epoch,
        },
        member_id: member.map(|(it, _)| id_bytes(it)).unwrap_or_default(),
        member_fragment_id: apart.map(|(_, it)| id_bytes(it.into())).unwrap_or_default(),
        ..stream::Event::default()
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
