//! Who wrote an entry of a stream, and which of theirs it is, so that a reader can tell after a loss what it has seen.

use std::fmt;

use crate::Owner;

/// Who writes to streams and keeps a journal of it: the worker of a slot of the same partition, by its commits, or a
/// process that appends from outside, by its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Writer(u32);

/// Numbers below this are services; processes get theirs above.
const FIRST_PROCESS: u32 = 16;

impl Writer {
    /// The worker of a service in the entry's partition; its sequence is the number of its commits.
    pub const fn worker(owner: Owner) -> Self {
        Self(match owner {
            Owner::Identity => 0,
            Owner::Segmentation => 1,
            Owner::Journey => 2,
            Owner::Activation => 3,
        })
    }

    /// A process, by the number that the journal gave it; its sequence counts its appends to the stream, from 1.
    pub const fn process(number: u32) -> Self {
        Self(FIRST_PROCESS.saturating_add(number))
    }

    /// The service whose worker it is; absent for a process.
    pub fn owner(self) -> Option<Owner> {
        Owner::ALL
            .into_iter()
            .find(|owner| Self::worker(*owner) == self)
    }

    /// As keys and names carry it.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// From [`Self::number`].
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }
}

/// One entry of one writer. Written `writer.sequence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Who.
    pub writer: Writer,
    /// Which. Growing in each stream; without gaps where the writer is a process.
    pub seq: u64,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.writer.0, self.seq)
    }
}

impl Origin {
    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (writer, seq) = text.split_once('.')?;
        Some(Self {
            writer: Writer(writer.parse().ok()?),
            seq: seq.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_and_processes_have_names_of_their_own() {
        let worker = Origin {
            writer: Writer::worker(Owner::Journey),
            seq: 7,
        };
        let process = Origin {
            writer: Writer::process(2),
            seq: u64::MAX,
        };
        for origin in [worker, process] {
            assert_eq!(Origin::parse(&origin.to_string()), Some(origin));
        }
        assert_eq!(worker.writer.owner(), Some(Owner::Journey));
        assert_eq!(process.writer.owner(), None);
        assert_eq!(Origin::parse("p"), None);
    }
}
