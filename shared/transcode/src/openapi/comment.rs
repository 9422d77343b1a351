//! The comments of the contracts.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Comments by full name, as the build took them out of the descriptors.
static COMMENTS: LazyLock<HashMap<&str, String>> = LazyLock::new(|| {
    let text = include_str!(concat!(env!("OUT_DIR"), "/comments.txt"));
    let records = text.split('\u{1e}');
    records
        .filter_map(|record| record.split_once('\u{1f}'))
        .map(|(name, comment)| (name, joined(comment)))
        .collect()
});

/// The comment of an element of the contracts; empty where it has none.
pub(super) fn of(full_name: &str) -> &'static str {
    COMMENTS.get(full_name).map_or("", String::as_str)
}

/// The first sentence of a comment, without its full stop.
pub(super) fn summary(comment: &str) -> &str {
    let paragraph = comment.split("\n\n").next().unwrap_or_default();
    let end = paragraph.find(". ").unwrap_or(paragraph.len());
    paragraph[..end].trim_end_matches('.')
}

/// Joins the lines of each paragraph, which are broken for the width of a file. What is no plain
/// text, such as a list, keeps its lines.
fn joined(comment: &str) -> String {
    let lines: Vec<&str> = comment
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .collect();
    let mut text = String::new();
    for (place, line) in lines.iter().enumerate() {
        if place > 0 {
            let begins = line.starts_with(['-', '*', '#', '|', ' ', '`'])
                || line.starts_with(|letter: char| letter.is_ascii_digit());
            let ends = lines[place - 1].starts_with('#');
            let is_break = line.is_empty() || lines[place - 1].is_empty() || begins || ends;
            text.push(if is_break { '\n' } else { ' ' });
        }
        text.push_str(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_of_all_kinds_are_found() {
        for name in [
            "happypath.identity.v1.IdentityService",
            "happypath.identity.v1.IdentityService.Ingest",
            "happypath.identity.v1.Event",
            "happypath.gateway.v1.DeadLetter.is_cut",
            "happypath.definition.v1.DefinitionKind",
            "happypath.definition.v1.DefinitionKind.DEFINITION_KIND_SEGMENT",
        ] {
            assert_ne!(of(name), "", "{name}");
        }
    }

    #[test]
    fn paragraphs_are_joined_and_summed_up() {
        assert_eq!(joined("a\n b\n\n c\n - d"), "a b\n\nc\n- d");
        assert_eq!(summary("One thing. Another."), "One thing");
        assert_eq!(summary("One thing.\n\nAnother."), "One thing");
    }
}
