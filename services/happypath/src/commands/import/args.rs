//! Arguments of `import`, and the mapping that they give.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proto::identity::v1::Lane;

use crate::client::Connection;
use crate::failure::Failure;
use crate::import::{Decimal, Mapping, OnError, OneOrMore, Reading, Separator};
use crate::output::Format;
use crate::when::{TimeFormat, Zone};

/// The type of a group that a flag does not say.
const GROUP: &str = "account";

/// Arguments of `import`.
///
/// CSV needs a header; a JSON object has the same names, or `identifiers`, `properties`, `traits`,
/// `groups` and `group_traits` as objects of their own.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files: CSV, JSON or Parquet, also gzipped; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// A YAML file that says which column means what, with the same names as these flags: time,
    /// event, event_name, event_names, event_id, identifiers, traits, groups, group_traits,
    /// properties, ignore, types, nulls, decimal, time_zone, time_format
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// The column of the time [default: timestamp, time, date, …]
    #[arg(long, value_name = "COLUMN")]
    time_column: Option<String>,
    /// The way that times are written: auto, seconds, millis, micros, nanos, excel, excel1904, dmy,
    /// mdy, ymd, or a pattern such as %d.%m.%Y
    #[arg(long, value_name = "FORMAT")]
    time_format: Option<TimeFormat>,
    /// The zone of times that name none, such as Europe/Berlin [default: UTC]; a time that clocks
    /// showed twice is the first
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<Zone>,
    /// The column of the event's name [default: event]
    #[arg(long, value_name = "COLUMN")]
    event_column: Option<String>,
    /// The name of every event, where no column holds it
    #[arg(long, value_name = "NAME", conflicts_with = "event_column")]
    event_name: Option<String>,
    /// Another name for events, such as "Order Completed=purchase"; may be repeated
    #[arg(long, value_name = "NAME=NAME")]
    map_event: Vec<String>,
    /// A column that names the customer, such as user_id=household; may be repeated, also for one
    /// namespace [default: customer_id as user_id, email, …]
    #[arg(long, value_name = "[NAMESPACE=]COLUMN")]
    customer_column: Vec<String>,
    /// A column that becomes a trait of the customer, such as plan=current_plan, whatever else it
    /// is; may be repeated
    #[arg(long, value_name = "[TRAIT=]COLUMN")]
    trait_column: Vec<String>,
    /// A column that names an account that the customer acted for, such as workspace=team; may be
    /// repeated. A line that names no customer is the account's alone
    #[arg(long, value_name = "[TYPE=]COLUMN")]
    group_column: Vec<String>,
    /// A column that becomes a trait of such an account, such as account.plan=tier; may be repeated
    #[arg(long, value_name = "TYPE.TRAIT=COLUMN")]
    group_trait_column: Vec<String>,
    /// A column that is left out, by its name or, such as #3, by its place; may be repeated
    #[arg(long, value_name = "COLUMN")]
    ignore_column: Vec<String>,
    /// The type of a column: text, number, integer, boolean, instant or json; may be repeated
    /// [default: numbers that come back as they are written are numbers, so 007 and 1e5 are texts]
    #[arg(long = "type", value_name = "COLUMN=TYPE")]
    types: Vec<String>,
    /// The sign between cells: comma, semicolon, tab or pipe [default: found in the file]
    #[arg(long, value_name = "SIGN")]
    separator: Option<Separator>,
    /// The sign before decimals in the file: point or comma
    #[arg(long, value_name = "SIGN")]
    decimal: Option<Decimal>,
    /// A text that stands for no value, such as NULL, besides empty cells and \N; may be repeated
    #[arg(long, value_name = "TEXT")]
    null: Vec<String>,
    /// Shows what would become of the files, and every fault in them; sends nothing and needs no
    /// service
    #[arg(long)]
    pub(super) dry_run: bool,
    /// The lane: bulk never delays live events
    #[arg(long, default_value = "bulk")]
    pub(super) lane: LaneName,
    /// The treatment of a bad line
    #[arg(long, default_value = "stop")]
    pub(super) on_error: OnError,
    /// Names the import [default: the file's name, without its folder]; a line that was taken under
    /// it is known for 30 days and not taken again
    #[arg(long, value_name = "NAME")]
    pub(super) source: Option<String>,
    /// Events in one message
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) batch: u16,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LaneName {
    Bulk,
    Live,
}

