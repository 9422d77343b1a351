//! The word of the operating system that the process must end.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels the token at the first SIGTERM or SIGINT; at the second, ends the process at once with
/// exit code 130.
///
/// # Errors
/// Where the process may not listen to signals.
pub fn cancel_on_signal(shutdown: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for count in 1.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if count > 1 {
                tracing::warn!("second signal, ending at once");
                std::process::exit(130);
            }
            tracing::info!("signal received, draining");
            shutdown.cancel();
        }
    });
    Ok(())
}
