//! Columns that nobody could tell apart.

use std::collections::BTreeMap;

use kernel::fold_case;

use super::{Faults, Finding, Use};

impl Finding<'_> {
    /// Reports columns of one name, and values of one object that differ in case or form alone,
    /// because people could not tell them apart.
    pub(super) fn check_apart(&mut self) {
        if self.is_json {
            return;
        }
        let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
        let mut by_use: BTreeMap<(u8, String), usize> = BTreeMap::new();
        let mut faults = Faults::new();
        for (place, (name, uses)) in self.names.iter().zip(&self.uses).enumerate() {
            let uses = uses.as_deref().unwrap_or_default();
            if uses.is_empty() {
                continue;
            }
            if let Some(first) = by_name.insert(name, place) {
                let (one, other) = (first + 1, place + 1);
                let reason = format!(
                    "is the name of columns {one} and {other}: rename one, or leave one out with --ignore-column '#{other}'"
                );
                faults.push((name.clone(), reason));
                continue;
            }
            for of_column in uses {
                let key = match of_column {
                    Use::Trait(key) => (0, fold_case(key)),
                    Use::Property(key) => (1, fold_case(key)),
                    Use::GroupTrait(r#type, key) => (2, fold_case(&format!("{type}.{key}"))),
                    _ => continue,
                };
                let Some(first) = by_use.insert(key, place).filter(|first| *first != place) else {
                    continue;
                };
                let (one, other) = (first + 1, place + 1);
                let reason = format!(
                    "column {other} and `{}`, column {one}, become one name but for case or the form of characters: rename one, or leave one out with --ignore-column '#{other}'",
                    self.names[first]
                );
                faults.push((name.clone(), reason));
            }
        }
        self.faults.extend(faults);
    }
}
