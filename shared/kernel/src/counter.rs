//! The name of a counter.

use std::collections::BTreeMap;
use std::fmt;

/// Names a counter of a service in a partition: the group that it belongs to, and which one of that
/// group.
///
/// Cores write groups as `kind/definition[/version]`, and names as `what/detail`. Each core has one
/// type for its counters, which makes these keys and reads them back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey {
    /// The counters that go together, such as those of one version of a definition:
    /// `journey/welcome/3`.
    pub group: Box<str>,
    /// The name of the counter, unique within the group.
    pub name: Box<str>,
}

impl CounterKey {
    /// Names a counter.
    pub fn new(group: impl Into<Box<str>>, name: impl Into<Box<str>>) -> Self {
        Self {
            group: group.into(),
            name: name.into(),
        }
    }

    /// Sorts counters into their groups; within a group they keep their order.
    pub fn by_group(counters: &[(Self, i64)]) -> BTreeMap<&str, Vec<(&str, i64)>> {
        let mut groups: BTreeMap<&str, Vec<(&str, i64)>> = BTreeMap::new();
        for (key, value) in counters {
            let group = groups.entry(&key.group).or_default();
            group.push((&key.name, *value));
        }
        groups
    }
}

impl fmt::Display for CounterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.name)
    }
}
