//! The traits of a customer, each with the time of the event that set it.

use kernel::{Timestamp, Value, limits::TRAITS_PER_PROFILE};

use crate::limits;

/// A trait.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trait {
    pub(crate) name: Box<str>,
    pub(crate) value: Value,
    pub(crate) set_time: Timestamp,
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
                known.set_time = at;
                let changes = known.value != value;
                if changes {
                    known.value = value;
                    if self.bytes() > limits::TRAIT_BYTES {
                        // The old value is outdated and the new one does not fit: nothing is known.
                        self.0.remove(place);
                    }
                }
                changes
            }
            (Err(_), None) => false,
            (Err(place), Some(value)) => {
                let bytes = self.bytes() + name.len() + value_bytes(&value);
                if self.0.len() >= TRAITS_PER_PROFILE || bytes > limits::TRAIT_BYTES {
                    return false;
                }
                let new = Trait {
                    name: name.into(),
                    value,
                    set_time: at,
                };
                self.0.insert(place, new);
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
        Value::Text(text) => text.len(),
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
