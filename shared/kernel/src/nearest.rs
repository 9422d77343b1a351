//! "Did you mean": which known name is nearest to a wrong one.

use crate::limits::COMPARED_NAME_CHARS;

/// Returns the known name that was probably meant, or `None` where none is near, or the wrong one
/// is empty or very long.
///
/// 1. Case, dashes, underscores and spaces do not count.
/// 2. A name is near if at most a third of the characters of the longer one, rounded up, are to be
///    inserted, removed, replaced or swapped with their neighbour (optimal string alignment
///    distance).
/// 3. Of names that are equally near, the first is returned.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = significant(wrong)?;
    let length = wrong.chars().count();
    known
        .into_iter()
        .filter_map(|name| {
            let candidate = significant(name)?;
            let other = candidate.chars().count();
            let allowed = length.max(other).div_ceil(3);
            // A difference in length is a distance already, and costs nothing to see.
            if length.abs_diff(other) > allowed {
                return None;
            }
            let distance = strsim::osa_distance(&wrong, &candidate);
            (distance <= allowed).then_some((distance, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Returns what counts of a name, or `None` where that is nothing, or too much to be compared.
fn significant(name: &str) -> Option<String> {
    let text: String = name
        .chars()
        .filter(|character| !matches!(character, '_' | '-' | ' '))
        .map(|character| character.to_ascii_lowercase())
        .take(COMPARED_NAME_CHARS + 1)
        .collect();
    let is_comparable = !text.is_empty() && text.chars().count() <= COMPARED_NAME_CHARS;
    is_comparable.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_meant_is_found() {
        let known = [
            "profile",
            "events",
            "hot_store",
            "a",
            "pro",
            "REENTRY_NEVER",
            "größe",
        ];
        for (wrong, expected) in [
            ("profil", Some("profile")),
            ("evnts", Some("events")),
            // Neighbours that changed places are one mistake.
            ("por", Some("pro")),
            ("Hot-Stores", Some("hot_store")),
            ("reentrynever", Some("REENTRY_NEVER")),
            ("grösse", Some("größe")),
            ("b", Some("a")),
            ("zzzzzz", None),
            ("profile_of_a_customer", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong, known), expected, "{wrong}");
        }
    }

    #[test]
    fn a_third_of_the_characters_may_differ() {
        assert_eq!(nearest("abcxyz", ["abcdxx"]), None);
        assert_eq!(nearest("abcdxx", ["abcdef"]), Some("abcdef"));
        assert_eq!(nearest("abcdxxx", ["abcdefg"]), Some("abcdefg"));
    }

    #[test]
    fn the_first_of_equally_near_names_wins() {
        assert_eq!(nearest("cat", ["bat", "car", "rat"]), Some("bat"));
        assert_eq!(nearest("cat", ["bat", "cat"]), Some("cat"));
    }

    #[test]
    fn a_very_long_name_is_not_compared() {
        let long = "x".repeat(COMPARED_NAME_CHARS);
        assert_eq!(nearest(&long, [long.as_str()]), Some(long.as_str()));
        let longer = format!("{long}x");
        assert_eq!(nearest(&longer, [longer.as_str()]), None);
    }
}
