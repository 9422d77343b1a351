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
        let (into, mut merges) = self.resolver.merge(&namespaces, customers, cause).await?;
        if merges.is_empty() {
            merges = self.made_before(customers, request_id).await?;
        }
        let _announcing = self.under_way.begin(&merges, None);
        let took = self.announce(&merges, deadline).await?;
        Ok((into, merges.iter().map(|merge| merge.from).collect(), took))
    }

    /// Finds the merges that an earlier try of a request made, which are its own too. It made all of
    /// them or none, so that they are looked for only where this try makes none. They are announced
    /// again, which changes nothing where they were, and tells where that is.
    async fn made_before(
        &self,
        customers: &[CustomerId],
        request_id: &str,
    ) -> Result<Vec<MergeRecord>, ResolveError> {
        let (Some(sent), Some(one)) = (SentAs::merge(request_id), customers.first()) else {
            return Ok(Vec::new());
        };
        let sent = [(sent, one.fragment())];
        let made = self.resolver.tables().merges_sent_as(&sent).await?;
        Ok(made.into_iter().map(|(_, merge)| merge).collect())
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
