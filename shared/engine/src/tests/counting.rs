//! A core that writes down everything that happens to it.
//!
//! An event's name says what to do, its id which number to write down. There are three of it, one
//! behind the other as the services are: what the first one reads as events, the later ones read as
//! its facts.

use bytes::Bytes;
use hot::{Owner, StreamName};
use kernel::{CounterKey, Duration, PartitionId, Timestamp};
use messages::stream::v1::{
    ChangeRecord, Event, Fact, MapMoved, Record, change_record::Kind, record::Body,
};

use decision::{BoundedCounters, Core, Effects, Home, Input, Moved, Outcome, Poison, Step};

#[derive(Debug)]
pub(crate) struct Counting<const STAGE: usize = 0>;

/// How long after a timer the next one of a customer that was told to repeat.
const REPEAT: Duration = Duration::from_millis(7);

/// Everything that happened to one customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) log: Vec<String>,
    pub(crate) due: Option<Timestamp>,
}

impl Seen {
    /// The times that were written down behind a word.
    fn times(&self, word: &'static str) -> impl Iterator<Item = Timestamp> + '_ {
        let times = self.log.iter().filter_map(move |it| it.strip_prefix(word));
        times.filter_map(|time| time.parse().ok().map(Timestamp::from_millis))
    }
}

impl<const STAGE: usize> Core for Counting<STAGE> {
    /// The numbers below this are defined.
    type Definitions = i64;
    type State = Seen;

