//! A file to import: its format, its digest, and a reader that counts.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use super::separator::Separator;
use crate::failure::Failure;

/// A file to import.
#[derive(Debug, Clone)]
pub(crate) struct ImportFile {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// The format of its lines.
    pub(crate) format: LineFormat,
    /// Names it as an ordered source.
    pub(crate) source: String,
    /// Its bytes, compressed if they are.
    pub(crate) bytes: u64,
    /// The number of bytes that were read so far.
    pub(crate) bytes_read: Arc<AtomicU64>,
    is_gzip: bool,
}

/// The ways to read a file that people may name; the others are found in it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading {
    /// The sign between cells.
    pub(crate) separator: Option<Separator>,
}

/// A format of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineFormat {
    /// Values separated by this byte, under a header.
    Separated(u8),
    /// One JSON object a line.
    Json,
}

/// The first two bytes of every gzip file (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

impl ImportFile {
    /// Looks at a file: reads it once for its digest, unless the source is named.
    pub(crate) fn open(
        path: &Path,
        source: Option<&str>,
        reading: Reading,
    ) -> Result<Self, Failure> {
        let unreadable =
            |error| Failure::mistake(format!("{}: cannot be read: {error}", path.display()));
        let mut file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        let mut start = Vec::new();
        file.by_ref()
            .take(2)
            .read_to_end(&mut start)
            .map_err(unreadable)?;
        file.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        let source = match source {
            Some(source) => source.to_owned(),
            None => format!("file:{}", digest(file).map_err(unreadable)?),
        };
        let named = reading.separator.map(|it| LineFormat::Separated(it.byte()));
        let format = named.or_else(|| format_of(path)).ok_or_else(|| {
            Failure::mistake(format!(
                "{}: the name must end in .csv, .tsv, .jsonl or .ndjson, also followed by .gz",
                path.display()
            ))
        })?;
        Ok(Self {
            path: path.to_owned(),
            format,
            source,
            bytes,
            bytes_read: Arc::default(),
            is_gzip: start == GZIP,
        })
    }

    /// Its lines, unpacked.
    pub(super) fn reader(&self) -> std::io::Result<Box<dyn BufRead>> {
        let counted = Counted {
            inner: File::open(&self.path)?,
            count: Arc::clone(&self.bytes_read),
        };
        Ok(if self.is_gzip {
            Box::new(BufReader::with_capacity(
                1 << 16,
                MultiGzDecoder::new(counted),
            ))
        } else {
            Box::new(BufReader::with_capacity(1 << 16, counted))
        })
    }
}

fn format_of(path: &Path) -> Option<LineFormat> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    Some(match name.rsplit_once('.')?.1 {
        "csv" => LineFormat::Separated(b','),
        "tsv" => LineFormat::Separated(b'\t'),
        "jsonl" | "ndjson" | "json" => LineFormat::Json,
        _ => return None,
    })
}

/// The first 16 bytes of the SHA-256 of the content, in hexadecimal digits: enough that no two
/// files share it.
fn digest(mut file: File) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(kernel::to_hex(&hasher.finalize()[..16]));
        }
        hasher.update(&buffer[..count]);
    }
}

/// Counts what is read.
struct Counted {
    inner: File,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_the_end_of_the_name() {
        for (name, format) in [
            ("a.csv", Some(LineFormat::Separated(b','))),
            ("a.CSV.GZ", Some(LineFormat::Separated(b','))),
            ("a.tsv", Some(LineFormat::Separated(b'\t'))),
            ("a.b.jsonl.gz", Some(LineFormat::Json)),
            ("a.parquet", None),
            ("gz", None),
        ] {
            assert_eq!(format_of(Path::new(name)), format, "{name}");
        }
    }
}
