//! Streams of the log of changes, and its state.

use std::sync::Arc;

use ::changes::{LogBatch, Position};
use kernel::{CustomerId, Duration};
use proto::convert::timestamp;
use proto::gateway::v1::{ChangeFilter, GetChangeLogResponse, WatchChangesRequest};
use rpc::Failure;
use tokio_util::sync::CancellationToken;

use super::filter::Filter;
use super::refusal::{no_position, not_kept, unreadable};
use super::slots::Slots;
use super::source::SharedSource;
use super::stream::WatchStream;
use super::tail::Tail;
use super::watching::Watching;
use crate::limits::CHANGES_PER_MESSAGE;

/// A log that is open, and how long it keeps changes.
#[derive(Debug, Clone)]
pub(crate) struct OpenLog {
    /// The log.
    pub(crate) source: SharedSource,
    /// Its end.
    pub(crate) tail: Tail,
    /// The time for which it keeps changes.
    pub(crate) retention: Duration,
}

/// The streams of a process. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Watches {
    /// Absent where the installation keeps no changes.
    log: Option<OpenLog>,
    slots: Slots,
    shutdown: CancellationToken,
}

impl Watches {
    /// Streams of a log, until the process is told to end.
    pub(super) fn new(log: Option<OpenLog>, shutdown: CancellationToken) -> Self {
        Self {
            log,
            slots: Slots::new(),
            shutdown,
        }
    }

    /// Begins the stream of a caller.
    ///
    /// # Errors
    /// Where the log cannot be read from there, or too many streams are open.
    pub(super) async fn open(
        &self,
        caller: Arc<str>,
        request: &WatchChangesRequest,
    ) -> Result<WatchStream, Failure> {
        let filter = request.filter.clone().unwrap_or_default();
        put_on_record(&filter);
        let log = self.log.as_ref().ok_or_else(not_kept)?;
        let slot = self.slots.take(caller)?;
        let begin = begin(log, request).await?;
        let max_changes = match usize::try_from(request.max_changes) {
            Ok(0) | Err(_) => CHANGES_PER_MESSAGE,
            Ok(most) => most,
        };
        let (tail, shutdown) = (log.tail.clone(), self.shutdown.clone());
        let watching = Watching::new(tail, Filter::new(&filter), max_changes, begin, shutdown);
        Ok(WatchStream::begin(watching, slot))
    }

    /// Returns how far the log goes.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::StoreUnavailable`].
    pub(super) async fn state(&self) -> Result<GetChangeLogResponse, Failure> {
        let Some(log) = &self.log else {
            return Ok(GetChangeLogResponse {
                retention: Some(prost_types::Duration::default()),
                ..GetChangeLogResponse::default()
            });
        };
        let extent = log.source.extent().await;
        let extent = extent.map_err(Failure::store_unavailable)?;
        let millis = log.retention.as_millis();
        Ok(GetChangeLogResponse {
            oldest_position: extent.oldest.to_string(),
            newest_position: extent.newest.to_string(),
            oldest_time: extent.oldest_time.map(timestamp),
            change_count: extent.changes,
            retention: Some(prost_types::Duration {
                seconds: millis / 1_000,
                ..prost_types::Duration::default()
            }),
        })
    }
}

/// Finds where a stream begins, with the rows that were read to find out whether it can.
async fn begin(
    log: &OpenLog,
    request: &WatchChangesRequest,
) -> Result<(Position, Vec<Arc<LogBatch>>), Failure> {
    if request.position.is_empty() {
        let extent = log.source.extent().await;
        let extent = extent.map_err(Failure::store_unavailable)?;
        let at = match request.from_start {
            true => extent.oldest,
            false => extent.newest,
        };
        return Ok((at, Vec::new()));
    }
    let at: Position = request
        .position
        .parse()
        .map_err(|error| no_position(&error))?;
    let page = log.tail.read(at).await.map_err(unreadable)?;
    Ok((at, page))
}

/// Says in the audit log whose changes are read: of customers that are named, or of everybody.
fn put_on_record(filter: &ChangeFilter) {
    let ids = filter.customer_ids.iter();
    let named: Vec<CustomerId> = ids.filter_map(|id| id.parse().ok()).collect();
    let mut words = vec![match named.is_empty() {
        true => "changes of everybody".to_owned(),
        false => "changes of customers by id".to_owned(),
    }];
    let kinds = filter.kinds().map(|kind| kind.as_str_name().to_owned());
    let lists = [
        ("kinds", kinds.collect::<Vec<_>>()),
        ("segments", filter.segments.clone()),
        ("journeys", filter.journeys.clone()),
        ("journey maps", filter.journey_maps.clone()),
        ("channels", filter.channels.clone()),
    ];
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
    words.extend(lists.map(|(name, list)| format!("{name} {}", list.join(", "))));
    audit::about(words.join("; "));
    audit::subjects(named);
}
