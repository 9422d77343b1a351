//! An event under way from a dialect to the contracts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use kernel::limits::EVENT_BYTES;
use kernel::{StableHash, Timestamp};
use messages::convert;
use messages::identity::v1;
use messages::identity::v1::event::{ContextForm, PropertiesForm, TraitsForm};

use crate::json::{self, Fields};
use crate::limits::{EVENT_ID_CHARS, IDENTIFIER_CHARS, IDENTIFIERS_PER_EVENT};
use crate::{Fault, Reason, SourceRules};

/// The findings of a dialect about an event. Objects are JSON text.
#[derive(Debug, Default)]
pub(crate) struct Draft<'t> {
    pub(crate) id: Option<Cow<'t, str>>,
    pub(crate) name: Cow<'t, str>,
    pub(crate) time: Option<Timestamp>,
    pub(crate) sent: Option<Timestamp>,
    /// Namespace and value, the most important first.
    pub(crate) identifiers: Vec<(&'t str, Cow<'t, str>)>,
    pub(crate) groups: Vec<(Cow<'t, str>, Cow<'t, str>)>,
    pub(crate) properties: Option<Cow<'t, str>>,
    pub(crate) traits: Option<Cow<'t, str>>,
    pub(crate) context: Option<Cow<'t, str>>,
    pub(crate) is_alias: bool,
}

impl<'t> Draft<'t> {
    /// Adds an identifier, unless it is empty or there already.
    ///
    /// # Errors
    /// Where it is longer than an identifier may be.
    pub(crate) fn identify(
        &mut self,
        namespace: &'t str,
        field: &str,
        value: Cow<'t, str>,
    ) -> Result<(), Fault> {
        if is_longer(&value, IDENTIFIER_CHARS) {
            let text = format!("has more than {IDENTIFIER_CHARS} characters: an id is shorter");
            return Err(Fault::malformed(field, text));
        }
        let own = (namespace, value);
        if !own.1.trim().is_empty() && !self.identifiers.contains(&own) {
            self.identifiers.push(own);
        }
        Ok(())
    }

    /// Adds the traits that identify, by the rules of the source. One that cannot is only a trait.
    pub(crate) fn identify_by_traits(&mut self, rules: &'t SourceRules, traits: &Fields<'t>) {
        for (key, namespace) in &rules.identifier_traits {
            let value = traits.get(key).and_then(json::id);
            let Some(value) = value.filter(|value| !is_longer(value, IDENTIFIER_CHARS)) else {
                continue;
            };
            let own = (namespace.as_str(), value);
            let has_room = self.identifiers.len() < IDENTIFIERS_PER_EVENT;
            if has_room && !own.1.trim().is_empty() && !self.identifiers.contains(&own) {
                self.identifiers.push(own);
            }
        }
    }

    /// Makes the event.
    ///
    /// # Errors
    /// Where it names nobody, or is larger than an event may be.
    pub(crate) fn finish(self, who: &'static str) -> Result<v1::Event, Fault> {
        if self.identifiers.is_empty() {
            let text = format!("names nobody: send {who}");
            return Err(Fault::new(Reason::NoIdentifier, "", text));
        }
        let objects = [&self.properties, &self.traits, &self.context];
        let bytes: usize = objects.into_iter().flatten().map(|it| it.len()).sum();
        if bytes > EVENT_BYTES {
            let text = format!(
                "has {bytes} bytes of properties, traits and context: at most {EVENT_BYTES} are taken"
            );
            return Err(Fault::new(Reason::EventTooLarge, "", text));
        }
        let mut identifiers = HashMap::with_capacity(self.identifiers.len());
        let mut other_identifiers = Vec::new();
        for (namespace, value) in self.identifiers {
            let (namespace, value) = (namespace.to_owned(), value.into_owned());
            match identifiers.entry(namespace) {
                Entry::Vacant(free) => {
                    free.insert(value);
                }
                Entry::Occupied(taken) => {
                    let namespace = taken.key().clone();
                    other_identifiers.push(v1::Identifier { namespace, value });
                }
            }
        }
        let groups = self.groups.into_iter().take(IDENTIFIERS_PER_EVENT);
        Ok(v1::Event {
            event_id: self.id.map(event_id).unwrap_or_default(),
            name: self.name.into_owned(),
            time: self.time.map(convert::timestamp),
            sent_time: self.sent.map(convert::timestamp),
            identifiers,
            other_identifiers,
            groups: groups
                .map(|(kind, key)| (kind.into_owned(), key.into_owned()))
                .collect(),
            properties_form: self
                .properties
                .map(|it| PropertiesForm::PropertiesJson(it.into_owned())),
            traits_form: self
                .traits
                .map(|it| TraitsForm::TraitsJson(it.into_owned())),
            context_form: self
                .context
                .map(|it| ContextForm::ContextJson(it.into_owned())),
            is_alias: self.is_alias,
            sequence: 0,
        })
    }
}

/// Adds a group, where type and key are such as the contracts allow; others stay in the event's
/// objects alone.
pub(crate) fn push_group<'t>(
    groups: &mut Vec<(Cow<'t, str>, Cow<'t, str>)>,
    kind: Cow<'t, str>,
    key: Cow<'t, str>,
) {
    let is_right = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let has_name = kind.len() <= 64
        && kind.starts_with(|first: char| first.is_ascii_lowercase())
        && kind.bytes().all(is_right);
    if has_name && !key.is_empty() && !is_longer(&key, IDENTIFIER_CHARS) {
        groups.push((kind, key));
    }
}

/// Returns the id of an event: a hash in the place of one that is too long.
fn event_id(id: Cow<'_, str>) -> String {
    if is_longer(&id, EVENT_ID_CHARS) {
        hashed(&["long", &id])
    } else {
        id.into_owned()
    }
}

/// Returns the id of an event that its sender gave none, and a time: the same event has the same.
pub(crate) fn id_of_content(parts: &[&str]) -> String {
    hashed(parts)
}

/// A text that stands for others. Two hashes make chance no matter; nobody gains by a collision but
/// the loss of events of their own.
fn hashed(parts: &[&str]) -> String {
    let hash = |seed: &[u8]| {
        let hash = parts
            .iter()
            .fold(StableHash::new().with(seed), |hash, part| {
                hash.with(part.as_bytes())
            });
        hash.finish()
    };
    format!("hash-{:016x}{:016x}", hash(b"1"), hash(b"2"))
}

/// Returns whether a text has more characters than this; most are told by their bytes.
pub(crate) fn is_longer(text: &str, chars: usize) -> bool {
    text.len() > chars && text.chars().count() > chars
}
