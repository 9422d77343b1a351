//! Names of imports and ids of their events, by which a service knows what it has taken.
//!
//! An import has the name of its file, and an event the digest of its line: so a file is imported
//! again after lines were corrected, left out, added or moved, and each line is taken once. A
//! digest of the whole file would name another import after every correction, and count all of it
//! twice.

use std::path::Path;

use identity::Tally;
use sha2::{Digest as _, Sha256};

use super::line::Line;
use crate::failure::Failure;
use crate::limits::{EVENT_ID_BYTES, SOURCE_CHARS, SOURCE_DIGEST_BYTES};

/// Returns the name of an import of a file that nobody names: the file's, without its folder and
/// its compression.
///
/// # Errors
/// Where the file has no name that it would have again: standard input and pipes.
pub(crate) fn source_of(path: &Path) -> Result<String, Failure> {
    let is_pipe = std::fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir());
    let has_name = !is_pipe && path != Path::new("-");
    let name = path.file_name().filter(|_| has_name);
    let Some(name) = name.map(|name| name.to_string_lossy()) else {
        return Err(Failure::mistake(format!(
            "{}: has no name by which it is known when it is imported again: say --source NAME",
            path.display()
        )));
    };
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    Ok(shorten(name))
}

/// Returns a name as long as one may be: of a longer one the beginning, and a digest of all of it.
fn shorten(name: &str) -> String {
    let name = name.replace(char::is_control, "\u{fffd}");
    if name.chars().count() <= SOURCE_CHARS {
        return name;
    }
    let digest = kernel::to_hex(&Sha256::digest(&name)[..SOURCE_DIGEST_BYTES]);
    let room = SOURCE_CHARS - digest.len() - 1;
    let start: String = name.chars().take(room).collect();
    format!("{start}~{digest}")
}

/// Gives the events of one import their ids.
///
/// The id of an event is made of what its line says, of how many lines before it say the same, and
/// of the name that a flag or a mapping gives to all events, which no line says. A column may say
/// ids instead: then these decide, whatever else a line says.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    /// Names by digest, of 64 bits: two lines that share one by chance count as equal ones, so that
    /// their ids hang on their order.
    seen: Tally<u64>,
    event_name: Option<String>,
}

impl Naming {
    /// Begins to name the events of an import, all of which have this name if there is one.
    pub(crate) fn new(event_name: Option<&str>) -> Self {
        Self {
            seen: Tally::default(),
            event_name: event_name.map(str::to_owned),
        }
    }

    /// Gives an event its id, unless its line says one.
    pub(crate) fn name(&mut self, line: &mut Line) {
        if !line.event.event_id.is_empty() {
            return;
        }
        let mut start = [0; 8];
        start.copy_from_slice(&line.digest[..8]);
        let place = u64::from_be_bytes(start);
        let before = self.seen.count(&place) as u64;
        self.seen.add(place);
        let mut hasher = Sha256::new();
        hasher.update(line.digest);
        hasher.update(before.to_le_bytes());
        hasher.update(self.event_name.as_deref().unwrap_or_default());
        line.event.event_id = kernel::to_hex(&hasher.finalize()[..EVENT_ID_BYTES]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proto::identity::v1::Event;

    use super::*;

    fn ids(event_name: Option<&str>, lines: &[u8]) -> Vec<String> {
        let mut naming = Naming::new(event_name);
        let lines = lines.iter().map(|content| {
            let mut line = Line {
                event: Event::default(),
                line: 1,
                digest: [*content; 16],
            };
            naming.name(&mut line);
            line.event.event_id
        });
        lines.collect()
    }

    #[test]
    fn equal_lines_are_events_of_their_own_in_whatever_order() {
        let first = ids(None, &[1, 2, 1, 3, 1]);
        let distinct: BTreeSet<_> = first.iter().collect();
        assert_eq!(distinct.len(), 5);
        let moved: BTreeSet<_> = ids(None, &[1, 1, 3, 1, 2]).into_iter().collect();
        assert_eq!(moved, first.iter().cloned().collect());
        // A line more and a line less change nothing of the others.
        let other: BTreeSet<_> = ids(None, &[4, 1, 1, 2]).into_iter().collect();
        assert_eq!(other.intersection(&moved).count(), 3);
        assert!(first[0].chars().count() <= 100);
    }

    #[test]
    fn the_name_of_all_events_is_part_of_their_ids() {
        assert_ne!(ids(None, &[1]), ids(Some("purchase"), &[1]));
        assert_ne!(ids(Some("visit"), &[1]), ids(Some("purchase"), &[1]));
    }

    #[test]
    fn an_id_of_a_line_stays() {
        let mut line = Line {
            event: Event {
                event_id: "order 7".to_owned(),
                ..Event::default()
            },
            line: 1,
            digest: [1; 16],
        };
        Naming::new(None).name(&mut line);
        assert_eq!(line.event.event_id, "order 7");
    }

    #[test]
    fn a_source_is_named_like_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let long = format!("{}.csv", "x".repeat(200));
        for (name, source) in [
            ("a.csv", "a.csv"),
            ("a b.jsonl.gz", "a b.jsonl"),
            ("käufe.csv", "käufe.csv"),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, "").expect("a file");
            assert_eq!(source_of(&path).expect("a name"), source);
        }
        let path = folder.path().join(&long);
        std::fs::write(&path, "").expect("a file");
        let name = source_of(&path).expect("a name");
        assert_eq!(name.chars().count(), 100);
        assert_ne!(name, shorten(&format!("{long}2")));
        for nameless in [Path::new("-"), Path::new("/dev/null")] {
            let refused = source_of(nameless).expect_err("no name").to_string();
            assert!(refused.contains("--source"), "{refused}");
        }
    }
}
