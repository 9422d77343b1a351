//! Removes what the gateway keeps no longer, now and then.

use tokio_util::sync::CancellationToken;

use crate::dead_letters::DeadLetters;
use crate::limits::UPKEEP_PAUSE;
use crate::statistics::Statistics;

/// Removes dead letters and statistics that are too old, and dead letters that are too many, until
/// the process is told to end.
pub(crate) async fn keep_up(
    dead_letters: DeadLetters,
    statistics: Statistics,
    shutdown: CancellationToken,
) {
    loop {
        let now = access::now();
        for pruned in [dead_letters.prune(now).await, statistics.prune(now).await] {
            if let Err(error) = pruned {
                tracing::warn!(%error, "what is too old was not removed, trying again in a minute");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(UPKEEP_PAUSE) => {}
            () = shutdown.cancelled() => return,
        }
    }
}
