//! An event under way from a dialect to the contracts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use kernel::limits::EVENT_BYTES;
use kernel::{StableHash, Timestamp};
use messages::convert;
use messages::identity::v1;
use messages::identity::v1::event::{ContextForm, PropertiesForm, TraitsForm};
use messages::identity::v1::group_traits::TraitsForm as GroupForm;
use prost::Message as _;

use crate::json::{self, Fields};
use crate::limits::{EVENT_ID_CHARS, GROUP_TYPE_BYTES, IDENTIFIER_CHARS, IDENTIFIERS_PER_EVENT};
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
    pub(crate) groups: Vec<Group<'t>>,
    /// True where it may tell of its groups alone, and of nobody.
    pub(crate) is_of_groups: bool,
    pub(crate) properties: Option<Cow<'t, str>>,
    /// True where the properties are traits of its group too, which tells them either way.
    pub(crate) is_doubled: bool,
    pub(crate) traits: Option<Cow<'t, str>>,
    pub(crate) context: Option<Cow<'t, str>>,
    pub(crate) is_alias: bool,
}

/// A group that an event tells of.
#[derive(Debug)]
pub(crate) struct Group<'t> {
    /// Its type, as [`group_type`] returns it.
    pub(crate) kind: Cow<'t, str>,
    /// The sender's key of it.
    pub(crate) key: Cow<'t, str>,
    /// Its traits; absent where the event tells none.
    pub(crate) traits: Option<Cow<'t, str>>,
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
        let tells_of_groups = self.is_of_groups && !self.groups.is_empty();
        if self.identifiers.is_empty() && !tells_of_groups {
            let text = format!("names nobody: send {who}");
            return Err(Fault::new(Reason::NoIdentifier, "", text));
        }
        let objects = [&self.properties, &self.traits, &self.context];
        check_bytes(objects, "properties, traits and context")?;
        check_bytes(self.groups.iter().map(|it| &it.traits), "traits of groups")?;
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
        let (groups, group_traits) = split(self.groups);
        let mut event = v1::Event {
            event_id: self.id.map(event_id).unwrap_or_default(),
            name: self.name.into_owned(),
            time: self.time.map(convert::timestamp),
            sent_time: self.sent.map(convert::timestamp),
            identifiers,
            other_identifiers,
            groups,
            group_traits,
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
        };
        // Large ones are the group's alone: twice they would be more than an event may be.
        if self.is_doubled && event.encoded_len() > EVENT_BYTES {
            event.properties_form = None;
        }
        Ok(event)
    }
}

/// Refuses objects that are larger, all together, than an event may be.
fn check_bytes<'a>(
    objects: impl IntoIterator<Item = &'a Option<Cow<'a, str>>>,
    what: &str,
) -> Result<(), Fault> {
    let bytes: usize = objects.into_iter().flatten().map(|it| it.len()).sum();
    if bytes <= EVENT_BYTES {
        return Ok(());
    }
    let text = format!("has {bytes} bytes of {what}: at most {EVENT_BYTES} are taken");
    Err(Fault::new(Reason::EventTooLarge, "", text))
}

/// Returns the keys of groups and what is told about them, by type: of several of one type, the
/// first. Others stay in the event's objects alone, and so do those that are too many.
fn split(groups: Vec<Group<'_>>) -> (HashMap<String, String>, HashMap<String, v1::GroupTraits>) {
    let mut keys = HashMap::new();
    let mut told = HashMap::new();
    for group in groups {
        let kind = group.kind.into_owned();
        if keys.len() == IDENTIFIERS_PER_EVENT || keys.contains_key(&kind) {
            continue;
        }
        let traits = group.traits.filter(|json| !json::is_empty_object(json));
        if let Some(traits) = traits {
            let form = GroupForm::TraitsJson(traits.into_owned());
            let traits_form = Some(form);
            told.insert(kind.clone(), v1::GroupTraits { traits_form });
        }
        keys.insert(kind, group.key.into_owned());
    }
    (keys, told)
}

/// Returns the type of a group as the contracts have it, by which a namespace can have its name: in
/// small letters, with `_` for whatever is no letter and no digit. `None` where nothing of that can
/// be a name.
pub(crate) fn group_type(kind: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let is_right = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let is_name = |kind: &str| {
        kind.len() <= GROUP_TYPE_BYTES
            && kind.starts_with(|first: char| first.is_ascii_lowercase())
            && kind.bytes().all(is_right)
    };
    if is_name(&kind) {
        return Some(kind);
    }
    // Longer ones are not read to their end.
    if kind.len() > GROUP_TYPE_BYTES {
        return None;
    }
    let lower = kind.trim().chars().map(|letter| match letter {
        letter if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
        _ => '_',
    });
    let name: String = lower.collect();
    is_name(&name).then(|| name.into())
}

/// Returns whether a key of a group is such as the contracts allow.
pub(crate) fn is_group_key(key: &str) -> bool {
    !key.trim().is_empty() && !is_longer(key, IDENTIFIER_CHARS)
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
