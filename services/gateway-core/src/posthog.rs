//! PostHog's dialect: one event of it.
//!
//! A `distinct_id` is whoever the event happened to: a visitor by the id of a device, or somebody
//! who is known. The properties tell them apart, and are read as PostHog's own SDKs write them.

use std::borrow::Cow;

use messages::identity::v1;

use crate::draft::{Draft, Group, group_type, is_group_key};
use crate::facts::{Facts, Sent};
use crate::json::{self, Fields};
use crate::{Fault, Reason, time};

/// The events that say that two ids are one person's.
const ALIASES: [&str; 2] = ["$create_alias", "$merge_dangerously"];
/// The event about a group. Its `distinct_id` is often made up, and says nothing of anybody.
const GROUP: &str = "$groupidentify";
/// The `distinct_id` of everybody who is counted without cookies.
const COOKIELESS: &str = "$posthog_cookieless";
/// The properties that have a place of their own in an event.
const LIFTED: [&str; 3] = ["$set", "$unset", SET_ONCE];
/// Traits that are to be set only where they are not set.
const SET_ONCE: &str = "$set_once";
/// The id that names somebody.
const WHO: &str = "a distinct_id";

/// Reads an event.
pub(crate) fn read<'t>(event: &'t str, facts: &Facts<'t>) -> Result<v1::Event, Fault> {
    let fields = facts.fields(event)?;
    for key in ["api_key", "token"] {
        facts.check_key(key, fields.get(key))?;
    }
    let properties = match fields.get("properties") {
        None => Fields::default(),
        Some(json) => Fields::read(json).map_err(|_| {
            Fault::malformed("properties", "is no object: send {}, or leave it out")
        })?,
    };
    facts.check_key("properties.token", properties.get("token"))?;
    let options = fields.get("options").map(Fields::read);
    let options = options.and_then(Result::ok).unwrap_or_default();
    let name = fields.get("event").and_then(json::text);
    let missing = || {
        Fault::new(
            Reason::MalformedEvent,
            "event",
            "is missing: name what happened",
        )
    };
    let name = name.filter(|it| !it.is_empty()).ok_or_else(missing)?;
    let mut draft = Draft {
        id: fields
            .get("uuid")
            .and_then(json::id)
            .filter(|id| !id.is_empty()),
        time: time::read("timestamp", fields.get("timestamp"))?,
        ..Draft::default()
    };
    let ignores = properties.get("$ignore_sent_at") == Some("true")
        || options.get("disable_skew_correction") == Some("true");
    if !ignores {
        // In a bare list each event says when it was sent.
        let own = time::of("sent_at", &fields);
        let own = own.map(|time| Sent {
            time,
            may_be_old: true,
        });
        draft.sent = facts
            .sent
            .or(own)
            .and_then(|sent| sent.by(facts.receive_time));
    }
    if name == GROUP {
        describe_group(&mut draft, &properties)?;
        draft.name = facts.name(name);
        return draft.finish(WHO);
    }
    identify(&mut draft, &name, &fields, &properties, &options, facts)?;
    draft.traits = traits(&fields, &properties)?;
    if let Some(traits) = draft.traits.clone() {
        add_identifiers(&mut draft, traits, facts);
    }
    groups(&mut draft, &properties);
    draft.properties = kept(&fields, &properties);
    draft.context = context(&fields, &properties);
    draft.name = facts.name(name);
    draft.finish(WHO)
}

fn identify<'t>(
    draft: &mut Draft<'t>,
    name: &str,
    fields: &Fields<'t>,
    properties: &Fields<'t>,
    options: &Fields<'t>,
    facts: &Facts<'t>,
) -> Result<(), Fault> {
    let (user, anonymous) = (
        &facts.rules.user_namespace,
        &facts.rules.anonymous_namespace,
    );
    let own = fields
        .get("distinct_id")
        .or_else(|| properties.get("distinct_id"));
    let own = match own {
        None => None,
        Some(json) => {
            let wrong = || {
                Fault::malformed(
                    "distinct_id",
                    "is no text and no number: send the id as a text",
                )
            };
            Some(json::id(json).ok_or_else(wrong)?)
        }
    };
    let Some(own) = own.filter(|id| !id.is_empty() && id.as_ref() != COOKIELESS) else {
        return Ok(());
    };
    let device = properties.get("$device_id").and_then(json::id);
    let is_off = |json: Option<&str>| json == Some("false");
    let is_visitor = device.as_ref() == Some(&own)
        || is_off(properties.get("$process_person_profile"))
        || is_off(options.get("process_person_profile"))
        || is_off(properties.get("$is_identified"));
    if ALIASES.contains(&name) {
        let other = properties
            .get("alias")
            .and_then(json::id)
            .filter(|id| !id.is_empty());
        let missing = || Fault::malformed("properties.alias", "is missing: an alias names two ids");
        let other = other.ok_or_else(missing)?;
        // SDKs send it in either direction, and either may be a visitor's.
        for (field, id) in [("distinct_id", own), ("properties.alias", other)] {
            if device.as_ref() != Some(&id) {
                draft.identify(user, field, id.clone())?;
            }
            draft.identify(anonymous, field, id)?;
        }
        draft.is_alias = true;
        return Ok(());
    }
    let namespace = if is_visitor { anonymous } else { user };
    draft.identify(namespace, "distinct_id", own)?;
    let before = properties.get("$anon_distinct_id").and_then(json::id);
    if let Some(before) = before {
        draft.identify(anonymous, "properties.$anon_distinct_id", before)?;
    }
    Ok(())
}

