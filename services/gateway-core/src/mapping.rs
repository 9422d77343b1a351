//! Mappings: from a thing that somebody sent to an event, by the expressions of a source.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use expr::{Formula, Found, Inputs, Type};
use kernel::Timestamp;
use messages::gateway::v1::EventMapping;
use messages::identity::v1;

use crate::draft::{Draft, id_of_content};
use crate::json::{self, Fields, push_text};
use crate::{Fault, Reason, SourceFault, SourceRules};

/// The property that a thing is, where it is no object.
const VALUE: &str = "value";

/// The mappings of a source, compiled: the first whose condition holds reads a thing.
#[derive(Debug, Clone, Default)]
pub struct Mappings {
    all: Vec<Mapping>,
}

/// A thing that was sent, with what is said of it beside its mapping.
#[derive(Debug, Clone)]
pub struct Thing<'t> {
    /// Its JSON, as it was sent.
    pub text: &'t str,
    /// Its id where its mapping has none; absent for a hash of the thing.
    pub id: Option<Cow<'t, str>>,
    /// When it happened where its mapping does not say; absent for when it was received.
    pub time: Option<Timestamp>,
}

/// The outcome of a thing.
#[derive(Debug)]
pub enum Mapped {
    /// It is an event.
    Event(Box<v1::Event>),
    /// It cannot be taken as it is.
    Fault(Fault),
    /// No mapping is for it.
    Nothing,
}

/// A mapping, compiled.
#[derive(Debug, Clone)]
struct Mapping {
    /// Its path in the definition.
    at: String,
    when: Option<Formula>,
    name: Formula,
    event_id: Option<Formula>,
    time: Option<Formula>,
    identifiers: Vec<(String, Formula)>,
    properties: Entries,
    traits: Entries,
    named_traits: Vec<(Formula, Formula)>,
}

/// The entries of an object: those of one that was sent, and others by name.
#[derive(Debug, Clone)]
struct Entries {
    from: Option<Formula>,
    named: Vec<(String, Formula)>,
}

impl Mappings {
    /// Compiles the mappings of a field of a source. `has` returns whether there is a namespace of
    /// a name.
    ///
    /// # Errors
    /// Every fault, with its path in the source.
    pub fn compile(
        field: &str,
        mappings: &[EventMapping],
        has: &dyn Fn(&str) -> bool,
    ) -> Result<Self, Vec<SourceFault>> {
        let mut faults = Vec::new();
        let mut all = Vec::with_capacity(mappings.len());
        for (place, mapping) in mappings.iter().enumerate() {
            let at = format!("{field}[{place}]");
            all.extend(Mapping::compile(at, mapping, has, &mut faults));
        }
        match faults.is_empty() {
            true => Ok(Self { all }),
            false => Err(faults),
        }
    }

    /// Returns whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The names of the headers that they read.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        let all = self.all.iter().flat_map(Mapping::formulas);
        all.flat_map(Formula::headers)
    }

    /// Reads a thing by the first mapping whose condition holds.
    pub fn read<'t>(
        &self,
        inputs: &Inputs<'_, 't>,
        thing: &Thing<'t>,
        rules: &SourceRules,
    ) -> Mapped {
        let is_it = |mapping: &&Mapping| {
            let when = mapping.when.as_ref();
            when.is_none_or(|when| when.holds(inputs))
        };
        let found = self.all.iter().find(is_it);
        let read = found.map(|mapping| mapping.read(inputs, thing, rules));
        if inputs.is_exhausted() {
            let text = "has more values, or longer ones, than expressions may look at: have the \
                        sender send less at once";
            return Mapped::Fault(Fault::new(Reason::EventTooLarge, "", text));
        }
        match read {
            None => Mapped::Nothing,
            Some(Ok(event)) => Mapped::Event(Box::new(event)),
            Some(Err(fault)) => Mapped::Fault(fault),
        }
    }
}

