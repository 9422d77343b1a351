//! The fields that an address holds: variables of its path, and parameters of its query.

use std::collections::BTreeSet;

use super::Found;
use super::percent::{decode, decode_query};
use crate::contract::{self, Body, Field, Form, Kind, Message, Repeat};
use crate::limits::QUERY_PARAMETERS;
use crate::read::{Fault, Output, shown, unknown_field, wire_key, write_text};

/// The fields that were there, each of which is one value.
#[derive(Default)]
struct Taken {
    /// By path; those that are lists may be there again.
    fields: BTreeSet<String>,
}

/// Writes the fields of the query and of the path. Those of the path come last, and so win over a
/// body that is written before.
///
/// # Errors
/// The first field that is not there, cannot be read, or is there twice.
pub(crate) fn write_address(found: &Found, query: &str, out: &mut Output) -> Result<(), Fault> {
    let message = contract::message(found.method.input);
    let mut taken = Taken::default();
    let names = found.binding.template.names();
    for name in &names {
        taken.fields.insert(canonical(message, name));
    }
    if let Body::Field(place) = found.binding.body {
        taken.fields.insert(message.fields[place].json.clone());
    }
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    for (count, parameter) in parameters.enumerate() {
        if count >= QUERY_PARAMETERS {
            let problem = format!("the query has more than {QUERY_PARAMETERS} parameters");
            return Err(Fault::new("", problem));
        }
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (Some(name), Some(value)) = (decode_query(name), decode_query(value)) else {
            let problem = "is not percent-encoded UTF-8: write a percent sign as %25";
            return Err(Fault::new(shown(name), problem));
        };
        if found.binding.body == Body::Whole {
            let problem = "the body holds all fields of this request: send it there";
            return Err(Fault::new(shown(&name), problem));
        }
        write_field(message, &name, &value, Some(&mut taken), out)?;
    }
    for (name, value) in names.iter().zip(&found.captures) {
        let Some(value) = decode(value) else {
            let problem = "is not percent-encoded UTF-8: write a percent sign as %25";
            return Err(Fault::new(canonical(message, name), problem));
        };
        write_field(message, name, &value, None, out)?;
    }
    Ok(())
}

/// Writes one value of the field at a path such as `filter.startTime`. Messages on the way are
/// written for each of their fields: protobuf joins them.
fn write_field(
    message: &'static Message,
    path: &str,
    value: &str,
    taken: Option<&mut Taken>,
    out: &mut Output,
) -> Result<(), Fault> {
    let steps = steps(message, path)?;
    let Some((field, above)) = steps.split_last() else {
        return Err(Fault::new("", "a parameter of the query has no name"));
    };
    let name = told(&steps);
    if let Some(taken) = taken {
        taken.take(&steps, &name)?;
    }
    if matches!(field.repeat, Repeat::Map(_)) {
        let problem = "is a map, which cannot be given in an address: send it in the body";
        return Err(Fault::new(name, problem));
    }
    let mut opened = Vec::new();
    for step in above {
        wire_key(out, step.number);
        opened.push(out.open());
    }
    write_text(out, field.number, field.kind, value)
        .map_err(|problem| Fault::new(name, problem))?;
    for start in opened.into_iter().rev() {
        out.close(start);
    }
    Ok(())
}

