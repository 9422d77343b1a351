//! What customers do in a run: chance decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use kernel::{Duration as Span, Timestamp};
use proto::stream::v1::ConsentChange;

use super::defined::another_order;
use super::{Kind, Run};
use crate::simulator::clock::BEGIN;
use crate::simulator::identity::Arrival;
use crate::simulator::people::Seen;

/// Events of a long history.
const REMEMBERED: u64 = 20_000;
/// How many of them a client sends at once.
const AT_ONCE: usize = 500;
/// How far apart they are: all of them take almost six days, and none is too old.
const APART_MS: i64 = 25_000;

/// Traits that a customer near the bounds may have: half as many again as are kept of one.
pub(super) const TRAITS: u64 = 300;
/// Traits that one event brings there. Some thirty events have more than there is room for.
const TRAITS_AT_ONCE: u64 = 3;
/// Characters of the longest of them.
pub(super) const LONGEST_TRAIT: u64 = 2_000;
/// Characters of the longest note of an event there: as long as one text may be, and twice what a
/// run keeps.
const LONGEST_NOTE: u64 = 8 * 1024;

impl Run {
    /// One customer has a long history before the others come and before anything goes wrong.
    pub(super) async fn remember(&mut self) {
        let last = i64::try_from(REMEMBERED).unwrap_or(i64::MAX);
        let times: Vec<_> = (0..last)
            .map(|number| BEGIN - Span::from_millis(APART_MS * (last - number)))
            .collect();
        for times in times.chunks(AT_ONCE) {
            let seen = Seen {
                identifiers: vec![user("customer-0".to_owned())],
                name: "visited".to_owned(),
                ..Seen::default()
            };
            let letter = self.people.take_often(seen, times);
            self.on.post.send(0, letter);
        }
        self.remembered = REMEMBERED;
        self.on.settle().await;
    }

    pub(super) fn now(&mut self) -> Timestamp {
        if self.on.shared.options.is_wall {
            let elapsed = self.on.world().started.elapsed().as_millis();
            return BEGIN + Span::from_millis(i64::try_from(elapsed).unwrap_or(i64::MAX));
        }
        let longest_ms = match self.kind {
            // So that much is under way at once.
            Kind::NearBounds => 3_000,
            Kind::Usual | Kind::LongHistory => 30_000,
        };
        let step_ms = i64::try_from(self.rng.below(longest_ms)).unwrap_or(0);
        self.stream_time = self.stream_time + Span::from_millis(step_ms);
        self.stream_time
    }

    /// Draws one of the customers.
    fn anybody(&mut self) -> String {
        let customers = match self.kind {
            Kind::NearBounds => 4,
            Kind::Usual | Kind::LongHistory => 8,
        };
        format!("customer-{}", self.rng.below(customers))
    }

    /// Some customer does something.
    pub(super) fn happen(&mut self) {
        let now = self.now();
        let who = self.anybody();
        let act = match self.kind {
            // Most of what they do are events, so that those who are merged have much.
            Kind::NearBounds if self.rng.hits(700) => 0,
            Kind::Usual | Kind::NearBounds | Kind::LongHistory => self.rng.below(100),
        };
        match act {
            0..60 => self.event(&who, now),
            60..70 => {
                // The same person on two devices: the event knows both.
                let identifiers = [who, self.anybody()].map(user);
                self.send("visited", identifiers.to_vec(), Vec::new(), now);
            }
            70..80 => self.consent(&who, now),
            80..90 => {
                if !self.on.shared.options.is_wall {
                    self.on.tick(now);
                }
            }
            _ => self.define(),
        }
    }

    /// Somebody changes a definition, perhaps to what only the newest program understands.
    fn define(&mut self) {
        let number = self.rng.between(2, 9);
        let shared = Arc::clone(&self.on.shared);
        let mut program = 0;
        let yaml = if shared.options.reads_late && self.rng.hits(600) {
            if self.rng.hits(500) {
                program = shared.program.load(Ordering::Relaxed);
            }
            another_order(self.kind, number)
        } else {
            format!(
                "segment: {{name: busy, expression: events(\"ordered\").within(\"4m\").count() >= {number}}}"
            )
        };
        self.on
            .world()
            .tell(format!("defined for program {program}: {yaml}"));
        shared.definitions().define_for(program, &yaml);
    }