impl From<LaneName> for Lane {
    fn from(name: LaneName) -> Self {
        match name {
            LaneName::Bulk => Self::Bulk,
            LaneName::Live => Self::Live,
        }
    }
}

impl Args {
    /// Returns the mapping file, with what flags say over it.
    ///
    /// # Errors
    /// Where the file is no mapping, or flags contradict each other.
    pub(super) fn mapping(&self) -> Result<Mapping, Failure> {
        let mut mapping = match &self.mapping {
            Some(path) => Mapping::read(path)?,
            None => Mapping::default(),
        };
        over(&mut mapping.time, self.time_column.as_ref());
        if self.event_column.is_some() || self.event_name.is_some() {
            mapping.event.clone_from(&self.event_column);
            mapping.event_name.clone_from(&self.event_name);
        }
        if let Some(format) = &self.time_format {
            mapping.time_format.clone_from(format);
        }
        if let Some(zone) = &self.time_zone {
            mapping.time_zone.clone_from(zone);
        }
        mapping.decimal = self.decimal.or(mapping.decimal);
        mapping.ignore.extend(self.ignore_column.iter().cloned());
        mapping.nulls.extend(self.null.iter().cloned());
        mapping.identifiers.extend(self.identifiers());
        mapping.traits.extend(once_each(
            "--trait-column",
            self.trait_column
                .iter()
                .map(|text| text.split_once('=').unwrap_or((text, text))),
        )?);
        let groups = self.group_column.iter();
        let groups = groups.map(|text| text.split_once('=').unwrap_or((GROUP, text)));
        mapping.groups.extend(once_each("--group-column", groups)?);
        for (r#type, name, column) in self.group_traits()? {
            let traits = mapping.group_traits.entry(r#type).or_default();
            traits.insert(name, column);
        }
        let names = pairs("--map-event", "Order Completed=purchase", &self.map_event)?;
        mapping.event_names.extend(once_each("--map-event", names)?);
        let types = pairs("--type", "sku=text", &self.types)?;
        for (column, value_type) in once_each("--type", types)? {
            let value_type = value_type.parse().map_err(|reason| {
                Failure::mistake(format!("--type {column}={value_type}: {reason}"))
            })?;
            mapping.types.insert(column, value_type);
        }
        Ok(mapping)
    }

    /// Returns the traits of accounts: the type of each, its name and its column.
    fn group_traits(&self) -> Result<Vec<(String, String, String)>, Failure> {
        const FLAG: &str = "--group-trait-column";
        let traits = self.group_trait_column.iter().map(|text| {
            let parts = text.split_once('=').and_then(|(path, column)| {
                let (r#type, name) = path.split_once('.')?;
                let is_full = ![r#type, name, column].contains(&"");
                is_full.then_some((path, column))
            });
            parts.ok_or_else(|| {
                let example = "such as account.plan=tier";
                Failure::mistake(format!(
                    "{FLAG} {text}: expected a type, a trait and a column, {example}"
                ))
            })
        });
        let traits = once_each(FLAG, traits.collect::<Result<Vec<_>, _>>()?)?;
        let traits = traits.into_iter().filter_map(|(path, column)| {
            let (r#type, name) = path.split_once('.')?;
            Some((r#type.to_owned(), name.to_owned(), column))
        });
        Ok(traits.collect())
    }

    /// Returns the ways to read files that were named.
    pub(super) fn reading(&self) -> Reading {
        Reading {
            separator: self.separator,
            is_json_lines: false,
        }
    }

    /// Returns the columns of each namespace. Several for one add up.
    fn identifiers(&self) -> BTreeMap<String, OneOrMore> {
        let mut identifiers: BTreeMap<String, OneOrMore> = BTreeMap::new();
        for text in &self.customer_column {
            let (namespace, column) = text.split_once('=').unwrap_or(("user_id", text));
            let columns = identifiers.entry(namespace.to_owned()).or_default();
            columns.0.push(column.to_owned());
        }
        identifiers
    }
}

fn over(place: &mut Option<String>, flag: Option<&String>) {
    if let Some(text) = flag {
        *place = Some(text.clone());
    }
}

/// Returns the two names of each flag.
fn pairs<'a>(
    flag: &str,
    example: &str,
    texts: &'a [String],
) -> Result<Vec<(&'a str, &'a str)>, Failure> {
    let pair = |text: &'a String| {
        let pair = text.rsplit_once('=');
        pair.filter(|(name, value)| !name.is_empty() && !value.is_empty())
            .ok_or_else(|| {
                Failure::mistake(format!(
                    "{flag} {text}: expected two names, such as {flag} \"{example}\""
                ))
            })
    };
    texts.iter().map(pair).collect()
}

/// Collects pairs, each name once.
///
/// # Errors
/// Where flags give one name two values.
fn once_each<'a>(
    flag: &str,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in pairs {
        match found.insert(name.to_owned(), value.to_owned()) {
            Some(other) if other != value => {
                return Err(Failure::mistake(format!(
                    "{flag} gives `{name}` twice, `{other}` and `{value}`: keep one"
                )));
            }
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn mapping(flags: &[&str]) -> Result<Mapping, String> {
        let words = ["import", "a.csv"].iter().chain(flags);
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.args.mapping().map_err(|failure| failure.to_string())
    }

    #[test]
    fn flags_add_up() {
        let mapping = mapping(&[
            "--customer-column",
            "email=work",
            "--customer-column",
            "email=home",
            "--customer-column",
            "id",
            "--trait-column",
            "plan",
            "--trait-column",
            "mail=work",
            "--group-column",
            "firm",
            "--group-column",
            "workspace=team",
            "--group-trait-column",
            "account.plan.tier=a=b",
            "--type",
            "a=b=text",
            "--type",
            "n=number",
            "--map-event",
            "Order Completed=purchase",
            "--ignore-column",
            "x",
            "--null",
            "NULL",
            "--decimal",
            "comma",
            "--time-zone",
            "Europe/Berlin",
            "--time-format",
            "dmy",
        ])
        .expect("a mapping");
        assert_eq!(mapping.identifiers["email"].0, ["work", "home"]);
        assert_eq!(mapping.identifiers["user_id"].0, ["id"]);
        assert_eq!(mapping.traits["mail"], "work");
        assert_eq!(mapping.groups["account"], "firm");
        assert_eq!(mapping.groups["workspace"], "team");
        assert_eq!(mapping.group_traits["account"]["plan.tier"], "a=b");
        assert!(mapping.types.contains_key("a=b") && mapping.types.contains_key("n"));
        assert_eq!(mapping.event_names["Order Completed"], "purchase");
        assert_eq!(mapping.time_zone.to_string(), "Europe/Berlin");
        assert_eq!(mapping.time_format.to_string(), "dmy");
    }

    #[test]
    fn flags_that_contradict_each_other_or_say_nothing_are_refused() {
        for (flags, part) in [
            (
                &["--trait-column", "a=x", "--trait-column", "a=y"][..],
                "gives `a` twice",
            ),
            (
                &["--type", "a=text", "--type", "a=number"],
                "gives `a` twice",
            ),
            (
                &["--map-event", "a=x", "--map-event", "a=y"],
                "gives `a` twice",
            ),
            (
                &["--group-column", "x", "--group-column", "y"],
                "gives `account` twice",
            ),
            (
                &["--group-trait-column", "plan=x"],
                "expected a type, a trait and a column",
            ),
            (&["--type", "a=txet"], "did you mean `text`?"),
            (&["--type", "a"], "expected two names"),
            (
                &["--time-zone", "Europe/Berlni"],
                "did you mean `Europe/Berlin`?",
            ),
            (&["--time-format", "milis"], "did you mean `millis`?"),
            (&["--decimal", "."], "expected point or comma"),
            (
                &["--time-column", "a", "--time-column", "b"],
                "cannot be used multiple times",
            ),
        ] {
            let refused = mapping(flags).expect_err("a mistake");
            assert!(refused.contains(part), "{refused}");
        }
        assert!(mapping(&["--type", "a=text", "--type", "a=text"]).is_ok());
    }
}
