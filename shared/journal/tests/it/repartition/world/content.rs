//! The content of a world as a recovery finds it, wherever it is.

use std::collections::BTreeMap;

use bytes::Bytes;
use hot::{
    CounterKey, Cursor, HotStore as _, MemoryStore, Owner, RestorableStore as _, Slot, StateKey,
    StreamId, StreamName,
};
use kernel::{CustomerId, Timestamp};
use messages::stream::v1::{Batch, Record};
use prost::Message as _;

use super::{OWNERS, World, started};

/// The records of one customer that wait in a stream.
type Lane = (StreamName, Vec<u8>);

/// All that a recovery finds, wherever it is.
pub(in super::super) struct Content {
    pub(in super::super) states: BTreeMap<(Owner, StateKey), (Bytes, Option<Timestamp>)>,
    pub(in super::super) counters: BTreeMap<(Owner, CounterKey), i64>,
    pub(in super::super) waiting: BTreeMap<Lane, Vec<Record>>,
}

impl Content {
    pub(in super::super) fn customers(&self, owner: Owner) -> u64 {
        let states = self.states.keys();
        states
            .filter(|(of, key)| *of == owner && key.len() == 16)
            .count() as u64
    }
}

impl Content {
    fn wait(&mut self, stream: StreamName, records: impl IntoIterator<Item = Record>) {
        for record in records {
            let lane = (stream, record.customer_id.to_vec());
            self.waiting.entry(lane).or_default().push(record);
        }
    }
}

impl World {
    /// Recovers all partitions into an empty store, and reads all of it, with what is on its way.
    pub(in super::super) async fn recovered_content(&self) -> Content {
        let (store, hot) = started(&self.log, self.count).await;
        for partition in self.count.iter() {
            store.recover(partition).await.expect("recovers");
        }
        let slots: Vec<Slot> = OWNERS
            .into_iter()
            .flat_map(|owner| {
                self.count
                    .iter()
                    .map(move |partition| Slot { owner, partition })
            })
            .collect();
        let mut content = self.read_content(&hot, &slots).await;
        for slot in slots {
            let head = hot.head(slot).await.expect("reads");
            let messages = hot.outbox(slot, head.forwarded_seq, usize::MAX).await;
            for outgoing in messages.expect("reads") {
                let message = outgoing.message;
                let batch = Batch::decode(message.payload).expect("a batch");
                let sources = hot.sources(message.to).await.expect("reads");
                let mut taken = sources
                    .iter()
                    .filter(|(source, _)| **source == slot.source());
                if taken
                    .next()
                    .is_none_or(|(_, mark)| *mark < batch.message_number)
                {
                    content.wait(message.to.name, batch.records);
                }
            }
        }
        content
    }

    async fn read_content(&self, hot: &MemoryStore, slots: &[Slot]) -> Content {
        let mut content = Content {
            states: BTreeMap::new(),
            counters: BTreeMap::new(),
            waiting: BTreeMap::new(),
        };
        for slot in slots {
            for (key, stored) in hot.states(*slot) {
                let id = CustomerId::try_from_bytes(&key[..16]).expect("a customer");
                assert_eq!(self.count.partition_of(id.fragment()), slot.partition);
                let before = content
                    .states
                    .insert((slot.owner, key), (stored.value, stored.timer.due));
                assert!(before.is_none(), "a state is in two partitions");
            }
            let groups = hot.counter_groups(*slot).await.expect("reads");
            let groups: Vec<&str> = groups.iter().map(|group| &**group).collect();
            for (key, value) in hot.counters(*slot, &groups).await.expect("reads") {
                *content.counters.entry((slot.owner, key)).or_default() += value;
            }
            let head = hot.head(*slot).await.expect("reads");
            for name in StreamName::ALL
                .into_iter()
                .filter(|it| it.reader() == slot.owner)
            {
                let stream = StreamId {
                    name,
                    partition: slot.partition,
                };
                let entries = hot.poll(stream, Cursor::START, usize::MAX).await;
                let part = head.marks(name).part;
                for (at, entry) in entries.expect("reads").into_iter().enumerate() {
                    let done = part.filter(|part| at == 0 && part.origin == entry.origin);
                    let done = done.map_or(0, |part| usize::try_from(part.index).expect("small"));
                    let batch = Batch::decode(entry.payload).expect("a batch");
                    content.wait(name, batch.records.into_iter().skip(done));
                }
            }
        }
        content.counters.retain(|_, value| *value != 0);
        content
    }
}
