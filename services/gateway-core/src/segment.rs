//! Segment's dialect, which RudderStack speaks too: one event of it.
//!
//! Its specification is <https://segment.com/docs/connections/spec/>. Where its SDKs differ from
//! it, and from each other, all their ways are read: ids that are null, traits in `context` alone,
//! a time by the name `originalTimestamp`.

use std::borrow::Cow;

use messages::identity::v1;

use crate::draft::{Draft, Group, id_of_content, is_group_key};
use crate::facts::{Facts, Sent};
use crate::json::{self, Fields};
use crate::limits::IDENTIFIER_CHARS;
use crate::{Fault, Kind, Reason, time};

/// The type of the groups of this dialect, which names none.
const GROUP_TYPE: &str = "account";
/// The ids that name somebody.
const WHO: &str = "a userId or an anonymousId";

/// Reads an event: of a kind, or of the one that it names itself.
pub(crate) fn read<'t>(
    kind: Option<Kind>,
    event: &'t str,
    facts: &Facts<'t>,
) -> Result<v1::Event, Fault> {
    let fields = facts.fields(event)?;
    facts.check_key("writeKey", fields.get("writeKey"))?;
    let kind = match kind {
        Some(kind) => kind,
        None => kind_of(&fields)?,
    };
    let context = Context::of(&fields, facts)?;
    let mut draft = Draft {
        context: context.rest,
        ..Draft::default()
    };
    set_times(&mut draft, event, &fields, facts)?;
    name(&mut draft, kind, &fields, facts)?;
    identify(&mut draft, kind, &fields, facts)?;
    let own = fields.get("traits").filter(|it| json::is_object(it));
    let traits = match kind {
        Kind::Identify => own
            .filter(|it| !json::is_empty_object(it))
            .or(context.traits),
        _ => context.traits,
    };
    if let Some(traits) = traits.filter(|it| !json::is_empty_object(it)) {
        if !facts.rules.identifier_traits.is_empty() {
            // Whatever is wrong with it is told by identity, with the place.
            let traits = Fields::read(traits).unwrap_or_default();
            draft.identify_by_traits(facts.rules, &traits);
        }
        draft.traits = Some(Cow::Borrowed(traits));
    }
    draft.properties = properties(kind, &fields)?;
    match kind {
        Kind::Group => describe_group(&mut draft, &fields)?,
        _ => draft.groups.extend(context.group.map(|key| Group {
            kind: GROUP_TYPE.into(),
            key,
            traits: None,
        })),
    }
    draft.finish(WHO)
}

/// Reads the group that an event tells of. Its traits are the group's; they are properties of the
/// event too, where that is a person's and they are not too large to be there twice.
fn describe_group<'t>(draft: &mut Draft<'t>, fields: &Fields<'t>) -> Result<(), Fault> {
    let Some(key) = id_of(fields, "groupId")? else {
        return Err(Fault::malformed(
            "groupId",
            "is missing: send the id of the group",
        ));
    };
    if !is_group_key(&key) {
        let text = format!("has more than {IDENTIFIER_CHARS} characters: an id is shorter");
        return Err(Fault::malformed("groupId", text));
    }
    let traits = draft.properties.clone();
    if draft.identifiers.is_empty() {
        (draft.properties, draft.traits) = (None, None);
    }
    draft.is_of_groups = true;
    draft.is_doubled = true;
    draft.groups.push(Group {
        kind: GROUP_TYPE.into(),
        key,
        traits,
    });
    Ok(())
}

fn kind_of(fields: &Fields<'_>) -> Result<Kind, Fault> {
    let Some(name) = fields.get("type").and_then(json::text) else {
        let text = "is missing: send track, identify, page, screen, group or alias";
        return Err(Fault::malformed("type", text));
    };
    Kind::read(&name).ok_or_else(|| {
        let shown = crate::letter::cut(&name, 60);
        let text = format!("is `{shown}`: send track, identify, page, screen, group or alias");
        Fault::new(Reason::UnknownType, "type", text)
    })
}

/// Reads id and times. Of an event with a time and without an id, the id is made of what it says,
/// so that it counts once when it is sent again; without a time, nothing tells that from another
/// event that says the same.
fn set_times<'t>(
    draft: &mut Draft<'t>,
    event: &'t str,
    fields: &Fields<'t>,
    facts: &Facts<'t>,
) -> Result<(), Fault> {
    let own = time::read("timestamp", fields.get("timestamp"))?;
    let original = time::read("originalTimestamp", fields.get("originalTimestamp"))?;
    draft.time = own.or(original);
    // A time beside another original one was corrected already, by whoever passed the event on.
    let is_corrected = own.is_some() && original.is_some() && own != original;
    if !is_corrected {
        let sent = time::of("sentAt", fields);
        let sent = sent.map(|time| Sent {
            time,
            // In a batch it can be that of the first try, which RudderStack's SDK repeats.
            may_be_old: facts.is_batch,
        });
        draft.sent = sent
            .or(facts.sent)
            .and_then(|sent| sent.by(facts.receive_time));
    }
    let id = fields.get("messageId").and_then(json::id);
    draft.id = id.filter(|id| !id.is_empty()).or_else(|| {
        let has_time = draft.time.is_some();
        has_time.then(|| id_of_content(&content(event, fields)).into())
    });
    Ok(())
}

