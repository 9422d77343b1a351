//! Two texts as a unified diff.

/// Lines around a change that are shown too.
const CONTEXT: usize = 3;
/// Beyond this many pairs of lines all lines are shown as replaced: a better answer is not worth the wait.
const MOST_PAIRS: usize = 16_000_000;

/// One line of the comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Removed(&'a str),
    Added(&'a str),
}

/// The difference of two texts under their names; empty where they are equal.
pub(crate) fn unified_diff(old_name: &str, old: &str, new_name: &str, new: &str) -> String {
    let old: Vec<&str> = old.lines().collect();
    let new: Vec<&str> = new.lines().collect();
    if old == new {
        return String::new();
    }
    let lines = compare(&old, &new);
    let mut text = format!("--- {old_name}\n+++ {new_name}\n");
    for (start, end) in hunks(&lines) {
        write_hunk(&mut text, &lines, start, end);
    }
    text
}

/// The shortest edit, by the longest common subsequence (Wagner and Fischer, 1974).
fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let width = new.len() + 1;
    if (old.len() + 1).saturating_mul(width) > MOST_PAIRS {
        let removed = old.iter().map(|line| Line::Removed(line));
        return removed
            .chain(new.iter().map(|line| Line::Added(line)))
            .collect();
    }
    // lengths[i * width + j] is the length for old[i..] and new[j..].
    let mut lengths = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i * width + j] = if old[i] == new[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len()
            || (i < old.len() && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1])
        {
            lines.push(Line::Removed(old[i]));
            i += 1;
        } else {
            lines.push(Line::Added(new[j]));
            j += 1;
        }
    }
    lines
}

/// The ranges of lines to show: changes with their context, joined where they touch.
fn hunks(lines: &[Line<'_>]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for (place, line) in lines.iter().enumerate() {
        if matches!(line, Line::Same(_)) {
            continue;
        }
        let (start, end) = (
            place.saturating_sub(CONTEXT),
            (place + 1 + CONTEXT).min(lines.len()),
        );
        match hunks.last_mut() {
            Some((_, last)) if start <= *last => *last = end,
            _ => hunks.push((start, end)),
        }
    }
    hunks
}

fn write_hunk(text: &mut String, lines: &[Line<'_>], start: usize, end: usize) {
    let count = |lines: &[Line<'_>], counts: fn(&Line<'_>) -> bool| {
        lines.iter().filter(|line| counts(line)).count()
    };
    let is_old = |line: &Line<'_>| !matches!(line, Line::Added(_));
    let is_new = |line: &Line<'_>| !matches!(line, Line::Removed(_));
    let (before, shown) = (&lines[..start], &lines[start..end]);
    let range = |counts: fn(&Line<'_>) -> bool| {
        let (skipped, length) = (count(before, counts), count(shown, counts));
        // An empty range names the line before it.
        let first = if length == 0 { skipped } else { skipped + 1 };
        format!("{first},{length}")
    };
    text.push_str(&format!("@@ -{} +{} @@\n", range(is_old), range(is_new)));
    for line in shown {
        let (sign, line) = match line {
            Line::Same(line) => (' ', line),
            Line::Removed(line) => ('-', line),
            Line::Added(line) => ('+', line),
        };
        text.push(sign);
        text.push_str(line);
        text.push('\n');
    }
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
    }

    #[test]
    fn a_new_text_is_all_added() {
        check("", "x\ny\n", "--- a\n+++ b\n@@ -0,0 +1,2 @@\n+x\n+y\n");
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
}
