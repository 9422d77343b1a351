//! Notices that another server answers than before, or the same one after a restart: either may have lost what is
//! newest.
//!
//! It asks one cheap question a second and whenever a connection was lost. It does not find out what was lost: that is
//! for who opens the partitions again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use redis::RedisResult;
use tokio::sync::watch::{Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::link::Link;
use super::server::field;
use super::source::Source;

/// How often the servers are asked who they are.
const EVERY: Duration = Duration::from_secs(1);

/// Who the servers are: one, or each primary of a cluster. An identity changes with every start of a process and when
/// it takes its data from another.
type Identities = BTreeSet<(String, String)>;

/// The watcher; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    changes: Sender<u64>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Learns who the servers are, and watches them from now on.
    pub(super) async fn start(source: &Arc<Source>) -> RedisResult<Self> {
        let link = Link::connect(source).await?;
        let known = loop {
            if let Some(found) = identities(&link, source).await? {
                break found;
            }
            // In the middle of a fail-over.
            sleep(EVERY).await;
        };
        let changes = Sender::new(0);
        let task = tokio::spawn(watch(link, Arc::clone(source), known, changes.clone()));
        Ok(Self { changes, task })
    }

    /// Changes whenever another server answers.
    pub(super) fn changes(&self) -> Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(link: Link, source: Arc<Source>, mut known: Identities, changes: Sender<u64>) {
    loop {
        tokio::select! {
            () = sleep(EVERY) => {}
            () = source.reconnected.notified() => {}
        }
        // While nobody answers there is nothing to compare.
        let Ok(Some(found)) = identities(&link, &source).await else {
            continue;
        };
        // A primary that joins a cluster has brought nothing and taken nothing.
        let is_changed = !known.is_subset(&found);
        known = found;
        if is_changed {
            tracing::warn!("another Redis answers than before, or it was restarted");
            changes.send_modify(|count| *count += 1);
        }
    }
}

/// Asks who answers; absent where one of them is a replica, since then it is not known who takes writes.
async fn identities(link: &Link, source: &Source) -> RedisResult<Option<Identities>> {
    let answers = link.info(&["server", "replication"]).await;
    if answers.is_err() {
        // A cluster may have replaced the primary that does not answer.
        link.give_up();
    }
    let answers = answers?;
    let of = |info: &str, name: &str| field(info, name).unwrap_or_default().to_owned();
    if answers
        .iter()
        .any(|(_, info)| field(info, "role") == Some("slave"))
    {
        link.give_up();
        return Ok(None);
    }
    let found = answers
        .iter()
        .map(|(_, info)| (of(info, "run_id"), of(info, "master_replid")))
        .collect();
    source.remember(answers.into_iter().map(|(node, _)| node));
    Ok(Some(found))
}