    const OWNER: Owner = [Owner::Segmentation, Owner::Journey, Owner::Activation][STAGE];
    const INPUTS: &'static [(StreamName, Option<StreamName>)] = &[(
        [StreamName::Events, StreamName::Facts, StreamName::Actions][STAGE],
        Some(
            [
                StreamName::EventsBulk,
                StreamName::FactsBulk,
                StreamName::ActionsBulk,
            ][STAGE],
        ),
    )];
    const UPSTREAM: &'static [StreamName] = [
        &[] as &[StreamName],
        &[StreamName::Events],
        &[StreamName::Events, StreamName::Facts],
    ][STAGE];
    const OUTPUT: Option<(StreamName, StreamName)> = [
        Some((StreamName::Facts, StreamName::FactsBulk)),
        Some((StreamName::Actions, StreamName::ActionsBulk)),
        None,
    ][STAGE];
    const BOUNDED_COUNTERS: Option<BoundedCounters> = Some(BoundedCounters {
        group: "bounded",
        names: 2,
        other: "other",
    });
    const HOME: Home = [Home::Segmentation, Home::Journey, Home::Activation][STAGE];

    fn decode(bytes: &[u8]) -> Result<Seen, Poison> {
        let text = std::str::from_utf8(bytes).map_err(|_| Poison::new("not a text"))?;
        let (due, log) = text.split_once('|').ok_or_else(|| Poison::new("no bar"))?;
        Ok(Seen {
            due: due.parse().ok().map(Timestamp::from_millis),
            log: log
                .split(',')
                .filter(|entry| !entry.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }

    fn encode(state: &Seen) -> Bytes {
        let due = state
            .due
            .map_or_else(String::new, |due| due.as_millis().to_string());
        format!("{due}|{}", state.log.join(",")).into()
    }

    fn step(
        defined: &i64,
        state: &mut Seen,
        input: Input<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        match input {
            Input::Timer { due_time } => {
                match state.log.last().map(String::as_str) {
                    Some("deaf") => return Ok(Outcome::Unchanged),
                    Some("sour") => return Err(Poison::new("a sour timer")),
                    _ => {}
                }
                if state.times("sour:").any(|until| step.now < until) {
                    return Err(Poison::new("a timer that is sour for now"));
                }
                let repeats = state.log.iter().any(|entry| entry == "repeat");
                let repeat = (repeats && state.log.len() < 12).then(|| due_time + REPEAT);
                state.due = repeat.or_else(|| state.times("then:").find(|then| *then > due_time));
                state.log.push(format!("fired@{}", due_time.as_millis()));
                step.effects.count(counter("fired"), 1);
                let record = Record {
                    customer_id: step.key.clone(),
                    ..Record::default()
                };
                step.effects.change(change(&record, "fired"));
                step.effects.emit(fact(record, "fired", due_time));
                Ok(Outcome::Keep {
                    next_due: state.due,
                })
            }
            Input::Record(record) => match &record.body {
                Some(Body::Fact(fact)) => {
                    let event = fact.event.as_ref().expect("a fact of an event");
                    state.log.push(event.name.clone());
                    // The later services wait for something of their own.
                    if let Some((_, wait)) = event.name.split_once('~') {
                        let wait = wait.parse().expect("a number");
                        state.due = Some(step.now + Duration::from_millis(wait));
                    }
                    step.effects.count(counter("seen"), 1);
                    if Self::OUTPUT.is_some() {
                        step.effects.emit(record.clone());
                    }
                    Ok(Outcome::Keep {
                        next_due: state.due,
                    })
                }
                _ => take(*defined, state, record, step.now, step.effects),
            },
        }
    }

    fn is_gone(defined: &i64, group: &str) -> bool {
        let version = group.strip_prefix("version/");
        let version = version.and_then(|version| version.parse::<i64>().ok());
        version.is_some_and(|version| version >= *defined)
    }

    fn counts_presence(counter: &CounterKey) -> bool {
        &*counter.name == "present"
    }

    fn take_leave(_: &i64, state: &mut Seen, step: &mut Step<'_>) -> Option<Bytes> {
        step.effects.count(counter("seen"), -size(state));
        (!state.log.is_empty()).then(|| Self::encode(state))
    }

    fn fold_in(
        _: &i64,
        state: &mut Seen,
        moved: Moved<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let other = Self::decode(moved.state)?;
        step.effects.count(counter("seen"), size(&other));
        state.log.extend(other.log);
        state.due = state.due.into_iter().chain(other.due).min();
        Ok(Outcome::Keep {
            next_due: state.due,
        })
    }
}

fn size(state: &Seen) -> i64 {
    i64::try_from(state.log.len()).expect("few entries")
}

fn take(
    defined: i64,
    state: &mut Seen,
    record: &Record,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Outcome, Poison> {
    let Some(Body::Event(event)) = &record.body else {
        return Err(Poison::new("not an event"));
    };
    let (what, argument) = event.name.split_once(':').unwrap_or((&event.name, ""));
    let number = || argument.parse::<i64>().expect("a number");
    // Before anything can fail, so that a failure has something to undo.
    state.log.push(event.event_id.clone());
    match what {
        "add" => {}
        "skip" => {
            state.log.pop();
            return Ok(Outcome::Unchanged);
        }
        "remove" => return Ok(Outcome::Remove),
        "wait" => state.due = Some(now + Duration::from_millis(number())),
        "clear" => state.due = None,
        // What its timer does from now on.
        "repeat" | "deaf" => state.log.push(what.to_owned()),
        "sour" if argument.is_empty() => state.log.push(what.to_owned()),
        // Until when its timer cannot be processed, and a second time that it waits for.
        "sour" | "then" => state.log.push(event.name.clone()),
        // Cannot be processed before there is glue.
        "brittle" if state.log.iter().any(|entry| entry == "glue") => {}
        "brittle" => return Err(Poison::new("brittle")),
        "glue" => state.log.push(what.to_owned()),
        "poison" => return Err(Poison::new("told so")),
        "panic" => panic!("told so too"),
        "grow" => state
            .log
            .push("x".repeat(usize::try_from(number()).expect("a size"))),
        "shout" => {
            let size = usize::try_from(number()).expect("a size");
            effects.emit(fact(record.clone(), &"x".repeat(size), now));
        }
        // A change of a size.
        "tell" => {
            let size = usize::try_from(number()).expect("a size");
            effects.change(change(record, &"x".repeat(size)));
        }
        "forward" => {
            let to = PartitionId::new(u16::try_from(number()).expect("a partition"));
            let mut copy = event.clone();
            copy.name = "add".to_owned();
            let body = Some(Body::Event(copy));
            effects.forward(
                to,
                StreamName::Events,
                Record {
                    body,
                    ..record.clone()
                },
            );
        }
        "receipt" => {
            let mut copy = event.clone();
            copy.name = "add".to_owned();
            copy.event_id.push('r');
            let body = Some(Body::Event(copy));
            effects.emit_to(
                StreamName::Events,
                Record {
                    body,
                    ..record.clone()
                },
            );
        }
        "count" => effects.count(counter(argument), 1),
        "uncount" => effects.count(counter(argument), -1),
        "drop" => effects.drop_counters(argument),
        "need" if number() < defined => {}
        "need" => {
            effects.lack_definition();
            state.log.push("lacking".to_owned());
        }
        "dispatch" => effects.dispatch(record.clone()),
        other => return Err(Poison::new(format!("unknown {other}"))),
    }
    effects.count(counter("seen"), 1);
    effects.change(change(record, &event.event_id));
    effects.emit(fact(
        Record {
            trace_parent: String::new(),
            ..record.clone()
        },
        &event.event_id,
        now,
    ));
    Ok(Outcome::Keep {
        next_due: state.due,
    })
}

/// A change that has a name, told with the fact of that name.
fn change(record: &Record, name: &str) -> ChangeRecord {
    ChangeRecord {
        customer_id: record.customer_id.clone(),
        time_ms: record.time_ms,
        kind: Some(Kind::Position(MapMoved {
            journey_map: name.to_owned(),
            ..MapMoved::default()
        })),
    }
}

/// The counter that tests write so: the group, a slash and the name, or the name alone.
pub(super) fn counter(text: &str) -> CounterKey {
    let (group, name) = text.rsplit_once('/').unwrap_or(("", text));
    CounterKey::new(group, name)
}

pub(super) fn fact(record: Record, name: &str, at: Timestamp) -> Record {
    let event = Event {
        name: name.to_owned(),
        ..Event::default()
    };
    Record {
        time_ms: at.as_millis(),
        body: Some(Body::Fact(Fact {
            event: Some(event),
            ..Fact::default()
        })),
        ..record
    }
}
