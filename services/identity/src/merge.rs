//! Joins customers because somebody says so.

use hot::StreamName;
use kernel::CustomerId;
use tokio::time::Instant;

use crate::append::{AppendError, Group, Sequenced, Took};
use crate::groups::{awaited, merged};
use crate::ingest::Intake;
use crate::resolve::ResolveError;
use crate::store::{Cause, MergeRecord, SentAs};

/// Why a merge is on record that gave no reason.
const FORCED_REASON: &str = "forced";

/// Why a merge was not carried out, or not yet announced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MergeError {
    /// It was not carried out.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// It was, and its announcement is late: the same request again finds it done.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl Intake {
    /// Joins customers into the oldest of them, and tells the streams of the others. Returns that
    /// one, the others, and what became of the words. The same request again returns the same.
    pub(crate) async fn merge(
        &self,
        customers: &[CustomerId],
        reason: &str,
        request_id: &str,
        deadline: Option<Instant>,
    ) -> Result<(CustomerId, Vec<CustomerId>, Took), MergeError> {
        let namespaces = std::sync::Arc::clone(&self.namespaces.borrow());
        let cause = Cause {
            reason: if reason.is_empty() {
                FORCED_REASON
            } else {
                reason
            },
            request_id,
            time: self.own_clock.now(),
            looks_back: true,
        };
        // Those that an earlier try of the request made are its own too. They are announced again,
        // which changes nothing where they were, and tells where that is.
        let made = match (SentAs::merge(request_id), customers.first()) {
            (Some(sent), Some(one)) => {
                let sent = [(sent, one.fragment())];
                self.resolver.tables().merges_sent_as(&sent).await
            }
            _ => Ok(Vec::new()),
        };
        let made = made.map_err(ResolveError::from)?;
        let mut merges: Vec<_> = made.into_iter().map(|(_, merge)| merge).collect();
        let (into, new) = self.resolver.merge(&namespaces, customers, cause).await?;
        merges.extend(new);
        let _announcing = self.under_way.begin(&merges, None);
        let took = self.announce(&merges, deadline).await?;
        Ok((into, merges.iter().map(|merge| merge.from).collect(), took))
    }

    /// Appends the news of merges, in order, and notes that they are in the streams. The survivor
    /// is told first, so that whatever comes for them afterwards waits for the other. Returns what
    /// became of it.
    pub(crate) async fn announce(
        &self,
        merges: &[MergeRecord],
        deadline: Option<Instant>,
    ) -> Result<Took, AppendError> {
        let now = self.clock.now_of_partition();
        let mut turn = self.pace.turn(&self.appender, deadline).await?;
        if let Some(turn) = &mut turn {
            let customers = merges.iter().flat_map(|merge| [merge.into, merge.from]);
            let partitions = customers.map(|it| self.partitions.partition_of(it.fragment()));
            turn.pass_time(partitions, now).await?;
        }
        let mut took = Took::NOTHING;
        for merge in merges {
            let (_, news) = merged(merge.from, merge.into, now, "");
            let word = awaited(merge.from, merge.into, now);
            // Its own source, so that a merge that was announced before is not announced again.
            let source = format!("merge:{}", merge.id);
            for (sequence, record, to) in [(1, word, merge.into), (2, news, merge.from)] {
                let group = Group {
                    partition: self.partitions.partition_of(to.fragment()),
                    records: vec![Sequenced {
                        sequence,
                        stretch: None,
                        record,
                    }],
                };
                let appended =
                    self.appender
                        .append(StreamName::Events, vec![group], Some(&source), deadline);
                took = took.and(appended.await?);
            }
        }
        self.announced(merges).await;
        Ok(took)
    }
}
