//! Events from the rows of a Parquet file.
//!
//! Columns are read page by page, and rows put together a few at a time, so that memory follows
//! the pages and not the row groups. All columns are read, since all of a row names it.

mod kind;
mod leaf;
mod pages;
mod tree;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use self::leaf::Leaf;
use self::tree::Node;
use super::bad_line::BadLine;
use super::columns::Builder;
use super::csv_records::too_long;
use super::file::ImportFile;
use super::line::{Fingerprint, Line};
use super::mapping::{Mapping, Role};
use super::role::Use;
use crate::limits::{LINE_BYTES, PARQUET_PAGE_BYTES, PARQUET_ROWS};

/// Reads events from rows.
pub(super) struct ParquetRows {
    file: SerializedFileReader<File>,
    /// The same file, for a look at the sizes of its pages.
    bytes: File,
    columns: Vec<Node>,
    roles: Vec<Role>,
    event_name: Option<String>,
    /// The next group of rows, and the columns of the one that is read.
    group: usize,
    leaves: Vec<Leaf>,
    /// Rows that were loaded and not put together.
    loaded: usize,
    /// The row that was put together last, from 1.
    row: u64,
    /// The value that is put together, in JSON.
    json: String,
    progress: Progress,
    is_over: bool,
}

/// The progress of reading, in bytes of the file: rows have no places in it.
struct Progress {
    bytes: u64,
    rows: u64,
    read: Arc<AtomicU64>,
}

impl ParquetRows {
    /// Reads the schema.
    ///
    /// # Errors
    /// Where there is none, and everything that is wrong with its columns.
    pub(super) fn open(file: &ImportFile, mapping: &Mapping) -> Result<Self, Vec<BadLine>> {
        let damaged = |told: String| vec![BadLine::last(1, damaged(&told))];
        let bytes = file.file().map_err(|error| damaged(error.to_string()))?;
        let again = file.file().map_err(|error| damaged(error.to_string()))?;
        let opened = || SerializedFileReader::new(bytes).map_err(|error| error.to_string());
        let reader = guarded(opened).map_err(damaged)?;
        if has_no_place(reader.metadata()) {
            return Err(damaged("a column is before the beginning".to_owned()));
        }
        if let Some(codec) = unread_codec(reader.metadata()) {
            return Err(vec![BadLine::last(1, codec)]);
        }
        let metadata = reader.metadata().file_metadata();
        let columns = tree::columns(metadata.schema()).map_err(damaged)?;
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let roles = mapping.roles(&names, true).map_err(|faults| {
            let known = names.join(", ");
            let told = |(field, reason): (String, String)| {
                BadLine::new(1, field, format!("{reason} (the columns are {known})"))
            };
            faults.into_iter().map(told).collect::<Vec<_>>()
        })?;
        let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
        Ok(Self {
            columns,
            roles,
            event_name: mapping.event_name.clone(),
            file: reader,
            bytes: again,
            group: 0,
            leaves: Vec::new(),
            loaded: 0,
            row: 0,
            json: String::new(),
            progress: Progress {
                bytes: file.bytes,
                rows,
                read: Arc::clone(&file.bytes_read),
            },
            is_over: false,
        })
    }

    /// Loads the next rows, and returns whether there are any.
    fn load(&mut self) -> Result<bool, String> {
        loop {
            let mut counts = Vec::with_capacity(self.leaves.len());
            for leaf in &mut self.leaves {
                let count = leaf.load(PARQUET_ROWS);
                counts.push(count.map_err(|error| error.to_string())?);
            }
            self.loaded = counts.first().copied().unwrap_or(0);
            if counts.iter().any(|count| *count != self.loaded) {
                return Err("its columns have different numbers of rows".to_owned());
            }
            if self.loaded > 0 {
                return Ok(true);
            }
            if self.group == self.file.num_row_groups() {
                return Ok(false);
            }
            self.open_group()?;
            self.group += 1;
        }
    }

    fn open_group(&mut self) -> Result<(), String> {
        let told = |error: ParquetError| error.to_string();
        let group = self.file.get_row_group(self.group).map_err(told)?;
        let metadata = group.metadata();
        self.leaves.clear();
        for place in 0..group.num_columns() {
            let (start, length) = metadata.column(place).byte_range();
            pages::check(&self.bytes, start, length, PARQUET_PAGE_BYTES)?;
            let reader = group.get_column_reader(place).map_err(told)?;
            self.leaves
                .push(Leaf::new(metadata.column(place).column_descr(), reader));
        }
        Ok(())
    }

