//! Plays the history through the public gRPC API on a virtual clock, day by day, and reads the
//! figures.
//!
//! It decides nothing about customers; everything that it reports was asked of the services.

use std::time::Instant;

use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};
use proto::activation::v1::activation_service_client::ActivationServiceClient;
use proto::activation::v1::{ActivationStatus, GetStatisticsRequest};
use proto::engine::v1::AwaitIdleRequest;
use proto::engine::v1::partition_service_client::PartitionServiceClient;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{AdvanceClockRequest, IngestStreamRequest, IngestStreamResponse, Lane};
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use proto::journey::v1::{
    DeviationKind, GetFlowRequest, GetMapFlowRequest, MeasureHappyPathRequest,
};
use proto::segmentation::v1::segmentation_service_client::SegmentationServiceClient;
use proto::segmentation::v1::{ListEventNamesRequest, ListSegmentsRequest};
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::figures::{
    ActivationFigures, DeviationFigures, ExitFigures, Figures, HappyPathFigures, JourneyFigures,
    MapFigures, Month, MoveFigures, Named, SegmentFigures, StageFigures, StepFigures,
};
use super::history::{Day, SOURCE};

/// The map of the demo definitions.
pub const MAP: &str = "coupon";
/// The happy path of the demo definitions.
pub const HAPPY_PATH: &str = "coupon_to_repeat";
/// The journey of the demo definitions.
pub const JOURNEY: &str = "use_your_coupons";

/// Events in one message of the stream.
const BATCH: usize = 500;
/// Answers may be this far behind requests before the sender waits.
const BATCHES_IN_FLIGHT: usize = 8;

/// Plays a history and reads the figures; `progress` is told how many events were played so far.
///
/// # Errors
/// The status of the service that refused.
pub async fn play(
    channel: Channel,
    days: Vec<Day>,
    mut progress: impl FnMut(u64),
) -> Result<Figures, Status> {
    let started = Instant::now();
    let mut player = Player::open(channel).await?;
    let mut months = Vec::new();
    let mut played = 0;
    let mut days = days.into_iter().peekable();
    while let Some(day) = days.next() {
        let month = day.date[..7].to_owned();
        let end = end_of(&day.date);
        played += player.ingest(day.events).await?;
        player.advance(end).await?;
        progress(played);
        if days.peek().is_none_or(|next| next.date[..7] != month) {
            months.push(Month {
                month,
                stages: player.stages().await?,
            });
        }
    }
    let mut figures = player.figures(played).await?;
    figures.months = months;
    figures.seconds = started.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53 events")]
    let events = played as f64;
    figures.events_per_second = events / figures.seconds;
    Ok(figures)
}

/// The last millisecond of a day.
fn end_of(date: &str) -> kernel::Timestamp {
    let start: kernel::Timestamp = format!("{date}T00:00:00Z")
        .parse()
        .expect("a date of the history, which was checked when it was made");
    start + kernel::Duration::from_millis(86_399_999)
}

/// The clients of a running installation, with an open stream of events.
struct Player {
    identity: IdentityServiceClient<Channel>,
    segmentation: SegmentationServiceClient<Channel>,
    journey: JourneyServiceClient<Channel>,
    activation: ActivationServiceClient<Channel>,
    partitions: PartitionServiceClient<Channel>,
    requests: mpsc::Sender<IngestStreamRequest>,
    answers: Streaming<IngestStreamResponse>,
    created: u64,
}

impl Player {
    async fn open(channel: Channel) -> Result<Self, Status> {
        let mut identity = IdentityServiceClient::new(channel.clone());
        let (requests, receiver) = mpsc::channel(BATCHES_IN_FLIGHT);
        let answers = identity.ingest_stream(receiver).await?.into_inner();
        Ok(Self {
            identity,
            segmentation: SegmentationServiceClient::new(channel.clone()),
            journey: JourneyServiceClient::new(channel.clone()),
            activation: ActivationServiceClient::new(channel.clone()),
            partitions: PartitionServiceClient::new(channel),
            requests,
            answers,
            created: 0,
        })
    }

