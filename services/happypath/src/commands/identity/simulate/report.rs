//! Prints who would be who.

use identity::Simulation;
use serde_json::{Value, json};

use super::outcome::{Outcome, Outcomes};
use crate::failure::Failure;
use crate::output::{Rows, escaped_json, print, visible};

/// Bytes of an answer that are written at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Rows of a table for people.
const ROWS_SHOWN: usize = 1_000;

/// Prints one object: the events, then the customers.
pub(super) fn print_json(simulation: &Simulation<'_>, outcomes: Outcomes) -> Result<(), Failure> {
    let mut writer = Chunks::default();
    writer.list(
        "{\n  \"events\": [",
        outcomes
            .read()?
            .map(|outcome| outcome.map(|outcome| event_json(simulation, &outcome))),
    )?;
    let customers = simulation.customers().into_iter();
    writer.list(
        ",\n  \"customers\": [",
        customers.map(|customer| {
            let identifiers = customer.identifiers.iter();
            let identifiers = identifiers.map(|own| {
                json!({
                    "namespace": own.namespace,
                    "value": own.value,
                })
            });
            Ok(json!({
                "customer": name(customer.customer),
                "identifiers": identifiers.collect::<Vec<_>>(),
            }))
        }),
    )?;
    writer.text.push_str("\n}");
    print(&writer.text)
}

/// Prints tables for people.
pub(super) fn print_tables(simulation: &Simulation<'_>, outcomes: Outcomes) -> Result<(), Failure> {
    let count = outcomes.count();
    let mut rows = Rows::new(&["#event", "customer", "then", "left out"]);
    for (place, outcome) in outcomes.read()?.take(ROWS_SHOWN).enumerate() {
        let outcome = outcome?;
        let left = outcome.dropped.iter().map(|own| {
            format!(
                "{}:{} {}",
                visible(&own.namespace),
                visible(&own.value),
                own.reason
            )
        });
        let (now, then) = (now(simulation, &outcome), outcome.then);
        rows.row([
            (place + 1).to_string(),
            now.map_or_else(|| "-".to_owned(), name),
            then.map_or_else(|| "-".to_owned(), name),
            left.collect::<Vec<_>>().join(", "),
        ]);
    }
    rows.print_or("There is no event.")?;
    more(count.saturating_sub(ROWS_SHOWN as u64), "events")?;
    let customers = simulation.customers();
    let mut rows = Rows::new(&["customer", "identifiers"]);
    for customer in customers.iter().take(ROWS_SHOWN) {
        let own = customer.identifiers.iter();
        let own = own.map(|own| format!("{}:{}", own.namespace, visible(&own.value)));
        rows.row([name(customer.customer), own.collect::<Vec<_>>().join(", ")]);
    }
    rows.print_titled("Customers")?;
    more(
        customers.len().saturating_sub(ROWS_SHOWN) as u64,
        "customers",
    )
}

fn more(count: u64, what: &str) -> Result<(), Failure> {
    match count {
        0 => Ok(()),
        more => print(&format!("and {more} more {what}; --json has all")),
    }
}

fn event_json(simulation: &Simulation<'_>, outcome: &Outcome) -> Value {
    json!({
        "customer": now(simulation, outcome).map(name),
        "customer_then": outcome.then.map(name),
        "dropped": outcome.dropped,
    })
}

/// The number of the customer of an event, as known at the end.
fn now(simulation: &Simulation<'_>, outcome: &Outcome) -> Option<u32> {
    let fragment = outcome.fragment();
    fragment.map(|own| simulation.customer_of(own))
}

fn name(number: u32) -> String {
    format!("c{number}")
}

/// Text that is printed as it becomes long.
#[derive(Default)]
struct Chunks {
    text: String,
}

impl Chunks {
    /// Writes the items of a list, each on a line, and closes it.
    fn list(
        &mut self,
        begin: &str,
        items: impl Iterator<Item = Result<Value, Failure>>,
    ) -> Result<(), Failure> {
        self.text.push_str(begin);
        for (place, item) in items.enumerate() {
            let item = item?.to_string();
            if place > 0 {
                self.text.push(',');
            }
            // A line feed ends each chunk, since printing adds one.
            match self.text.len() < CHUNK_BYTES {
                true => self.text.push('\n'),
                false => print(&std::mem::take(&mut self.text))?,
            }
            self.text.push_str("    ");
            self.text.push_str(&escaped_json(&item));
        }
        self.text.push_str("\n  ]");
        Ok(())
    }
}
