//! Names: the places and instants that they stand for, and what is said of those that stand for
//! nothing.

use kernel::read_path;

use super::Checker;
use crate::ast::NodeId;
use crate::mistake::{did_you_mean, quote};
use crate::program::{Place, Time, Typed};
use crate::term::What;

/// The names that may begin an operand.
const ROOTS: [&str; 7] = [
    "profile",
    "event",
    "events",
    "segments",
    "now",
    "first_seen",
    "last_seen",
];

impl Checker<'_> {
    pub(super) fn path(&mut self, id: NodeId, root: &str, rest: Option<&str>) -> Typed {
        if let Some(place) = self.place(id, root, rest) {
            self.show(id, What::Place(place.clone()));
            return Typed::Place(place);
        }
        let time = match (root, rest) {
            ("profile" | "event", _) => return Typed::Error,
            ("now", None) => Time::Now,
            ("first_seen", None) => Time::FirstSeen,
            ("last_seen", None) => Time::LastSeen,
            _ => {
                self.unknown_name(id, root, rest);
                return Typed::Error;
            }
        };
        if !self.scope.aggregates || self.filter.is_some() {
            self.mistake(
                id,
                format!("`{root}` is not known here: it belongs into the condition of a segment"),
            );
            return Typed::Error;
        }
        if !matches!(time, Time::Now) {
            self.reads.seen = true;
        }
        self.show(id, What::Instant(time.clone()));
        Typed::Instant(time)
    }

    /// The place that a path names, where its root is `profile` or `event`; reports what is wrong
    /// with it.
    pub(crate) fn place(&mut self, id: NodeId, root: &str, rest: Option<&str>) -> Option<Place> {
        let is_event = match root {
            "profile" => false,
            "event" => true,
            _ => return None,
        };
        let Some(rest) = rest else {
            self.mistake(id, format!("`{root}` needs a field, such as `{root}.plan`"));
            return None;
        };
        let known = match (is_event, &self.filter) {
            (true, Some(_)) => true,
            (true, None) => self.scope.event,
            (false, filter) => filter.is_none(),
        };
        if !known {
            let hint = if is_event {
                "there is no event at hand: use events(\"name\") and its where(…)"
            } else {
                "inside where(…) only `event.…`, the past event, is known"
            };
            self.mistake(id, format!("`{root}` is not known here: {hint}"));
            return None;
        }
        let rest = match read_path(rest) {
            Ok(path) => path,
            Err(fault) => {
                self.mistake(id, format!("{} {fault}", quote(rest)));
                return None;
            }
        };
        match (&mut self.filter, is_event) {
            (Some(properties), _) => properties.push(rest.as_ref().into()),
            (None, true) => {
                self.reads.properties.insert(rest.as_ref().into());
            }
            (None, false) => {
                self.reads.traits.insert(rest.as_ref().into());
            }
        }
        Some(Place {
            is_event,
            name: rest.as_ref().into(),
        })
    }

    fn unknown_name(&mut self, id: NodeId, root: &str, rest: Option<&str>) {
        let message = match root {
            "null" => {
                "there is no null: has(profile.name) tells whether a value is known".to_owned()
            }
            "segments" => "`segments` is used as segments.has(\"name\")".to_owned(),
            "events" => "`events` is used as events(\"name\").count()".to_owned(),
            _ => {
                let mut hint = did_you_mean(root, ROOTS);
                if hint.is_empty() {
                    hint = match rest {
                        None => {
                            format!(": a text is written in quotes, a trait as `profile.{root}`")
                        }
                        Some(rest) => format!(": a trait is written as `profile.{root}.{rest}`"),
                    };
                }
                let hint: String = hint.chars().take(160).collect();
                format!("unknown name {}{hint}", quote(root))
            }
        };
        self.mistake(id, message);
    }
}
