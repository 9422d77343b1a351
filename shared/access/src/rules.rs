//! The scope that each method asks for, read once from the descriptors of the contracts.
//!
//! A method says it by an option, `happypath.access.v1.access`. One that says nothing is closed to
//! everybody: whoever forgets the option notices at once, and not a stranger later.

use std::collections::HashMap;
use std::fmt;

use prost_reflect::{DescriptorPool, MethodDescriptor, Value};

use crate::Scope;

/// The option of a method.
const OPTION: &str = "happypath.access.v1.access";
/// Methods that everybody may call: orchestrators ask for health without a credential, and
/// reflection shows what is public. A process that does not want to show it does not serve it.
const OPEN: [&str; 3] = [
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];

/// The demand that a method makes of its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// None.
    Open,
    /// They are known.
    AnyCaller,
    /// They have this scope.
    Scope(Scope),
    /// Nobody is let in: the contract says nothing.
    Closed,
}

/// The demands of all methods.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    methods: HashMap<String, Requirement>,
}

/// A method whose option is no good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFault {
    /// The full name of the method.
    pub method: String,
    /// The fault.
    pub problem: String,
}

impl Rules {
    /// Reads the option of every method of our own contracts.
    ///
    /// # Errors
    /// Every method that names a scope which is none.
    pub fn read(pool: &DescriptorPool) -> Result<Self, Vec<RuleFault>> {
        let (mut rules, mut faults) = (Self::default(), Vec::new());
        let services = pool.services();
        for service in services.filter(|it| it.package_name().starts_with("happypath.")) {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                match requirement(pool, &method) {
                    Ok(requirement) => {
                        rules.methods.insert(path, requirement);
                    }
                    Err(problem) => faults.push(RuleFault {
                        method: method.full_name().to_owned(),
                        problem,
                    }),
                }
            }
        }
        if faults.is_empty() {
            Ok(rules)
        } else {
            Err(faults)
        }
    }

    /// The same with the demand of one path more, which no contract has.
    #[must_use]
    pub fn with(mut self, path: &str, requirement: Requirement) -> Self {
        self.methods.insert(path.to_owned(), requirement);
        self
    }

    /// The demand of the method at a path. A path that the contracts do not have is for known
    /// callers only, so that strangers do not learn what is served.
    pub fn of(&self, path: &str) -> Requirement {
        match self.methods.get(path) {
            Some(requirement) => *requirement,
            None if OPEN.iter().any(|open| path.starts_with(open)) => Requirement::Open,
            None => Requirement::AnyCaller,
        }
    }

    /// Every method with its demand, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Requirement)> {
        let methods = self.methods.iter();
        methods.map(|(path, requirement)| (path.as_str(), *requirement))
    }
}

impl FromIterator<(String, Requirement)> for Rules {
    /// The demands of methods by path.
    fn from_iter<I: IntoIterator<Item = (String, Requirement)>>(methods: I) -> Self {
        Self {
            methods: methods.into_iter().collect(),
        }
    }
}

fn requirement(pool: &DescriptorPool, method: &MethodDescriptor) -> Result<Requirement, String> {
    let Some(extension) = pool.get_extension_by_name(OPTION) else {
        return Err(format!("the contracts have no option {OPTION}"));
    };
    let options = method.options();
    if !options.has_extension(&extension) {
        return Ok(Requirement::Closed);
    }
    let option = options.get_extension(&extension);
    let field = |name: &str| option.as_message()?.get_field_by_name(name);
    if field("any_caller").as_deref().and_then(Value::as_bool) == Some(true) {
        return Ok(Requirement::AnyCaller);
    }
    let scope = field("scope");
    let name = scope.as_deref().and_then(Value::as_str).unwrap_or_default();
    match Scope::from_name(name) {
        Some(scope) => Ok(Requirement::Scope(scope)),
        None => Err(format!("`{name}` is no scope")),
    }
}

impl fmt::Display for RuleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.method, self.problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_and_reflection_are_open_and_all_else_is_not() {
        let rules = Rules::default();
        for (path, expected) in [
            ("/grpc.health.v1.Health/Check", Requirement::Open),
            ("/grpc.health.v1.Health/Watch", Requirement::Open),
            (
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                Requirement::Open,
            ),
            ("/grpc.health.v1.Healthy/Check", Requirement::AnyCaller),
            (
                "/happypath.identity.v1.IdentityService/Ingest",
                Requirement::AnyCaller,
            ),
            ("/", Requirement::AnyCaller),
            ("", Requirement::AnyCaller),
        ] {
            assert_eq!(rules.of(path), expected, "{path}");
        }
    }
}
