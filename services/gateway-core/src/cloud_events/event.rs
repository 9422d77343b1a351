//! One `CloudEvent` in the JSON format, to an event of the contracts.
//!
//! The source's mappings read it first. Where none of them takes it, its `type` is the name, its
//! data the properties, and the person is whom [`identify`] finds.

use std::borrow::Cow;

use expr::{Document, Inputs};
use messages::identity::v1;
use messages::identity::v1::event::ContextForm;

use super::media;
use super::protobuf::large;
use crate::draft::{Draft, id_of_content};
use crate::facts::Facts;
use crate::json::{self, Fields};
use crate::limits::{
    CLOUD_EVENT_ATTRIBUTES, CLOUD_EVENT_BYTE_WORK, CLOUD_EVENT_BYTES, CLOUD_EVENT_WORK,
};
use crate::mapping::{Mapped, Thing};
use crate::{Fault, Reason, SourceRules, time};

/// The version of the specification that is read.
const VERSION: &str = "1.0";
/// The entries of data in the JSON format.
const DATA: &str = "data";
/// As above, of bytes.
const DATA_BASE64: &str = "data_base64";
/// The attributes that have a place of their own in an event, or say how it was sent.
const PLACED: [&str; 5] = ["specversion", "datacontenttype", "time", DATA, DATA_BASE64];
/// The fields of data that name a person, and the extension attribute that does.
const USER: ([&str; 2], &str) = (["userId", "user_id"], "userid");
/// As above, for a visitor.
const ANONYMOUS: ([&str; 2], &str) = (["anonymousId", "anonymous_id"], "anonymousid");
/// The ids that name somebody.
const WHO: &str = "`userId`, `anonymousId` or an identifier such as `email` in the data, or a `subject`, or map \
                   it by `cloud_events` of the source";

/// The data of an event.
enum Data<'t> {
    /// There is none.
    None,
    /// An object.
    Object(&'t str, Fields<'t>),
    /// Other JSON.
    Json(&'t str),
    /// Bytes, as a JSON text of base64.
    Bytes(&'t str),
}

/// Reads an event.
pub(crate) fn read(event: &str, facts: &Facts<'_>) -> Result<v1::Event, Fault> {
    if event.len() > CLOUD_EVENT_BYTES {
        return Err(large(event.len()));
    }
    let attributes = attributes(event)?;
    let decoded = decoded(&attributes)?;
    let id = event_id(&attributes)?;
    let kind = required(&attributes, "type")?;
    let time = time::read("time", attributes.get("time"))?;
    let context = context(&attributes);
    let item = item(event, &attributes, decoded.as_deref());
    let thing = Thing {
        text: &item,
        id: Some(Cow::Borrowed(&id)),
        time,
    };
    if let Some(mut event) = by_mapping(&thing, facts.rules)? {
        event.context_form = Some(ContextForm::ContextJson(context));
        return Ok(event);
    }
    let data = Data::of(&attributes, decoded.as_deref())?;
    let mut draft = Draft {
        id: thing.id.clone(),
        name: facts.name(kind),
        time,
        properties: data.properties(),
        context: Some(context.into()),
        ..Draft::default()
    };
    identify(&mut draft, &attributes, &data, facts.rules)?;
    draft.finish(WHO)
}

/// Reads an event by the mappings of its source; `None` where none is for it.
fn by_mapping(thing: &Thing<'_>, rules: &SourceRules) -> Result<Option<v1::Event>, Fault> {
    if rules.cloud_events.is_empty() {
        return Ok(None);
    }
    let document = Document::read(thing.text);
    let document = document.map_err(|error| Fault::malformed("", error.to_string()))?;
    // Attributes are in the event, wherever they stood: there is nothing to find in headers.
    let bytes = u64::try_from(thing.text.len()).unwrap_or(u64::MAX);
    let work = bytes.saturating_mul(CLOUD_EVENT_BYTE_WORK);
    let inputs = Inputs::new(&document, &document, &[]);
    let inputs = inputs.with_work(work.saturating_add(CLOUD_EVENT_WORK));
    match rules.cloud_events.read(&inputs, thing, rules) {
        Mapped::Event(event) => Ok(Some(*event)),
        Mapped::Fault(fault) => Err(fault),
        Mapped::Nothing => Ok(None),
    }
}

/// Returns an event as expressions see it: JSON that came as bytes is data like any other.
fn item<'t>(event: &'t str, attributes: &Fields<'_>, decoded: Option<&str>) -> Cow<'t, str> {
    let Some(decoded) = decoded else {
        return Cow::Borrowed(event);
    };
    let kept = attributes.iter().filter(|(name, _)| *name != DATA_BASE64);
    json::object(kept.chain([(DATA, decoded)])).into()
}

/// Returns the attributes that have no place of their own, as the context of an event.
fn context(attributes: &Fields<'_>) -> String {
    let kept = attributes.iter();
    json::object(kept.filter(|(name, json)| !PLACED.contains(name) && *json != "null"))
}

/// Reads the attributes of an event, and checks that it is one of this version.
fn attributes(event: &str) -> Result<Fields<'_>, Fault> {
    let fields = Fields::read(event);
    let fields = fields.map_err(|_| Fault::malformed("", "is no object: send {…}"))?;
    // Before each is compared with all others.
    if fields.iter().count() > CLOUD_EVENT_ATTRIBUTES {
        let text = format!("has more than {CLOUD_EVENT_ATTRIBUTES} attributes: put them into data");
        return Err(Fault::malformed("", text));
    }
    if let Some(name) = fields.twice() {
        return Err(Fault::malformed(name, "is there twice: keep one"));
    }
    let version = required(&fields, "specversion")?;
    if version == VERSION {
        return Ok(fields);
    }
    let shown = crate::letter::cut(&version, 60);
    let text = format!("is `{shown}`: send `{VERSION}`");
    Err(Fault::malformed("specversion", text))
}

