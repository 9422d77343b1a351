//! Moves the virtual clock.

use ::rpc::{ErrorReason, Failure};
use hot::StreamName;
use proto::convert;
use proto::identity::v1;

use super::{IdentityRpc, append_failure};
use crate::pace::tick;

impl IdentityRpc {
    /// Moves the clock, and returns the position of the news of it. Where events are paced, what is
    /// due on the way has happened by then, each timer in its turn.
    pub(super) async fn advance(
        &self,
        request: &v1::AdvanceClockRequest,
    ) -> Result<String, Failure> {
        let intake = &self.intake;
        let time = request
            .time
            .as_ref()
            .map(convert::instant)
            .unwrap_or_default();
        if !intake.clock.is_virtual() {
            return Err(Failure::new(
                ErrorReason::ClockNotVirtual,
                "this installation runs on the wall clock",
            ));
        }
        intake.clock.advance(time).map_err(|now| {
            let message =
                format!("the clock shows {now} and only moves forward; {time} is before that");
            Failure::new(ErrorReason::ClockBackwards, message)
        })?;
        let store = &intake.store;
        store
            .keep_virtual_time(time)
            .await
            .map_err(Failure::store_unavailable)?;
        let deadline = Some(self.patience());
        let turn = intake.pace.turn(&intake.appender, deadline).await;
        let mut turn = turn.map_err(append_failure)?;
        if let Some(turn) = &mut turn {
            let passed = turn.pass_time(intake.partitions.iter(), time).await;
            passed.map_err(append_failure)?;
        }
        let ticks = intake.partitions.iter();
        let ticks = ticks.map(|partition| tick(partition, time)).collect();
        let stream = StreamName::Events;
        let appended = intake
            .appender
            .append(stream, ticks, None, deadline)
            .await
            .map_err(append_failure)?;
        Ok(appended.position(intake.positions, stream))
    }
}