impl Mapping {
    fn compile(
        at: String,
        mapping: &EventMapping,
        has: &dyn Fn(&str) -> bool,
        faults: &mut Vec<SourceFault>,
    ) -> Option<Self> {
        let mut of = |field: &str, source: &str, kinds: &[Type]| match source {
            "" => None,
            _ => formula(format!("{at}.{field}"), source, kinds, faults),
        };
        let when = of("when", &mapping.when, &[Type::Bool]);
        let name = of("name", &mapping.name, &[Type::Text]);
        let ids = [Type::Text, Type::Number];
        let event_id = of("event_id", &mapping.event_id, &ids);
        let times = [Type::Text, Type::Number, Type::Timestamp];
        let time = of("time", &mapping.time, &times);
        let properties_from = of("properties_from", &mapping.properties_from, &[Type::Any]);
        let traits_from = of("traits_from", &mapping.traits_from, &[Type::Any]);
        let mut named_traits = Vec::new();
        for (place, named) in mapping.named_traits.iter().enumerate() {
            let field = format!("named_traits[{place}]");
            let name = of(&format!("{field}.name"), &named.name, &[Type::Text]);
            let value = of(&format!("{field}.value"), &named.value, &[]);
            named_traits.extend(name.zip(value));
        }
        let mut all = |field: &str, pairs: &[(&String, &String)], kinds: &[Type]| {
            let compiled = pairs.iter().filter_map(|(name, source)| {
                let formula = of(&format!("{field}[{name}]"), source, kinds)?;
                Some(((*name).clone(), formula))
            });
            compiled.collect::<Vec<_>>()
        };
        let identifiers = all("identifiers", &sorted(&mapping.identifiers), &ids);
        let properties = all("properties", &sorted(&mapping.properties), &[]);
        let traits = all("traits", &sorted(&mapping.traits), &[]);
        for (namespace, _) in sorted(&mapping.identifiers) {
            if !has(namespace) {
                faults.push(SourceFault {
                    field: format!("{at}.identifiers[{namespace}]"),
                    description: format!(
                        "there is no namespace `{namespace}`: define it, or name another one"
                    ),
                });
            }
        }
        // Whatever could not be compiled is a fault, so that nothing that lacks it is used.
        Some(Self {
            at,
            when,
            name: name?,
            event_id,
            time,
            identifiers,
            properties: Entries {
                from: properties_from,
                named: properties,
            },
            traits: Entries {
                from: traits_from,
                named: traits,
            },
            named_traits,
        })
    }

    fn formulas(&self) -> impl Iterator<Item = &Formula> {
        let (properties, traits) = (&self.properties, &self.traits);
        let own = [
            &self.when,
            &self.event_id,
            &self.time,
            &properties.from,
            &traits.from,
        ];
        let named = [&self.identifiers, &properties.named, &traits.named];
        let pairs = self.named_traits.iter();
        own.into_iter()
            .flatten()
            .chain([&self.name])
            .chain(named.into_iter().flatten().map(|(_, formula)| formula))
            .chain(pairs.flat_map(|(name, value)| [name, value]))
    }

    fn read<'t>(
        &self,
        inputs: &Inputs<'_, 't>,
        thing: &Thing<'t>,
        rules: &SourceRules,
    ) -> Result<v1::Event, Fault> {
        let name = match self.name.value(inputs) {
            Some(Found::Text(name)) if !name.trim().is_empty() => name,
            _ => {
                let text = "its expression finds no text: name what happened";
                return Err(Fault::malformed(&self.field("name"), text));
            }
        };
        let own = self.event_id.as_ref().and_then(|it| it.value(inputs));
        let own = own
            .and_then(Found::into_id)
            .filter(|id| !id.trim().is_empty());
        let id = own
            .or_else(|| thing.id.clone())
            .unwrap_or_else(|| id_of_content(&[&name, thing.text]).into());
        let mut draft = Draft {
            id: Some(id),
            name: rules.event_name(&name).to_owned().into(),
            time: self.time(inputs)?.or(thing.time),
            ..Draft::default()
        };
        for (namespace, formula) in &self.identifiers {
            let Some(found) = formula.value(inputs) else {
                continue;
            };
            let field = self.field(&format!("identifiers[{namespace}]"));
            let Some(value) = found.into_id() else {
                let text = "its expression finds something that is neither a text nor a number";
                return Err(Fault::malformed(&field, text));
            };
            draft.identify(namespace, &field, value)?;
        }
        if draft.identifiers.is_empty() {
            let field = self.field("identifiers");
            let text = "names nobody: none of its expressions finds a value";
            return Err(Fault::new(Reason::NoIdentifier, &field, text));
        }
        let properties = &self.properties;
        draft.properties = Some(
            if properties.from.is_some() || !properties.named.is_empty() {
                properties.object(&[], inputs).into()
            } else if json::is_object(thing.text) {
                thing.text.into()
            } else {
                json::object([(VALUE, thing.text)].into_iter()).into()
            },
        );
        let traits = self.traits.object(&self.named_traits, inputs);
        draft.traits = (!json::is_empty_object(&traits)).then(|| traits.into());
        draft.finish("an identifier")
    }

    fn time(&self, inputs: &Inputs<'_, '_>) -> Result<Option<Timestamp>, Fault> {
        let found = self.time.as_ref().and_then(|it| it.value(inputs));
        let Some(found) = found.filter(|found| !is_blank(found)) else {
            return Ok(None);
        };
        found.as_time().map(Some).ok_or_else(|| {
            let text = "its expression finds something that is no instant: a text such as \
                        2026-11-30T06:00:00Z, or seconds or milliseconds since 1970";
            Fault::new(Reason::BadTime, &self.field("time"), text)
        })
    }

    fn field(&self, name: &str) -> String {
        format!("{}.{name}", self.at)
    }
}

