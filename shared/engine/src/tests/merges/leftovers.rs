//! Nothing of a merge is left once everything is quiet.

use decision::Core;
use hot::{Commit, StateWrite, Timer};
use kernel::CustomerId;

use super::super::ledger::Ledger;
use super::records::{customer, number};
use super::world::World;
use crate::head;

impl World {
    /// Removes a part of what the first service has of a customer.
    pub(super) async fn lose_a_part(&self, who: u16) {
        let slot = self.slot_of(0, customer(who));
        let states = self.memory.states(slot);
        let is_theirs = |key: &[u8]| key.len() > 16 && key[..16] == *customer(who).as_bytes();
        let lost = states.into_iter().find(|(key, _)| is_theirs(key));
        let opened = self.hot.open(slot, 1_000).await.expect("it opens");
        let commit = Commit {
            epoch: 1_000,
            seq: opened.commit_seq + 1,
            batch_id: 9,
            states: vec![StateWrite {
                key: lost.expect("a part").0,
                value: None,
                timer: Timer::NONE,
                adds_entry: false,
            }],
            ..Commit::default()
        };
        self.hot.commit(slot, &commit).await.expect("it commits");
        self.skip_epochs(2_000);
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
                assert!(head.is_quiet(), "{head:?}");
                let parts = <Ledger>::part_keys(&book).into_iter();
                listed.extend(parts.map(|part| part.of_customer(customer)));
            }
            let parts = states.iter().map(|(key, _)| key);
            let parts = parts.filter(|key| key.len() > 16 && !listed.contains(*key));
            strays.extend(parts.map(|key| format!("{slot:?} {key:?}")));
        }
        strays
    }

    /// The customers who wait for others, or whose states are on their way.
    pub(super) async fn waiting_customers(&self) -> Vec<String> {
        let mut waiting = Vec::new();
        for slot in self.slots() {
            let states = self.memory.states(slot).into_iter();
            for (key, stored) in states.filter(|(key, _)| key.len() == 16) {
                let (head, _) = head::read::<Ledger>(&stored.value).expect("a value");
                if !head.is_quiet() {
                    let who = number(CustomerId::try_from_bytes(&key).expect("a customer"));
                    let arriving: Vec<u16> =
                        head.arriving.iter().map(|it| number(it.from)).collect();
                    let leaving = head.leaving.as_ref().map(|it| it.is_sending());
                    let awaited = head.waiting.as_ref().map(|it| {
                        let awaited = it.awaited.iter().map(|it| number(*it));
                        (awaited.collect::<Vec<u16>>(), it.next - it.first)
                    });
                    let into = head.redirect.map(number);
                    waiting.push(format!(
                        "{slot:?} {who}: into {into:?}, {arriving:?} arrive, leaves {leaving:?}, waits for {awaited:?}"
                    ));
                }
            }
        }
        waiting
    }
}
