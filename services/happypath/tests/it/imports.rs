//! Imports of files that were corrected, moved, joined or cut off: every line is taken once, and
//! the advice that is printed is followed word by word.

mod groups;
mod random;

use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::{Dev, Process, binary};

/// The exit code of a command that has done all but for lines that were left out.
const LEFT_OUT: Option<i32> = Some(6);

/// The answer of an import.
struct Told {
    code: Option<i32>,
    said: String,
    file: Value,
}

fn words(dev: &Dev, words: &[&str]) -> Output {
    let command = binary()
        .args(words)
        .args(["--address", &dev.address])
        .current_dir(dev.folder.path())
        .output();
    command.expect("ran")
}

/// Imports files, and tells the account of the first.
fn import(dev: &Dev, arguments: &[&str]) -> Told {
    let output = words(dev, &[&["import"], arguments, &["--json"]].concat());
    let said = String::from_utf8(output.stderr).expect("text");
    let told: Value = serde_json::from_slice(&output.stdout).expect(&said);
    Told {
        code: output.status.code(),
        said,
        file: told["files"][0].clone(),
    }
}

impl Told {
    fn number(&self, name: &str) -> u64 {
        self.file[name].as_u64().expect(name)
    }

    /// The lines that were new, and those that were there before.
    fn counts(&self) -> (u64, u64) {
        let replayed = self.number("replayed");
        (self.number("accepted") - replayed, replayed)
    }

    /// The flags that the advice puts into quotes, as a shell reads them.
    fn advised(&self) -> Vec<String> {
        let quoted: Vec<&str> = self.said.split('`').skip(1).step_by(2).collect();
        let flags = quoted.iter().find(|text| text.starts_with("--source "));
        shell_words(flags.unwrap_or_else(|| panic!("no advice: {}", self.said)))
    }
}

