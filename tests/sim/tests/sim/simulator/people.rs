//! Who is who: what identity decides, as simply as it can be said.

mod acts;

use std::collections::{BTreeMap, BTreeSet};

use hot::{StreamId, StreamName};
use kernel::{CustomerId, FragmentId, PartitionCount, Timestamp};
use prost_types::Struct;
use prost_types::value::Kind;
use proto::identity::v1;
use proto::identity::v1::event::{PropertiesForm, TraitsForm};
use proto::stream::v1::{
    ConsentChange, CustomerMerged, Event, MergeAwaited, NamedValue, Record, Value, record::Body,
    value,
};
use uuid::{Builder, Uuid};

use super::clock::BEGIN;
use super::installation::events;
use super::post::Letter;

/// Customers by their identifiers.
#[derive(Debug)]
pub(crate) struct People {
    partitions: PartitionCount,
    /// How many were ever new.
    count: u64,
    by_identifier: BTreeMap<(String, String), CustomerId>,
    /// The customer that each identifier belonged to at first.
    fragments: BTreeMap<(String, String), CustomerId>,
    /// The customer of each numbered event, as known by now.
    of_event: BTreeMap<u64, CustomerId>,
    /// Events that moved with a merge: the number of the event that joined their customer into
    /// another, and their own.
    moved: Vec<(u64, u64)>,
    /// The customers that an event joined, by its number: who was joined, and into whom.
    joined: Vec<(u64, CustomerId, CustomerId)>,
}

/// An event, before anybody knows whose it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) identifiers: Vec<(String, String)>,
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) traits: Vec<(String, String)>,
}

impl People {
    pub(crate) const fn nobody(partitions: PartitionCount) -> Self {
        Self {
            partitions,
            count: 0,
            by_identifier: BTreeMap::new(),
            fragments: BTreeMap::new(),
            of_event: BTreeMap::new(),
            moved: Vec::new(),
            joined: Vec::new(),
        }
    }

    /// The customer of a user id, if there is one.
    pub(crate) fn find(&self, user_id: &str) -> Option<CustomerId> {
        let key = ("user_id".to_owned(), user_id.to_owned());
        self.by_identifier.get(&key).copied()
    }

    /// The number of the next customer decides its id, and so its partition and its bucket in
    /// splits.
    pub(crate) fn skip(&mut self) -> CustomerId {
        self.count += 1;
        customer(self.count)
    }

    /// The customer that is going to be new next.
    pub(crate) const fn next(&self) -> u64 {
        self.count + 1
    }

    /// Resolves the identifiers of an event. Returns the letters that tell of it, merges first.
    pub(crate) fn take(&mut self, seen: Seen, time: Timestamp, number: Option<u64>) -> Vec<Letter> {
        let mut known: Vec<CustomerId> = seen
            .identifiers
            .iter()
            .filter_map(|identifier| self.by_identifier.get(identifier).copied())
            .collect();
        known.sort_unstable();
        known.dedup();
        let customer = known.first().copied().unwrap_or_else(|| self.skip());
        for identifier in &seen.identifiers {
            self.by_identifier.insert(identifier.clone(), customer);
            self.fragments.entry(identifier.clone()).or_insert(customer);
        }
        let first = seen.identifiers.first();
        let fragment = first.and_then(|it| self.fragments.get(it).copied());
        let joined = known.iter().skip(1);
        let joined: Vec<u8> = joined.flat_map(|loser| *loser.as_bytes()).collect();
        let mut letters = Vec::new();
        self.follow(&known, customer, number);
        for loser in known.iter().skip(1) {
            letters.push(self.merge(*loser, customer, time));
        }
        let body = Body::Event(Event {
            event_id: seen.id,
            name: seen.name,
            properties: values(seen.properties),
            traits: values(seen.traits),
            fragment_id: bytes(fragment.unwrap_or(customer)),
            joined_ids: joined.into(),
            ..Event::default()
        });
        letters.push(self.letter(customer, time, body, number));
        letters
    }

    /// Takes note of whose a numbered event is, and of the events that move because of it.
    fn follow(&mut self, known: &[CustomerId], customer: CustomerId, number: Option<u64>) {
        let Some(number) = number else { return };
        let losers = known.get(1..).unwrap_or_default();
        let joined = losers.iter().map(|loser| (number, *loser, customer));
        self.joined.extend(joined);
        for (event, of) in &mut self.of_event {
            if losers.contains(of) {
                *of = customer;
                self.moved.push((number, *event));
            }
        }
        self.of_event.insert(number, customer);
    }

