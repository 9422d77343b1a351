//! The traits of a customer, each with the time of the event that set it. Each is written when it is
//! set: a state is stored with every event, and most of them set none.

use bytes::Bytes;
use decision::Poison;
use kernel::{Timestamp, Value, limits::TRAITS_PER_PROFILE};
use messages::convert;
use messages::segmentation::state_v1 as stored;
use prost::Message;

use crate::limits;

/// A trait.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trait {
    pub(crate) name: Box<str>,
    pub(crate) value: Value,
    pub(crate) set_time: Timestamp,
    /// How it is stored.
    bytes: Bytes,
}

impl Trait {
    fn new(name: &str, value: Value, set_time: Timestamp) -> Self {
        let message = stored::Trait {
            name: name.to_owned(),
            value: Some(convert::stream_value(&value)),
            set_time_ms: set_time.as_millis(),
        };
        Self {
            name: message.name.as_str().into(),
            value,
            set_time,
            bytes: message.encode_to_vec().into(),
        }
    }

    /// Reads a trait as it is stored; none where it has no value.
    ///
    /// # Errors
    /// [`Poison`] where it cannot be read.
    pub(crate) fn read(bytes: Bytes) -> Result<Option<Self>, Poison> {
        let message = stored::Trait::decode(bytes.as_ref())
            .map_err(|error| Poison::new(format!("a trait cannot be read: {error}")))?;
        let value = message.value.as_ref().and_then(convert::value);
        Ok(value.map(|value| Self {
            name: message.name.into(),
            value,
            set_time: Timestamp::from_millis(message.set_time_ms),
            bytes,
        }))
    }

    /// How it is stored.
    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// Traits, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Traits(pub(crate) Vec<Trait>);

impl Traits {
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        let place = self.place(name).ok()?;
        Some(&self.0[place].value)
    }

    /// Sets a trait, or removes it where there is no value; tells whether its value changed. What
    /// an older event says does not replace what a newer one said, and what does not fit is left
    /// out.
    pub(crate) fn set(&mut self, name: &str, value: Option<Value>, at: Timestamp) -> bool {
        match (self.place(name), value) {
            (Ok(place), _) if self.0[place].set_time > at => false,
            (Ok(place), None) => {
                self.0.remove(place);
                true
            }
            (Ok(place), Some(value)) => {
                let known = &mut self.0[place];
                let changes = known.value != value;
                *known = Trait::new(name, value, at);
                if changes && self.bytes() > limits::TRAIT_BYTES {
                    // The old value is outdated and the new one does not fit: nothing is known.
                    self.0.remove(place);
                }
                changes
            }
            (Err(_), None) => false,
            (Err(place), Some(value)) => {
                let bytes = self.bytes() + name.len() + value_bytes(&value);
                if self.0.len() >= TRAITS_PER_PROFILE || bytes > limits::TRAIT_BYTES {
                    return false;
                }
                self.0.insert(place, Trait::new(name, value, at));
                true
            }
        }
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|own| own.name.as_ref().cmp(name))
    }

    fn bytes(&self) -> usize {
        let sizes = self
            .0
            .iter()
            .map(|own| own.name.len() + value_bytes(&own.value));
        sizes.sum()
    }
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::Bool(_) | Value::Number(_) => 8,
        Value::Integer(_) => 16,
        Value::Text(text) | Value::Json(text) => text.len(),
        Value::List(values) => values.iter().map(value_bytes).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_event_has_the_word() {
        let mut traits = Traits::default();
        let at = Timestamp::from_millis;
        assert!(traits.set("plan", Some("pro".into()), at(10)));
        assert!(!traits.set("plan", Some("free".into()), at(5)));
        assert!(!traits.set("plan", Some("pro".into()), at(11)));
        assert!(traits.set("plan", None, at(12)));
        assert_eq!(traits.value("plan"), None);
    }

    #[test]
    fn a_trait_is_read_as_it_was_written() {
        let mut traits = Traits::default();
        let at = Timestamp::from_millis;
        traits.set("plan", Some("free".into()), at(-1));
        traits.set("plan", Some("pro".into()), at(10));
        traits.set("plan", Some("pro".into()), at(11));
        traits.set("seats", Some(3.0.into()), at(12));
        for known in &traits.0 {
            let read = Trait::read(known.bytes().clone());
            assert_eq!(read.as_ref(), Ok(&Some(known.clone())));
        }
        assert_eq!(traits.0[0].set_time, at(11));
        assert_eq!(Trait::read(Bytes::new()), Ok(None), "it has no value");
        assert!(Trait::read(Bytes::from_static(&[0xff])).is_err());
    }

    #[test]
    fn a_profile_is_bounded() {
        let mut traits = Traits::default();
        let text = "x".repeat(8 * 1024);
        for number in 0..300 {
            traits.set(
                &format!("t{number}"),
                Some(text.as_str().into()),
                Timestamp::MIN,
            );
        }
        assert!(traits.bytes() <= limits::TRAIT_BYTES);
        assert!(traits.0.len() < 10);
    }
}
