//! `happypath identity simulate`: who would be who.
//!
//! It decides here, in memory: no service is asked, and nothing is kept.

mod line;
mod outcome;
mod policy;
mod report;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::path::PathBuf;

use identity::Simulation;
use kernel::Timestamp;

use self::outcome::Outcomes;
use crate::failure::Failure;
use crate::import::{BadLine, Objects};
use crate::output::Format;

/// Arguments of `identity simulate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A line of EVENTS is an object such as
  {\"time\": \"2026-01-31T06:00:00Z\", \"ids\": {\"user_id\": \"u1\", \"email\": [\"a@x.io\", \"b@x.io\"]}}
Events count in the order of the lines; one without a time comes with the one before.

Policies:
  drop_lowest_priority  the event goes on without the identifier in conflict (the default)
  reassign_newest       the identifier goes to the customer of the event, with its earlier events
  ambiguous_anonymous   the identifier is nobody's from then on
  refuse_if_known       a known customer is never joined into another one
  switch_session        the identifier goes to the customer of the event, earlier events stay
  union_all             the customers are joined, up to the limits of a customer")]
pub(crate) struct Args {
    /// The policy; it counts whatever `conflict_rule` the files of --namespaces have
    #[arg(long, value_name = "NAME", value_parser = policy::named)]
    policy: policy::Named,
    /// Definitions of namespaces and of limits of the policy, as `apply` reads them, laid over the
    /// built-in ones; may be repeated
    #[arg(long, value_name = "FILE")]
    namespaces: Vec<PathBuf>,
    /// Events, one JSON object a line; - for stdin
    events: PathBuf,
    #[command(flatten)]
    format: Format,
}

/// Bad lines that are told at once.
const BAD_LINES_TOLD: usize = 20;

/// Simulates.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let rules = policy::rules(args.policy, &args.namespaces)?;
    let mut simulation = Simulation::new(&rules);
    let outcomes = simulate(&mut simulation, Objects::open(&args.events)?)?;
    match args.format.json {
        true => report::print_json(&simulation, outcomes),
        false => report::print_tables(&simulation, outcomes),
    }
}

/// Takes every event of a file.
fn simulate(simulation: &mut Simulation<'_>, mut objects: Objects) -> Result<Outcomes, Failure> {
    let mut outcomes = Outcomes::new()?;
    let mut bad = BadLines::default();
    let mut time = Timestamp::from_millis(0);
    while let Some(object) = objects.next() {
        match object.and_then(|(line, object)| line::read(line, &object)) {
            // Nothing comes of a file with mistakes, so that the others are not decided.
            Ok(_) if bad.count > 0 => {}
            Ok(event) => {
                time = event.time.unwrap_or(time);
                outcomes.push(&simulation.event(time, event.ids))?;
            }
            Err(line) => bad.push(&objects_path(&objects), &line),
        }
    }
    bad.into_result()?;
    Ok(outcomes)
}

fn objects_path(objects: &Objects) -> String {
    match objects.path().to_str() {
        Some("-") => "stdin".to_owned(),
        _ => objects.path().display().to_string(),
    }
}

/// The mistakes of a file: the first ones in words, and the number of all.
#[derive(Debug, Default)]
struct BadLines {
    text: String,
    count: usize,
}

impl BadLines {
    fn push(&mut self, path: &str, bad: &BadLine) {
        self.count += 1;
        if self.count <= BAD_LINES_TOLD {
            // A text takes whatever is written to it.
            let _ = write!(self.text, "\n{path}:{bad}");
        }
    }

    fn into_result(self) -> Result<(), Failure> {
        let (count, text) = (self.count, self.text);
        let lines = match count {
            0 => return Ok(()),
            1 => "1 line is".to_owned(),
            _ => format!("{count} lines are"),
        };
        let more = match count.saturating_sub(BAD_LINES_TOLD) {
            0 => String::new(),
            more => format!("\nand {more} more: correct these first"),
        };
        Err(Failure::mistake(format!(
            "{lines} no event; nothing was decided{text}{more}"
        )))
    }
}
