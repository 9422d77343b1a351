//! Reads the file of a configuration: YAML, a flat list of settings.

use std::collections::BTreeMap;
use std::path::Path;

use serde_saphyr::Spanned;

use super::fault::{Fault, Origin};
use super::setting::{SETTINGS, setting};
use crate::limits::CONFIG_FILE_BYTES;

/// One value of the file.
#[derive(Debug)]
pub(super) struct FileValue {
    /// The setting.
    pub(super) name: &'static str,
    /// Its text.
    pub(super) text: String,
    /// Its place.
    pub(super) origin: Origin,
}

/// Reads all values, and every fault.
pub(super) fn read(path: &Path) -> (Vec<FileValue>, Vec<Fault>) {
    match read_text(path) {
        Ok(text) => parse(path, &text),
        Err(problem) => (Vec::new(), vec![file_fault(path, problem)]),
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path)
        .map_err(|error| format!("cannot be read ({error}): name a file that exists"))?
        .len();
    if size > CONFIG_FILE_BYTES {
        return Err(format!(
            "has {size} bytes: a configuration has at most {CONFIG_FILE_BYTES}"
        ));
    }
    std::fs::read_to_string(path)
        .map_err(|error| format!("cannot be read ({error}): it must be text in UTF-8"))
}

fn parse(path: &Path, text: &str) -> (Vec<FileValue>, Vec<Fault>) {
    if text
        .lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
    {
        return (Vec::new(), Vec::new());
    }
    let document: BTreeMap<String, Spanned<serde_json::Value>> = match serde_saphyr::from_str(text)
    {
        Ok(document) => document,
        Err(error) => return (Vec::new(), vec![file_fault(path, yaml_problem(&error))]),
    };
    let (mut values, mut faults) = (Vec::new(), Vec::new());
    for (name, value) in document {
        let origin = Origin::File {
            path: path.to_owned(),
            line: value.defined.line(),
        };
        match (setting(&name), scalar_text(&value.value)) {
            (Some(setting), Some(text)) => values.push(FileValue {
                name: setting.name,
                text,
                origin,
            }),
            (Some(setting), None) => faults.push(Fault {
                setting: name,
                value: None,
                problem: format!("is not one value: expected {}", setting.expected),
                origin: Some(origin),
            }),
            (None, _) => faults.push(Fault {
                problem: unknown_problem(&name),
                setting: name,
                value: None,
                origin: Some(origin),
            }),
        }
    }
    (values, faults)
}

fn scalar_text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Bool(truth) => Some(truth.to_string()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn yaml_problem(error: &serde_saphyr::Error) -> String {
    format!("is not a list of settings in YAML, such as `partitions: 64`: {error}")
}

fn unknown_problem(name: &str) -> String {
    let names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
    match kernel::nearest(name, names.iter().copied()) {
        Some(known) => format!("is not a setting: did you mean `{known}`?"),
        None => format!("is not a setting: there are {}", names.join(", ")),
    }
}

fn file_fault(path: &Path, problem: String) -> Fault {
    Fault {
        setting: "config".to_owned(),
        value: Some(path.display().to_string()),
        problem,
        origin: None,
    }
}
