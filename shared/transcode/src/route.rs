//! The path of a call by HTTP to a method, and what else the address says of its request.

mod address;
mod percent;
mod template;

use std::collections::BTreeSet;
use std::sync::LazyLock;

pub(crate) use self::address::write_address;
pub(crate) use self::percent::{decode_query, encode};
pub(crate) use self::template::Template;
use crate::contract::{self, Binding, Method, Verb};

/// The outcome of looking for a path.
#[derive(Debug)]
pub(crate) enum Routed {
    /// A method, with the values of the variables of the path, still percent-encoded.
    Found(Found),
    /// The path is there, but not with this verb; these are.
    OtherVerbs(Vec<Verb>),
    /// There is no such path.
    Nothing,
}

/// A method that a path leads to.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) method: &'static Method,
    pub(crate) binding: &'static Binding,
    /// The values of the variables, in their order.
    pub(crate) captures: Vec<String>,
}

struct Entry {
    method: &'static Method,
    binding: &'static Binding,
}

/// Every binding, those with fewer variables first: `/v1/customers:find` is no customer.
static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let mut entries = Vec::new();
    for method in contract::methods() {
        for binding in &method.bindings {
            entries.push(Entry { method, binding });
        }
    }
    entries.sort_by_key(|entry| entry.binding.template.variables());
    entries
});

/// Looks for the method of a path; none of the verbs where HTTP has it and contracts do not.
pub(crate) fn find(verb: Option<Verb>, path: &str) -> Routed {
    let mut others = BTreeSet::new();
    for entry in ENTRIES.iter() {
        let Some(captures) = entry.binding.template.matches(path) else {
            continue;
        };
        if verb == Some(entry.binding.verb) {
            return Routed::Found(Found {
                method: entry.method,
                binding: entry.binding,
                captures,
            });
        }
        others.insert(entry.binding.verb);
    }
    match others.is_empty() {
        true => Routed::Nothing,
        false => Routed::OtherVerbs(others.into_iter().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(verb: Verb, path: &str) -> String {
        match find(Some(verb), path) {
            Routed::Found(found) => format!(
                "{} {}",
                found.method.descriptor.name(),
                found.captures.join(" ")
            ),
            Routed::OtherVerbs(others) => format!("{others:?}"),
            Routed::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn paths_lead_to_methods() {
        for (verb, path, expected) in [
            (Verb::Post, "/v1/events:ingest", "Ingest "),
            (Verb::Get, "/v1/events:ingest", "[Post]"),
            (Verb::Get, "/v1/customers/c1", "GetCustomer c1"),
            (Verb::Get, "/v1/customers", "ListCustomers "),
            (Verb::Post, "/v1/customers:find", "GetCustomer "),
            (Verb::Get, "/v1/customers:find", "[Post]"),
            (Verb::Get, "/v1/customers/c1/events", "ListEvents c1"),
            (
                Verb::Get,
                "/v1/definitions/DEFINITION_KIND_SEGMENT/loyal",
                "GetDefinition DEFINITION_KIND_SEGMENT loyal",
            ),
            (Verb::Post, "/v1/keys/k%2F1:rotate", "RotateKey k%2F1"),
            (Verb::Patch, "/v1/keys", "[Get, Post]"),
            (Verb::Get, "/v1/customers/", "nothing"),
            (Verb::Get, "/v1/customers/c1/", "nothing"),
            (Verb::Get, "//v1/customers", "nothing"),
            (Verb::Get, "/v2/customers", "nothing"),
        ] {
            assert_eq!(check(verb, path), expected, "{verb:?} {path}");
        }
    }

    #[test]
    fn no_two_methods_have_one_path() {
        let mut seen = BTreeSet::new();
        for entry in ENTRIES.iter() {
            let shape = entry.binding.template.shape();
            assert!(
                seen.insert((entry.binding.verb, shape.clone())),
                "{:?} {shape}",
                entry.binding.verb
            );
        }
    }

    #[test]
    fn every_variable_of_a_path_is_a_field_of_its_request() {
        for entry in ENTRIES.iter() {
            let names = entry.binding.template.names();
            let values = names.iter().map(|_| "1".to_owned()).collect::<Vec<_>>();
            for (name, _) in names.iter().zip(&values) {
                let message = contract::message(entry.method.input);
                let first = name.split('.').next().unwrap_or_default();
                assert!(message.field(first).is_some(), "{name}");
            }
        }
    }
}