    fn consent(&mut self, who: &str, now: Timestamp) {
        let granted = self.rng.hits(500);
        let known = match &self.on.shared.registry {
            Some(registry) => registry.find("user_id", who),
            None => self.people.find(who),
        };
        if let Some(customer) = known {
            let consent = ConsentChange {
                purpose: "marketing".to_owned(),
                channel: String::new(),
                granted,
                source: "simulation".to_owned(),
            };
            let letter = self.people.consent(customer, now, consent);
            self.on.post.send(0, letter);
        }
    }

    fn event(&mut self, who: &str, now: Timestamp) {
        let names = match self.kind {
            Kind::NearBounds => ["ordered", "ordered", "ordered", "ordered", "visited"],
            Kind::Usual | Kind::LongHistory => {
                ["ordered", "ordered", "paid", "promised", "visited"]
            }
        };
        let name = *self.rng.pick(&names);
        let orders = self.orders.entry(who.to_owned()).or_default();
        let order = if name == "ordered" {
            *orders += 1;
            *orders
        } else {
            // An order of the past, or one that is still to come.
            u32::try_from(self.rng.below(u64::from(*orders) + 1)).unwrap_or(0)
        };
        let properties = vec![("order_id".to_owned(), format!("{who}/{order}"))];
        let late = Span::from_millis(i64::try_from(self.rng.below(90_000)).unwrap_or(0));
        let time = if self.rng.hits(150) { now - late } else { now };
        self.send(name, vec![user(who.to_owned())], properties, time);
    }

    fn send(
        &mut self,
        name: &'static str,
        identifiers: Vec<(String, String)>,
        mut properties: Vec<(String, String)>,
        time: Timestamp,
    ) {
        self.events.push(name);
        let number = self.events.len() as u64;
        properties.push(("n".to_owned(), number.to_string()));
        let mut traits = BTreeMap::from([("newest".to_owned(), number.to_string())]);
        if self.kind == Kind::NearBounds {
            properties.push(("note".to_owned(), self.text(LONGEST_NOTE)));
            for _ in 0..TRAITS_AT_ONCE {
                let name = format!("trait-{}", self.rng.below(TRAITS));
                traits.insert(name, self.text(LONGEST_TRAIT));
            }
        }
        let seen = Seen {
            identifiers,
            name: name.to_owned(),
            // Without an id of their own, nothing hides that one counts twice.
            id: String::new(),
            properties,
            traits: traits.into_iter().collect(),
        };
        let sender = usize::try_from(self.rng.below(4)).unwrap_or(0);
        if self.on.shared.registry.is_some() {
            return self.tell_identity(sender, seen, number, time);
        }
        for letter in self.people.take(seen, time, Some(number)) {
            self.on.post.send(sender, letter);
        }
    }

    /// Sends an event through identity, with identifiers that say more or less of who it is: so
    /// that some join customers, and others come to limits.
    fn tell_identity(&mut self, sender: usize, mut seen: Seen, number: u64, time: Timestamp) {
        if self.rng.hits(250) {
            seen.identifiers.clear();
        }
        if self.rng.hits(350) {
            let email = format!("mail-{}@example.com", self.rng.below(10));
            seen.identifiers.push(("email".to_owned(), email));
        }
        if self.rng.hits(600) || seen.identifiers.is_empty() {
            let device = format!("device-{}", self.rng.below(14));
            seen.identifiers.push(("device".to_owned(), device));
        }
        let arrival = Arrival {
            number,
            event: seen.into_request(time),
            is_counted: self.rng.hits(500),
        };
        self.on.post.take_in(sender, arrival);
    }

    /// Draws a text: half of them are as long as one may be.
    fn text(&mut self, longest: u64) -> String {
        let length = if self.rng.hits(500) {
            longest
        } else {
            self.rng.between(1, longest)
        };
        "x".repeat(usize::try_from(length).unwrap_or(0))
    }
}

/// The identifier of a user.
fn user(name: String) -> (String, String) {
    ("user_id".to_owned(), name)
}