/// Divides a line into words as a shell does, single quotes included.
fn shell_words(line: &str) -> Vec<String> {
    let shell = std::process::Command::new("sh")
        .args(["-c", &format!("printf '%s\\n' {line}")])
        .output()
        .expect("a shell");
    let text = String::from_utf8(shell.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

/// Repeats the import of a file as the advice says.
fn follow(dev: &Dev, file: &str, told: &Told) -> Told {
    let flags = told.advised();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    import(dev, &[&[file], flags.as_slice()].concat())
}

/// The events of a customer that count.
fn events_of(dev: &Dev, user: &str) -> u64 {
    dev.settle();
    let customer = dev.json(&format!("customer user_id:{user}"));
    let events = customer["profile"]["events"].as_array().expect("events");
    events
        .iter()
        .map(|event| event["count"].as_u64().expect("a count"))
        .sum()
}

const HEADER: &str = "timestamp,event,user_id,value\n";

fn row(user: &str, minute: usize, event: &str) -> String {
    format!(
        "2026-01-01T{:02}:{:02}:00Z,{event},{user},{minute}\n",
        minute / 60,
        minute % 60
    )
}

fn csv(rows: &[String]) -> String {
    format!("{HEADER}{}", rows.concat())
}

#[test]
fn following_the_advice_after_a_bad_line_takes_every_line_once() {
    let dev = Dev::start();
    let too_long = "n".repeat(201);
    // The bad one is found while the file is read, or refused by the service.
    for (kind, bad) in [("read", ""), ("sent", too_long.as_str())] {
        for count in [3, 60] {
            let user = format!("{kind}{count}");
            let file = format!("my {user} events.csv");
            let mut rows: Vec<String> = (0..count).map(|at| row(&user, at, "visit")).collect();
            rows[1] = row(&user, 1, bad);
            dev.file(&file, &csv(&rows));
            let stopped = import(&dev, &[&file]);
            assert_eq!(stopped.code, Some(2), "{}", stopped.said);
            assert!(
                stopped.said.contains("stopped at line 3"),
                "{}",
                stopped.said
            );
            rows[1] = row(&user, 1, "visit");
            dev.file(&file, &csv(&rows));
            let repeated = follow(&dev, &file, &stopped);
            assert_eq!(repeated.code, Some(0), "{}", repeated.said);
            assert_eq!(repeated.number("accepted"), count as u64);
            assert_eq!(events_of(&dev, &user), count as u64, "{kind} {count}");
            // The command as it was says the same.
            assert_eq!(import(&dev, &[&file]).counts(), (0, count as u64));
        }
    }
    dev.stop();
}

#[test]
fn lines_that_were_left_out_are_taken_once_they_are_corrected() {
    let dev = Dev::start();
    let mut rows: Vec<String> = (0..60).map(|at| row("u", at, "visit")).collect();
    rows[7] = row("u", 7, "");
    rows[30] = row("u", 30, &"n".repeat(201));
    rows[31] = "never,visit,u,1\n".to_owned();
    dev.file("a.csv", &csv(&rows));
    let first = import(&dev, &["a.csv", "--on-error", "continue"]);
    assert_eq!(first.code, LEFT_OUT, "{}", first.said);
    assert_eq!((first.counts(), first.number("bad")), ((57, 0), 3));
    let groups = first.file["left_out_by_reason"].as_array().expect("groups");
    let lines: Vec<&Value> = groups.iter().map(|group| &group["lines"][0]).collect();
    assert_eq!(lines.len(), 3, "{groups:?}");
    for line in [9, 32, 33] {
        assert!(lines.contains(&&line.into()), "{lines:?}");
    }
    for at in [7, 30, 31] {
        rows[at] = row("u", at, "visit");
    }
    dev.file("a.csv", &csv(&rows));
    let repeated = follow(&dev, "a.csv", &first);
    assert_eq!((repeated.code, repeated.counts()), (Some(0), (3, 57)));
    assert_eq!(events_of(&dev, "u"), 60);
    // In words, too.
    dev.file(
        "b.csv",
        &csv(&["never,visit,u,1\n".to_owned(), row("u", 2, "x")]),
    );
    let output = dev.run("import b.csv --on-error continue");
    assert_eq!(output.status.code(), LEFT_OUT);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.contains("; 1 bad line was left out"), "{text}");
    assert!(
        text.contains("left out: time: `never` is no instant"),
        "{text}"
    );
    assert!(
        text.contains("(line 2)") && text.contains("source: b.csv;"),
        "{text}"
    );
    dev.stop();
}

#[test]
fn lines_may_be_moved_left_out_and_added_and_files_joined() {
    let dev = Dev::start();
    // Two of them are the same, and are two events.
    let mut rows: Vec<String> = (0..10).map(|at| row("u", at, "visit")).collect();
    rows.push(row("u", 3, "visit"));
    dev.file("a.csv", &csv(&rows));
    assert_eq!(import(&dev, &["a.csv"]).counts(), (11, 0));
    assert_eq!(events_of(&dev, "u"), 11);
    rows.reverse();
    rows.remove(4);
    rows.push(row("u", 11, "visit"));
    dev.file("a.csv", &csv(&rows));
    assert_eq!(import(&dev, &["a.csv"]).counts(), (1, 10));
    // Packed, in another folder, with other line ends and quotes it says the same.
    std::fs::create_dir(dev.folder.path().join("other")).expect("a folder");
    let quoted = csv(&rows)
        .replace('\n', "\r\n")
        .replace(",visit,", ",\"visit\",");
    dev.file("other/a.csv", &quoted);
    assert_eq!(import(&dev, &["other/a.csv"]).counts(), (0, 11));
    // Joined with another file, of which one part is there already.
    let others: Vec<String> = (0..10).map(|at| row("v", at, "visit")).collect();
    dev.file("b.csv", &csv(&others));
    assert_eq!(
        import(&dev, &["b.csv", "--source", "a.csv"]).counts(),
        (10, 0)
    );
    dev.file("all.csv", &csv(&[others, rows].concat()));
    assert_eq!(
        import(&dev, &["all.csv", "--source", "a.csv"]).counts(),
        (0, 21)
    );
    assert_eq!((events_of(&dev, "u"), events_of(&dev, "v")), (12, 10));
    dev.stop();
}

#[test]
fn a_column_of_ids_decides_what_is_the_same() {
    let dev = Dev::start();
    let content = |rows: &str| format!("event_id,timestamp,event,user_id\n{rows}");
    dev.file(
        "a.csv",
        &content("1,2026-01-01,x,u\n2,2026-01-01,x,u\n1,2026-01-02,x,u\n"),
    );
    assert_eq!(import(&dev, &["a.csv"]).counts(), (2, 1));
    // A line that was taken is not taken again, whatever else it says now.
    dev.file("a.csv", &content("1,2026-01-05,y,u\n3,2026-01-01,x,u\n"));
    assert_eq!(import(&dev, &["a.csv"]).counts(), (1, 1));
    assert_eq!(events_of(&dev, "u"), 3);
    dev.stop();
}

#[test]
fn identifiers_that_were_left_out_are_told_with_their_lines() {
    let dev = Dev::start();
    dev.file(
        "a.csv",
        "timestamp,event,user_id,email\n2026-01-01,x,u1,unknown\n2026-01-01,x,u2,b@x.io\n2026-01-01,x,u3,unknown\n",
    );
    let told = import(&dev, &["a.csv"]);
    assert_eq!(
        (told.code, told.number("dropped_identifiers")),
        (Some(0), 2)
    );
    let group = &told.file["dropped_by_reason"][0];
    assert_eq!(group["namespace"], "email", "{group}");
    assert_eq!(group["lines"], serde_json::json!([2, 4]), "{group}");
    let text = dev.run("import a.csv --source again");
    let text = String::from_utf8(text.stdout).expect("text");
    assert!(text.contains("names nobody: email, "), "{text}");
    dev.stop();
}

#[test]
fn lines_and_files_go_in_the_order_of_their_times() {
    let dev = Dev::start();
    let visits: Vec<String> = [5, 3, 9, 1]
        .iter()
        .map(|at| row("u", *at, "visit"))
        .collect();
    dev.file(
        "later.csv",
        &csv(&[row("u", 61, "buy"), row("u", 62, "buy")]),
    );
    dev.file("visits.csv", &csv(&visits));
    let told = import(&dev, &["later.csv", "visits.csv"]);
    assert_eq!(told.code, Some(0), "{}", told.said);
    assert_eq!(
        told.file["file"], "visits.csv",
        "the one that is first in time"
    );
    assert_eq!((told.number("out_of_order"), told.number("late")), (2, 0));
    assert!(told.said.contains("visits.csv, later.csv"), "{}", told.said);
    assert!(!told.said.contains("overlap"), "{}", told.said);
    dev.file("between.csv", &csv(&[row("u", 2, "x"), row("u", 90, "x")]));
    let told = import(&dev, &["later.csv", "between.csv"]);
    assert!(
        told.said.contains("between.csv and later.csv overlap"),
        "{}",
        told.said
    );
    let nameless = words(&dev, &["import", "-"]);
    assert_eq!(nameless.status.code(), Some(2));
    dev.stop();
}

#[test]
fn an_import_that_was_killed_anywhere_goes_on_where_it_was() {
    let mut folder = tempfile::tempdir().expect("a folder");
    let rows: Vec<String> = (0..6_000)
        .map(|at| row(&format!("u{}", at % 7), at % 1_440, "visit"))
        .collect();
    for round in 0..6_u64 {
        let dev = Dev::start_in(folder);
        dev.file("a.csv", &csv(&rows));
        let command = binary()
            .args([
                "import",
                "a.csv",
                "--batch",
                "100",
                "--address",
                &dev.address,
            ])
            .current_dir(dev.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let importing = Process(command.expect("started"));
        std::thread::sleep(Duration::from_millis(20 + 67 * round));
        // First the one, then the other.
        if round % 2 == 0 {
            drop(importing);
            folder = dev.kill();
        } else {
            folder = dev.kill();
            drop(importing);
        }
    }
    let dev = Dev::start_in(folder);
    let told = import(&dev, &["a.csv"]);
    assert_eq!(
        (told.code, told.number("accepted")),
        (Some(0), 6_000),
        "{}",
        told.said
    );
    let counts: u64 = (0..7)
        .map(|user| events_of(&dev, &format!("u{user}")))
        .sum();
    assert_eq!(counts, 6_000);
    assert_eq!(import(&dev, &["a.csv"]).counts(), (0, 6_000));
    dev.stop();
}