    /// Sends events and waits until all are accepted.
    async fn ingest(&mut self, mut events: Vec<proto::identity::v1::Event>) -> Result<u64, Status> {
        let count = events.len() as u64;
        let mut waiting = 0;
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(BATCH));
            let request = IngestStreamRequest {
                events: std::mem::replace(&mut events, rest),
                source: SOURCE.to_owned(),
                lane: Lane::Live.into(),
                import: String::new(),
            };
            if self.requests.send(request).await.is_err() {
                // The stream's own answer says why it ended.
                return Err(self
                    .answer()
                    .await
                    .err()
                    .unwrap_or_else(|| Status::aborted("the stream of events ended")));
            }
            waiting += 1;
        }
        for _ in 0..waiting {
            self.answer().await?;
        }
        Ok(count)
    }

    async fn answer(&mut self) -> Result<(), Status> {
        let answer = self
            .answers
            .next()
            .await
            .unwrap_or_else(|| Err(Status::aborted("the stream of events ended")))?;
        self.created += u64::from(answer.created_count);
        match answer.rejected.first() {
            None => Ok(()),
            Some(rejected) => Err(Status::invalid_argument(format!(
                "event {} of a batch was refused: {}: {}",
                rejected.index, rejected.field, rejected.description
            ))),
        }
    }

    /// Moves the virtual clock, and waits until everything that this causes has happened.
    async fn advance(&mut self, time: kernel::Timestamp) -> Result<(), Status> {
        let time = Some(proto::convert::timestamp(time));
        self.identity
            .advance_clock(AdvanceClockRequest { time })
            .await?;
        // The answer comes after a round in which no service of the process committed, receipts
        // included.
        self.partitions
            .await_idle(AwaitIdleRequest::default())
            .await?;
        Ok(())
    }

    async fn stages(&mut self) -> Result<Vec<Named>, Status> {
        let map = self.map().await?;
        Ok(map
            .stages
            .into_iter()
            .map(|stage| Named {
                name: stage.name,
                count: stage.present,
            })
            .collect())
    }

    async fn figures(&mut self, events: u64) -> Result<Figures, Status> {
        Ok(Figures {
            events,
            customers: self.created,
            events_by_name: self.events_by_name().await?,
            seconds: 0.0,
            events_per_second: 0.0,
            months: Vec::new(),
            map: self.map().await?,
            happy_path: self.happy_path().await?,
            segments: self.segments().await?,
            journey: self.flow().await?,
            activations: self.activations().await?,
        })
    }

    async fn events_by_name(&mut self) -> Result<Vec<Named>, Status> {
        let answer = self
            .segmentation
            .list_event_names(ListEventNamesRequest::default())
            .await?
            .into_inner();
        Ok(answer
            .events
            .into_iter()
            .map(|event| Named {
                name: event.name,
                count: event.count,
            })
            .collect())
    }

    async fn map(&mut self) -> Result<MapFigures, Status> {
        let map = self
            .journey
            .get_map_flow(GetMapFlowRequest {
                map: MAP.to_owned(),
            })
            .await?
            .into_inner();
        Ok(MapFigures {
            name: map.map,
            stages: map
                .stages
                .into_iter()
                .map(|stage| StageFigures {
                    name: stage.stage,
                    arrived: stage.in_count,
                    left: stage.out_count,
                    present: stage.present_count,
                })
                .collect(),
            moves: map
                .moves
                .into_iter()
                .map(|step| MoveFigures {
                    from: step.from,
                    to: step.to,
                    count: step.count,
                })
                .collect(),
        })
    }

    async fn happy_path(&mut self) -> Result<HappyPathFigures, Status> {
        let request = MeasureHappyPathRequest {
            happy_path: HAPPY_PATH.to_owned(),
        };
        let measured = self.journey.measure_happy_path(request).await?.into_inner();
        let deviations = measured.deviations.into_iter();
        Ok(HappyPathFigures {
            name: measured.happy_path,
            started: measured.started_count,
            followed: measured.followed_count,
            under_way: measured.under_way_count,
            milestones: measured
                .milestones
                .into_iter()
                .map(|reach| Named {
                    name: reach.milestone,
                    count: reach.reached_count,
                })
                .collect(),
            deviations: deviations
                .map(|deviation| DeviationFigures {
                    kind: short_name(
                        deviation.kind().as_str_name(),
                        DeviationKind::Unspecified.as_str_name(),
                    ),
                    milestone: deviation.milestone,
                    count: deviation.count,
                })
                .collect(),
        })
    }

    async fn segments(&mut self) -> Result<Vec<SegmentFigures>, Status> {
        let answer = self
            .segmentation
            .list_segments(ListSegmentsRequest::default())
            .await?
            .into_inner();
        Ok(answer
            .segments
            .into_iter()
            .map(|segment| SegmentFigures {
                name: segment.name,
                expression: segment.expression,
                members: segment.member_count,
            })
            .collect())
    }

    async fn flow(&mut self) -> Result<JourneyFigures, Status> {
        let request = GetFlowRequest {
            journey: JOURNEY.to_owned(),
            version: 0,
        };
        let flow = self.journey.get_flow(request).await?.into_inner();
        Ok(JourneyFigures {
            name: flow.journey,
            entered: flow.entered_count,
            active: flow.active_count,
            reasons: flow
                .reasons
                .into_iter()
                .map(|reason| Named {
                    name: reason.reason,
                    count: reason.count,
                })
                .collect(),
            steps: flow
                .steps
                .into_iter()
                .map(|step| StepFigures {
                    name: step.step,
                    kind: step.kind,
                    arrived: step.in_count,
                    left: step.out_count,
                    present: step.present_count,
                    exits: step
                        .exits
                        .into_iter()
                        .map(|exit| ExitFigures {
                            next: exit.next,
                            reason: exit.reason,
                            count: exit.count,
                        })
                        .collect(),
                })
                .collect(),
        })
    }

    async fn activations(&mut self) -> Result<Vec<ActivationFigures>, Status> {
        let answer = self
            .activation
            .get_statistics(GetStatisticsRequest::default())
            .await?
            .into_inner();
        let counts = answer.counts.into_iter();
        Ok(counts
            .map(|count| ActivationFigures {
                status: short_name(
                    count.status().as_str_name(),
                    ActivationStatus::Unspecified.as_str_name(),
                ),
                channel: count.channel,
                reason: count.reason,
                count: count.count,
            })
            .collect())
    }
}

/// `DEVIATION_KIND_LATE` as `late`: the prefix is that of the enum's unspecified value.
fn short_name(name: &str, unspecified: &str) -> String {
    let prefix = unspecified.trim_end_matches("UNSPECIFIED");
    name.trim_start_matches(prefix).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enum_values_are_shortened_for_people() {
        assert_eq!(
            short_name("DEVIATION_KIND_OUT_OF_ORDER", "DEVIATION_KIND_UNSPECIFIED"),
            "out_of_order"
        );
    }

    #[test]
    fn a_day_ends_in_its_last_millisecond() {
        assert_eq!(end_of("2017-03-14").to_string(), "2017-03-14T23:59:59.999Z");
    }
}
