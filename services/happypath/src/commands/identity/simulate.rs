//! `happypath identity simulate`: who would be who.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::output::Format;

/// Arguments of `identity simulate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The policy, such as drop_lowest_priority
    #[arg(long)]
    policy: String,
    /// Definitions of namespaces, laid over the built-in ones
    #[arg(long)]
    namespaces: Option<PathBuf>,
    /// Events, one JSON object a line
    events: PathBuf,
    #[command(flatten)]
    format: Format,
}

/// Simulates.
pub(crate) fn run(args: Args) -> Result<(), Failure> {
    let _ = (args.policy, args.namespaces, args.events, args.format);
    todo!()
}
