//! The virtual clock.

use engine::TimeSource;
use hot::StreamName;
use proto::identity::v1;
use proto::stream::v1::record::Body;
use tonic::Code;

use super::{connect, event, ingest, reason, serve, stream};

#[tokio::test]
async fn the_virtual_clock_moves_forward_only_and_ticks_everywhere() {
    let (mut client, fixture) = serve(TimeSource::Stream).await;
    let at = |seconds| v1::AdvanceClockRequest {
        time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
    };
    client.advance_clock(at(1_000)).await.expect("moves");
    let ticks = fixture.records(StreamName::Events).await;
    assert_eq!(ticks.len(), usize::from(fixture.partitions.get()));
    assert!(
        ticks
            .iter()
            .all(|tick| tick.time_ms == 1_000_000 && matches!(tick.body, Some(Body::Tick(_))))
    );
    ingest(&mut client, "", &["user_id=u1"])
        .await
        .expect("ingests");
    let records = fixture.records(StreamName::Events).await;
    let event = records
        .iter()
        .find(|record| matches!(record.body, Some(Body::Event(_))))
        .expect("an event");
    assert_eq!(
        event.time_ms, 1_000_000,
        "an event without a time happens now"
    );
    // A process that starts later knows how far time has come.
    let mut client = connect(&fixture).await;
    assert_eq!(
        reason(&client.advance_clock(at(999)).await.expect_err("backwards")),
        "CLOCK_BACKWARDS"
    );
    let none = v1::AdvanceClockRequest { time: None };
    assert_eq!(
        client.advance_clock(none).await.expect_err("bad").code(),
        Code::InvalidArgument
    );

    let (mut wall, _fixture) = serve(TimeSource::system()).await;
    assert_eq!(
        reason(&wall.advance_clock(at(1)).await.expect_err("wall")),
        "CLOCK_NOT_VIRTUAL"
    );
}

#[tokio::test]
async fn on_stream_time_what_is_sent_for_the_bulk_lane_keeps_its_place_among_all_events() {
    let (mut client, fixture) = serve(TimeSource::Stream).await;
    let bulk = |second: i64| v1::IngestStreamRequest {
        events: vec![v1::Event {
            time: Some(prost_types::Timestamp {
                seconds: second,
                nanos: 0,
            }),
            ..event("user_id=u1")
        }],
        lane: v1::Lane::Bulk.into(),
        ..Default::default()
    };
    stream(&mut client, vec![bulk(1), bulk(2)])
        .await
        .expect("answers");
    ingest(&mut client, "", &["user_id=u1"])
        .await
        .expect("ingests");
    stream(&mut client, vec![bulk(9)]).await.expect("answers");
    let records = fixture.records(StreamName::Events).await;
    let times: Vec<_> = records.iter().map(|record| record.time_ms).collect();
    assert_eq!(times, [1_000, 2_000, 2_000, 9_000]);
    assert_eq!(fixture.records(StreamName::EventsBulk).await, []);
}
