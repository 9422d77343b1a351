//! Mappings: from a thing that somebody sent to an event, by the expressions of a source.

mod entries;
mod groups;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;

use expr::{Formula, Found, Inputs, Type};
use kernel::Timestamp;
use messages::gateway::v1::EventMapping;
use messages::identity::v1;

use self::entries::Entries;
use self::groups::{GroupFormulas, is_blank};
use crate::draft::{Draft, id_of_content};
use crate::json;
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
    groups: Vec<GroupFormulas>,
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
        let keys = all("groups", &sorted(&mapping.groups), &ids);
        let properties = all("properties", &sorted(&mapping.properties), &[]);
        let traits = all("traits", &sorted(&mapping.traits), &[]);
        let groups = group_formulas(&at, mapping, keys, faults);
        check_names(&at, mapping, has, faults);
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
            groups,
        })
    }

    fn formulas(&self) -> impl Iterator<Item = &Formula> {
        let own = [&self.when, &self.event_id, &self.time];
        let pairs = self.named_traits.iter();
        own.into_iter()
            .flatten()
            .chain([&self.name])
            .chain(self.identifiers.iter().map(|(_, formula)| formula))
            .chain(self.properties.formulas())
            .chain(self.traits.formulas())
            .chain(pairs.flat_map(|(name, value)| [name, value]))
            .chain(self.groups.iter().flat_map(GroupFormulas::formulas))
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
        for group in &self.groups {
            let field = self.field(&format!("groups[{}]", group.kind));
            group.add(&mut draft, inputs, &field)?;
        }
        draft.is_of_groups = true;
        let is_of_accounts = draft.identifiers.is_empty();
        if is_of_accounts && draft.groups.is_empty() {
            let field = self.field("identifiers");
            let text = "names nobody: none of its expressions finds a value";
            return Err(Fault::new(Reason::NoIdentifier, &field, text));
        }
        let properties = &self.properties;
        draft.properties = Some(if !properties.is_empty() {
            properties.object(&[], inputs).into()
        } else if json::is_object(thing.text) {
            thing.text.into()
        } else {
            json::object([(VALUE, thing.text)].into_iter()).into()
        });
        let traits = self.traits.object(&self.named_traits, inputs);
        // Of accounts alone there is nobody to have them.
        let has_traits = !is_of_accounts && !json::is_empty_object(&traits);
        draft.traits = has_traits.then(|| traits.into());
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

/// Returns the groups of a mapping, by their keys, each with its traits.
fn group_formulas(
    at: &str,
    mapping: &EventMapping,
    keys: Vec<(String, Formula)>,
    faults: &mut Vec<SourceFault>,
) -> Vec<GroupFormulas> {
    let mut groups = Vec::with_capacity(keys.len());
    for (kind, key) in keys {
        let mut traits = Entries {
            from: None,
            named: Vec::new(),
        };
        if let Some(told) = mapping.group_traits.get(&kind) {
            let at = format!("{at}.group_traits[{kind}]");
            if !told.traits_from.is_empty() {
                let field = format!("{at}.traits_from");
                traits.from = formula(field, &told.traits_from, &[Type::Any], faults);
            }
            for (name, source) in sorted(&told.traits) {
                let value = formula(format!("{at}.traits[{name}]"), source, &[], faults);
                traits
                    .named
                    .extend(value.map(|value| (name.clone(), value)));
            }
        }
        groups.push(GroupFormulas { kind, key, traits });
    }
    groups
}

/// Finds names that are none: of namespaces, and of groups that have traits and no key.
fn check_names(
    at: &str,
    mapping: &EventMapping,
    has: &dyn Fn(&str) -> bool,
    faults: &mut Vec<SourceFault>,
) {
    let identifiers = mapping.identifiers.keys().map(|name| ("identifiers", name));
    let groups = mapping.groups.keys().map(|name| ("groups", name));
    let mut names: Vec<_> = identifiers.chain(groups).collect();
    names.sort_unstable();
    for (field, namespace) in names.iter().filter(|(_, name)| !has(name)) {
        faults.push(SourceFault {
            field: format!("{at}.{field}[{namespace}]"),
            description: format!(
                "there is no namespace `{namespace}`: define it, or name another one"
            ),
        });
    }
    if names.is_empty() {
        faults.push(SourceFault {
            field: format!("{at}.identifiers"),
            description: "is empty, and so is `groups`: say whom a thing is about".to_owned(),
        });
    }
    let mut keyless: Vec<_> = mapping.group_traits.keys().collect();
    keyless.retain(|kind| !mapping.groups.contains_key(*kind));
    keyless.sort_unstable();
    for kind in keyless {
        faults.push(SourceFault {
            field: format!("{at}.group_traits[{kind}]"),
            description: format!("is not used: `groups` has no key of a `{kind}`"),
        });
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
