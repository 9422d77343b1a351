//! Appends what one event of a call came to.

use ::rpc::Failure;

use super::{IdentityRpc, append_failure};
use crate::append::Took;
use crate::ingest::Outbound;
use crate::metrics::Taken;

impl IdentityRpc {
    /// Appends the one event of a call, and counts it.
    ///
    /// # Errors
    /// As the streams say; nothing of it is in them where one is full.
    pub(crate) async fn append_one(&self, outbound: Outbound) -> Result<Took, Failure> {
        let intake = &self.intake;
        let stream = outbound.stream;
        let full = intake.appender.full_stream(stream, &outbound.groups);
        if let Some(full) = full.await.map_err(Failure::store_unavailable)? {
            intake.metrics.refused(stream);
            return Err(append_failure(intake.appender.refusal(full).await));
        }
        let took = intake.append(outbound, Some(self.patience())).await;
        let took = took.map_err(append_failure)?;
        let taken = Taken {
            accepted: 1_usize.saturating_sub(took.replayed),
            replayed: took.replayed,
            rejected: 0,
        };
        intake.metrics.taken(stream, taken);
        Ok(took)
    }
}
