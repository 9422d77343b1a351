//! From a file to batches of events, on a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};

use prost::Message as _;
use tokio::sync::mpsc;

use super::bad_line::BadLine;
use super::csv_lines::CsvLines;
use super::file::ImportFile;
use super::form::Form;
use super::json_lines::JsonLines;
use super::line::Line;
use super::mapping::Mapping;
use super::parquet_rows::ParquetRows;
use crate::limits::{BATCH_BYTES, BATCHES_IN_FLIGHT};

/// A piece of a file, as they follow one another.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Events.
    Batch(Batch),
    /// A line that is none.
    Bad(BadLine),
}

/// Events on their way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch {
    /// The lines that they are.
    pub(crate) lines: Vec<Line>,
}

/// Reads a file on a thread of its own, as fast as the receiver takes it. Dropping the receiver
/// ends it.
pub(crate) fn read(
    file: &ImportFile,
    mapping: &Mapping,
    batch_size: usize,
) -> mpsc::Receiver<Piece> {
    let (pieces, receiver) = mpsc::channel(BATCHES_IN_FLIGHT);
    let (file, mapping) = (file.clone(), mapping.clone());
    tokio::task::spawn_blocking(move || {
        let sent = || send_pieces(&file, &mapping, batch_size, &pieces);
        // The end of the pieces is the end of the file, and nothing else may look like it.
        if catch_unwind(AssertUnwindSafe(sent)).is_err() {
            let bad = BadLine::last(
                1,
                "reading it failed, by a fault of this program: report it",
            );
            let _ = pieces.blocking_send(Piece::Bad(bad));
        }
    });
    receiver
}

/// Sends the pieces of a file, until all are sent or nobody wants them any more.
fn send_pieces(
    file: &ImportFile,
    mapping: &Mapping,
    batch_size: usize,
    pieces: &mpsc::Sender<Piece>,
) {
    let mut found: Box<dyn Iterator<Item = Piece>> = match lines(file, mapping) {
        Ok(lines) => Box::new(Pieces::new(lines, batch_size)),
        Err(bad) => Box::new(bad.into_iter().map(Piece::Bad)),
    };
    while let Some(piece) = found.next()
        && pieces.blocking_send(piece).is_ok()
    {}
}

type Lines = Box<dyn Iterator<Item = Result<Line, BadLine>>>;

fn lines(file: &ImportFile, mapping: &Mapping) -> Result<Lines, Vec<BadLine>> {
    let text = || {
        file.text()
            .map_err(|error| vec![BadLine::last(1, format!("cannot be read: {error}"))])
    };
    Ok(match file.form {
        Form::Separated(separator) => Box::new(CsvLines::open(text()?, separator, mapping)?),
        Form::Json(layout) => Box::new(JsonLines::open(text()?, layout, mapping)),
        Form::Parquet => Box::new(ParquetRows::open(file, mapping)?),
    })
}

/// Gathers events into batches; a bad line comes after the events before it.
struct Pieces {
    lines: Lines,
    batch_size: usize,
    bad: Option<BadLine>,
}

impl Pieces {
    fn new(lines: Lines, batch_size: usize) -> Self {
        Self {
            lines,
            batch_size,
            bad: None,
        }
    }
}

impl Iterator for Pieces {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if let Some(bad) = self.bad.take() {
            return Some(Piece::Bad(bad));
        }
        let mut lines = Vec::with_capacity(self.batch_size);
        let mut bytes = 0;
        while lines.len() < self.batch_size && bytes < BATCH_BYTES {
            match self.lines.next() {
                Some(Ok(line)) => {
                    bytes += line.event.encoded_len();
                    lines.push(line);
                }
                Some(Err(bad)) if lines.is_empty() => return Some(Piece::Bad(bad)),
                Some(Err(bad)) => {
                    self.bad = Some(bad);
                    break;
                }
                None if lines.is_empty() => return None,
                None => break,
            }
        }
        Some(Piece::Batch(Batch { lines }))
    }
}

