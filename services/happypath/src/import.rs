//! Imports of files: from lines to events, and from events to the services.
//!
//! A file is an ordered source: its name is the digest of its content, and the number of a line is
//! the sequence of its event. So the services skip what they have, and an import can be repeated,
//! or resumed, at any time.

mod bad_line;
mod columns;
mod csv_lines;
mod file;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod json_lines;
mod line;
mod mapping;
mod reader;
mod sender;
mod separator;
mod summary;
pub(crate) mod value;

pub(crate) use bad_line::BadLine;
pub(crate) use file::{ImportFile, Reading};
pub(crate) use line::Line;
pub(crate) use mapping::Mapping;
pub(crate) use reader::read;
pub(crate) use sender::{OnError, Sender};
pub(crate) use separator::Separator;
pub(crate) use summary::{Progress, Summary};
