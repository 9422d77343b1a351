//! Faults of a file, by their reasons.

use std::collections::HashMap;

use serde::Serialize;

use super::bad_line::BadLine;
use crate::limits::{FAULT_REASONS, LINES_PER_REASON};

/// Faults of one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct FaultGroup {
    /// The first of them, as it was told.
    pub(crate) reason: String,
    /// The number of lines that have it.
    pub(crate) count: u64,
    /// The first of these lines.
    pub(crate) lines: Vec<u64>,
}

/// Gathers faults. Reasons that differ in nothing but the values they quote are one.
#[derive(Debug, Default)]
pub(crate) struct FaultGroups {
    groups: Vec<FaultGroup>,
    places: HashMap<String, usize>,
    /// Faults that found no room.
    pub(crate) others: u64,
}

impl FaultGroups {
    /// Takes the faults of a line.
    pub(crate) fn take(&mut self, bad: &BadLine) {
        let first = (&bad.field, &bad.reason);
        let others = bad.others.iter().map(|(field, reason)| (field, reason));
        for (field, reason) in std::iter::once(first).chain(others) {
            self.add(bad.line, field, reason);
        }
    }

    fn add(&mut self, line: u64, field: &str, reason: &str) {
        let told = match field {
            "" => reason.to_owned(),
            field => format!("{field}: {reason}"),
        };
        let place = match self.places.get(&unquoted(&told)) {
            Some(place) => *place,
            None if self.groups.len() >= FAULT_REASONS => {
                self.others += 1;
                return;
            }
            None => {
                self.places.insert(unquoted(&told), self.groups.len());
                self.groups.push(FaultGroup {
                    reason: told,
                    count: 0,
                    lines: Vec::new(),
                });
                self.groups.len() - 1
            }
        };
        let group = &mut self.groups[place];
        group.count += 1;
        if group.lines.len() < LINES_PER_REASON {
            group.lines.push(line);
        }
    }

    /// Returns the groups, the most frequent first.
    pub(crate) fn into_groups(mut self) -> Vec<FaultGroup> {
        self.groups
            .sort_by_key(|group| std::cmp::Reverse(group.count));
        self.groups
    }
}

/// Returns a reason without the values that it quotes, and without numbers.
fn unquoted(reason: &str) -> String {
    let mut bare = String::with_capacity(reason.len());
    for (place, part) in reason.split('`').enumerate() {
        if place % 2 == 0 {
            bare.extend(part.chars().filter(|sign| !sign.is_ascii_digit()));
        } else {
            bare.push('`');
        }
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_values_are_one_with_its_first_lines() {
        let mut groups = FaultGroups::default();
        for line in 2..12 {
            let reason = format!("`day {line}` is no instant: expected 2017-01-01");
            let others = vec![("event".to_owned(), "is empty".to_owned())];
            let others = if line < 4 { others } else { Vec::new() };
            groups.take(&BadLine::new(line, "time", reason).with_others(others, 0));
        }
        let told: Vec<_> = groups.into_groups();
        assert_eq!(
            told[0].reason,
            "time: `day 2` is no instant: expected 2017-01-01"
        );
        assert_eq!(
            (told[0].count, told[0].lines.as_slice()),
            (10, &[2, 3, 4, 5, 6][..])
        );
        assert_eq!((told[1].count, told[1].lines.as_slice()), (2, &[2, 3][..]));
    }

    #[test]
    fn reasons_without_end_are_counted_only() {
        let mut groups = FaultGroups::default();
        for place in 0..1_000_u32 {
            let field: String = (0..place % 500).map(|_| 'a').collect();
            groups.take(&BadLine::new(2, field, "is wrong"));
        }
        assert_eq!(groups.others, 1_000 - 2 * FAULT_REASONS as u64);
        assert_eq!(groups.into_groups().len(), FAULT_REASONS);
    }
}
