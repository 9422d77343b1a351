//! The names that definitions may refer to, and which one was probably meant.

use std::collections::BTreeSet;
use std::sync::Arc;

use decision::{Mistakes, Names};
use expr::Conditions;
use kernel::nearest;

/// The names that definitions may refer to, and the conditions that are compiled already.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    pub(crate) names: &'a Names,
    pub(crate) conditions: &'a mut Conditions,
    /// The conditions of the set before.
    pub(crate) last: &'a Conditions,
}

/// Adds a mistake where a name is not among those that exist.
pub(crate) fn check_exists(
    mistakes: &mut Mistakes,
    path: &str,
    what: &str,
    name: &str,
    existing: Option<&Arc<BTreeSet<String>>>,
) {
    if let Some(existing) = existing
        && !existing.contains(name)
    {
        mistakes.add(
            path,
            unknown(what, name, existing.iter().map(String::as_str)),
        );
    }
}

/// Says that a name is not known, and which one was probably meant.
pub(crate) fn unknown<'a>(
    what: &str,
    name: &str,
    existing: impl Iterator<Item = &'a str> + Clone,
) -> String {
    match nearest(name, existing.clone()) {
        Some(meant) => format!("no {what} is named `{name}`: did you mean `{meant}`?"),
        None => {
            let known: Vec<&str> = existing.take(10).collect();
            if known.is_empty() {
                format!("no {what} is named `{name}`, and none is defined: define it first")
            } else {
                format!(
                    "no {what} is named `{name}`: there are {}",
                    known.join(", ")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_suggested() {
        for (name, existing, expected) in [
            (
                "shopers",
                vec!["shoppers", "lapsing"],
                "no segment is named `shopers`: did you mean `shoppers`?",
            ),
            (
                "vip",
                vec!["shoppers", "lapsing"],
                "no segment is named `vip`: there are shoppers, lapsing",
            ),
            (
                "vip",
                vec![],
                "no segment is named `vip`, and none is defined: define it first",
            ),
        ] {
            assert_eq!(unknown("segment", name, existing.into_iter()), expected);
        }
    }
}
