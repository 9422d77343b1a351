//! Two texts as a unified diff.

use similar::TextDiff;

/// Lines around a change that are shown too.
const CONTEXT: usize = 3;

/// Returns the difference of two texts by lines, under their names; empty where the lines are
/// equal.
pub(crate) fn unified_diff(old_name: &str, old: &str, new_name: &str, new: &str) -> String {
    // Lines without their ends, so that a text without a last newline has the same last line.
    let old: Vec<&str> = old.lines().collect();
    let new: Vec<&str> = new.lines().collect();
    TextDiff::from_slices(&old, &new)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(old_name, new_name)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str, expected: &str) {
        assert_eq!(unified_diff("a", old, "b", new), expected);
    }

    #[test]
    fn equal_texts_have_no_difference() {
        check("x\ny\n", "x\ny\n", "");
        check("x\ny", "x\ny\n", "");
    }

    #[test]
    fn a_new_text_is_all_added() {
        check("", "x\ny\n", "--- a\n+++ b\n@@ -0,0 +1,2 @@\n+x\n+y\n");
    }

    #[test]
    fn a_text_without_a_last_newline_is_shown_by_its_lines() {
        check(
            "x\ny",
            "x\nz\n",
            "--- a\n+++ b\n@@ -1,2 +1,2 @@\n x\n-y\n+z\n",
        );
    }

    #[test]
    fn changes_have_three_lines_of_context() {
        check(
            "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
            "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
            "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n",
        );
    }

    #[test]
    fn distant_changes_are_shown_apart() {
        let old: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
        let mut new = old.clone();
        new[0] = "one".to_owned();
        new.remove(19);
        let diff = unified_diff("a", &old.join("\n"), "b", &new.join("\n"));
        assert_eq!(diff.matches("@@ -").count(), 2);
        assert!(diff.contains("@@ -17,4 +17,3 @@"));
    }

    #[test]
    fn large_texts_that_share_little_are_compared_in_little_time() {
        let lines =
            |word: &str| -> String { (0..100_000).map(|n| format!("{word} {n}\n")).collect() };
        let diff = unified_diff("a", &lines("old"), "b", &lines("new"));
        assert_eq!(diff.lines().count(), 3 + 200_000);
    }
}