/// The fields that lead to a path.
fn steps(message: &'static Message, path: &str) -> Result<Vec<&'static Field>, Fault> {
    let mut steps: Vec<&'static Field> = Vec::new();
    let mut inside = Some(message);
    for name in path.split('.') {
        let Some(message) = inside else {
            let problem = format!("has no fields, such as `{}`", shown(name));
            return Err(Fault::new(told(&steps), problem));
        };
        let Some(place) = message.field(name) else {
            return Err(Fault::new(told(&steps), unknown_field(message, name)));
        };
        let field = &message.fields[place];
        inside = match (field.kind, field.repeat) {
            (Kind::Message(place), Repeat::One) => {
                let inner = contract::message(place);
                (inner.form == Form::Fields).then_some(inner)
            }
            _ => None,
        };
        steps.push(field);
    }
    Ok(steps)
}

/// The path of fields by their names in JSON.
fn told(steps: &[&'static Field]) -> String {
    let names: Vec<&str> = steps.iter().map(|step| step.json.as_str()).collect();
    names.join(".")
}

fn canonical(message: &'static Message, path: &str) -> String {
    steps(message, path).map_or_else(|_| path.to_owned(), |steps| told(&steps))
}

impl Taken {
    /// Notes a field of the query.
    fn take(&mut self, steps: &[&'static Field], name: &str) -> Result<(), Fault> {
        let Some((field, above)) = steps.split_last() else {
            return Ok(());
        };
        let is_new = self.fields.insert(name.to_owned());
        if !is_new && field.repeat == Repeat::One {
            return Err(Fault::new(name, "is there twice"));
        }
        // A choice on the way, or at the end, excludes the others.
        for (depth, step) in steps.iter().enumerate() {
            let Some(oneof) = step.oneof else { continue };
            let place = format!("{}?{oneof}", told(&above[..depth.min(above.len())]));
            let chosen = format!("{place}={}", step.json);
            let others = format!("{place}=");
            let has_other = self
                .fields
                .range(others.clone()..)
                .take_while(|taken| taken.starts_with(&others))
                .any(|taken| *taken != chosen);
            if has_other {
                let problem = "another field is there already, and only one of the two may be";
                return Err(Fault::new(name, problem));
            }
            self.fields.insert(chosen);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prost_reflect::DynamicMessage;

    use super::*;
    use crate::contract::Verb;
    use crate::route::{Routed, find};

    /// The request of an address, as JSON, or what is wrong.
    fn check(path: &str, query: &str) -> String {
        let Routed::Found(found) = find(Some(Verb::Get), path) else {
            panic!("{path} leads nowhere");
        };
        let mut out = Output::with_capacity(0);
        match write_address(&found, query, &mut out) {
            Ok(()) => {
                let descriptor = contract::message(found.method.input).descriptor.clone();
                let message = DynamicMessage::decode(descriptor, out.message()).expect("readable");
                serde_json::to_string(&message).expect("JSON")
            }
            Err(fault) => format!("{}: {}", fault.field, fault.description),
        }
    }

    #[test]
    fn addresses_are_requests() {
        for (path, query, expected) in [
            ("/v1/customers/a%20b", "", r#"{"customerId":"a b"}"#),
            (
                "/v1/deadLetters",
                "filter.source=shop&filter.startTime=2026-03-01T00:00:00Z&pageSize=3",
                r#"{"filter":{"source":"shop","startTime":"2026-03-01T00:00:00Z"},"pageSize":3}"#,
            ),
            ("/v1/deadLetters", "page_size=3", r#"{"pageSize":3}"#),
            (
                "/v1/definitions/DEFINITION_KIND_SEGMENT/loyal",
                "",
                r#"{"kind":"DEFINITION_KIND_SEGMENT","name":"loyal"}"#,
            ),
        ] {
            assert_eq!(check(path, query), expected, "{path}?{query}");
        }
    }

    #[test]
    fn addresses_that_cannot_be_read_say_why() {
        for (path, query, expected) in [
            (
                "/v1/deadLetters",
                "pageSiz=3",
                ": there is no field `pageSiz`: did you mean `pageSize`?",
            ),
            (
                "/v1/deadLetters",
                "pageSize=x",
                "pageSize: `x` is not a whole number from 0 to 4294967295",
            ),
            (
                "/v1/deadLetters",
                "pageSize=1&page_size=2",
                "pageSize: is there twice",
            ),
            (
                "/v1/deadLetters",
                "pageSize.x=1",
                "pageSize: has no fields, such as `x`",
            ),
            (
                "/v1/deadLetters",
                "filter=1",
                "filter: cannot be given in an address: send it in the body",
            ),
            (
                "/v1/customers/%ff",
                "",
                "customerId: is not percent-encoded UTF-8: write a percent sign as %25",
            ),
            (
                "/v1/customers/c1",
                "customerId=c2",
                "customerId: is there twice",
            ),
        ] {
            assert_eq!(check(path, query), expected, "{path}?{query}");
        }
    }
}
