//! One file at a time: its size, its name, its first line, what it silences, what it leaves to do.

use super::assert_none;
use super::source::{Source, words};

/// Lines of the longest file: beyond it a reader scrolls more than reads.
const LINES: usize = 400;
/// Names that say where a thing was put and not what it is.
const NO_NAMES: [&str; 8] = [
    "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils",
];
/// Words of the shortest reason that a stranger understands.
const REASON_WORDS: usize = 5;

/// Lists what is wrong with a file.
fn faults(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = source.text.lines().count();
    if lines > LINES {
        faults.push(format!("{lines} lines: at most {LINES}, so split it"));
    }
    if !source.text.starts_with("//! ") {
        faults.push("opens without `//!`: say what the file is for".to_owned());
    }
    faults.extend(bad_name(&source.path).map(|name| format!("`{name}` in its path names nothing")));
    let silenced = source.text.lines().filter(|line| is_silenced(line));
    faults.extend(silenced.map(|line| format!("`{}`: expect it, with a reason", line.trim())));
    let left = source.comments().filter(|(_, line)| is_left(words(line)));
    faults.extend(left.map(|(number, _)| format!("line {number}: a TODO without a reason")));
    let path = &source.path;
    faults.iter().map(|one| format!("{path}: {one}")).collect()
}

/// Returns the word of a path that names nothing, if there is one.
fn bad_name(path: &str) -> Option<&str> {
    if path.ends_with("/mod.rs") {
        return Some("mod.rs");
    }
    path.trim_end_matches(".rs")
        .split(['/', '_'])
        .find(|word| NO_NAMES.contains(word))
}

/// Returns whether a line is an attribute that allows a lint. Generated code may, since its
/// generator decides what is in it.
fn is_silenced(line: &str) -> bool {
    let line = line.trim_start();
    let is_attribute = line.starts_with("#[") || line.starts_with("#![");
    is_attribute && line.contains("allow(") && !line.contains("reason = \"generated")
}

/// Returns whether a comment leaves something to do without a reason for that.
fn is_left(comment: &str) -> bool {
    let Some((_, after)) = comment.split_once("TODO") else {
        return false;
    };
    let reason = after.strip_prefix(": ").unwrap_or_default();
    reason.split_whitespace().count() < REASON_WORDS
}

#[test]
fn files_are_small_named_opened_and_silence_nothing() {
    let sources = Source::of_workspace();
    assert!(sources.len() > 500, "only {} files", sources.len());
    let faults: Vec<String> = sources.iter().flat_map(faults).collect();
    assert_none(&faults);
}

/// Checks a file for its only fault; none where `expected` is empty.
fn check(path: &str, text: &str, expected: &str) {
    let source = Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let found = faults(&source).join("\n");
    if expected.is_empty() {
        assert_eq!(found, "");
    } else {
        assert_eq!(found, format!("{path}: {expected}"));
    }
}

#[test]
fn each_fault_of_a_file_is_found() {
    const PATH: &str = "shared/hot/src/store.rs";
    check(PATH, "//! A store.\n", "");
    check(
        PATH,
        "use std::fmt;\n",
        "opens without `//!`: say what the file is for",
    );
    let long = format!("//! A store.\n{}", "\n".repeat(LINES));
    check(PATH, &long, "401 lines: at most 400, so split it");
    for (path, word) in [
        ("shared/hot/src/redis/mod.rs", "mod.rs"),
        ("shared/hot/src/utils.rs", "utils"),
        ("shared/hot/src/redis_helpers.rs", "helpers"),
        ("shared/hot/src/common/store.rs", "common"),
    ] {
        let expected = format!("`{word}` in its path names nothing");
        check(path, "//! A store.\n", &expected);
    }
    check("shared/hot/src/commonly.rs", "//! A store.\n", "");
    check(
        PATH,
        "//! A store.\n#[allow(dead_code)]\n",
        "`#[allow(dead_code)]`: expect it, with a reason",
    );
    check(
        PATH,
        "//! A store.\n#[allow(dead_code, reason = \"generated\")]\n",
        "",
    );
    check(
        PATH,
        "//! A store.\n// TODO: later\n",
        "line 2: a TODO without a reason",
    );
    check(
        PATH,
        "//! A store.\n// TODO: needs a server that tells its time.\n",
        "",
    );
}
