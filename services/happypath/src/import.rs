//! Imports of files: from lines to events, and from events to the services.
//!
//! A file is an import, by its name, and the id of an event is made of what its line says. So the
//! services skip what they have, and a file can be imported again at any time: after a crash, and
//! after lines were corrected, left out, added or moved.

mod bad_line;
mod columns;
mod csv_lines;
mod csv_records;
mod csv_scan;
mod encoding;
mod fault_groups;
mod file;
mod foreign;
mod form;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod json_lines;
mod json_scan;
mod json_texts;
mod line;
mod looks;
mod mapping;
mod naming;
mod numeral;
mod objects;
mod order;
mod parquet_rows;
mod preview;
mod reader;
mod role;
mod sender;
mod separator;
mod summary;
mod survey;
pub(crate) mod value;
#[cfg(feature = "fuzz")]
pub(crate) mod value_fuzz;
mod window;

pub(crate) use bad_line::BadLine;
pub(crate) use fault_groups::FaultGroup;
pub(crate) use file::{ImportFile, Reading};
pub(crate) use mapping::{Mapping, OneOrMore};
pub(crate) use naming::{Naming, source_of};
pub(crate) use numeral::Decimal;
pub(crate) use objects::Objects;
pub(crate) use order::Ordered;
pub(crate) use preview::Preview;
pub(crate) use reader::read;
pub(crate) use sender::{OnError, Sender, Sent};
pub(crate) use separator::Separator;
pub(crate) use summary::{Progress, Summary};
pub(crate) use survey::Survey;
