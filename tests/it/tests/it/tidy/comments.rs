//! Comments: how many open with a clause, and how many are too wide, in each crate.
//!
//! A ratchet: `ceilings.txt` holds the most that each crate may have; a crate that is not in it may
//! have none. `HAPPYPATH_REFRESH=1` lowers the ceilings to the counts of today, and never raises
//! one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::source::{Source, words};
use super::{assert_none, root};

/// Columns of the widest comment: the width of the code.
const COLUMNS: usize = 100;
/// Words that make a clause of a sentence's beginning: "What is left" instead of "Returns the
/// rest". `When` and `Where` are not among them, since they open conditions rightly.
const CLAUSES: [&str; 9] = [
    "How", "That", "What", "Whether", "Which", "Who", "Whom", "Whose", "Why",
];
/// Lowers the ceilings where it is set.
const REFRESH: &str = "HAPPYPATH_REFRESH";

/// Lines of comment that should be other ones.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    /// They open with a clause.
    clauses: usize,
    /// They are wider than [`COLUMNS`].
    wide: usize,
}

/// Counts by the folder of a crate.
type Counts = BTreeMap<String, Count>;

fn count(sources: &[Source]) -> Counts {
    let mut counts = Counts::new();
    for source in sources {
        let one = counts.entry(source.room().to_owned()).or_default();
        for (_, line) in source.comments() {
            one.clauses += usize::from(opens_with_clause(words(line)));
            one.wide += usize::from(line.chars().count() > COLUMNS);
        }
    }
    counts
}

fn opens_with_clause(text: &str) -> bool {
    let first = text.split(|letter: char| !letter.is_alphabetic()).next();
    first.is_some_and(|word| CLAUSES.contains(&word))
}

/// Lists the crates above their ceilings.
fn growth(counts: &Counts, ceilings: &Counts) -> Vec<String> {
    let mut faults = Vec::new();
    for (room, count) in counts {
        let ceiling = ceilings.get(room).copied().unwrap_or_default();
        let kinds = [
            ("open with a clause", count.clauses, ceiling.clauses),
            ("are wider than 100 columns", count.wide, ceiling.wide),
        ];
        for (kind, counted, most) in kinds {
            if counted > most {
                faults.push(format!(
                    "{room}: {counted} comments {kind}, at most {most} may"
                ));
            }
        }
    }
    faults
}

/// The ceilings after what was counted: each at most what it was.
fn lowered(counts: &Counts, ceilings: &Counts) -> Counts {
    let lower = |(room, most): (&String, &Count)| {
        let count = counts.get(room).copied().unwrap_or_default();
        let least = Count {
            clauses: most.clauses.min(count.clauses),
            wide: most.wide.min(count.wide),
        };
        (room.clone(), least)
    };
    let lowered = ceilings.iter().map(lower);
    lowered
        .filter(|(_, most)| *most != Count::default())
        .collect()
}

fn file() -> PathBuf {
    root().join("tests/it/tests/it/tidy/ceilings.txt")
}

/// Reads lines of a crate's folder and its two ceilings.
fn parse(text: &str) -> Counts {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let [room, clauses, wide] = fields.as_slice() else {
                panic!("`{line}` is not a crate and two numbers");
            };
            let number = |field: &str| field.parse().expect("a number of comments");
            let count = Count {
                clauses: number(clauses),
                wide: number(wide),
            };
            ((*room).to_owned(), count)
        })
        .collect()
}

fn show(ceilings: &Counts) -> String {
    let mut text = "# Comments that may open with a clause, and be too wide, at most.\n".to_owned();
    for (room, Count { clauses, wide }) in ceilings {
        writeln!(text, "{room:<28} {clauses:>4} {wide:>4}").expect("a String takes all");
    }
    text
}

#[test]
fn comments_become_better_and_never_worse() {
    let counts = count(&Source::of_workspace());
    let ceilings = parse(&fs::read_to_string(file()).expect("the ceilings"));
    assert_none(&growth(&counts, &ceilings));
    if std::env::var_os(REFRESH).is_some() {
        let text = show(&lowered(&counts, &ceilings));
        fs::write(file(), text).expect("a file that can be written");
    }
}

fn counts(clauses: usize, wide: usize) -> Counts {
    Counts::from([("shared/hot".to_owned(), Count { clauses, wide })])
}

#[test]
fn clauses_and_wide_lines_are_counted_in_comments_alone() {
    let wide = format!("    // {}", "x".repeat(COLUMNS));
    let lines = [
        "//! What is kept.",
        "/// Whether it is. How it is.",
        "/// Whatever it is.",
        "/// Returns what it is.",
        "// Why: it is.",
        "let text = \"What\";",
        &wide,
        &format!("let text = \"{wide}\";"),
    ];
    let source = Source {
        path: "shared/hot/src/store.rs".to_owned(),
        text: lines.join("\n"),
    };
    assert_eq!(count(&[source]), counts(3, 1));
}

#[test]
fn a_ceiling_holds_and_falls() {
    assert_none(&growth(&counts(2, 3), &counts(2, 3)));
    assert_none(&growth(&counts(0, 0), &counts(2, 3)));
    assert_eq!(
        growth(&counts(3, 4), &counts(2, 3)),
        [
            "shared/hot: 3 comments open with a clause, at most 2 may",
            "shared/hot: 4 comments are wider than 100 columns, at most 3 may",
        ]
    );
    assert_eq!(growth(&counts(1, 0), &Counts::new()).len(), 1);
    assert_eq!(lowered(&counts(1, 9), &counts(2, 3)), counts(1, 3));
    assert_eq!(lowered(&counts(0, 0), &counts(2, 3)), Counts::new());
    assert_eq!(parse(&show(&counts(2, 3))), counts(2, 3));
}