#[cfg(test)]
mod shapes;
#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proto::identity::v1::event::{PropertiesForm, TraitsForm};

    use super::*;
    use crate::import::Reading;

    /// Returns the pieces of a file, a word each: the lines of a batch, or `bad` with its line and
    /// field.
    async fn pieces(name: &str, content: &[u8]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        let file = ImportFile::open(&path, None, Reading::default()).expect("a format");
        let mut receiver = read(&file, &Mapping::default(), 2);
        let mut found = Vec::new();
        while let Some(piece) = receiver.recv().await {
            found.push(match piece {
                Piece::Batch(batch) => {
                    let lines: Vec<String> = batch
                        .lines
                        .iter()
                        .map(|line| line.line.to_string())
                        .collect();
                    lines.join("+")
                }
                Piece::Bad(bad) => format!("bad {}:{}", bad.line, bad.field),
            });
        }
        found
    }

    const CSV: &[u8] = b"timestamp,customer_id,event,value\n\
        2017-01-01,1,purchase,2.5\n\
        2017-01-02,1,purchase,\n\
        never,1,purchase,1\n\
        2017-01-03,,purchase,1\n\
        2017-01-04,1,purchase\n\
        2017-01-05,\"2\n3\",purchase,1\n\
        2017-01-06,4,purchase,1\n";

    const CSV_PIECES: [&str; 5] = ["2+3", "bad 4:time", "bad 5:identifiers", "bad 6:", "7+9"];

    #[tokio::test]
    async fn separated_values_become_batches_and_bad_lines_in_order() {
        assert_eq!(pieces("a.csv", CSV).await, CSV_PIECES);
    }

    #[tokio::test]
    async fn gzip_is_unpacked() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(CSV).expect("packed");
        assert_eq!(
            pieces("a.csv.gz", &packed.finish().expect("packed")).await,
            CSV_PIECES
        );
    }

    #[tokio::test]
    async fn json_lines_become_batches_and_bad_lines_in_order() {
        let content = b"{\"time\":\"2017-01-01\",\"user_id\":\"u1\",\"event\":\"a\",\"value\":1}\n\
            \n\
            {\"time\":1483250400,\"name\":\"a\",\"identifiers\":{\"email\":\"a@b.c\"},\"properties\":{\"x\":[1]}}\n\
            [1]\n\
            {\"time\":\"2017-01-01\",\"user_id\":{},\"event\":\"a\"}\n\
            {\"time\":\"2017-01-01\",\"user_id\":\"u1\"}";
        assert_eq!(
            pieces("a.jsonl", content).await,
            ["1+3", "bad 4:", "bad 5:user_id", "bad 6:event"]
        );
    }

    #[tokio::test]
    async fn lines_that_end_with_a_carriage_return_alone_have_places_of_their_own() {
        let content = b"time,event,user_id\r2017-01-01,a,1\r2017-01-02,a,2\r2017-01-03,a,3\n";
        assert_eq!(pieces("a.csv", content).await, ["2+3", "4"]);
    }

    #[tokio::test]
    async fn a_header_without_customers_is_bad_and_nothing_follows() {
        assert_eq!(
            pieces("a.csv", b"time,event\n2017-01-01,a\n").await,
            ["bad 1:identifiers"]
        );
    }

    #[tokio::test]
    async fn a_quote_that_is_never_closed_ends_the_file_at_bounded_cost() {
        let mut content = b"time,event,user_id\n2017-01-01,a,\"".to_vec();
        content.resize(4 * 1024 * 1024, b'x');
        assert_eq!(pieces("a.csv", &content).await, ["bad 2:"]);
    }

    #[tokio::test]
    async fn a_line_without_end_is_skipped() {
        let mut content = vec![b'x'; 1024 * 1024];
        content.extend(b"\n{\"time\":\"2017-01-01\",\"user_id\":\"u1\",\"event\":\"a\"}");
        assert_eq!(pieces("a.jsonl", &content).await, ["bad 1:", "2"]);
    }

    #[tokio::test]
    async fn numbers_of_json_lines_keep_their_digits_and_objects_their_depth() {
        let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
        let content = format!(
            "{{\"time\":\"2017-01-01\",\"event\":\"Order Completed\",\"user_id\":12345678901234567890,\
             \"Order ID\":9007199254740993,\"traits\":{{\"deep\": {deep}}}}}\n\
             {{\"time\":\"2017-01-01\",\"event\":\"a\",\"user_id\":1,\"x\":1,\"x\":2}}\n\
             {{\"time\":\"2017-01-01\",\"event\":\"a\",\"user_id\":1,\"properties\":{{\"y\":1,\"y\":2}}}}\n"
        );
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.jsonl");
        std::fs::write(&path, content).expect("a file");
        let file = ImportFile::open(&path, None, Reading::default()).expect("a format");
        let mut receiver = read(&file, &Mapping::default(), 2);
        let Some(Piece::Batch(batch)) = receiver.recv().await else {
            panic!("a batch");
        };
        let event = &batch.lines[0].event;
        assert_eq!(event.name, "Order Completed");
        assert_eq!(event.identifiers["user_id"], "12345678901234567890");
        let properties = "{\"Order ID\":9007199254740993}".to_owned();
        assert_eq!(
            event.properties_form,
            Some(PropertiesForm::PropertiesJson(properties))
        );
        let traits = format!("{{\"deep\":{deep}}}");
        assert_eq!(event.traits_form, Some(TraitsForm::TraitsJson(traits)));
        for (line, field) in [(2, "x"), (3, "properties.y")] {
            let Some(Piece::Bad(bad)) = receiver.recv().await else {
                panic!("a bad line");
            };
            assert_eq!((bad.line, bad.field.as_str()), (line, field));
        }
    }
}