    /// Puts the next row together, and leaves all of it behind, whatever is wrong with it.
    fn event(&mut self) -> Result<Line, BadLine> {
        let made = self.make();
        for leaf in &mut self.leaves {
            if let Err(reason) = leaf.end_row() {
                self.is_over = true;
                return Err(BadLine::last(self.row, damaged(&reason)));
            }
        }
        made
    }

    fn make(&mut self) -> Result<Line, BadLine> {
        let mut fingerprint = Fingerprint::default();
        let mut builder = Builder::new(self.row, self.event_name.as_deref());
        let mut bytes = 0;
        for (column, role) in self.columns.iter().zip(&self.roles) {
            self.json.clear();
            column
                .write(&mut self.leaves, &mut self.json)
                .map_err(|reason| BadLine::new(self.row, column.name.as_str(), reason))?;
            bytes += self.json.len();
            if bytes > LINE_BYTES {
                return Err(BadLine::new(self.row, "", too_long()));
            }
            fingerprint.cell(self.json.as_bytes());
            // A table has nulls where it knows nothing, so that they remove nothing.
            if self.json == "null" {
                continue;
            }
            match object_in_text(role, &self.json) {
                Some(object) => builder.json(role, &column.name, &object),
                None => builder.json(role, &column.name, &self.json),
            }
        }
        Ok(Line {
            event: builder.build()?,
            line: self.row,
            digest: fingerprint.digest(),
        })
    }
}

impl Iterator for ParquetRows {
    type Item = Result<Line, BadLine>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        if self.loaded == 0 {
            match guarded(|| self.load()) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(reason) => {
                    self.is_over = true;
                    return Some(Err(BadLine::last(self.row + 1, damaged(&reason))));
                }
            }
        }
        self.loaded -= 1;
        self.row += 1;
        self.progress.show(self.row);
        Some(self.event())
    }
}

impl Progress {
    fn show(&self, row: u64) {
        let bytes = u128::from(self.bytes) * u128::from(row) / u128::from(self.rows.max(row));
        let bytes = u64::try_from(bytes).unwrap_or(self.bytes);
        self.read.store(bytes, Ordering::Relaxed);
    }
}

/// Returns the object that stands in a text: warehouses export objects so.
fn object_in_text(role: &Role, json: &str) -> Option<String> {
    let is_object = |of: &Use| {
        let is_own = matches!(of, Use::Identifiers | Use::Traits | Use::Properties);
        is_own || matches!(of, Use::Groups | Use::GroupTraits)
    };
    if !json.starts_with('"') || !role.uses.iter().any(is_object) {
        return None;
    }
    let text: String = serde_json::from_str(json).ok()?;
    let text = text.trim();
    text.starts_with('{').then(|| text.to_owned())
}

/// Reads, and takes a panic for damage: the library that reads the bytes trusts some of what a file
/// says of itself.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err("its bytes make no sense".to_owned()))
}

/// Returns whether a column is said to be where no file has bytes.
fn has_no_place(metadata: &ParquetMetaData) -> bool {
    let mut columns = metadata
        .row_groups()
        .iter()
        .flat_map(RowGroupMetaData::columns);
    columns.any(|column| {
        let dictionary = column.dictionary_page_offset().unwrap_or(0);
        column.data_page_offset() < 0 || dictionary < 0 || column.compressed_size() < 0
    })
}

/// Returns the remedy for pages that are compressed in a way that is not read.
fn unread_codec(metadata: &ParquetMetaData) -> Option<String> {
    let mut columns = metadata
        .row_groups()
        .iter()
        .flat_map(RowGroupMetaData::columns);
    let codec = columns.find_map(|column| match column.compression() {
        Compression::BROTLI(_) => Some("Brotli"),
        Compression::LZO => Some("LZO"),
        _ => None,
    })?;
    Some(format!(
        "is a Parquet file compressed with {codec}, which is not read: write it with snappy, zstd, gzip or lz4"
    ))
}

fn damaged(told: &str) -> String {
    format!("the Parquet file cannot be read on from here: {told}: is it whole?")
}

#[cfg(test)]
mod tests;
