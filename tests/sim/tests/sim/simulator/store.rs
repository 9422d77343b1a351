//! How a simulated process connects to the hot store: directly, or through a journal.

use std::sync::Arc;

use hot::SharedHotStore;
use journal::{FoldOptions, JournaledStore, LogError, SharedLog};
use tokio_util::sync::CancellationToken;

use super::installation::Shared;
use super::link::{HotLink, Link};
use super::log_link::LogLink;

/// The connections of one process.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) hot: SharedHotStore,
    /// Present where there is a journal.
    pub(crate) journal: Option<JournaledStore>,
}

/// Connects a process.
///
/// # Errors
/// Where the log does not answer.
pub(crate) async fn connect(
    shared: &Arc<Shared>,
    link: &Arc<Link>,
    stop: CancellationToken,
) -> Result<Connection, LogError> {
    let hook = Arc::new(HotLink(Arc::clone(link)));
    let hot = shared.backing.connect(hook);
    if !shared.options.is_journaled {
        return Ok(Connection { hot, journal: None });
    }
    let log: SharedLog = Arc::new(LogLink {
        log: Arc::clone(&shared.log),
        leases: Arc::clone(&shared.leases),
        link: Arc::clone(link),
    });
    let clock = Arc::clone(shared);
    let fold = FoldOptions {
        retention: shared.options.retention,
        event_retention: None,
        now: Arc::new(move || clock.log_time()),
    };
    let journal = JournaledStore::start(hot, log, &link.name, fold.into(), stop).await?;
    Ok(Connection {
        hot: Arc::new(journal.clone()),
        journal: Some(journal),
    })
}
