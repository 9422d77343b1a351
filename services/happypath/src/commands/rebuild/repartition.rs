//! Changes the number of partitions, before the hot store is made anew.

use changes::WriteError;
use journal::{LogError, MovedStates, Repartition, RepartitionError, Repartitioned};
use kernel::PartitionCount;
use runtime::Config;
use serde_json::{Value, json};
use storage::RecountError;

use crate::failure::Failure;
use crate::output::{Rows, print, remark};

/// Changes the number of partitions to that of the configuration. Absent where it is that already.
pub(super) async fn change(
    config: &Config,
    chosen: &[u16],
) -> Result<Option<Repartitioned>, Failure> {
    let (database, from) = runtime::open_record(config).await?;
    let to = config.partitions;
    if from == to {
        return Ok(None);
    }
    if !chosen.is_empty() {
        return Err(Failure::mistake(format!(
            "--partition names single partitions, and this installation has {from}, not {to}: leave --partition out to \
             change their number, or --partitions to rebuild some",
            from = from.get(),
            to = to.get(),
        )));
    }
    let failed = |error| failure(from, &error);
    let Some(repartition) = Repartition::begin(&database, to).await.map_err(failed)? else {
        return Ok(None);
    };
    runtime::check_empty(config, from).await?;
    remark(&format!(
        "Changing the number of partitions from {} to {}.",
        from.get(),
        to.get()
    ));
    let id = uuid::Uuid::now_v7().to_string();
    repartition.write(&id).await.map(Some).map_err(failed)
}

/// Says why the number was not changed, and what to do about it.
fn failure(from: PartitionCount, error: &RepartitionError) -> Failure {
    let count = from.get();
    let remedy = match error {
        RepartitionError::Recount(RecountError::Alive(_)) => {
            "Stop all services of this installation, on Kubernetes by scaling them to 0, and run this again.".to_owned()
        }
        RepartitionError::Recount(RecountError::Storage(_) | RecountError::Busy)
        | RepartitionError::Log(LogError::Unavailable(_))
        | RepartitionError::Changes(WriteError::Storage(_)) => "Run this again.".to_owned(),
        RepartitionError::Storage(_) => {
            "Whether it was changed in the very end is not known: run this again, which finds out.".to_owned()
        }
        RepartitionError::Quarantine(_) => format!(
            "Start the services as they were, with {count} partitions, retry or discard the records with \
             `happypath quarantine`, stop the services, empty the hot store, and run this again."
        ),
        RepartitionError::Times(_) => format!(
            "Start the services as they were, with {count} partitions, bring all to one time with AdvanceClock, stop them, \
             empty the hot store, and run this again."
        ),
        RepartitionError::Commands(_)
        | RepartitionError::OnStreamTime(_)
        | RepartitionError::TooMuch(_)
        | RepartitionError::TooManyChanges
        | RepartitionError::Indivisible { .. } => format!(
            "Start the services as they were, with {count} partitions, send nothing until `happypath status` shows that \
             nothing waits, stop them, empty the hot store, and run this again."
        ),
        _ => "Look at what it says: the record has to be put right first, as from a backup.".to_owned(),
    };
    let message = format!(
        "the number of partitions stays {count}: {}\n{remedy}",
        causes(error)
    );
    match error {
        RepartitionError::Recount(RecountError::Storage(_))
        | RepartitionError::Storage(_)
        | RepartitionError::Log(LogError::Unavailable(_))
        | RepartitionError::Changes(WriteError::Storage(_)) => Failure::unreachable(message),
        _ => Failure::failed(message),
    }
}

/// An error with its causes, as far as they say more.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let said = deeper.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = deeper.source();
    }
    text
}

/// Shows what was moved.
pub(super) fn show(moved: &Repartitioned) -> Result<(), Failure> {
    let mut rows = Rows::new(&["service", "#customers", "#states", "#timers"]);
    for MovedStates {
        owner,
        customers,
        states,
        timers,
    } in &moved.services
    {
        rows.row([
            owner.name().to_owned(),
            customers.to_string(),
            states.to_string(),
            timers.to_string(),
        ]);
    }
    rows.print_or("No service has any state.")?;
    print(&format!(
        "\nChanged {} partitions to {} in {:.2} s, with {} rows of the event log, {} entries that wait and {} changes that the log of changes lacked.\n",
        moved.from.get(),
        moved.to.get(),
        moved.took.as_secs_f64(),
        moved.event_rows,
        moved.waiting,
        moved.changes,
    ))
}

/// The same for scripts.
pub(super) fn json(moved: &Repartitioned) -> Value {
    let services: Vec<Value> = moved
        .services
        .iter()
        .map(|it| {
            json!({
                "service": it.owner.name(),
                "customers": it.customers,
                "states": it.states,
                "timers": it.timers,
            })
        })
        .collect();
    json!({
        "from": moved.from.get(),
        "to": moved.to.get(),
        "services": services,
        "event_rows": moved.event_rows,
        "waiting_entries": moved.waiting,
        "logged_changes": moved.changes,
        "seconds": moved.took.as_secs_f64(),
    })
}
