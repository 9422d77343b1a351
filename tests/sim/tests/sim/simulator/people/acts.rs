//! The records that the lines of a scenario send.

use kernel::Timestamp;
use proto::stream::v1::ConsentChange;

use super::{People, Seen, customer};
use crate::script::{Act, Happening};
use crate::simulator::post::Letter;

impl People {
    /// Returns the letters that a line sends, in order; `now` is the time of those that tell none.
    /// A line that is of no customer sends nothing.
    pub(crate) fn letters(&mut self, act: &Act, now: Timestamp) -> Vec<Letter> {
        match act {
            Act::Happen { time, event } => self.happen(*time, event),
            Act::Pick {
                time,
                name,
                buckets,
                salt,
            } => {
                self.pick(buckets, salt);
                let event = Happening {
                    identifiers: vec![("user_id".to_owned(), name.clone())],
                    name: "picked".to_owned(),
                    id: String::new(),
                    properties: Vec::new(),
                    traits: Vec::new(),
                };
                self.happen(*time, &event)
            }
            Act::Merge(names) => self.join(names, now),
            Act::Consent {
                name,
                purpose,
                channel,
                granted,
            } => {
                let consent = ConsentChange {
                    purpose: purpose.clone(),
                    channel: channel.clone(),
                    granted: *granted,
                    source: "scenario".to_owned(),
                };
                let customer = self
                    .find(name)
                    .expect("the scenario introduces everybody before");
                vec![self.consent(customer, now, consent)]
            }
            Act::Define(_) | Act::Advance(_) | Act::Ask(_) => Vec::new(),
        }
    }

    fn happen(&mut self, time: Timestamp, event: &Happening) -> Vec<Letter> {
        let seen = Seen {
            identifiers: event.identifiers.clone(),
            name: event.name.clone(),
            id: event.id.clone(),
            properties: event.properties.clone(),
            traits: event.traits.clone(),
        };
        self.take(seen, time, None)
    }

    /// Has the next customer be one whose bucket in a split lies in a range.
    fn pick(&mut self, buckets: &std::ops::Range<u64>, salt: &str) {
        while !buckets.contains(&crate::driver::bucket(
            salt,
            &customer(self.next()).to_string(),
        )) {
            self.skip();
        }
    }

    fn join(&mut self, names: &[String], now: Timestamp) -> Vec<Letter> {
        let mut ids: Vec<_> = names.iter().filter_map(|name| self.find(name)).collect();
        ids.sort_unstable();
        let losers = ids[1..].iter();
        let letters = losers.flat_map(|loser| {
            [
                self.awaited(*loser, ids[0], now),
                self.merge(*loser, ids[0], now),
            ]
        });
        letters.collect()
    }
}