/// The parts of an event that are the same whenever it is sent.
fn content<'t>(event: &'t str, fields: &Fields<'t>) -> Vec<&'t str> {
    let Some(sent) = fields.get("sentAt") else {
        return vec![event];
    };
    let values = fields.iter().map(|(_, value)| value);
    values.filter(|value| *value != sent).collect()
}

fn name<'t>(
    draft: &mut Draft<'t>,
    kind: Kind,
    fields: &Fields<'t>,
    facts: &Facts<'t>,
) -> Result<(), Fault> {
    draft.name = match kind {
        Kind::Track => {
            let name = fields.get("event").and_then(json::text);
            let missing = || {
                Fault::new(
                    Reason::MalformedEvent,
                    "event",
                    "is missing: name what happened",
                )
            };
            facts.name(name.filter(|it| !it.is_empty()).ok_or_else(missing)?)
        }
        other => facts.name(Cow::Borrowed(other.name())),
    };
    Ok(())
}

fn identify<'t>(
    draft: &mut Draft<'t>,
    kind: Kind,
    fields: &Fields<'t>,
    facts: &Facts<'t>,
) -> Result<(), Fault> {
    let (user, anonymous) = (
        &facts.rules.user_namespace,
        &facts.rules.anonymous_namespace,
    );
    let own = id_of(fields, "anonymousId")?;
    if let Some(id) = id_of(fields, "userId")? {
        draft.identify(user, "userId", id)?;
    }
    if kind == Kind::Alias {
        // Nobody says whether it was a known one's id or a visitor's: it may be either.
        if let Some(id) = id_of(fields, "previousId")? {
            if own.as_ref() != Some(&id) {
                draft.identify(user, "previousId", id.clone())?;
            }
            draft.identify(anonymous, "previousId", id)?;
        }
        draft.is_alias = true;
    }
    if let Some(id) = own {
        draft.identify(anonymous, "anonymousId", id)?;
    }
    if kind == Kind::Alias && draft.identifiers.len() < 2 {
        let text = "is missing: an alias says that userId and previousId are one person's";
        return Err(Fault::malformed("previousId", text));
    }
    Ok(())
}

fn id_of<'t>(fields: &Fields<'t>, field: &str) -> Result<Option<Cow<'t, str>>, Fault> {
    let Some(value) = fields.get(field) else {
        return Ok(None);
    };
    let wrong = || Fault::malformed(field, "is no text and no number: send the id as a text");
    let id = json::id(value).ok_or_else(wrong)?;
    Ok(Some(id).filter(|id| !id.is_empty()))
}

fn properties<'t>(kind: Kind, fields: &Fields<'t>) -> Result<Option<Cow<'t, str>>, Fault> {
    let field = match kind {
        Kind::Track | Kind::Page | Kind::Screen => "properties",
        // They are the group's.
        Kind::Group => "traits",
        Kind::Identify | Kind::Alias => return Ok(None),
    };
    let own = fields.get(field);
    if own.is_some_and(|it| !json::is_object(it)) {
        return Err(Fault::malformed(
            field,
            "is no object: send {}, or leave it out",
        ));
    }
    if !matches!(kind, Kind::Page | Kind::Screen) {
        return Ok(own.map(Cow::Borrowed));
    }
    let beside = ["name", "category"].map(|key| fields.get(key).map(|value| (key, value)));
    if beside.iter().all(Option::is_none) {
        return Ok(own.map(Cow::Borrowed));
    }
    let inner = own.map(Fields::read).transpose();
    let inner = inner.map_err(|error| Fault::malformed(field, error.to_string()))?;
    let inner = inner.unwrap_or_default();
    let mut missing = beside
        .into_iter()
        .flatten()
        .filter(|(key, _)| inner.get(key).is_none())
        .peekable();
    if missing.peek().is_none() {
        return Ok(own.map(Cow::Borrowed));
    }
    let missing: Vec<_> = missing.collect();
    let kept = inner
        .iter()
        .filter(|(key, _)| missing.iter().all(|it| it.0 != *key));
    Ok(Some(
        json::object(kept.chain(missing.iter().copied())).into(),
    ))
}

/// The context of an event, taken apart as far as something of it has a place of its own.
#[derive(Default)]
struct Context<'t> {
    /// The rest of it.
    rest: Option<Cow<'t, str>>,
    /// The traits of the customer.
    traits: Option<&'t str>,
    /// The group of the customer.
    group: Option<Cow<'t, str>>,
}

impl<'t> Context<'t> {
    fn of(fields: &Fields<'t>, facts: &Facts<'t>) -> Result<Self, Fault> {
        let json = fields.get("context").or(facts.context);
        let Some(json) = json.filter(|it| json::is_object(it)) else {
            return Ok(Self::default());
        };
        if !json.contains("\"traits\"") && !json.contains("\"groupId\"") {
            let rest = Some(json).filter(|it| !json::is_empty_object(it));
            return Ok(Self {
                rest: rest.map(Cow::Borrowed),
                ..Self::default()
            });
        }
        let entries = Fields::read(json);
        let entries = entries.map_err(|error| Fault::malformed("context", error.to_string()))?;
        let traits = entries.get("traits").filter(|it| json::is_object(it));
        let group = entries.get("groupId").and_then(json::id);
        let rest = match traits {
            None => json.into(),
            Some(_) => json::object(entries.iter().filter(|(key, _)| *key != "traits")).into(),
        };
        Ok(Self {
            rest: Some(rest),
            traits,
            group: group.filter(|it| is_group_key(it)),
        })
    }
}
