//! The progress of an import, and its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use proto::identity::v1::IngestStreamResponse;
use serde::Serialize;

use super::bad_line::BadLine;
use super::fault_groups::{FaultGroup, FaultGroups};
use super::file::ImportFile;
use super::order::Times;
use super::reader::Batch;
use crate::limits::{DROPPED_REASONS, LINES_PER_REASON};

/// The end of an import.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Summary {
    /// The file.
    pub(crate) file: String,
    /// The name of the import: what was taken under it is not taken again for 30 days.
    pub(crate) source: String,
    /// Events that are in now, those included that were in before.
    pub(crate) accepted: u64,
    /// Events that were in before.
    pub(crate) replayed: u64,
    /// Customers seen for the first time.
    pub(crate) created: u64,
    /// Events whose time was ahead of the clock, and was moved.
    pub(crate) corrected: u64,
    /// Lines that were left out.
    #[serde(rename = "bad")]
    pub(crate) left_out: u64,
    /// Their faults, by reason, the most frequent first.
    pub(crate) left_out_by_reason: Vec<FaultGroup>,
    /// Faults of further reasons.
    pub(crate) other_faults: u64,
    /// True where the file could not be read to its end.
    pub(crate) is_cut: bool,
    /// Identifiers that accepted events were resolved without.
    pub(crate) dropped_identifiers: u64,
    /// Of these, those that the service named.
    pub(crate) dropped_by_reason: Vec<DroppedGroup>,
    /// The earliest time of a line; absent where none has one.
    pub(crate) first_time: Option<String>,
    /// The latest one.
    pub(crate) last_time: Option<String>,
    /// Lines that stood behind later ones.
    pub(crate) out_of_order: u64,
    /// Lines of these that were sent behind later ones too.
    pub(crate) late: u64,
    /// The position of the last batch of which something was accepted; empty where nothing was.
    pub(crate) position: String,
    /// The time that it took, in seconds.
    pub(crate) seconds: f64,
    /// Accepted events a second.
    pub(crate) events_per_second: f64,
    /// The first line of the file that was left out.
    #[serde(skip)]
    pub(crate) first_bad: Option<BadLine>,
    #[serde(skip)]
    pub(crate) times: Times,
    #[serde(skip)]
    pub(crate) faults: FaultGroups,
}

/// Identifiers that were left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct DroppedGroup {
    /// Their namespace.
    pub(crate) namespace: String,
    /// The reason, in words of the contract.
    pub(crate) reason: String,
    /// The number of them.
    pub(crate) count: u64,
    /// The first lines that have one.
    pub(crate) lines: Vec<u64>,
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

    /// Adds what became of a batch, but for its lines that were refused.
    pub(super) fn take(&mut self, answer: &IngestStreamResponse, batch: &Batch) {
        self.accepted += u64::from(answer.accepted_count);
        self.replayed += u64::from(answer.replayed_count);
        self.created += u64::from(answer.created_count);
        self.corrected += u64::from(answer.corrected_count);
        self.dropped_identifiers += u64::from(answer.dropped_identifier_count);
        for dropped in &answer.dropped_identifiers {
            let place = usize::try_from(dropped.index).unwrap_or(usize::MAX);
            let line = batch.lines.get(place).map_or(0, |line| line.line);
            if let Some(identifier) = &dropped.identifier {
                self.drop_identifier(line, &identifier.namespace, &identifier.reason);
            }
        }
        if !answer.position.is_empty() {
            self.position.clone_from(&answer.position);
        }
    }

    /// Adds a line that is left out.
    pub(super) fn leave_out(&mut self, bad: BadLine) {
        self.left_out += 1;
        self.is_cut |= bad.is_last;
        self.faults.take(&bad);
        // Services answer later than the file is read, so the first to be known need not be the
        // first of the file.
        let is_first = |first: &BadLine| bad.line < first.line;
        if self.first_bad.as_ref().is_none_or(is_first) {
            self.first_bad = Some(bad);
        }
    }

    /// Adds what is known of the order of its lines.
    pub(super) fn ordered(&mut self, times: Times) {
        self.times = times;
        self.first_time = times.first.map(|time| time.to_string());
        self.last_time = times.last.map(|time| time.to_string());
        self.out_of_order = times.moved;
        self.late = times.late;
    }

    /// Closes the account.
    pub(crate) fn end(&mut self, started: Instant) {
        self.seconds = started.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no 53 bits")]
        let accepted = self.accepted as f64;
        self.events_per_second = accepted / self.seconds.max(0.001);
        let faults = std::mem::take(&mut self.faults);
        self.other_faults = faults.others;
        self.left_out_by_reason = faults.into_groups();
        self.dropped_by_reason
            .sort_by_key(|group| std::cmp::Reverse(group.count));
    }

    fn drop_identifier(&mut self, line: u64, namespace: &str, reason: &str) {
        let groups = &mut self.dropped_by_reason;
        let is_same = |group: &DroppedGroup| group.namespace == namespace && group.reason == reason;
        let place = groups.iter().position(is_same);
        if place.is_none() && groups.len() < DROPPED_REASONS {
            groups.push(DroppedGroup {
                namespace: namespace.to_owned(),
                reason: reason.to_owned(),
                count: 0,
                lines: Vec::new(),
            });
        }
        let place = place.unwrap_or(groups.len() - 1);
        let group = &mut groups[place];
        if !is_same(group) {
            return;
        }
        group.count += 1;
        if group.lines.len() < LINES_PER_REASON && !group.lines.contains(&line) {
            group.lines.push(line);
        }
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
