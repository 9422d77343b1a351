//! Arguments of `import`, and the mapping that they give.

use std::path::PathBuf;

use proto::identity::v1::Lane;

use crate::client::Connection;
use crate::failure::Failure;
use crate::import::{Mapping, OnError};
use crate::output::Format;

/// Arguments of `import`.
///
/// CSV and TSV need a header; a JSON line is an object with the same names, or with `identifiers`,
/// `properties` and `traits` as objects of their own.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files: .csv, .tsv, .jsonl or .ndjson, also gzipped
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// A YAML file that says which column means what: time, event, event_name, event_id,
    /// identifiers, traits, properties
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// The column of the time [default: timestamp, time, date, …]
    #[arg(long, value_name = "COLUMN")]
    time_column: Option<String>,
    /// The column of the event's name [default: event]
    #[arg(long, value_name = "COLUMN")]
    event_column: Option<String>,
    /// The name of every event, where no column holds it
    #[arg(long, value_name = "NAME", conflicts_with = "event_column")]
    event_name: Option<String>,
    /// A column that names the customer, such as user_id=household [default: customer_id as
    /// user_id, email, …]
    #[arg(long, value_name = "[NAMESPACE=]COLUMN")]
    customer_column: Vec<String>,
    /// A column that becomes a trait of the customer, such as plan=current_plan
    #[arg(long, value_name = "[TRAIT=]COLUMN")]
    trait_column: Vec<String>,
    /// The lane: bulk never delays live events
    #[arg(long, default_value = "bulk")]
    pub(super) lane: LaneName,
    /// The treatment of a bad line
    #[arg(long, default_value = "stop")]
    pub(super) on_error: OnError,
    /// Names the file as an ordered source [default: a digest of its content]; a line that was
    /// taken from a source once is not taken again
    #[arg(long, value_name = "NAME")]
    pub(super) source: Option<String>,
    /// Events in one message
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) batch: u16,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LaneName {
    Bulk,
    Live,
}

impl From<LaneName> for Lane {
    fn from(name: LaneName) -> Self {
        match name {
            LaneName::Bulk => Self::Bulk,
            LaneName::Live => Self::Live,
        }
    }
}

impl Args {
    /// Returns the mapping file, with what flags say over it.
    pub(super) fn mapping(&self) -> Result<Mapping, Failure> {
        let mut mapping = match &self.mapping {
            Some(path) => Mapping::read(path)?,
            None => Mapping::default(),
        };
        if let Some(column) = &self.time_column {
            mapping.time = Some(column.clone());
        }
        if let Some(column) = &self.event_column {
            mapping.event = Some(column.clone());
        }
        if let Some(name) = &self.event_name {
            mapping.event_name = Some(name.clone());
        }
        for text in &self.customer_column {
            let (namespace, column) = text.split_once('=').unwrap_or(("user_id", text));
            mapping
                .identifiers
                .insert(namespace.to_owned(), column.to_owned());
        }
        for text in &self.trait_column {
            let (name, column) = text.split_once('=').unwrap_or((text, text));
            mapping.traits.insert(name.to_owned(), column.to_owned());
        }
        Ok(mapping)
    }
}
