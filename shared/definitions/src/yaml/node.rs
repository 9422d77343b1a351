//! Documents as trees that know where everything was written.

use std::ops::ControlFlow;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::limits::{DOCUMENT_DEPTH, FILE_NODES};

/// Characters of a value that a sentence shows.
const SHOWN_CHARS: usize = 120;

pub(super) type Place = (usize, usize);

/// One document of a file.
pub(super) struct Document {
    pub(super) root: Node,
}

/// A value and where it begins.
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: NodeValue,
}

pub(super) enum NodeValue {
    Scalar { text: String, is_plain: bool },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// A list or map that is not over.
enum Open {
    List(Place, Vec<Node>),
    Map(Place, Vec<(Node, Node)>, Option<Node>),
}

/// Reads every document, and what is wrong with the YAML itself. The cost is bounded: no recursion,
/// no aliases, and a limit on depth and on the number of values.
pub(super) fn documents(text: &str) -> (Vec<Document>, Vec<(Place, String)>) {
    let mut parser = Parser::new_from_str_with_options(
        text,
        granit_parser::options! { flow_nesting_limit: DOCUMENT_DEPTH, block_nesting_limit: DOCUMENT_DEPTH },
    );
    let mut reader = Reader::default();
    while let Some(next) = parser.next_event() {
        let taken = match next {
            Ok((event, span)) => reader.take(event, place_of(&span)),
            Err(error) => {
                let place = (error.marker().line(), error.marker().col() + 1);
                reader.stop(place, format!("this is not YAML: {}", error.info()))
            }
        };
        if taken.is_break() {
            break;
        }
    }
    (reader.documents, reader.mistakes)
}

/// The documents of a file, as far as they are read.
#[derive(Default)]
struct Reader {
    documents: Vec<Document>,
    mistakes: Vec<(Place, String)>,
    /// The lists and maps around the next value, from the outside.
    open: Vec<Open>,
    /// The number of events so far.
    count: usize,
}

impl Reader {
    /// Takes the next event, or stops at a limit.
    fn take(&mut self, event: Event<'_>, place: Place) -> ControlFlow<()> {
        self.count += 1;
        if self.count > FILE_NODES {
            let text = format!("the file holds more than {FILE_NODES} values: split it");
            return self.stop(place, text);
        }
        let done = self.node(event, place);
        if self.open.len() > DOCUMENT_DEPTH {
            let text = format!("is nested more than {DOCUMENT_DEPTH} deep: flatten it");
            return self.stop(place, text);
        }
        if let Some(node) = done {
            self.put(node);
        }
        ControlFlow::Continue(())
    }

    /// Adds a mistake behind which nothing is read.
    fn stop(&mut self, place: Place, text: String) -> ControlFlow<()> {
        self.mistakes.push((place, text));
        ControlFlow::Break(())
    }

    /// Returns the value that an event ends, if it ends one.
    fn node(&mut self, event: Event<'_>, place: Place) -> Option<Node> {
        match event {
            Event::Scalar(text, style, _, tag) => {
                let is_plain = style == ScalarStyle::Plain;
                let text = match tag {
                    None => text.into_owned(),
                    Some(tag) => {
                        let (value, mistake) = tagged(&tag, &text);
                        self.mistakes.push((place, mistake));
                        value
                    }
                };
                Some(Node {
                    place,
                    value: NodeValue::Scalar { text, is_plain },
                })
            }
            Event::SequenceStart(..) => {
                self.open.push(Open::List(place, Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                self.open.push(Open::Map(place, Vec::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => self.open.pop().map(close),
            Event::Alias(_) => {
                let text = "aliases are not used here: write the value out";
                self.mistakes.push((place, text.to_owned()));
                Some(Node {
                    place,
                    value: NodeValue::Map(Vec::new()),
                })
            }
            _ => None,
        }
    }

    /// Puts a value where it belongs: into the list or map around it, or among the documents.
    fn put(&mut self, node: Node) {
        match self.open.last_mut() {
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Map(_, pairs, key)) => match key.take() {
                Some(name) => pairs.push((name, node)),
                None => *key = Some(node),
            },
            // A document of nothing, such as after a last `---`, is none.
            None if matches!(&node.value, NodeValue::Scalar { text, is_plain: true } if text.is_empty() || text == "~") =>
                {}
            None => self.documents.push(Document { root: node }),
        }
    }
}

fn close(open: Open) -> Node {
    match open {
        Open::List(place, items) => Node {
            place,
            value: NodeValue::List(items),
        },
        Open::Map(place, pairs, _) => Node {
            place,
            value: NodeValue::Map(pairs),
        },
    }
}

/// Returns a value with the tag before it, and what is wrong with that.
///
/// Conditions begin with `!` often, and YAML takes that for a tag.
fn tagged(tag: &Tag, text: &str) -> (String, String) {
    if tag.handle() != "!" {
        let mistake = "tags are not used here: write the value without its tag";
        return (text.to_owned(), mistake.to_owned());
    }
    let gap = if text.is_empty() { "" } else { " " };
    let value = format!("!{}{gap}{text}", tag.suffix());
    let shown: String = value.chars().take(SHOWN_CHARS).collect();
    let quote = if shown.contains('\'') { '"' } else { '\'' };
    let mistake = format!(
        "a value that begins with `!` stands in quotes, because YAML takes that for a tag: {quote}{shown}{quote}"
    );
    (value, mistake)
}

fn place_of(span: &Span) -> Place {
    (span.start.line(), span.start.col() + 1)
}
