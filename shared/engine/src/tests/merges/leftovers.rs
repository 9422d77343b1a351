//! Nothing of a merge is left once everything is quiet; and how what is stored goes bad, and good
//! again.

use decision::Core;
use hot::{Commit, Slot, StateKey, StateWrite, StreamId, StreamName, Timer};
use kernel::CustomerId;
use messages::stream::v1::QuarantineVerb;
use prost::encoding::decode_varint;

use super::super::ledger::Ledger;
use super::super::release::command;
use super::records::{customer, number};
use super::world::World;
use crate::head::id_bytes;
use crate::{Head, find_customer, head};

/// Returns whether no state is on its way to or from a customer, and none is lacked.
fn is_quiet(head: &Head) -> bool {
    head.is_settled(&[]) && !head.lacks_state()
}

impl World {
    /// Removes the first part of what the first service has of a customer.
    pub(super) async fn lose_a_part(&self, who: u16) {
        self.lose(who, |parts| parts.first().cloned()).await;
    }

    /// Removes the last one.
    pub(super) async fn lose_the_last_part(&self, who: u16) {
        self.lose(who, |parts| parts.last().cloned()).await;
    }

    async fn lose(&self, who: u16, which: impl FnOnce(&[StateKey]) -> Option<StateKey>) {
        let slot = self.slot_of(0, customer(who));
        let states = self.memory.states(slot);
        let is_theirs = |key: &StateKey| key.len() > 16 && key[..16] == *customer(who).as_bytes();
        let keys = states.into_iter().map(|(key, _)| key);
        let mut parts: Vec<_> = keys.filter(is_theirs).collect();
        parts.sort();
        self.write(
            slot,
            StateWrite {
                key: which(&parts).expect("a part"),
                value: None,
                timer: Timer::NONE,
                adds_entry: false,
            },
        )
        .await;
    }

    /// Writes what no service did.
    pub(super) async fn write(&self, slot: Slot, state: StateWrite) {
        let epoch = self.next_epoch();
        let opened = self.hot.open(slot, epoch).await.expect("it opens");
        let commit = Commit {
            epoch,
            seq: opened.commit_seq + 1,
            batch_id: epoch,
            states: vec![state],
            ..Commit::default()
        };
        self.hot.commit(slot, &commit).await.expect("it commits");
    }

    /// Returns the value that a service has of a customer.
    pub(super) async fn stored(&self, service: usize, who: u16) -> StateWrite {
        let slot = self.slot_of(service, customer(who));
        let key = id_bytes(customer(who));
        let loaded = self.hot.load(slot, std::slice::from_ref(&key)).await;
        let stored = loaded.expect("it loads").into_iter().next().flatten();
        let stored = stored.expect("a value");
        StateWrite {
            key,
            value: Some(stored.value),
            timer: stored.timer,
            adds_entry: false,
        }
    }

    /// Makes what a service has of a customer unreadable, but for the head. Returns what it was.
    pub(super) async fn spoil(&self, service: usize, who: u16) -> StateWrite {
        let was = self.stored(service, who).await;
        let value = was.value.clone().expect("a value");
        let mut rest = &value[1..];
        let head = decode_varint(&mut rest).expect("a length");
        let head = usize::try_from(head).expect("a length");
        let mut value = value[..value.len() - rest.len() + head].to_vec();
        value.extend_from_slice(b"no state");
        self.replace(service, who, &was, value).await;
        was
    }

    /// The same, with the head.
    pub(super) async fn ruin(&self, service: usize, who: u16) -> StateWrite {
        let was = self.stored(service, who).await;
        self.replace(service, who, &was, b"nothing".to_vec()).await;
        was
    }

    async fn replace(&self, service: usize, who: u16, was: &StateWrite, value: Vec<u8>) {
        let slot = self.slot_of(service, customer(who));
        let spoiled = StateWrite {
            value: Some(value.into()),
            ..was.clone()
        };
        self.write(slot, spoiled).await;
    }

    /// Tries everything again that was set aside.
    pub(super) async fn retry_all(&self) {
        for slot in self.slots() {
            let page = crate::quarantine::read(self.hot.as_ref(), slot, None).await;
            for entry in page.expect("a page") {
                let to = StreamId {
                    name: StreamName::commands_of(slot.owner).expect("a stream of commands"),
                    partition: slot.partition,
                };
                let retry = command(QuarantineVerb::Retry, entry.id);
                self.append(to, retry).await;
            }
        }
    }

    /// Everything that is stored and that no head lists: a part that was left behind.
    pub(super) async fn strays(&self) -> Vec<String> {
        let mut strays = Vec::new();
        for slot in self.slots() {
            let states = self.memory.states(slot);
            let heads = states.iter().filter(|(key, _)| key.len() == 16);
            let mut listed = std::collections::BTreeSet::new();
            for (key, stored) in heads {
                let customer = CustomerId::try_from_bytes(key).expect("a customer");
                let (head, book) = head::read::<Ledger>(&stored.value).expect("a value");
                assert!(is_quiet(&head), "{head:?}");
                let parts = <Ledger>::part_keys(&book).into_iter();
                listed.extend(parts.map(|part| part.of_customer(customer)));
            }
            let parts = states.iter().map(|(key, _)| key);
            let parts = parts.filter(|key| key.len() > 16 && !listed.contains(*key));
            strays.extend(parts.map(|key| format!("{slot:?} {key:?}")));
        }
        strays
    }

    /// The id that a read by an id of a customer finds in a service.
    pub(super) async fn found(&self, service: usize, who: u16) -> u16 {
        let hot = self.hot.as_ref();
        let found = match service {
            0 => find_customer::<Ledger<0>>(hot, customer(who)).await,
            1 => find_customer::<Ledger<1>>(hot, customer(who)).await,
            _ => find_customer::<Ledger<2>>(hot, customer(who)).await,
        };
        number(found.expect("a customer").customer)
    }

    /// The customers who wait for others, or whose states are on their way.
    pub(super) async fn waiting_customers(&self) -> Vec<String> {
        let mut waiting = Vec::new();
        for slot in self.slots() {
            let states = self.memory.states(slot).into_iter();
            for (key, stored) in states.filter(|(key, _)| key.len() == 16) {
                let (head, _) = head::read::<Ledger>(&stored.value).expect("a value");
                if !is_quiet(&head) {
                    let who = number(CustomerId::try_from_bytes(&key).expect("a customer"));
                    let arriving: Vec<u16> =
                        head.arriving.iter().map(|it| number(it.from)).collect();
                    let leaving = head.leaving.as_ref().map(|it| it.is_sending());
                    let awaited = head.waiting.as_ref().map(|it| {
                        let awaited = it.awaited.iter().map(|it| number(*it));
                        (awaited.collect::<Vec<u16>>(), it.next - it.first)
                    });
                    let into = head.redirect.map(number);
                    let back = head.is_splitting();
                    waiting.push(format!(
                        "{slot:?} {who}: into {into:?}, {arriving:?} arrive, leaves {leaving:?}, is apart {back}, waits for {awaited:?}"
                    ));
                }
            }
        }
        waiting
    }
}
