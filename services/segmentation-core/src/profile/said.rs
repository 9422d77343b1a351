//! The last word on one trait: its values, or that it has none, and of which event that is.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use decision::Poison;
use kernel::{EventIdHash, Timestamp, Value, names_around, outermost_name};
use messages::convert;
use messages::segmentation::state_v1 as stored;
use messages::stream::v1::NamedValue;
use prost::Message;

/// The place of an event among all that say something of a trait. Later is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    /// When the event happened.
    pub(crate) time: Timestamp,
    /// The lower half of the hash of its id. Of one time, all traits of customers who are joined
    /// are those of one event.
    event: u32,
}

impl Stamp {
    /// The place of an event.
    pub(crate) fn of(event_id: &str, time: Timestamp) -> Self {
        let hash = EventIdHash::of(event_id).map_or(0, EventIdHash::number);
        let event = u32::try_from(hash & u64::from(u32::MAX)).expect("it is masked");
        Self { time, event }
    }
}

/// Values by their whole paths, in the order of these.
pub(crate) type Values = Vec<(Box<str>, Value)>;

/// The content of a word on a trait.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// It has no value any more.
    Removed,
    /// It has a value that found no room.
    LeftOut,
    /// Its value, or the values in the object that it is.
    Values(Values),
}

impl Content {
    /// The values; none where there are none.
    pub(crate) fn values(&self) -> &[(Box<str>, Value)] {
        match self {
            Self::Values(values) => values,
            Self::Removed | Self::LeftOut => &[],
        }
    }

    /// Returns whether there is a value.
    pub(crate) const fn has_values(&self) -> bool {
        matches!(self, Self::Values(_))
    }

    /// Returns the bytes of the names and values, as [`kernel::Properties::bytes`] counts them.
    pub(crate) fn bytes(&self) -> usize {
        let values = self.values().iter();
        let sizes = values.map(|(name, value)| value.bytes_under(name));
        sizes.sum()
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Removed => 0,
            Self::LeftOut => 1,
            Self::Values(_) => 2,
        }
    }
}

/// The last word on a trait.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Said {
    name: Box<str>,
    content: Content,
    stamp: Stamp,
    /// The stored form.
    bytes: Bytes,
}

impl Said {
    fn new(name: Box<str>, content: Content, stamp: Stamp) -> Self {
        let mut message = stored::Trait {
            name: name.to_string(),
            set_time_ms: stamp.time.as_millis(),
            event_tag: stamp.event,
            is_left_out: content == Content::LeftOut,
            ..stored::Trait::default()
        };
        for (own, value) in content.values() {
            let value = Some(convert::stream_value(value));
            match own.get(name.len() + 1..) {
                None => message.value = value,
                Some(rest) => message.parts.push(NamedValue {
                    name: rest.to_owned(),
                    value,
                }),
            }
        }
        Self {
            name,
            content,
            stamp,
            bytes: message.encode_to_vec().into(),
        }
    }

    /// Returns the words of an event, of one trait after another: an object is what the event says
    /// of all of it, and a trait of which it says no value is removed.
    pub(crate) fn by_event(traits: &[NamedValue], stamp: Stamp) -> Vec<Self> {
        let mut said: BTreeMap<&str, Values> = BTreeMap::new();
        for named in traits {
            let values = said.entry(outermost_name(&named.name)).or_default();
            if let Some(value) = named.value.as_ref().and_then(convert::value) {
                values.push((named.name.as_str().into(), value));
            }
        }
        let said = said.into_iter().map(|(name, mut values)| {
            drop_hidden(&mut values);
            let content = if values.is_empty() {
                Content::Removed
            } else {
                Content::Values(values)
            };
            Self::new(name.into(), content, stamp)
        });
        said.collect()
    }

    /// Reads a word as it is stored.
    ///
    /// # Errors
    /// [`Poison`] where it cannot be read.
    pub(crate) fn read(bytes: Bytes) -> Result<Self, Poison> {
        let message = stored::Trait::decode(bytes.as_ref())
            .map_err(|error| Poison::new(format!("a trait cannot be read: {error}")))?;
        let mut values = Values::with_capacity(1);
        if let Some(value) = message.value.as_ref().and_then(convert::value) {
            values.push((message.name.as_str().into(), value));
        }
        for part in &message.parts {
            if let Some(value) = part.value.as_ref().and_then(convert::value) {
                let name = [message.name.as_str(), part.name.as_str()].join(".");
                values.push((name.into(), value));
            }
        }
        let content = match values.is_empty() {
            false => Content::Values(values),
            true if message.is_left_out => Content::LeftOut,
            true => Content::Removed,
        };
        Ok(Self {
            name: message.name.into(),
            content,
            stamp: Stamp {
                time: Timestamp::from_millis(message.set_time_ms),
                event: message.event_tag,
            },
            bytes,
        })
    }

    /// The same word without its values, for which there is no room.
    pub(crate) fn left_out(self) -> Self {
        Self::new(self.name, Content::LeftOut, self.stamp)
    }

    /// The name of the trait: the outermost key, as paths write it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its content.
    pub(crate) const fn content(&self) -> &Content {
        &self.content
    }

    /// The place of its event.
    pub(crate) const fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The value of a path.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        let values = self.content.values();
        let place = values.binary_search_by(|(own, _)| own.as_ref().cmp(name));
        Some(&values[place.ok()?].1)
    }

    /// Returns whether the event of this word did not happen before that of another one.
    pub(crate) fn is_no_earlier_than(&self, other: &Self) -> bool {
        self.stamp.time >= other.stamp.time
    }

    /// Returns whether this is the later of two words. Words of events that cannot be told apart
    /// are ordered by what they say, so that it never matters which came first.
    pub(crate) fn is_after(&self, other: &Self) -> bool {
        let order = self.stamp.cmp(&other.stamp);
        let order = order.then_with(|| self.content.rank().cmp(&other.content.rank()));
        order.then_with(|| self.bytes.cmp(&other.bytes)) == Ordering::Greater
    }

    /// The stored form.
    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Puts values in the order of their names, and drops each that stands where an object stands too.
fn drop_hidden(values: &mut Values) {
    if values.len() < 2 {
        return;
    }
    values.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut objects: HashSet<Box<str>> = HashSet::new();
    for (name, _) in values.iter() {
        objects.extend(names_around(name).map(Box::from));
    }
    values.retain(|(name, _)| !objects.contains(name));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_it_was_written() {
        let stamp = Stamp::of("e1", Timestamp::from_millis(-1));
        let values = |names: &[&str]| {
            let values = names
                .iter()
                .map(|name| ((*name).into(), Value::from(*name)));
            Content::Values(values.collect())
        };
        for content in [
            Content::Removed,
            Content::LeftOut,
            values(&["plan"]),
            values(&["plan.", "plan.a", "plan.b.c"]),
        ] {
            let said = Said::new("plan".into(), content, stamp);
            let read = Said::read(said.bytes().clone());
            assert_eq!(read.as_ref(), Ok(&said));
            assert!(!said.is_after(&said));
        }
        assert!(Said::read(Bytes::from_static(&[0xff])).is_err());
    }
}