/// Returns the traits that an event sets or removes: `$set` and `$unset`, beside the properties or
/// among them; beside them counts.
fn traits<'t>(fields: &Fields<'t>, properties: &Fields<'t>) -> Result<Option<Cow<'t, str>>, Fault> {
    let set = |fields: &Fields<'t>, field: &str| match fields.get("$set") {
        None => Ok(None),
        Some(json) if json::is_object(json) => {
            Ok(Some(json).filter(|it| !json::is_empty_object(it)))
        }
        Some(_) => Err(Fault::malformed(
            field,
            "is no object: send {}, or leave it out",
        )),
    };
    let (beside, among) = (set(fields, "$set")?, set(properties, "properties.$set")?);
    let removed = fields.get("$unset").or_else(|| properties.get("$unset"));
    let removed: Vec<String> = match removed {
        None => Vec::new(),
        Some(json) => serde_json::from_str(json)
            .map_err(|_| Fault::malformed("$unset", "is no list of names: send [\"name\"]"))?,
    };
    let (beside, among) = match (beside, among, removed.is_empty()) {
        (None, None, true) => return Ok(None),
        (Some(one), None, true) | (None, Some(one), true) => return Ok(Some(one.into())),
        (beside, among, _) => (beside, among),
    };
    let read = |json: Option<&'t str>| Fields::read(json.unwrap_or("{}"));
    let wrong = |error: serde_json::Error| Fault::malformed("$set", error.to_string());
    let (beside, among) = (read(beside).map_err(wrong)?, read(among).map_err(wrong)?);
    let among = among
        .iter()
        .filter(|(key, _)| beside.iter().all(|(own, _)| own != *key));
    let set: Vec<_> = beside.iter().chain(among).collect();
    let removed = removed.iter().map(String::as_str);
    let removed = removed.filter(|name| set.iter().all(|(own, _)| own != name));
    let removed: Vec<_> = removed.map(|name| (name, "null")).collect();
    Ok(Some(json::object(set.into_iter().chain(removed)).into()))
}

fn add_identifiers<'t>(draft: &mut Draft<'t>, traits: Cow<'t, str>, facts: &Facts<'t>) {
    if facts.rules.identifier_traits.is_empty() {
        return;
    }
    match traits {
        Cow::Borrowed(json) => {
            let fields = Fields::read(json).unwrap_or_default();
            draft.identify_by_traits(facts.rules, &fields);
        }
        Cow::Owned(json) => {
            let fields = Fields::read(&json).unwrap_or_default();
            for (key, namespace) in &facts.rules.identifier_traits {
                if let Some(value) = fields.get(key).and_then(json::id) {
                    // One that cannot be an identifier is only a trait.
                    let _ = draft.identify(namespace, key, value.into_owned().into());
                }
            }
        }
    }
}

fn groups<'t>(draft: &mut Draft<'t>, properties: &Fields<'t>) {
    let Some(json) = properties.get("$groups") else {
        return;
    };
    for (kind, key) in Fields::read(json).unwrap_or_default().iter() {
        let Some(key) = json::id(key).filter(|key| is_group_key(key)) else {
            continue;
        };
        draft
            .groups
            .extend(group_type(kind.to_owned().into()).map(|kind| Group {
                kind,
                key,
                traits: None,
            }));
    }
}

/// Reads the group that an event tells of, with its traits, and nobody.
fn describe_group<'t>(draft: &mut Draft<'t>, properties: &Fields<'t>) -> Result<(), Fault> {
    let kind = properties.get("$group_type").and_then(json::text);
    let kind = kind.and_then(group_type).ok_or_else(|| {
        let text = "is missing, or can be no name: send the type of the group, such as company";
        Fault::malformed("properties.$group_type", text)
    })?;
    let key = properties.get("$group_key").and_then(json::id);
    let key = key.filter(|key| is_group_key(key)).ok_or_else(|| {
        let text = "is missing, or too long: send the key of the group";
        Fault::malformed("properties.$group_key", text)
    })?;
    let traits = properties.get("$group_set");
    if traits.is_some_and(|json| !json::is_object(json)) {
        let text = "is no object: send {}, or leave it out";
        return Err(Fault::malformed("properties.$group_set", text));
    }
    draft.is_of_groups = true;
    draft.groups.push(Group {
        kind,
        key,
        traits: traits.map(Cow::Borrowed),
    });
    Ok(())
}

/// Returns the properties without what has another place, and without the write key; with the
/// session, which one form of the dialect has beside them, as the other has it among them.
fn kept<'t>(fields: &Fields<'t>, properties: &Fields<'t>) -> Option<Cow<'t, str>> {
    let is_lifted = |key: &str| LIFTED.contains(&key) || key == "token";
    let session = [("$session_id", "session_id"), ("$window_id", "window_id")];
    let session = session.into_iter();
    let session = session.filter_map(|(key, beside)| Some((key, fields.get(beside)?)));
    let added: Vec<_> = session.collect();
    if added.is_empty() && !properties.iter().any(|(key, _)| is_lifted(key)) {
        return fields.get("properties").map(Cow::Borrowed);
    }
    let is_kept = |key: &str| !is_lifted(key) && added.iter().all(|(own, _)| *own != key);
    let kept = properties.iter().filter(|(key, _)| is_kept(key));
    Some(json::object(kept.chain(added.iter().copied())).into())
}

/// Returns the context of an event: the traits that are to be set only where they are not set. No
/// trait is set so here. Browsers send some dozens of them, more than there is room for among
/// properties.
fn context<'t>(fields: &Fields<'t>, properties: &Fields<'t>) -> Option<Cow<'t, str>> {
    let once = fields.get(SET_ONCE).or_else(|| properties.get(SET_ONCE));
    let once = once.filter(|json| json::is_object(json) && !json::is_empty_object(json))?;
    Some(json::object([(SET_ONCE, once)].into_iter()).into())
}
