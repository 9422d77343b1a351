//! The progress of an import, and its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::file::ImportFile;

/// The end of an import, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// The file.
    pub(crate) file: String,
    /// The source that its events belong to.
    pub(crate) source: String,
    /// Events that are in now, those included that were in before.
    pub(crate) accepted: u64,
    /// Events that were in before.
    pub(crate) replayed: u64,
    /// Customers seen for the first time.
    pub(crate) created: u64,
    /// Events whose time was ahead of the clock, and was moved.
    pub(crate) corrected: u64,
    /// Identifiers that accepted events were resolved without.
    pub(crate) dropped_identifiers: u64,
    /// Lines that were refused.
    pub(crate) bad: u64,
    /// The position of the last batch of which something was accepted; empty where nothing was.
    pub(crate) position: String,
    /// The time that it took, in seconds.
    pub(crate) seconds: f64,
    /// Accepted events a second.
    pub(crate) events_per_second: f64,
}

impl Summary {
    /// Begins the account of a file.
    pub(crate) fn new(file: &ImportFile) -> Self {
        Self {
            file: file.path.display().to_string(),
            source: file.source.clone(),
            ..Self::default()
        }
    }

    /// Closes the account.
    pub(crate) fn end(&mut self, started: Instant) {
        self.seconds = started.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no 53 bits")]
        let accepted = self.accepted as f64;
        self.events_per_second = accepted / self.seconds.max(0.001);
    }
}

/// A bar with rate and time left, on a terminal only.
pub(crate) struct Progress {
    bar: ProgressBar,
    bytes_read: Arc<AtomicU64>,
    started: Instant,
}

impl Progress {
    /// Begins the bar of a file.
    pub(crate) fn new(file: &ImportFile) -> Self {
        let style =
            ProgressStyle::with_template("{prefix} {bar:30} {percent:>3}%  {msg}  {eta} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(file.bytes), ProgressDrawTarget::stderr())
            .with_style(style)
            .with_prefix(file.path.display().to_string());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar,
            bytes_read: Arc::clone(&file.bytes_read),
            started: Instant::now(),
        }
    }

    /// Moves the bar.
    pub(crate) fn show(&self, summary: &Summary) {
        self.bar
            .set_position(self.bytes_read.load(Ordering::Relaxed));
        let millis = self.started.elapsed().as_millis().max(1);
        let rate = u128::from(summary.accepted) * 1_000 / millis;
        self.bar
            .set_message(format!("{} events, {rate}/s", summary.accepted));
    }

    /// Prints a line above the bar.
    pub(crate) fn remark(&self, text: &str) {
        self.bar.suspend(|| crate::output::remark(text));
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
