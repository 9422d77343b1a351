//! Columns that are found by their usual names, where nobody says what they mean.

use super::{Finding, Use};

/// The usual names, the surest first. Case and the signs between words do not count.
pub(super) const TIMES: [&str; 8] = [
    "timestamp",
    "time",
    "event_time",
    "event_timestamp",
    "occurred_at",
    "datetime",
    "date_time",
    "date",
];
pub(super) const EVENTS: [&str; 3] = ["event", "event_name", "event_type"];
const EVENT_IDS: [&str; 2] = ["event_id", "message_id"];
pub(super) const IDENTIFIERS: [(&str, &[&str]); 3] = [
    ("user_id", &["customer_id", "user_id", "customer", "user"]),
    (EMAIL, &["email", "email_address"]),
    ("anonymous_id", &["anonymous_id", "user_pseudo_id"]),
];
/// Names that the calls of tracking libraries have.
const CALLS: [&str; 3] = ["messageId", "anonymousId", "userId"];
/// The namespace whose values are a trait too, because templates and segments read it.
const EMAIL: &str = "email";

impl Finding<'_> {
    /// Finds what the mapping does not say by the usual names.
    pub(super) fn take_usual(&mut self) {
        let mapping = self.mapping;
        if mapping.time.is_none() {
            self.fill(&TIMES, [Use::Time]);
        }
        let is_named = mapping.event.is_some() || mapping.event_name.is_some();
        if !is_named {
            self.fill(&EVENTS, [Use::Event]);
        }
        if mapping.event_id.is_none() {
            self.fill(&EVENT_IDS, [Use::EventId]);
        }
        if self.is_json {
            self.fill(&["identifiers"], [Use::Identifiers]);
            self.fill(&["traits"], [Use::Traits]);
            self.fill(&["groups"], [Use::Groups]);
            self.fill(&["group_traits"], [Use::GroupTraits]);
            self.fill(&["properties"], [Use::Properties]);
            self.fill(&["context"], [Use::Context]);
            if !is_named && !self.has(&Use::Event) {
                // The calls of tracking libraries have a type, and some of them a name of a page.
                let is_call = CALLS.iter().any(|name| self.place(name).is_some());
                let names = if is_call {
                    ["type", "name"]
                } else {
                    ["name", "type"]
                };
                self.fill(&names, [Use::Event]);
            }
        }
        if mapping.identifiers.is_empty() {
            for (namespace, names) in IDENTIFIERS {
                let identifier = Use::Identifier(namespace.to_owned());
                match namespace {
                    EMAIL => self.fill(names, [identifier, Use::Address(EMAIL.to_owned())]),
                    _ => self.fill(names, [identifier]),
                }
            }
        }
    }

    /// Gives uses to the first free column of some names: one that is written so, else one that
    /// differs in case or the signs between words.
    fn fill<const N: usize>(&mut self, names: &[&str], uses: [Use; N]) {
        let free = |place: &usize| self.uses[*place].is_none();
        let exact = || names.iter().filter_map(|name| self.place(name)).find(free);
        let similar = || {
            names.iter().find_map(|name| {
                let name = letters(name);
                let mut places = 0..self.names.len();
                places.find(|place| free(place) && letters(&self.names[*place]) == name)
            })
        };
        if let Some(place) = exact().or_else(similar) {
            self.uses[place] = Some(uses.into());
        }
    }
}

/// Returns a name without case and the signs between its words.
fn letters(name: &str) -> String {
    let letters = name.chars().filter(|sign| sign.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}
