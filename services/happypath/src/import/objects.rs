//! JSON objects of a file, one a line, for commands that make something else of them than events.

use std::path::{Path, PathBuf};

use rpc::properties::Entries;

use super::bad_line::BadLine;
use super::file::{ImportFile, Reading};
use super::form::Form;
use super::json_lines::object_of;
use super::json_texts::{Layout, Texts};
use crate::failure::Failure;

/// The objects of a file, read as they are asked for.
pub(crate) struct Objects {
    texts: Texts,
    path: PathBuf,
    /// Holds what came through a pipe.
    _file: ImportFile,
}

impl Objects {
    /// Opens a file; `-` is standard input. It may be packed with gzip, and in any encoding of
    /// Unicode.
    ///
    /// # Errors
    /// It cannot be read, or holds something else.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let mistake = |what: String| Failure::mistake(format!("{}: {what}", path.display()));
        let reading = Reading {
            is_json_lines: true,
            ..Reading::default()
        };
        let file = ImportFile::open(path, Some(""), reading)?;
        if file.form != Form::Json(Layout::Lines) {
            let what = "is a Parquet file: write it as JSON, one object a line";
            return Err(mistake(what.to_owned()));
        }
        let window = file.text();
        let window = window.map_err(|error| mistake(format!("cannot be read: {error}")))?;
        Ok(Self {
            texts: Texts::new(window, Layout::Lines),
            path: path.to_owned(),
            _file: file,
        })
    }

    /// The file, as it was named.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the next object with its line, or why that is none; `None` at the end. Empty lines
    /// are passed over.
    pub(crate) fn next(&mut self) -> Option<Result<(u64, Entries<'_>), BadLine>> {
        if let Err(bad) = self.texts.advance()? {
            return Some(Err(bad));
        }
        let line = self.texts.line();
        let text = self.texts.text();
        Some(object_of(line, text, self.texts.offset()).map(|object| (line, object)))
    }
}
