//! `happypath identity`: who is who, and why.

mod erase;
mod erasures;
mod explain;
mod export;
mod history;
mod link;
mod merge;
mod resolve;
mod simulate;
mod suppress;
mod tombstones;
mod unmerge;

use proto::identity::v1::{Customer, DroppedIdentifier, Identifier};

pub(super) use self::explain::show_evidence;
pub(super) use self::export::Lines;

use crate::client::Connection;
use crate::customer_key::read_identifier;
use crate::failure::Failure;
use crate::output::{Format, Rows, print, visible};

/// Arguments of `identity`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Customers are named by an id, or by an identifier such as user_id:u1.

A customer that looks like two people: `explain` says which evidence holds it together, `history`
names the operations, and `unmerge --dry-run` shows what would come apart. What was learned goes
back with the fragments that taught it, in every service.")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Finds the customer whom an event with these identifiers would go to; changes nothing
    Resolve(Box<resolve::Args>),
    /// Tells why a customer is who they are: the chain of evidence, and what to look at first
    Explain(Box<explain::Args>),
    /// Lists what changed who a customer is: merges, unmerges, moved identifiers, erasures
    History(Box<history::Args>),
    /// Gives identifiers to a customer, and joins those who hold them into one
    Link(Box<link::Args>),
    /// Joins customers into the oldest of them
    Merge(Box<merge::Args>),
    /// Takes a customer apart, for good: events do not join the parts again
    Unmerge(Box<unmerge::Args>),
    /// Decides events of a file by a policy, without a server: who would be who
    Simulate(Box<simulate::Args>),
    /// Erases customers for good, from every store
    Erase(Box<erase::Args>),
    /// Tells how far erasures are
    Erasures(Box<erasures::Args>),
    /// Refuses the events of somebody from now on; what is known of them stays
    Suppress(Box<suppress::Args>),
    /// Takes back that somebody is suppressed
    Unsuppress(Box<suppress::Args>),
    /// Writes all that is known about a person as JSON Lines
    Export(Box<export::Args>),
    /// Keeps who was erased for backups that are restored
    Tombstones(Box<tombstones::Args>),
}

/// The place that a command asks, and the form of its answer.
#[derive(Debug, clap::Args)]
struct Common {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    format: Format,
}

impl Args {
    /// Returns the address to ask; none for a simulation.
    pub(crate) const fn connection(&self) -> Option<&Connection> {
        let common = match &self.action {
            Action::Resolve(args) => &args.common,
            Action::Explain(args) => &args.common,
            Action::History(args) => &args.common,
            Action::Link(args) => &args.common,
            Action::Merge(args) => &args.common,
            Action::Unmerge(args) => &args.common,
            Action::Erase(args) => &args.common,
            Action::Erasures(args) => &args.common,
            Action::Suppress(args) | Action::Unsuppress(args) => &args.common,
            Action::Export(args) => return Some(&args.connection),
            Action::Simulate(_) | Action::Tombstones(_) => return None,
        };
        Some(&common.connection)
    }
}

/// Runs it.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    match args.action {
        Action::Resolve(args) => resolve::run(*args).await,
        Action::Explain(args) => explain::run(*args).await,
        Action::History(args) => history::run(*args).await,
        Action::Link(args) => link::run(*args).await,
        Action::Merge(args) => merge::run(*args).await,
        Action::Unmerge(args) => unmerge::run(*args).await,
        Action::Simulate(args) => simulate::run(&args),
        Action::Erase(args) => erase::run(*args).await,
        Action::Erasures(args) => erasures::run(*args).await,
        Action::Suppress(args) => suppress::suppress(*args).await,
        Action::Unsuppress(args) => suppress::unsuppress(*args).await,
        Action::Export(args) => export::run(*args).await,
        Action::Tombstones(args) => tombstones::run(*args).await,
    }
}

/// Reads an identifier such as `user_id:u1`.
pub(super) fn identifier(text: &str) -> Result<Identifier, String> {
    let expected = || "expected namespace:value, such as user_id:u1".to_owned();
    read_identifier(text).ok_or_else(expected)
}

/// An identifier for people.
pub(super) fn shown(identifier: &Identifier) -> String {
    format!("{}:{}", identifier.namespace, visible(&identifier.value))
}

/// Prints identifiers that were left out, or would be.
pub(super) fn show_dropped(dropped: &[DroppedIdentifier]) -> Result<(), Failure> {
    let mut rows = Rows::new(&["identifier", "reason"]);
    for own in dropped {
        let identifier = format!("{}:{}", visible(&own.namespace), visible(&own.value));
        rows.row([identifier, own.reason.clone()]);
    }
    rows.print_titled("Left out")
}

/// Prints customers with their identifiers.
fn show_customers(customers: &[Customer]) -> Result<(), Failure> {
    let mut rows = Rows::new(&["customer", "#fragments", "identifiers"]);
    for customer in customers {
        let identifiers: Vec<String> = customer.identifiers.iter().map(shown).collect();
        rows.row([
            customer.customer_id.clone(),
            customer.fragment_ids.len().to_string(),
            identifiers.join(", "),
        ]);
    }
    rows.print_or("There is no customer.")
}

/// Prints what customers were joined into.
fn show_joined(customer: Option<&Customer>, merged: &[String]) -> Result<(), Failure> {
    let id = customer.map_or("", |customer| customer.customer_id.as_str());
    match merged {
        [] => print(&format!("Nobody was joined: customer {id} is as it was.")),
        merged => print(&format!("Joined into customer {id}: {}", merged.join(", "))),
    }
}