/// Compiles an expression that is of one of these types, or of any where there are none.
pub(crate) fn formula(
    field: String,
    source: &str,
    kinds: &[Type],
    faults: &mut Vec<SourceFault>,
) -> Option<Formula> {
    match Formula::compile(source) {
        Ok(formula) if fits(formula.kind(), kinds) => Some(formula),
        Ok(formula) => {
            let found = formula.kind().name();
            let needed: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            let needed = match kinds {
                [Type::Any] => "a list or an object of what was sent".to_owned(),
                _ => format!("a {}", needed.join(" or ")),
            };
            let description = format!("makes a {found}, and {needed} is needed");
            faults.push(SourceFault { field, description });
            None
        }
        Err(mistakes) => {
            faults.extend(mistakes.into_iter().map(|mistake| SourceFault {
                field: field.clone(),
                description: mistake.to_string(),
            }));
            None
        }
    }
}

fn fits(kind: Type, kinds: &[Type]) -> bool {
    kinds.is_empty() || kind == Type::Any || kinds.contains(&kind)
}

/// Returns the entries of a map in the order of their names.
fn sorted(map: &HashMap<String, String>) -> Vec<(&String, &String)> {
    let mut pairs: Vec<_> = map.iter().collect();
    pairs.sort();
    pairs
}

impl Entries {
    /// Writes the values that are known as an object: those of the first name count.
    fn object(&self, more: &[(Formula, Formula)], inputs: &Inputs<'_, '_>) -> String {
        let mut object = Object::default();
        for (name, formula) in &self.named {
            if let Some(found) = formula.value(inputs) {
                object.push(name, |json| found.write_json(json));
            }
        }
        for (name, value) in more {
            if let Some(Found::Text(name)) = name.value(inputs)
                && let Some(found) = value.value(inputs)
            {
                object.push(&name, |json| found.write_json(json));
            }
        }
        let from = self.from.as_ref().and_then(|from| from.value(inputs));
        if let Some(Found::Json(from)) = from {
            // It was read already; a list has no entries.
            let fields = Fields::read(from).unwrap_or_default();
            for (name, value) in fields.iter() {
                object.push(name, |json| json.push_str(value));
            }
        }
        object.finish()
    }
}

/// An object that is written.
#[derive(Default)]
struct Object {
    json: String,
    names: BTreeSet<String>,
}

impl Object {
    /// Adds an entry, unless there is one of its name.
    fn push(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        if self.names.insert(name.to_owned()) {
            self.json
                .push(if self.names.len() == 1 { '{' } else { ',' });
            push_text(&mut self.json, name);
            self.json.push(':');
            write(&mut self.json);
        }
    }

    fn finish(mut self) -> String {
        if self.json.is_empty() {
            self.json.push('{');
        }
        self.json + "}"
    }
}

fn is_blank(found: &Found<'_>) -> bool {
    matches!(found, Found::Text(text) if text.trim().is_empty())
}
