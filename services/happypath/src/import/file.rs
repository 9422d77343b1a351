//! A file to import: its form, its digest, and a reader that counts.
//!
//! It looks at the beginning only, so that a file of another kind is refused before anything of it
//! is sent.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use tempfile::NamedTempFile;

use super::encoding::Encoding;
use super::foreign::foreign;
use super::form::{Form, Name, form_of_text};
use super::json_texts::Layout;
use super::naming::source_of;
use super::separator::Separator;
use super::window::Window;
use crate::failure::Failure;
use crate::limits::{READ_BYTES, SNIFF_BYTES};

/// The ways to read a file that people may name; the others are found in it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading {
    /// The sign between cells.
    pub(crate) separator: Option<Separator>,
    /// True where it holds one JSON object a line, whatever it looks like.
    pub(crate) is_json_lines: bool,
}

/// A file to import.
#[derive(Debug, Clone)]
pub(crate) struct ImportFile {
    /// Where it is, as it was named: `-` is standard input.
    pub(crate) path: PathBuf,
    /// The form of what it holds.
    pub(crate) form: Form,
    /// Names its import.
    pub(crate) source: String,
    /// Its bytes, compressed if they are.
    pub(crate) bytes: u64,
    /// The number of bytes that were read so far.
    pub(crate) bytes_read: Arc<AtomicU64>,
    is_gzip: bool,
    encoding: Encoding,
    /// Holds what came through a pipe until the import ends.
    kept: Option<Arc<NamedTempFile>>,
}

/// The first two bytes of every gzip file (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The first bytes of every Parquet file.
const PARQUET: [u8; 4] = *b"PAR1";

impl ImportFile {
    /// Looks at a file. Unless somebody names its import, its own name does; an empty one where
    /// it has none.
    ///
    /// # Errors
    /// Where it cannot be read, or is of a kind that is not.
    pub(crate) fn open(
        path: &Path,
        source: Option<&str>,
        reading: Reading,
    ) -> Result<Self, Failure> {
        let mistake = |what: String| Failure::mistake(format!("{}: {what}", path.display()));
        let unreadable = |error| mistake(format!("cannot be read: {error}"));
        let kept = kept(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::IsADirectory => {
                mistake("is a folder: name the files in it, such as FOLDER/*.csv".to_owned())
            }
            _ => unreadable(error),
        })?;
        let place = kept.as_ref().map_or(path, |kept| kept.path());
        let mut file = File::open(place).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        let (start, is_whole) = beginning(&mut file).map_err(unreadable)?;
        let is_gzip = start.starts_with(&GZIP);
        let (start, is_whole) = if is_gzip {
            beginning(&mut MultiGzDecoder::new(Cursor::new(start)))
                .or_else(|_| {
                    file.seek(SeekFrom::Start(0))?;
                    beginning(&mut MultiGzDecoder::new(&mut file))
                })
                .map_err(|error| mistake(format!("cannot be unpacked: {error}: is it whole?")))?
        } else {
            (start, is_whole)
        };
        let (form, encoding) =
            told(&start, is_whole, is_gzip, Name::of(path), reading).map_err(mistake)?;
        let source = match source {
            Some(source) => source.to_owned(),
            None => source_of(path).unwrap_or_default(),
        };
        Ok(Self {
            path: path.to_owned(),
            form,
            source,
            bytes,
            bytes_read: Arc::default(),
            is_gzip,
            encoding,
            kept,
        })
    }

    /// Returns its text, unpacked and in UTF-8.
    pub(super) fn text(&self) -> std::io::Result<Window> {
        let counted = Counted {
            inner: self.file()?,
            count: Arc::clone(&self.bytes_read),
        };
        let bytes: Box<dyn Read> = if self.is_gzip {
            Box::new(MultiGzDecoder::new(BufReader::with_capacity(
                READ_BYTES, counted,
            )))
        } else {
            Box::new(counted)
        };
        Ok(Window::new(self.encoding.decode(bytes)?))
    }

    /// Says as what it is read, such as `separated by ;, UTF-8, gzipped`.
    pub(crate) fn description(&self) -> String {
        let form = match self.form {
            Form::Separated(b'\t') => "separated by tabs".to_owned(),
            Form::Separated(sign) => format!("separated by `{}`", char::from(sign)),
            Form::Json(_) => "JSON".to_owned(),
            Form::Parquet => return "Parquet".to_owned(),
        };
        let packed = if self.is_gzip { ", gzipped" } else { "" };
        format!("{form}, {}{packed}", self.encoding.name())
    }

    /// Takes note that it is read from the beginning again.
    pub(crate) fn rewind(&self) {
        self.bytes_read.store(0, Ordering::Relaxed);
    }

    /// Returns its bytes as they are.
    pub(super) fn file(&self) -> std::io::Result<File> {
        File::open(self.kept.as_ref().map_or(&*self.path, |kept| kept.path()))
    }
}

