//! Ordered sources: events that were taken before are told before anything is resolved.
//!
//! A source has one mark in an installation, whoever takes its messages and whatever becomes of
//! their customers. It moves once all of a message is in the streams. What a message that was taken
//! in part has there already is told by the ids of its events, not here.

use kernel::Timestamp;
use sea_orm::DbErr;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::append::Took;
use crate::ingest::Intake;
use crate::limits::SOURCE_MARK_TTL;
use crate::store::{SourceMark, Tables};

/// The origin of events, for ids and de-duplication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source<'a> {
    /// Nowhere in particular.
    None,
    /// A request: the place of an event is its sequence.
    Request(&'a str),
    /// An ordered source whose events carry a sequence, and how far it was taken.
    Named(&'a str, SourceMark),
    /// An import, by the digest of its name: its ledger tells what was taken.
    Import(&'a str),
}

impl Source<'_> {
    /// Returns the first 80 bits of the hash of the source, in hexadecimal: names of any length fit
    /// into ids and keys. Absent for none.
    pub(crate) fn digest(self) -> Option<String> {
        let (kind, name) = match self {
            Self::None | Self::Request("") => return None,
            Self::Request(id) => ("request", id),
            Self::Named(name, _) => ("source", name),
            Self::Import(digest) => return Some(digest.to_owned()),
        };
        let mut hasher = Sha256::new();
        hasher.update(kind);
        hasher.update([0]);
        hasher.update(name);
        Some(kernel::to_hex(&hasher.finalize()[..10]))
    }

    /// Returns the name of it that evidence tells; empty where it has none.
    pub(crate) const fn name(&self) -> &str {
        match self {
            Self::Named(name, _) | Self::Import(name) => name,
            Self::None | Self::Request(_) => "",
        }
    }

    /// Returns the name by which a stream knows it.
    pub(crate) fn stream_name(self, digest: Option<&str>) -> Option<String> {
        match self {
            Self::None => None,
            Self::Request(_) => digest.map(|digest| format!("request:{digest}")),
            Self::Named(..) => digest.map(|digest| format!("source:{digest}")),
            Self::Import(_) => digest.map(|digest| format!("import:{digest}")),
        }
    }

    /// Returns a name of it where it is an ordered source or an import, and `None` for others:
    /// these are looked up whenever they may have been tried before, so nobody has to remember
    /// them.
    pub(crate) const fn if_ordered(self, name: Option<&str>) -> Option<&str> {
        match self {
            Self::Named(..) | Self::Import(_) => name,
            Self::None | Self::Request(_) => None,
        }
    }

    /// Returns what was taken of it before: events up to that sequence are replays.
    pub(crate) const fn taken(self) -> SourceMark {
        match self {
            Self::Named(_, mark) => mark,
            Self::None | Self::Request(_) | Self::Import(_) => SourceMark::NONE,
        }
    }
}

impl Intake {
    /// Returns an ordered source with how far it was taken.
    ///
    /// # Errors
    /// As the database says.
    pub async fn source<'a>(&self, name: &'a str) -> Result<Source<'a>, DbErr> {
        Passed::new().source(self.resolver.tables(), name).await
    }
}

/// The mark of a source once all of a message is in the streams.
#[derive(Debug)]
pub(crate) struct Taking {
    /// The digest of the source.
    pub(crate) source: String,
    /// The highest sequence of the message.
    pub(crate) sequence: u64,
}

impl Taking {
    /// Moves the mark of the source to the end of a message that is in the streams.
    ///
    /// # Errors
    /// As the database says: the message may be sent again.
    pub(crate) async fn finish(&self, tables: &dyn Tables, took: Took) -> Result<(), DbErr> {
        let mark = SourceMark {
            sequence: self.sequence,
            accept_time: took.newest,
        };
        tables.take_source(&self.source, mark).await
    }
}

/// The mark of the source of the last message of a call, the messages included that are not in the
/// streams yet: where one of these fails, the call ends with it.
#[derive(Debug)]
pub(crate) struct Passed {
    source: String,
    mark: SourceMark,
    /// When the mark was read.
    read: Instant,
}

impl Passed {
    /// No source so far.
    pub(crate) fn new() -> Self {
        Self {
            source: String::new(),
            mark: SourceMark::NONE,
            read: Instant::now(),
        }
    }

    /// Returns a source with how far it is taken.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) async fn source<'a>(
        &mut self,
        tables: &dyn Tables,
        name: &'a str,
    ) -> Result<Source<'a>, DbErr> {
        if name.is_empty() {
            return Ok(Source::None);
        }
        let is_same = self.source == name;
        // Other calls may have taken more of the source. Ids of events tell that for a day.
        if !is_same || self.read.elapsed() > SOURCE_MARK_TTL {
            let digest = Source::Named(name, SourceMark::NONE).digest();
            let mark = tables.source_mark(&digest.unwrap_or_default()).await?;
            // The batches of this call may not be in the streams yet.
            if !is_same || mark.sequence > self.mark.sequence {
                self.mark = mark;
            }
            self.read = Instant::now();
            name.clone_into(&mut self.source);
        }
        Ok(Source::Named(name, self.mark))
    }

    /// Notes that a message is on its way to the streams.
    pub(crate) fn pass(&mut self, taking: Option<&Taking>) {
        if let Some(taking) = taking {
            self.mark.sequence = self.mark.sequence.max(taking.sequence);
        }
    }
}

/// Replays of a source among the events of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replays {
    /// The number of them.
    pub count: usize,
    /// When the newest of what they repeat was accepted at the latest; [`Timestamp::MIN`] where
    /// that is not known, or there are none.
    pub accept_time: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ordered_source_is_remembered_as_interrupted() {
        for (source, is_ordered) in [
            (Source::None, false),
            (Source::Request(""), false),
            (Source::Request("file"), false),
            (Source::Named("file", SourceMark::NONE), true),
            (Source::Import("0123"), true),
        ] {
            let digest = source.digest();
            let name = source.stream_name(digest.as_deref());
            let ordered = source.if_ordered(name.as_deref());
            assert_eq!(ordered.is_some(), is_ordered, "{source:?}");
            assert!(ordered.is_none() || ordered == name.as_deref());
        }
    }
}
