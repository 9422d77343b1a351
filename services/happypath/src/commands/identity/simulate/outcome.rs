//! The outcomes of events, kept in a file until the last event says who is who.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Seek as _, Write as _};

use identity::{Dropped, EventOutcome};
use kernel::FragmentId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::failure::Failure;

/// The outcomes, in the order of their events. Memory does not grow with them.
pub(super) struct Outcomes {
    file: BufWriter<File>,
    count: u64,
}

/// An identifier that an event was resolved without.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Left {
    /// Its namespace.
    pub(super) namespace: String,
    /// Its value, as it was sent.
    pub(super) value: String,
    /// The reason code.
    pub(super) reason: String,
}

/// The outcome of an event.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// The number of its customer when it came; absent where it was refused.
    pub(super) then: Option<u32>,
    /// The fragment that tells its customer at the end.
    fragment: Option<u128>,
    /// The identifiers that it was resolved without.
    pub(super) dropped: Vec<Left>,
}

impl Outcome {
    /// The fragment that tells its customer at the end; absent where it was refused.
    pub(super) fn fragment(&self) -> Option<FragmentId> {
        self.fragment
            .map(|number| FragmentId::new(Uuid::from_u128(number)))
    }
}

impl Outcomes {
    /// None yet.
    ///
    /// # Errors
    /// No file can be made.
    pub(super) fn new() -> Result<Self, Failure> {
        let file = tempfile::tempfile().map_err(unkept)?;
        Ok(Self {
            file: BufWriter::new(file),
            count: 0,
        })
    }

    /// Keeps one.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn push(&mut self, event: &EventOutcome) -> Result<(), Failure> {
        let outcome = Outcome {
            then: event.customer,
            fragment: event.fragment.map(|own| own.uuid().as_u128()),
            dropped: event.dropped.iter().map(left).collect(),
        };
        let json = serde_json::to_string(&outcome).map_err(unkept)?;
        writeln!(self.file, "{json}").map_err(unkept)?;
        self.count += 1;
        Ok(())
    }

    /// Returns how many there are.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Reads them from the first on.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn read(self) -> Result<impl Iterator<Item = Result<Outcome, Failure>>, Failure> {
        let mut file = self
            .file
            .into_inner()
            .map_err(|error| unkept(error.into_error()))?;
        file.rewind().map_err(unkept)?;
        let lines = BufReader::new(file).lines();
        Ok(lines.map(|line| {
            let line = line.map_err(unkept)?;
            serde_json::from_str(&line).map_err(unkept)
        }))
    }
}

fn left(dropped: &Dropped) -> Left {
    Left {
        namespace: dropped.identifier.namespace.clone(),
        value: dropped.identifier.value.clone(),
        reason: dropped.reason.code().to_owned(),
    }
}

fn unkept(error: impl std::fmt::Display) -> Failure {
    Failure::failed(format!(
        "outcomes cannot be kept in a temporary file: {error}; is there room in {}?",
        std::env::temp_dir().display()
    ))
}
