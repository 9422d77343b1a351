//! Puts the layers over one another and remembers where each value came from.

use std::path::PathBuf;

use super::EffectiveValue;
use super::defaults::Defaults;
use super::environment::Environment;
use super::fault::{Fault, Origin};
use super::file;
use super::flags::ConfigFlags;
use super::mask::mask_secrets;
use super::setting::{SETTINGS, setting};

/// The texts of all settings that are set, the winner of each.
pub(super) struct Layers {
    values: Vec<(&'static str, String, Origin)>,
}

impl Layers {
    /// Reads all layers, and every fault of the file.
    pub(super) fn read(
        defaults: &Defaults,
        flags: &ConfigFlags,
        environment: &Environment,
    ) -> (Self, Vec<Fault>) {
        let mut layers = Self { values: Vec::new() };
        let mut faults = Vec::new();
        for setting in SETTINGS {
            if let Some(value) = defaults.value(setting.name) {
                let value = match value {
                    "auto" => worker_name(),
                    value => value.to_owned(),
                };
                layers.set(setting.name, value, Origin::Default);
            }
        }
        let named = environment.value("HAPPYPATH_CONFIG").map(PathBuf::from);
        if let Some(path) = flags.file.clone().or(named) {
            let (values, found) = file::read(&path);
            faults = found;
            for value in values {
                layers.set(value.name, value.text, value.origin);
            }
        }
        for setting in SETTINGS {
            let variable = setting.variable();
            // An empty variable is how many deployments say "not set".
            if let Some(value) = environment
                .value(&variable)
                .filter(|value| !value.is_empty())
            {
                layers.set(
                    setting.name,
                    value.to_owned(),
                    Origin::Environment { variable },
                );
            }
        }
        faults.extend(environment.faults());
        for (name, value) in &flags.values {
            let flag = format!("--{}", name.replace('_', "-"));
            layers.set(name, value.clone(), Origin::Flag { flag });
        }
        (layers, faults)
    }

    /// Reads a setting that must be set.
    pub(super) fn required<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
        faults: &mut Vec<Fault>,
    ) -> Option<T> {
        if self.text(name).is_some() {
            return self.optional(name, parse, faults);
        }
        let setting = setting(name).expect("the list names every setting that is read");
        faults.push(Fault {
            setting: name.to_owned(),
            value: None,
            problem: format!(
                "is not set: expected {}; set it with --{}, {} or in the file",
                setting.expected,
                setting.flag,
                setting.variable()
            ),
            origin: None,
        });
        None
    }

    /// Reads a setting that may be absent.
    pub(super) fn optional<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
        faults: &mut Vec<Fault>,
    ) -> Option<T> {
        let (text, origin) = self.text(name)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(problem) => {
                faults.push(Fault {
                    setting: name.to_owned(),
                    value: Some(mask_secrets(text)),
                    problem,
                    origin: Some(origin.clone()),
                });
                None
            }
        }
    }

    /// A fault of a setting whose value is right by itself, and does not fit another.
    pub(super) fn misfit(&self, name: &'static str, problem: &str) -> Fault {
        let (value, origin) = match self.text(name) {
            Some((text, origin)) => (Some(mask_secrets(text)), Some(origin.clone())),
            None => (None, None),
        };
        Fault {
            setting: name.to_owned(),
            value,
            problem: problem.to_owned(),
            origin,
        }
    }

    /// Returns whether a setting is set.
    pub(super) fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// Every setting that is set, in the order of the list.
    pub(super) fn effective(&self) -> Vec<EffectiveValue> {
        SETTINGS
            .iter()
            .filter_map(|setting| {
                let (text, origin) = self.text(setting.name)?;
                Some(EffectiveValue {
                    name: setting.name,
                    value: mask_secrets(text),
                    origin: origin.clone(),
                })
            })
            .collect()
    }

    fn text(&self, name: &str) -> Option<(&str, &Origin)> {
        self.values
            .iter()
            .find(|(own, _, _)| *own == name)
            .map(|(_, text, origin)| (text.as_str(), origin))
    }

    fn set(&mut self, name: &'static str, value: String, origin: Origin) {
        self.values.retain(|(own, _, _)| *own != name);
        self.values.push((name, value, origin));
    }
}

/// Different for each process, also for two of the same number in two containers of one name.
fn worker_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    let host: String = host
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        .take(60)
        .collect();
    let host = if host.is_empty() { "host" } else { &host };
    let random = uuid::Uuid::now_v7().as_u64_pair().1 & 0xffff_ffff;
    format!("{host}-{}-{random:08x}", std::process::id())
}
