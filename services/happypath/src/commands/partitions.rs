//! `happypath partitions`: how the engines are doing.

use proto::engine::v1::Partition;
use serde_json::{Value, json};

use crate::client::Connection;
use crate::failure::Failure;
use crate::output::{Format, Rows, json_of, print_json};

/// Arguments of `partitions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this service
    #[arg(long, default_value = "", hide_default_value = true)]
    service: String,
    /// One line a partition, instead of one a service and owner
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// Shows the partitions.
pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let mut partitions = Vec::new();
    for (_, services) in args.connection.processes() {
        if !args.service.is_empty() && !services.iter().any(|s| s.name() == args.service) {
            continue;
        }
        let Some(service) = services.first() else {
            continue;
        };
        let listed = args.connection.list_partitions(*service, &args.service);
        partitions.extend(listed.await?);
    }
    if args.format.json {
        let partitions: Result<Vec<Value>, _> = partitions.iter().map(json_of).collect();
        return print_json(&json!({ "partitions": partitions? }));
    }
    if args.all {
        show_all(&partitions)
    } else {
        show_sums(&partitions)
    }
}

fn show_all(partitions: &[Partition]) -> Result<(), Failure> {
    let mut rows = Rows::new(&[
        "service",
        "#partition",
        "owner",
        "#epoch",
        "#commits",
        "#lag",
        "#quarantined",
    ]);
    for partition in partitions {
        rows.row([
            partition.service.clone(),
            partition.number.to_string(),
            owner(partition).to_owned(),
            partition.epoch.to_string(),
            partition.commit_seq.to_string(),
            partition.lag.to_string(),
            partition.quarantined_count.to_string(),
        ]);
    }
    rows.print_or("No service with partitions runs there.")
}

fn show_sums(partitions: &[Partition]) -> Result<(), Failure> {
    let mut sums: Vec<(&str, &str, [u64; 4])> = Vec::new();
    for partition in partitions {
        let add = [
            1,
            partition.commit_seq,
            partition.lag,
            partition.quarantined_count,
        ];
        let (service, owner) = (partition.service.as_str(), owner(partition));
        match sums
            .iter_mut()
            .find(|(s, o, _)| *s == service && *o == owner)
        {
            Some((_, _, sum)) => sum.iter_mut().zip(add).for_each(|(sum, add)| *sum += add),
            None => sums.push((service, owner, add)),
        }
    }
    let mut rows = Rows::new(&[
        "service",
        "owner",
        "#partitions",
        "#commits",
        "#lag",
        "#quarantined",
    ]);
    for (service, owner, sum) in sums {
        let mut cells = vec![service.to_owned(), owner.to_owned()];
        cells.extend(sum.map(|number| number.to_string()));
        rows.row(cells);
    }
    rows.print_or("No service with partitions runs there.")
}

fn owner(partition: &Partition) -> &str {
    match partition.owner.as_str() {
        "" => "(nobody)",
        owner => owner,
    }
}
