//! Scenarios: definitions, facts as short lines, and the transcript that they must give.
//!
//! `HAPPYPATH_REFRESH=1` writes the transcripts anew; read the difference before you keep it.

#![expect(
    clippy::disallowed_methods,
    reason = "scenarios are files, and the core under them still reads none"
)]

use std::fs;
use std::path::PathBuf;

use crate::world::{World, compiled};

/// What parts a scenario file into definitions, facts and transcript.
const MARK: &str = "\n=====\n";

fn scenarios() -> Vec<PathBuf> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");
    let entries = fs::read_dir(folder).expect("the folder of scenarios");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_scenario_gives_its_transcript() {
    let mut failures = Vec::new();
    for path in scenarios() {
        let text = fs::read_to_string(&path).expect("a scenario");
        let parts: Vec<&str> = text.splitn(3, MARK).collect();
        let [definitions, facts, expected] = parts.as_slice() else {
            panic!("{} has not three parts", path.display());
        };
        let mut world = World::new(compiled(definitions));
        for line in facts.lines().filter(|line| !line.starts_with('#')) {
            world.take_line(line);
        }
        if world.transcript != *expected {
            if std::env::var_os("HAPPYPATH_REFRESH").is_some() {
                let text = [definitions, facts, world.transcript.as_str()].join(MARK);
                fs::write(&path, text).expect("a file that can be written");
            } else {
                failures.push(format!("{}:\n{}", path.display(), world.transcript));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "other transcripts:\n{}",
        failures.join("\n")
    );
}
