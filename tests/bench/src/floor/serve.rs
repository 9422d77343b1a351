//! The process of the floor: starts its stages, and says when the last one has written every event.

use bytes::Bytes;
use kernel::split_mix;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::accept::{Accept, accept};
use super::rows::Rows;
use super::stage::{Stage, Writers, follow};
use super::{PARTITIONS, STAGES};
use crate::child::serve_at;
use crate::{Failure, bare, say};

/// The line that says that the last stage has written every event.
pub(super) const DONE: &str = "done";

/// Everything that runs in the process.
pub(super) type Tasks = JoinSet<Result<(), Failure>>;

/// The work of the floor.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct Work {
    /// The address of Redis
    pub(super) redis: String,
    /// The address of the database, which has the table of rows
    pub(super) database: String,
    /// Events that come
    pub(super) events: usize,
    /// Bytes of the state that each stage writes for an event
    pub(super) state_bytes: usize,
    /// Bytes of an event in the row of each stage
    pub(super) row_bytes: usize,
}

impl Work {
    /// Returns the arguments with which this program does it.
    pub(super) fn arguments(&self) -> [String; 6] {
        [
            "serve-floor".to_owned(),
            self.redis.clone(),
            self.database.clone(),
            self.events.to_string(),
            self.state_bytes.to_string(),
            self.row_bytes.to_string(),
        ]
    }
}

/// Serves the service alone until the input ends.
pub(crate) async fn serve_bare() -> Result<(), Failure> {
    let address = bare::serve().await?;
    serve_at(&format!("http://{address}")).await
}

/// Serves the floor until the input ends.
pub(crate) async fn serve(work: &Work) -> Result<(), Failure> {
    let (last, counts) = mpsc::unbounded_channel();
    let mut tasks = Tasks::new();
    let accepting = start(work, last, &mut tasks).await?;
    let url = format!("http://{}", bare::serve_with(accepting)?);
    let until_done = async {
        let outcome = tokio::select! {
            outcome = every_event(work.events, counts) => outcome,
            Some(ended) = tasks.join_next() => Err(ended
                .map_err(Failure::from)
                .flatten()
                .err()
                .unwrap_or_else(|| "a stage has ended".into())),
        };
        match outcome {
            Ok(()) => say(DONE),
            // The other process waits for a line.
            Err(error) => say(&error.to_string()),
        }
        Ok(())
    };
    tokio::try_join!(serve_at(&url), until_done)?;
    Ok(())
}

/// Returns once the last stage has told of so many events.
async fn every_event(
    events: usize,
    mut counts: mpsc::UnboundedReceiver<usize>,
) -> Result<(), Failure> {
    let mut missing = events;
    while missing > 0 {
        let count = counts.recv().await.ok_or("the last stage has ended")?;
        missing = missing.saturating_sub(count);
    }
    Ok(())
}

/// Starts every partition of every stage. Returns the way to the first stage.
async fn start(
    work: &Work,
    last: mpsc::UnboundedSender<usize>,
    tasks: &mut Tasks,
) -> Result<Accept, Failure> {
    let redis = redis::Client::open(&*work.redis)?;
    let redis = redis.get_multiplexed_async_connection().await?;
    let rows = Rows::start(&work.database, tasks).await?;
    let writers = Writers::new(redis, rows, filler(work), work);
    let mut partitions = Vec::new();
    for partition in 0..PARTITIONS {
        let (sender, shares) = mpsc::unbounded_channel();
        partitions.push(sender);
        let first = Stage::new(0, partition, &writers);
        let mut written = first.written();
        tasks.spawn(accept(first, shares));
        for number in 1..STAGES {
            let stage = Stage::new(number, partition, &writers);
            let before = std::mem::replace(&mut written, stage.written());
            let is_last = number + 1 == STAGES;
            tasks.spawn(follow(stage, before, is_last.then(|| last.clone())));
        }
    }
    Ok(Accept(partitions))
}

/// Returns bytes that do not compress, as many as the largest write can have.
fn filler(work: &Work) -> Bytes {
    let bytes = work.state_bytes.max(work.events * work.row_bytes);
    let words = (0..).step_by(8).take(bytes.div_ceil(8));
    words
        .flat_map(|seed| split_mix(seed).to_le_bytes())
        .collect()
}
