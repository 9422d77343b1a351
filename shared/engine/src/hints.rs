//! Passes hints of a store on, whatever becomes of the subscription.
//!
//! It does not know what they are for.

use std::future::Future;

use hot::{HotError, Wake, WakeReceiver};
use tokio_util::sync::CancellationToken;

use crate::limits;

/// Passes hints on until `stop` is cancelled; subscribes again where the store ends the
/// subscription, and then hints at everything.
pub(crate) async fn pass_hints<F>(
    mut hints: WakeReceiver,
    stop: CancellationToken,
    pass: impl Fn(Wake),
    subscribe: impl Fn() -> F,
) where
    F: Future<Output = Result<WakeReceiver, HotError>>,
{
    loop {
        let hint = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            hint = hints.recv() => hint,
        };
        if let Some(hint) = hint {
            pass(hint);
            continue;
        }
        tokio::time::sleep(limits::RETRY_MAX).await;
        match subscribe().await {
            Ok(again) => hints = again,
            Err(HotError::Unavailable(_)) => {}
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "no hints from the hot store"
                );
            }
        }
        pass(Wake::All);
    }
}
