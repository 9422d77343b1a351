//! Reads a scenario: what is defined, what happens, what is asked.
//!
//! It knows the words of the language and nothing of services.

use definitions::parse;
use kernel::Timestamp;
use proto::definition::v1::Definition;

/// Ends a block of definitions.
const END_OF_DEFINITIONS: &str = "=====";

/// One line of a scenario; a block of definitions counts as one.
#[derive(Debug)]
pub(crate) struct Line {
    /// Its text, as the transcript repeats it.
    pub(crate) text: String,
    /// What it asks for.
    pub(crate) act: Act,
}

/// What a line asks for.
#[derive(Debug)]
pub(crate) enum Act {
    /// `definitions`, YAML documents, `=====`.
    Define(Vec<Definition>),
    /// `2017-03-01T10:00 ann purchase value=20 ~plan=pro id:e1`
    Happen { time: Timestamp, event: Happening },
    /// `2017-03-01 pick ann 0..3000 of salt`: names a customer whose bucket in a split lies in a
    /// range.
    Pick {
        time: Timestamp,
        name: String,
        buckets: std::ops::Range<u64>,
        salt: String,
    },
    /// `2017-03-02 advance`
    Advance(Timestamp),
    /// `merge ann bob`
    Merge(Vec<String>),
    /// `consent ann marketing no`, and perhaps a channel
    Consent {
        name: String,
        purpose: String,
        channel: String,
        granted: bool,
    },
    /// Anything that changes nothing.
    Ask(Question),
}

/// An event of a scenario.
#[derive(Debug)]
pub(crate) struct Happening {
    /// Rules and values; the first value is the customer's name.
    pub(crate) identifiers: Vec<(String, String)>,
    /// What happened.
    pub(crate) name: String,
    /// The sender's id of it; empty for none.
    pub(crate) id: String,
    /// Its properties.
    pub(crate) properties: Vec<(String, String)>,
    /// The traits that it tells.
    pub(crate) traits: Vec<(String, String)>,
}

/// A question of a scenario.
#[derive(Debug)]
pub(crate) enum Question {
    /// `expect customer ann`
    Customer(String),
    /// `flow welcome`, or `flow welcome 2` for one version
    Flow { journey: String, version: u32 },
    /// `map coupon`
    Map(String),
    /// `happy-path coupon`
    HappyPath(String),
    /// `segments`
    Segments,
    /// `activations`
    Activations,
}

/// Reads a scenario.
///
/// # Panics
/// Where it does not read, with the line: a scenario is part of the test.
pub(crate) fn read(file: &str, text: &str) -> Vec<Line> {
    let mut script = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let act = if line == "definitions" {
            let block: Vec<&str> = lines
                .by_ref()
                .map(|(_, line)| line)
                .take_while(|line| *line != END_OF_DEFINITIONS)
                .collect();
            Act::Define(definitions(file, &block.join("\n")))
        } else {
            read_line(line).unwrap_or_else(|| panic!("{file}:{}: cannot read: {line}", number + 1))
        };
        script.push(Line {
            text: line.to_owned(),
            act,
        });
    }
    script
}

fn definitions(file: &str, yaml: &str) -> Vec<Definition> {
    match parse(file, yaml) {
        Ok(found) => found.into_iter().map(|located| located.value).collect(),
        Err(mistakes) => {
            let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            panic!("{}", mistakes.join("\n"))
        }
    }
}

fn read_line(line: &str) -> Option<Act> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let own = |word: &&str| (*word).to_owned();
    match words.as_slice() {
        [time, "advance"] => Some(Act::Advance(instant(time)?)),
        [time, "pick", name, buckets, "of", salt] => {
            let (from, until) = buckets.split_once("..")?;
            Some(Act::Pick {
                time: instant(time)?,
                name: own(name),
                buckets: from.parse().ok()?..until.parse().ok()?,
                salt: own(salt),
            })
        }
        ["merge", names @ ..] if names.len() > 1 => {
            Some(Act::Merge(names.iter().map(own).collect()))
        }
        ["consent", name, purpose, word, channel @ ..] => Some(Act::Consent {
            name: own(name),
            purpose: own(purpose),
            channel: channel.first().map(own).unwrap_or_default(),
            granted: match *word {
                "yes" => true,
                "no" => false,
                _ => return None,
            },
        }),
        ["expect", "customer", name] => Some(Act::Ask(Question::Customer(own(name)))),
        ["flow", journey, version @ ..] => Some(Act::Ask(Question::Flow {
            journey: own(journey),
            version: version.first().map_or(Some(0), |text| text.parse().ok())?,
        })),
        ["map", name] => Some(Act::Ask(Question::Map(own(name)))),
        ["happy-path", name] => Some(Act::Ask(Question::HappyPath(own(name)))),
        ["segments"] => Some(Act::Ask(Question::Segments)),
        ["activations"] => Some(Act::Ask(Question::Activations)),
        [time, who, name, rest @ ..] => Some(Act::Happen {
            time: instant(time)?,
            event: happening(who, name, rest)?,
        }),
        _ => None,
    }
}

fn happening(who: &str, name: &str, rest: &[&str]) -> Option<Happening> {
    let mut event = Happening {
        identifiers: who.split(',').map(identifier).collect(),
        name: name.to_owned(),
        id: String::new(),
        properties: Vec::new(),
        traits: Vec::new(),
    };
    for word in rest {
        if let Some(id) = word.strip_prefix("id:") {
            id.clone_into(&mut event.id);
        } else if let Some(told) = word.strip_prefix('~') {
            event.traits.push(pair(told)?);
        } else {
            event.properties.push(pair(word)?);
        }
    }
    Some(event)
}

/// `email=ann@example.com`; a bare name is a user id.
fn identifier(text: &str) -> (String, String) {
    pair(text).unwrap_or_else(|| ("user_id".to_owned(), text.to_owned()))
}

fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    Some((name.to_owned(), value.to_owned()))
}

/// `2017-03-01`, `2017-03-01T10:00` or `2017-03-01T10:00:30`, in UTC.
fn instant(text: &str) -> Option<Timestamp> {
    let rest = match text.len() {
        10 => "T00:00:00Z",
        16 => ":00Z",
        _ => "Z",
    };
    format!("{text}{rest}").parse().ok()
}
