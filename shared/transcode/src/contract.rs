//! The contracts in the form that calls in JSON are read by: which methods there are, and which
//! fields their messages have. Compiled once from the descriptors.

mod message;
mod method;

use std::collections::HashMap;
use std::sync::LazyLock;

pub(crate) use self::message::{Enum, Field, Form, Kind, Message, Repeat};
pub(crate) use self::method::{Binding, Body, Method, Verb};

/// All methods and messages of the contracts.
pub(crate) struct Contract {
    messages: Vec<Message>,
    enums: Vec<Enum>,
    methods: Vec<Method>,
    by_path: HashMap<String, usize>,
}

static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::compile);

/// The methods of the contracts, in the order of their services' names.
pub(crate) fn methods() -> &'static [Method] {
    &CONTRACT.methods
}

/// The method of a path such as `/happypath.identity.v1.IdentityService/Ingest`.
pub(crate) fn method(path: &str) -> Option<&'static Method> {
    CONTRACT
        .by_path
        .get(path)
        .map(|place| &CONTRACT.methods[*place])
}

/// The message that a field or a method names.
pub(crate) fn message(place: usize) -> &'static Message {
    &CONTRACT.messages[place]
}

/// The enum that a field names.
pub(crate) fn enumeration(place: usize) -> &'static Enum {
    &CONTRACT.enums[place]
}

impl Contract {
    fn compile() -> Self {
        let mut compiler = message::Compiler::default();
        let mut services: Vec<_> = proto::DESCRIPTORS.services().collect();
        services.sort_by(|a, b| a.full_name().cmp(b.full_name()));
        let mut methods = Vec::new();
        for service in services {
            for descriptor in service.methods() {
                methods.push(Method::compile(&descriptor, &mut compiler));
            }
        }
        let places = methods.iter().enumerate();
        let by_path = places
            .map(|(place, method): (usize, &Method)| (method.path.clone(), place))
            .collect();
        Self {
            messages: compiler.messages,
            enums: compiler.enums,
            methods,
            by_path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_and_bound_to_http() {
        assert!(methods().len() > 30);
        for found in methods() {
            assert!(std::ptr::eq(
                method(&found.path).expect("its path leads to it"),
                found
            ));
            assert!(!found.bindings.is_empty(), "{}", found.path);
        }
        assert!(method("/grpc.health.v1.Health/Check").is_none());
    }
}
