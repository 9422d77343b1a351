//! Checks which retentions fit each other.

use kernel::Duration;

use super::fault::Fault;
use super::layers::Layers;

/// Finds events that would be gone before the commits that they caused. Whether a value is right by
/// itself is known already; absent where it is not.
pub(super) fn check(
    layers: &Layers,
    journal_retention: Option<Duration>,
    event_retention: Option<Option<Duration>>,
    faults: &mut Vec<Fault>,
) {
    let (Some(journal), Some(Some(events))) = (journal_retention, event_retention) else {
        return;
    };
    if events < journal {
        let problem = format!(
            "is below journal_retention, {journal}: the journal would have what events caused, and not the events; set it \
             to {journal} or more or to forever, or lower journal_retention"
        );
        faults.push(layers.misfit("event_retention", &problem));
    }
}
