//! Lines of JSON objects.

use std::io::{BufRead, Read as _};

use proto::identity::v1::Event;
use rpc::properties::Entries;

use super::bad_line::BadLine;
use super::columns::Builder;
use super::line::{Fingerprint, Line};
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

    fn parse(&mut self, line: &[u8]) -> Result<Event, BadLine> {
        let text = std::str::from_utf8(line)
            .map_err(|error| BadLine::new(self.line, "", format!("is not UTF-8: {error}")))?;
        let object = Entries::read(text).map_err(|error| {
            let reason = format!("is not a JSON object: {error}");
            BadLine::new(
                self.line,
                "",
                reason.replace(" at line 1 column", " at column"),
            )
        })?;
        self.event(&object)
    }

    fn event(&mut self, object: &Entries<'_>) -> Result<Event, BadLine> {
        let names = || object.0.iter().map(|(name, _)| name);
        if !self.columns.iter().eq(names()) {
            if let Some(twice) = object.twice() {
                return Err(BadLine::new(self.line, twice, "is there twice: keep one"));
            }
            let columns: Vec<String> = names().cloned().collect();
            self.roles = self.mapping.roles(&columns, true).map_err(|faults| {
                let (field, reason) = faults.into_iter().next().unwrap_or_default();
                BadLine::new(self.line, field, reason)
            })?;
            self.columns = columns;
        }
        let mut builder = Builder::new(self.line, self.mapping.event_name.as_deref());
        for (role, (column, value)) in self.roles.iter().zip(&object.0) {
            builder.json(role, column, value.get());
        }
        builder.build()
    }
}

impl Iterator for JsonLines {
    type Item = Result<Line, BadLine>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over {
            if let Err(bad) = self.read_line()? {
                return Some(Err(bad));
            }
            if self.buffer.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let buffer = std::mem::take(&mut self.buffer);
            let event = self.parse(&buffer);
            let line = event.map(|event| Line {
                event,
                line: self.line,
                digest: Fingerprint::of(buffer.trim_ascii()),
            });
            self.buffer = buffer;
            return Some(line);
        }
        None
    }
}
