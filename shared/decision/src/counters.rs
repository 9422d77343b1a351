//! Counters that do not stay: those of definitions that are gone, and names beyond a bound.

use std::collections::BTreeSet;

use kernel::CounterKey;

use crate::Core;

/// A group of counters whose names come from outside, and so are as many as somebody sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoundedCounters {
    /// The group.
    pub group: &'static str,
    /// Names that a partition counts one by one: those that it meets first.
    pub names: usize,
    /// The counter of the group that counts all other names together.
    pub other: &'static str,
}

/// Returns the groups of these counters, by name, that can be dropped: what they are of is gone,
/// and nothing of it is there any more.
pub fn gone_groups<'a, C: Core>(
    definitions: &C::Definitions,
    counters: impl IntoIterator<Item = (&'a CounterKey, i64)>,
) -> Vec<Box<str>> {
    let (mut gone, mut present) = (BTreeSet::new(), BTreeSet::new());
    for (key, value) in counters {
        if C::is_gone(definitions, &key.group) {
            gone.insert(&*key.group);
            if value != 0 && C::counts_presence(key) {
                present.insert(&*key.group);
            }
        }
    }
    gone.difference(&present)
        .map(|group| Box::from(*group))
        .collect()
}
