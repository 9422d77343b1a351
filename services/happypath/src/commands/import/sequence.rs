//! The order of several files: by the earliest time at the beginning of each.

use kernel::Timestamp;

use crate::import::{ImportFile, Mapping, Naming, Ordered, Survey, read};
use crate::limits::LINES_PROBED;

/// Puts files into the order of their first times; one without times comes last. One file is not
/// looked at.
pub(super) async fn in_order(files: Vec<ImportFile>, mapping: &Mapping) -> Vec<ImportFile> {
    if files.len() < 2 {
        return files;
    }
    let mut timed = Vec::with_capacity(files.len());
    for file in files {
        timed.push((first_time(&file, mapping).await, file));
    }
    timed.sort_by_key(|(time, _)| time.unwrap_or(Timestamp::MAX));
    timed.into_iter().map(|(_, file)| file).collect()
}

/// Returns the earliest time among the first lines of a file.
async fn first_time(file: &ImportFile, mapping: &Mapping) -> Option<Timestamp> {
    // Nobody is told twice what is found in the file.
    let mapping = Mapping {
        survey: Survey::default(),
        ..mapping.clone()
    };
    let pieces = read(file, &mapping, LINES_PROBED);
    let mut naming = Naming::default();
    let time = Ordered::new(pieces, &mut naming, LINES_PROBED)
        .first_time()
        .await;
    file.rewind();
    time
}