    /// The numbers of the events that moved an event from one customer to another.
    pub(crate) fn moves(&self, event: u64) -> impl Iterator<Item = u64> + '_ {
        let moved = self.moved.iter().filter(move |(_, own)| *own == event);
        moved.map(|(by, _)| *by)
    }

    /// The customers that events joined, losers and survivors, by a condition on the number of the
    /// event.
    pub(crate) fn joined_by(&self, is_meant: impl Fn(u64) -> bool) -> BTreeSet<CustomerId> {
        let joined = self.joined.iter().filter(|(by, ..)| is_meant(*by));
        joined.flat_map(|(_, from, into)| [*from, *into]).collect()
    }

    /// Takes the same event of one customer at each of these times. Returns one letter for all.
    pub(crate) fn take_often(&mut self, seen: Seen, times: &[Timestamp]) -> Letter {
        let letters = self.take(seen, BEGIN, None);
        let mut letter = letters
            .into_iter()
            .next_back()
            .expect("an event is told of");
        let record = letter.records.pop().expect("a letter has a record");
        letter.records = times
            .iter()
            .map(|time| Record {
                time_ms: time.as_millis(),
                ..record.clone()
            })
            .collect();
        letter
    }

    /// Joins a customer into another one.
    pub(crate) fn merge(
        &mut self,
        loser: CustomerId,
        survivor: CustomerId,
        time: Timestamp,
    ) -> Letter {
        for customer in self.by_identifier.values_mut() {
            if *customer == loser {
                *customer = survivor;
            }
        }
        let body = Body::Merged(CustomerMerged {
            into_customer_id: bytes(survivor),
            ..CustomerMerged::default()
        });
        self.letter(loser, time, body, None)
    }

    /// Tells a survivor whom it waits for.
    pub(crate) fn awaited(
        &self,
        loser: CustomerId,
        survivor: CustomerId,
        time: Timestamp,
    ) -> Letter {
        let body = Body::Awaited(MergeAwaited {
            from_customer_ids: bytes(loser),
            ..MergeAwaited::default()
        });
        self.letter(survivor, time, body, None)
    }

    /// Takes a customer's word on a purpose.
    pub(crate) fn consent(
        &self,
        customer: CustomerId,
        time: Timestamp,
        consent: ConsentChange,
    ) -> Letter {
        let mut letter = self.letter(customer, time, Body::Consent(consent), None);
        letter.to = StreamId {
            name: StreamName::Actions,
            ..letter.to
        };
        letter
    }

    fn letter(
        &self,
        customer: CustomerId,
        time: Timestamp,
        body: Body,
        event: Option<u64>,
    ) -> Letter {
        Letter {
            event,
            to: events(self.partitions.partition_of(customer.fragment())),
            records: vec![Record {
                customer_id: bytes(customer),
                time_ms: time.as_millis(),
                trace_parent: String::new(),
                body: Some(body),
                ..Record::default()
            }],
        }
    }
}

/// The customer of a number: older ones have smaller ids.
fn customer(number: u64) -> CustomerId {
    let mut random = [0; 10];
    let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    random[2..].copy_from_slice(&hash.to_be_bytes());
    let uuid: Uuid =
        Builder::from_unix_timestamp_millis(1_700_000_000_000 + number, &random).into_uuid();
    FragmentId::new(uuid).into()
}

fn bytes(customer: CustomerId) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(customer.as_bytes())
}

impl Seen {
    /// The same, as a client sends it to identity.
    pub(crate) fn into_request(self, time: Timestamp) -> v1::Event {
        v1::Event {
            event_id: self.id,
            name: self.name,
            time: Some(proto::convert::timestamp(time)),
            identifiers: self.identifiers.into_iter().collect(),
            properties_form: Some(PropertiesForm::Properties(object(self.properties))),
            traits_form: Some(TraitsForm::Traits(object(self.traits))),
            ..v1::Event::default()
        }
    }
}

/// As [`values`].
fn object(pairs: Vec<(String, String)>) -> Struct {
    let fields = pairs.into_iter().map(|(name, text)| {
        let kind = match text.parse() {
            Ok(number) => Kind::NumberValue(number),
            Err(_) if text == "null" => Kind::NullValue(0),
            Err(_) => Kind::StringValue(text),
        };
        (name, prost_types::Value { kind: Some(kind) })
    });
    Struct {
        fields: fields.collect(),
    }
}

/// Texts that read as numbers are numbers, and `null` is no value.
fn values(mut pairs: Vec<(String, String)>) -> Vec<NamedValue> {
    pairs.sort_unstable();
    let named = pairs.into_iter().map(|(name, text)| {
        let kind = match text.parse() {
            Ok(number) => Some(value::Kind::Number(number)),
            Err(_) if text == "null" => None,
            Err(_) => Some(value::Kind::Text(text)),
        };
        NamedValue {
            name,
            value: Some(Value { kind }),
        }
    });
    named.collect()
}
