//! The traits that have other values than before, as facts tell them.

use kernel::Value;
use messages::convert;
use messages::stream::v1::{RemovedTrait, SetTrait};

use super::said::Said;

/// The traits that have other values than before, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TraitChanges {
    /// Those that have a new value.
    pub(crate) set: Vec<SetTrait>,
    /// Those that have none any more.
    pub(crate) removed: Vec<RemovedTrait>,
    /// The number of those that found no room.
    pub(crate) left_out: i64,
}

impl TraitChanges {
    /// The paths.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let set = self.set.iter().map(|it| it.name.as_str());
        set.chain(self.removed.iter().map(|it| it.name.as_str()))
    }

    /// Notes what of a trait becomes other than it was. Values are by name.
    pub(super) fn note(&mut self, before: &[(Box<str>, Value)], said: &Said) {
        let time_ms = said.stamp().time.as_millis();
        let known = |name: &str| before.binary_search_by(|(own, _)| own.as_ref().cmp(name));
        for (name, value) in said.content().values() {
            if known(name).is_ok_and(|place| before[place].1 == *value) {
                continue;
            }
            self.set.push(SetTrait {
                name: name.to_string(),
                value: Some(convert::stream_value(value)),
                set_time_ms: time_ms,
            });
        }
        let gone = before.iter().filter(|(name, _)| said.value(name).is_none());
        self.removed.extend(gone.map(|(name, _)| RemovedTrait {
            name: name.to_string(),
            remove_time_ms: time_ms,
        }));
    }

    pub(super) fn sort(&mut self) {
        self.set.sort_by(|one, other| one.name.cmp(&other.name));
        self.removed.sort_by(|one, other| one.name.cmp(&other.name));
    }
}
