//! Documents as trees that know where everything was written.

use granit_parser::{Event, Parser, ScalarStyle, Span};

use crate::limits::{DOCUMENT_DEPTH, FILE_NODES};

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

/// Reads every document, and what is wrong with the YAML itself. The cost is bounded: no recursion, no aliases,
/// and a limit on depth and on the number of values.
pub(super) fn documents(text: &str) -> (Vec<Document>, Vec<(Place, String)>) {
    let mut documents = Vec::new();
    let mut mistakes = Vec::new();
    let mut parser = Parser::new_from_str_with_options(
        text,
        granit_parser::options! { flow_nesting_limit: DOCUMENT_DEPTH, block_nesting_limit: DOCUMENT_DEPTH },
    );
    let mut open: Vec<Open> = Vec::new();
    let mut count = 0;
    while let Some(next) = parser.next_event() {
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => {
                let marker = error.marker();
                mistakes.push((
                    (marker.line(), marker.col() + 1),
                    format!("this is not YAML: {}", error.info()),
                ));
                break;
            }
        };
        let place = place_of(&span);
        count += 1;
        if count > FILE_NODES {
            mistakes.push((
                place,
                format!("the file holds more than {FILE_NODES} values: split it"),
            ));
            break;
        }
        let done = match event {
            Event::Scalar(text, style, _, tag) => {
                if tag.is_some() {
                    mistakes.push((
                        place,
                        "tags are not used here: write the value without `!`".to_owned(),
                    ));
                }
                let is_plain = style == ScalarStyle::Plain;
                Some(Node {
                    place,
                    value: NodeValue::Scalar {
                        text: text.into_owned(),
                        is_plain,
                    },
                })
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(place, Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(place, Vec::new(), None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(close),
            Event::Alias(_) => {
                mistakes.push((
                    place,
                    "aliases are not used here: write the value out".to_owned(),
                ));
                Some(Node {
                    place,
                    value: NodeValue::Map(Vec::new()),
                })
            }
            _ => None,
        };
        if open.len() > DOCUMENT_DEPTH {
            mistakes.push((
                place,
                format!("is nested more than {DOCUMENT_DEPTH} deep: flatten it"),
            ));
            break;
        }
        if let Some(node) = done {
            match open.last_mut() {
                Some(Open::List(_, items)) => items.push(node),
                Some(Open::Map(_, pairs, key)) => match key.take() {
                    Some(name) => pairs.push((name, node)),
                    None => *key = Some(node),
                },
                // A document of nothing, such as after a last `---`, is none.
                None if matches!(&node.value, NodeValue::Scalar { text, is_plain: true } if text.is_empty() || text == "~") =>
                    {}
                None => documents.push(Document { root: node }),
            }
        }
    }
    (documents, mistakes)
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

fn place_of(span: &Span) -> Place {
    (span.start.line(), span.start.col() + 1)
}
