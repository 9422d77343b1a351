//! `happypath identity`: who is who, and why.

use crate::client::Connection;
use crate::failure::Failure;

mod simulate;

/// Arguments of `identity`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Decides events of a file by a policy, without a server: who would be who
    Simulate(simulate::Args),
}

impl Args {
    /// Where the command asks; none for a simulation.
    pub(crate) const fn connection(&self) -> Option<&Connection> {
        match self.action {
            Action::Simulate(_) => None,
        }
    }
}

/// Runs it.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    match args.action {
        Action::Simulate(args) => simulate::run(args),
    }
}
