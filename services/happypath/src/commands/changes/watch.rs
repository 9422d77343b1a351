//! `happypath changes watch`: prints changes, and goes on by itself where the connection breaks,
//! without a gap and without one twice.

use std::time::Duration;

use proto::gateway::v1::change_service_client::ChangeServiceClient;
use proto::gateway::v1::{ChangeFilter, ChangeKind, WatchChangesRequest, WatchChangesResponse};
use rpc::PeerChannel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::line::text_of;
use crate::client::Connection;
use crate::customer_key::find_customer;
use crate::failure::Failure;
use crate::limits::{CHANGES_PER_MESSAGE, FIRST_PAUSE, LONGEST_PAUSE};
use crate::output::{Format, json_of, print, remark};

/// Arguments of `changes watch`.
#[derive(Debug, clap::Args)]
pub(super) struct WatchArgs {
    /// Only of this kind; may be repeated
    #[arg(long = "kind", value_name = "KIND", value_parser = KINDS.map(|(name, _)| name))]
    kinds: Vec<String>,
    /// Of memberships, only those of this segment; may be repeated
    #[arg(long = "segment", value_name = "NAME")]
    segments: Vec<String>,
    /// Of transitions and activations, only those of this journey; may be repeated
    #[arg(long = "journey", value_name = "NAME")]
    journeys: Vec<String>,
    /// Of positions, only those in this journey map; may be repeated
    #[arg(long = "map", value_name = "NAME")]
    maps: Vec<String>,
    /// Of activations, only those through this channel; may be repeated
    #[arg(long = "channel", value_name = "NAME")]
    channels: Vec<String>,
    /// Only of this customer: an id, or an identifier such as user_id:u1; may be repeated
    #[arg(long = "customer", value_name = "CUSTOMER")]
    customers: Vec<String>,
    /// Begins behind this position, as the end of a watch or `changes status` tells it [default:
    /// with what changes from now on]
    #[arg(long, value_name = "POSITION", conflicts_with = "from_start")]
    from: Option<String>,
    /// Begins with the oldest change that is kept
    #[arg(long)]
    from_start: bool,
    /// Ends after so many changes
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    #[command(flatten)]
    pub(super) connection: Connection,
    #[command(flatten)]
    format: Format,
}

/// The kinds by their words.
const KINDS: [(&str, ChangeKind); 8] = [
    ("membership", ChangeKind::Membership),
    ("transition", ChangeKind::Transition),
    ("position", ChangeKind::Position),
    ("activation", ChangeKind::Activation),
    ("merge", ChangeKind::Merge),
    ("unmerge", ChangeKind::Unmerge),
    ("erasure", ChangeKind::Erasure),
    ("account", ChangeKind::Account),
];

/// A watch, and how far it is.
struct Watch {
    client: ChangeServiceClient<PeerChannel>,
    filter: ChangeFilter,
    /// Empty until the first message.
    position: String,
    from_start: bool,
    /// Changes that are still to be printed; absent for all.
    left: Option<u64>,
    is_json: bool,
}

/// Prints changes until Ctrl+C, or as many as were asked for.
pub(super) async fn run(args: WatchArgs) -> Result<(), Failure> {
    let filter = args.filter().await?;
    let mut watch = Watch {
        client: args.connection.changes()?,
        filter,
        position: args.from.unwrap_or_default(),
        from_start: args.from_start,
        left: args.limit,
        is_json: args.format.json,
    };
    let ended = tokio::select! {
        ended = watch.go_on() => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(|error| Failure::failed(error.to_string()))
        }
    };
    if !watch.position.is_empty() {
        remark(&format!("go on with --from {}", watch.position));
    }
    ended
}

impl WatchArgs {
    async fn filter(&self) -> Result<ChangeFilter, Failure> {
        let mut customer_ids = Vec::new();
        for customer in &self.customers {
            let found = find_customer(&self.connection, customer, "").await?;
            customer_ids.push(found.customer_id);
        }
        let kinds = self.kinds.iter().filter_map(|kind| {
            let (_, kind) = KINDS.iter().find(|(name, _)| name == kind)?;
            Some(i32::from(*kind))
        });
        Ok(ChangeFilter {
            kinds: kinds.collect(),
            segments: self.segments.clone(),
            journeys: self.journeys.clone(),
            journey_maps: self.maps.clone(),
            channels: self.channels.clone(),
            customer_ids,
        })
    }
}

impl Watch {
    /// Reads one stream after another. What is wrong from the first one on is told; what breaks
    /// later is tried again.
    async fn go_on(&mut self) -> Result<(), Failure> {
        let (mut has_begun, mut pause) = (false, FIRST_PAUSE);
        loop {
            let before = self.position.clone();
            let broken = match self.read(&mut has_begun).await {
                Ok(End::Enough) => return Ok(()),
                Ok(End::Fewer) => continue,
                Ok(End::Broken(status)) => status,
                Err(failure) => return Err(failure),
            };
            if !has_begun || !passes(broken.code()) {
                return Err(broken.into());
            }
            if self.position != before {
                pause = FIRST_PAUSE;
            }
            let pause_now = told_pause(&broken).unwrap_or(pause);
            remark(&format!("{}; going on in {pause_now:?}", broken.message()));
            tokio::time::sleep(pause_now).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    async fn read(&mut self, has_begun: &mut bool) -> Result<End, Failure> {
        // It goes on for as long as somebody looks: no deadline fits.
        let request = self.request();
        let most = u64::from(request.max_changes);
        let mut messages = match self.client.watch_changes(Request::new(request)).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return Ok(End::Broken(status)),
        };
        loop {
            match messages.message().await {
                Ok(Some(message)) => {
                    *has_begun = true;
                    self.take(message)?;
                    match self.left {
                        Some(0) => return Ok(End::Enough),
                        Some(left) if left < most => return Ok(End::Fewer),
                        _ => {}
                    }
                }
                Ok(None) => return Ok(End::Broken(Status::unavailable("the stream has ended"))),
                Err(status) => return Ok(End::Broken(status)),
            }
        }
    }

    fn request(&self) -> WatchChangesRequest {
        let left = self.left.and_then(|left| u32::try_from(left).ok());
        WatchChangesRequest {
            position: self.position.clone(),
            from_start: self.from_start,
            filter: Some(self.filter.clone()),
            max_changes: left.map_or(CHANGES_PER_MESSAGE, |left| left.min(CHANGES_PER_MESSAGE)),
        }
    }

    /// Prints the changes of a message.
    fn take(&mut self, message: WatchChangesResponse) -> Result<(), Failure> {
        for change in &message.changes {
            match self.is_json {
                true => print(&json_of(change)?.to_string())?,
                false => print(&text_of(change))?,
            }
        }
        self.position = message.position;
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(message.changes.len() as u64);
        }
        Ok(())
    }
}

/// The end of one stream.
enum End {
    /// All that was asked for is there.
    Enough,
    /// A position is behind a whole message, and one as large as before would be too large.
    Fewer,
    /// It broke.
    Broken(Status),
}

/// Returns whether a stream that ends so can be gone on with later.
fn passes(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::Aborted
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal
            | Code::ResourceExhausted
            | Code::DeadlineExceeded
    )
}

fn told_pause(status: &Status) -> Option<Duration> {
    status.get_error_details().retry_info()?.retry_delay
}
