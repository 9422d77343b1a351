//! The flags of a program that reads a configuration, made from the list of settings.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::defaults::Defaults;
use super::setting::SETTINGS;

/// The values of flags. Flattened into `happypath dev`; services build theirs with
/// [`ConfigFlags::arguments`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFlags {
    /// The file to read; absent for none, or for the one that `HAPPYPATH_CONFIG` names.
    pub file: Option<PathBuf>,
    /// True to check the configuration and end.
    pub check_only: bool,
    /// The settings that flags set.
    pub values: Vec<(&'static str, String)>,
}

impl ConfigFlags {
    /// The arguments of a command line, with the program's defaults in their help.
    pub fn arguments(defaults: &Defaults) -> Vec<Arg> {
        let mut arguments = vec![
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Reads settings from a YAML file; HAPPYPATH_* variables and flags win over it [env: HAPPYPATH_CONFIG]"),
            Arg::new("check-config")
                .long("check-config")
                .action(ArgAction::SetTrue)
                .help("Checks the configuration, prints every fault or every effective value, and ends"),
        ];
        arguments.extend(SETTINGS.iter().map(|setting| {
            let default = match defaults.value(setting.name) {
                Some("auto") => " [default: host, process and a random part]".to_owned(),
                Some(value) => format!(" [default: {value}]"),
                None => String::new(),
            };
            Arg::new(setting.name)
                .long(setting.flag)
                .value_name("VALUE")
                .help(format!("{}: {}{default}", setting.help, setting.expected))
                .help_heading("Settings")
        }));
        arguments
    }

    /// Reads what a command line said.
    pub fn from_matches(matches: &ArgMatches) -> Self {
        Self {
            file: matches.get_one::<PathBuf>("config").cloned(),
            check_only: matches.get_flag("check-config"),
            values: SETTINGS
                .iter()
                .filter_map(|setting| {
                    let value = matches.get_one::<String>(setting.name)?;
                    Some((setting.name, value.clone()))
                })
                .collect(),
        }
    }

    /// Sets a value as a flag would.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.push((name, value.into()));
        self
    }
}

impl clap::FromArgMatches for ConfigFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self::from_matches(matches))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_matches(matches);
        Ok(())
    }
}

impl clap::Args for ConfigFlags {
    fn augment_args(command: Command) -> Command {
        command.args(Self::arguments(&Defaults::of_dev(Path::new(".happypath"))))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
