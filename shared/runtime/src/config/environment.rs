//! The variables of the environment that are ours, by their prefix.

use std::collections::BTreeMap;

use super::fault::{Fault, Origin};
use super::setting::SETTINGS;

/// The prefix of our variables.
const PREFIX: &str = "HAPPYPATH_";
/// Variables that name no setting: the file of settings, and those of the command line, which may
/// be there for it.
const OTHERS: [&str; 8] = [
    "HAPPYPATH_CONFIG",
    "HAPPYPATH_ADDRESS",
    "HAPPYPATH_CONTEXT",
    "HAPPYPATH_CONTEXTS",
    "HAPPYPATH_KEY",
    "HAPPYPATH_KEY_FILE",
    "HAPPYPATH_CLIENT_CERTIFICATE",
    "HAPPYPATH_CLIENT_KEY",
];

/// The `HAPPYPATH_*` variables of an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Those of this process. A value that is no text is read with its odd bytes replaced.
    pub fn of_process() -> Self {
        let all = std::env::vars_os();
        Self::of(all.map(|(name, value)| {
            let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
            (text(name), text(value))
        }))
    }

    /// Those among pairs of names and values.
    pub fn of(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let ours = pairs
            .into_iter()
            .filter(|(name, _)| name.starts_with(PREFIX));
        Self {
            variables: ours.collect(),
        }
    }

    /// The value of a variable.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Returns a fault for each variable that means nothing: it was meant to, and would be missed.
    pub fn faults(&self) -> Vec<Fault> {
        let known: Vec<String> = SETTINGS.iter().map(|setting| setting.variable()).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).chain(OTHERS).collect();
        let unknown = self
            .variables
            .keys()
            .filter(|name| !known.contains(&name.as_str()) && !is_of_kubernetes(name));
        unknown
            .map(|name| Fault {
                setting: name.clone(),
                // It may be a secret under a wrong name.
                value: None,
                problem: match kernel::nearest(name, known.iter().copied()) {
                    Some(near) => format!("is not a variable of Happypath: did you mean {near}?"),
                    None => {
                        "is not a variable of Happypath: take it out, `--help` lists the settings"
                            .to_owned()
                    }
                },
                origin: Some(Origin::Environment {
                    variable: "the environment".to_owned(),
                }),
            })
            .collect()
    }
}

/// Returns whether Kubernetes sets such a variable: it tells each container where the services of
/// its namespace are, so that one named `happypath` or `happypath-journey` has our prefix.
fn is_of_kubernetes(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if name.ends_with("_SERVICE_HOST") || name.ends_with("_PORT") {
        return true;
    }
    if name.contains("_SERVICE_PORT_") {
        return true;
    }
    let Some((_, port)) = name.split_once("_PORT_") else {
        return false;
    };
    let parts: Vec<&str> = port.split('_').collect();
    match parts.as_slice() {
        [number, "TCP" | "UDP" | "SCTP"] => is_number(number),
        [number, "TCP" | "UDP" | "SCTP", "PROTO" | "PORT" | "ADDR"] => is_number(number),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(names: &[&str]) -> Vec<String> {
        let pairs = names
            .iter()
            .map(|name| ((*name).to_owned(), "secret".to_owned()));
        let faults = Environment::of(pairs).faults();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_misspelt_variable_is_named_with_what_was_meant_and_without_its_value() {
        assert_eq!(
            faults(&[
                "HAPPYPATH_DATABSE",
                "HAPPYPATH_DATABASE",
                "HOME",
                "HAPPYPATH_ZZZZZZZZZZZZ"
            ]),
            [
                "HAPPYPATH_DATABSE (from the environment): is not a variable of Happypath: did you mean \
                 HAPPYPATH_DATABASE?",
                "HAPPYPATH_ZZZZZZZZZZZZ (from the environment): is not a variable of Happypath: take it out, \
                 `--help` lists the settings",
            ]
        );
    }

    #[test]
    fn variables_of_the_command_line_and_of_kubernetes_are_left_alone() {
        let none: [String; 0] = [];
        assert_eq!(faults(&OTHERS), none);
        assert_eq!(
            faults(&[
                "HAPPYPATH_SERVICE_HOST",
                "HAPPYPATH_JOURNEY_SERVICE_PORT",
                "HAPPYPATH_JOURNEY_SERVICE_PORT_GRPC",
                "HAPPYPATH_PORT",
                "HAPPYPATH_PORT_7400_TCP",
                "HAPPYPATH_PORT_7400_TCP_ADDR",
            ]),
            none
        );
        assert_eq!(faults(&["HAPPYPATH_PORT_X_TCP"]).len(), 1);
    }
}