/// Reads an attribute that every event has.
fn required<'t>(attributes: &Fields<'t>, name: &str) -> Result<Cow<'t, str>, Fault> {
    let Some(json) = attributes.get(name) else {
        return Err(Fault::malformed(
            name,
            "is missing: every CloudEvent has it",
        ));
    };
    let text = json::text(json).filter(|text| !text.is_empty());
    text.ok_or_else(|| Fault::malformed(name, "is no text, or an empty one: send a text"))
}

/// Returns the id of an event: only `source` and `id` together tell it from all others. A space
/// tells where the source ends, which has none as a reference to a resource.
fn event_id(attributes: &Fields<'_>) -> Result<String, Fault> {
    let source = required(attributes, "source")?;
    let id = required(attributes, "id")?;
    let is_plain = |text: &str| !text.chars().any(char::is_control);
    if source.contains(' ') || !is_plain(&source) || !is_plain(&id) {
        return Ok(id_of_content(&[&source, &id]));
    }
    Ok(format!("{source} {id}"))
}

/// Returns the JSON that data in base64 is by its type; absent for other data.
fn decoded(attributes: &Fields<'_>) -> Result<Option<String>, Fault> {
    let Some(json) = attributes.get(DATA_BASE64) else {
        return Ok(None);
    };
    if attributes.get(DATA).is_some() {
        let text = "is there beside data: keep one of the two";
        return Err(Fault::malformed(DATA_BASE64, text));
    }
    let bytes = json::text(json).and_then(|text| media::bytes_of(&text));
    let wrong = || Fault::malformed(DATA_BASE64, "is no base64: send a text of base64");
    let bytes = bytes.ok_or_else(wrong)?;
    let content_type = attributes.get("datacontenttype").and_then(json::text);
    if !content_type.is_some_and(|it| media::is_json(&it)) {
        return Ok(None);
    }
    let text = String::from_utf8(bytes).map_err(|_| {
        let text = "holds bytes that are no UTF-8, and its type says JSON: send UTF-8";
        Fault::new(Reason::BadText, DATA, text)
    })?;
    match media::json(&text) {
        Some(json) => Ok(Some(json.to_owned())),
        None => Err(Fault::malformed(
            DATA,
            "is no JSON, and its type says so: send JSON, or the type that it has",
        )),
    }
}

impl<'t> Data<'t> {
    /// Reads the data of an event, which may have been decoded.
    fn of(attributes: &Fields<'t>, decoded: Option<&'t str>) -> Result<Self, Fault> {
        let Some(json) = decoded.or_else(|| attributes.get(DATA)) else {
            let bytes = attributes.get(DATA_BASE64);
            return Ok(bytes.map_or(Self::None, Self::Bytes));
        };
        if !json::is_object(json) {
            return Ok(Self::Json(json));
        }
        let fields = Fields::read(json);
        let fields = fields.map_err(|error| Fault::malformed(DATA, error.to_string()))?;
        Ok(Self::Object(json, fields))
    }

    /// The properties of an event with this data.
    fn properties(&self) -> Option<Cow<'t, str>> {
        let named = |name, json| json::object([(name, json)].into_iter()).into();
        match self {
            Self::None => None,
            Self::Object(json, _) => Some(Cow::Borrowed(json)),
            Self::Json(json) => Some(named(DATA, json)),
            Self::Bytes(json) => Some(named(DATA_BASE64, json)),
        }
    }

    const fn fields(&self) -> Option<&Fields<'t>> {
        match self {
            Self::Object(_, fields) => Some(fields),
            _ => None,
        }
    }
}

/// Finds the person: by the ids in the data, then by the extension attributes of these names, each
/// one only; by the traits in the data that identify; and where there is none of all these, by
/// `subject`, which is what the event is about.
fn identify<'t>(
    draft: &mut Draft<'t>,
    attributes: &Fields<'t>,
    data: &Data<'t>,
    rules: &'t SourceRules,
) -> Result<(), Fault> {
    for (names, namespace) in [
        (USER, rules.user_namespace.as_str()),
        (ANONYMOUS, rules.anonymous_namespace.as_str()),
    ] {
        if let Some((field, id)) = first_id(names, attributes, data)? {
            draft.identify(namespace, &field, id)?;
        }
    }
    if let Some(fields) = data.fields() {
        draft.identify_by_traits(rules, fields);
    }
    let subject = attributes
        .get("subject")
        .filter(|_| draft.identifiers.is_empty());
    if let Some(subject) = subject.and_then(json::text) {
        draft.identify(&rules.user_namespace, "subject", subject)?;
    }
    Ok(())
}

/// Returns the first id by these names, with its place.
fn first_id<'t>(
    (in_data, extension): ([&str; 2], &str),
    attributes: &Fields<'t>,
    data: &Data<'t>,
) -> Result<Option<(String, Cow<'t, str>)>, Fault> {
    let in_data = in_data.into_iter().filter_map(|name| {
        let json = data.fields()?.get(name)?;
        Some((format!("{DATA}.{name}"), json))
    });
    let beside = attributes.get(extension);
    let beside = beside.map(|json| (extension.to_owned(), json));
    for (field, json) in in_data.chain(beside) {
        let Some(id) = json::id(json) else {
            let text = "is no text and no number: send the id as a text";
            return Err(Fault::malformed(&field, text));
        };
        if !id.is_empty() {
            return Ok(Some((field, id)));
        }
    }
    Ok(None)
}
