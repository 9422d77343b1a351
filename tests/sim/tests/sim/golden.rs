//! Golden files: the transcripts that were read and found right.

use std::path::{Path, PathBuf};

/// Set to 1, transcripts become the golden files.
const UPDATE: &str = "UPDATE_GOLDEN";

/// Returns whether transcripts become the golden files.
pub(crate) fn is_updating() -> bool {
    std::env::var(UPDATE).is_ok_and(|value| value == "1")
}

/// The folder of the scenarios.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

/// The text of a scenario.
pub(crate) fn scenario(name: &str) -> String {
    let file = folder().join(format!("{name}.txt"));
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The golden transcript of a scenario.
pub(crate) fn transcript(name: &str) -> String {
    let file = file(name);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Keeps a transcript as the golden one.
pub(crate) fn keep(name: &str, transcript: &str) {
    std::fs::write(file(name), transcript).expect("the golden file is written");
}

/// What is different from the golden file; none where nothing is.
pub(crate) fn difference(name: &str, transcript: &str) -> Option<String> {
    let golden = std::fs::read_to_string(file(name)).unwrap_or_default();
    if golden == transcript {
        return None;
    }
    let (old, new): (Vec<&str>, Vec<&str>) =
        (golden.lines().collect(), transcript.lines().collect());
    let place = (0..old.len().max(new.len()))
        .find(|place| old.get(*place) != new.get(*place))
        .unwrap_or(old.len());
    let shown = |lines: &[&str]| {
        let from = place.saturating_sub(3).min(lines.len());
        let until = (place + 6).min(lines.len());
        lines[from..until].join("\n    ")
    };
    Some(format!(
        "{name}: the transcript is another one from line {}.\n  golden:\n    {}\n  now:\n    {}\n\
         If it is right now, run with {UPDATE}=1.",
        place + 1,
        shown(&old),
        shown(&new),
    ))
}

fn file(name: &str) -> PathBuf {
    folder().join(format!("{name}.golden"))
}
