//! PostgreSQL stands still for a while.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proto::journey::v1::GetFlowRequest;
use proto::journey::v1::journey_service_client::JourneyServiceClient;
use tonic::{Code, Request};

use super::installation::{Durability, Installation};
use super::load::{self, Load, Record};
use super::{CALM, shared_machine};
use crate::suite::JOURNEY;

/// The time that PostgreSQL is away: much longer than a lease.
const AWAY: Duration = Duration::from_secs(20);
/// The time that the first answers may take after it went away: a client's patience.
const FIRST_REFUSAL: Duration = Duration::from_secs(10);
/// The time that a question about customers may take meanwhile.
const READ: Duration = Duration::from_secs(2);
/// The pause between two such questions.
const READ_PAUSE: Duration = Duration::from_millis(500);

/// Asks questions that need no SQL, until a moment.
async fn read_until(installation: &Installation, end: Instant) {
    let mut journey = JourneyServiceClient::new(installation.channel(JOURNEY));
    while Instant::now() < end {
        let mut request = Request::new(GetFlowRequest {
            journey: "thank_buyers".to_owned(),
            version: 0,
        });
        request.set_timeout(READ);
        let answer = journey.get_flow(request).await;
        answer.expect("questions are answered while PostgreSQL is away");
        tokio::time::sleep(READ_PAUSE).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_postgres_intake_is_refused_with_a_delay_and_goes_on_by_itself_at_level_journal() {
    let _machine = shared_machine().await;
    let record: Arc<Mutex<Record>> = Arc::default();
    let mut installation = Installation::start(Durability::Journal).await;
    let load = Load::start(installation.services[0].url(), &record);
    tokio::time::sleep(CALM).await;

    installation.postgres.suspend().expect("stands still");
    let away = Instant::now();
    read_until(&installation, away + AWAY).await;
    installation.postgres.resume().expect("goes on");
    let back = Instant::now();

    tokio::time::sleep(CALM).await;
    load.stop().await;
    let history = installation.review(&record, None).await;

    let refusals = load::lock(&record).refusals.clone();
    let with_delay = |code: Code| matches!(code, Code::Unavailable | Code::ResourceExhausted);
    let meanwhile: Vec<_> = refusals
        .iter()
        .filter(|refusal| refusal.time > away + FIRST_REFUSAL && refusal.time < back)
        .collect();
    assert!(
        meanwhile
            .iter()
            .any(|refusal| with_delay(refusal.status.code())),
        "intake was refused: {refusals:?}"
    );
    for refusal in meanwhile {
        let is_told = with_delay(refusal.status.code()) && refusal.retry_after.is_some();
        assert!(
            is_told || refusal.status.code() == Code::DeadlineExceeded,
            "a refusal says when to try again: {refusal:?}"
        );
    }
    let acknowledged = |sent: &&crate::history::Sent| {
        sent.ack_time
            .is_some_and(|time| time > away + FIRST_REFUSAL && time < back)
    };
    let promised = history.sent.iter().filter(acknowledged).count();
    assert_eq!(
        promised, 0,
        "nothing is acknowledged that the journal does not have"
    );
}
