//! Lines of JSON objects.

use std::io::{BufRead, Read as _};

use proto::identity::v1::Event;
use serde_json::{Map, Value};

use super::bad_line::BadLine;
use super::columns::Builder;
use super::mapping::{Mapping, Role};
use crate::limits::LINE_BYTES;

/// Reads events from JSON objects, one a line.
pub(super) struct JsonLines {
    reader: Box<dyn BufRead>,
    mapping: Mapping,
    line: u64,
    buffer: Vec<u8>,
    /// The roles of the last line's names: most lines have the same.
    columns: Vec<String>,
    roles: Vec<Role>,
    is_over: bool,
}

impl JsonLines {
    /// Reads from here.
    pub(super) fn open(reader: Box<dyn BufRead>, mapping: &Mapping) -> Self {
        Self {
            reader,
            mapping: mapping.clone(),
            line: 0,
            buffer: Vec::new(),
            columns: Vec::new(),
            roles: Vec::new(),
            is_over: false,
        }
    }

    /// Reads a line of at most so many bytes; none at the end.
    fn read_line(&mut self) -> Option<Result<(), BadLine>> {
        self.buffer.clear();
        self.line += 1;
        let limit = LINE_BYTES as u64 + 1;
        match self
            .reader
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut self.buffer)
        {
            Ok(0) => None,
            Ok(count) if count > LINE_BYTES => Some(Err(self.skip_rest())),
            Ok(_) => Some(Ok(())),
            Err(error) => {
                self.is_over = true;
                Some(Err(BadLine::new(self.line, "", error.to_string())))
            }
        }
    }

    fn skip_rest(&mut self) -> BadLine {
        while self.buffer.last() != Some(&b'\n') {
            self.buffer.clear();
            let limit = LINE_BYTES as u64;
            match self
                .reader
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut self.buffer)
            {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        BadLine::new(self.line, "", format!("is longer than {LINE_BYTES} bytes"))
    }

    fn event(&mut self, object: &Map<String, Value>) -> Result<Event, BadLine> {
        if !self.columns.iter().eq(object.keys()) {
            let columns: Vec<String> = object.keys().cloned().collect();
            self.roles = self.mapping.roles(&columns, true).map_err(|faults| {
                let (field, reason) = faults.into_iter().next().unwrap_or_default();
                BadLine::new(self.line, field, reason)
            })?;
            self.columns = columns;
        }
        let mut builder = Builder::new(self.line, self.mapping.event_name.as_deref());
        for (role, (column, value)) in self.roles.iter().zip(object) {
            builder.json(role, column, value);
        }
        builder.build()
    }
}

impl Iterator for JsonLines {
    type Item = Result<Event, BadLine>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over {
            if let Err(bad) = self.read_line()? {
                return Some(Err(bad));
            }
            if self.buffer.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let parsed: Result<Map<String, Value>, _> = serde_json::from_slice(&self.buffer);
            return Some(match parsed {
                Ok(object) => self.event(&object),
                Err(error) => Err(BadLine::new(
                    self.line,
                    "",
                    format!("is not a JSON object: {error}")
                        .replace(" at line 1 column", " at column"),
                )),
            });
        }
        None
    }
}