/// Tells the form and the encoding of a file by its beginning, unpacked.
fn told(
    start: &[u8],
    is_whole: bool,
    is_gzip: bool,
    name: Name,
    reading: Reading,
) -> Result<(Form, Encoding), String> {
    if start.starts_with(&PARQUET) {
        return match is_gzip {
            false => Ok((Form::Parquet, Encoding::Utf8)),
            true => Err(PACKED_PARQUET.to_owned()),
        };
    }
    if let Some(sentence) = foreign(start) {
        return Err(sentence.to_owned());
    }
    let encoding = Encoding::detect(start)?;
    let (mut text, _) = encoding
        .decode(Box::new(Cursor::new(start.to_vec())))
        .and_then(|mut text| beginning(&mut text))
        .map_err(|error| error.to_string())?;
    // Half of a character at the end says nothing of the file.
    if let Some(end) = text.iter().rposition(u8::is_ascii).filter(|_| !is_whole) {
        text.truncate(end + 1);
    }
    // Text may have a few by mistake, on lines that are refused one by one.
    let controls = text.iter().filter(|byte| **byte < b'\t').count();
    if controls > 1 + text.len() / CONTROL_SHARE {
        return Err(BINARY.to_owned());
    }
    let form = match reading.is_json_lines {
        true => Form::Json(Layout::Lines),
        false => form_of_text(&text, is_whole, name, reading.separator)?,
    };
    Ok((form, encoding))
}

/// Returns the form of a text and the text itself, in UTF-8.
#[cfg(feature = "fuzz")]
pub(super) fn text_of(bytes: &[u8]) -> Result<(Form, Vec<u8>), String> {
    let start = &bytes[..bytes.len().min(SNIFF_BYTES)];
    let is_whole = start.len() == bytes.len();
    let (form, encoding) = told(start, is_whole, false, Name::Nothing, Reading::default())?;
    let mut text = Vec::new();
    encoding
        .decode(Box::new(Cursor::new(bytes.to_vec())))
        .and_then(|mut decoded| decoded.read_to_end(&mut text))
        .map_err(|error| error.to_string())?;
    Ok((form, text))
}

/// One character of control among as many is a file of something else than text.
const CONTROL_SHARE: usize = 100;

const PACKED_PARQUET: &str =
    "is a Parquet file inside a gzip file: unpack it with `gunzip FILE` and import what comes out";
const BINARY: &str =
    "is no text, and of no kind that is known: export the events as CSV, JSON Lines or Parquet";

/// Keeps what can be read only once: standard input, and what is no regular file.
fn kept(path: &Path) -> std::io::Result<Option<Arc<NamedTempFile>>> {
    let mut source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        if metadata.is_file() {
            return Ok(None);
        }
        Box::new(File::open(path)?)
    };
    let mut kept = NamedTempFile::new()?;
    std::io::copy(&mut source, &mut kept)?;
    Ok(Some(Arc::new(kept)))
}

/// Reads the beginning, and returns whether it is all. A gzip file that breaks off after some of it
/// has a beginning too.
fn beginning(reader: &mut dyn Read) -> std::io::Result<(Vec<u8>, bool)> {
    let mut start = Vec::new();
    let read = reader.take(SNIFF_BYTES as u64).read_to_end(&mut start);
    match read {
        Err(error) if start.is_empty() => Err(error),
        Err(_) => Ok((start, false)),
        Ok(count) => Ok((start, count < SNIFF_BYTES)),
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
