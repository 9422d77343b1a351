//! Waits that are kept apart from the head, so that a step has to ask for them.

use std::sync::Arc;

use bytes::Bytes;
use decision::{
    Core, Home, Input, Moved, Outcome, Part, PartKey, PartLoad, PartWrites, Poison, Step, WaitKey,
};
use hot::{Owner, StreamName};
use kernel::{PartitionId, Timestamp};
use messages::stream::v1::QuarantineVerb;

use super::{Alarms, Clock, NEVER, alarms, tries};
use crate::TimeSource;
use crate::tests::driver::{Bench, settle, tick};
use crate::tests::release::order_all;
use crate::worker::Worker;

/// [`Alarms`] whose clocks are parts.
#[derive(Debug)]
struct Apart;

/// The key of a clock.
const CLOCK: PartKey = PartKey {
    ordinal: 0,
    kind: 1,
    name: 0,
};

fn size(clock: &Clock) -> usize {
    Alarms::encode(clock).len()
}

impl Core for Apart {
    type Definitions = i64;
    type State = Part<Clock>;

    const OWNER: Owner = Alarms::OWNER;
    const INPUTS: &'static [(StreamName, Option<StreamName>)] = Alarms::INPUTS;
    const OUTPUT: Option<(StreamName, StreamName)> = Alarms::OUTPUT;
    const HOME: Home = Alarms::HOME;
    const HAS_PARTS: bool = true;

    fn decode(bytes: &[u8]) -> Result<Part<Clock>, Poison> {
        let text = std::str::from_utf8(bytes).ok();
        let bytes = text.and_then(|text| text.parse().ok());
        bytes.map(Part::apart).ok_or_else(|| Poison::new("no size"))
    }

    fn encode(state: &Part<Clock>) -> Bytes {
        state.stored_bytes().unwrap_or_default().to_string().into()
    }

    fn step(
        definitions: &i64,
        state: &mut Part<Clock>,
        input: Input<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let Ok(clock) = state.get() else {
            step.effects.need(CLOCK);
            return Ok(Outcome::Unchanged);
        };
        let mut clock = clock.cloned().unwrap_or_default();
        let outcome = Alarms::step(definitions, &mut clock, input, step)?;
        state.set(clock);
        state.send_apart();
        Ok(outcome)
    }

    fn waits(state: &Part<Clock>, waits: &mut Vec<(WaitKey, Timestamp)>) {
        if let Ok(Some(clock)) = state.get() {
            Alarms::waits(clock, waits);
        }
    }

    fn wants(_: &i64, state: &Part<Clock>, _: Input<'_>, _: Timestamp, wanted: &mut Vec<PartKey>) {
        wanted.extend(state.is_not_loaded().then_some(CLOCK));
    }

    fn take_leave(_: &i64, _: &mut Part<Clock>, _: &mut Step<'_>) -> Option<Bytes> {
        None
    }

    fn fold_in(
        _: &i64,
        _: &mut Part<Clock>,
        _: Moved<'_>,
        _: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        Err(Poison::new("nobody is joined into another"))
    }

    fn load_part(state: &mut Part<Clock>, _: PartKey, bytes: Bytes) -> Result<(), Poison> {
        state.load(Alarms::decode(&bytes)?);
        Ok(())
    }

    fn drain_parts(state: &mut Part<Clock>, writes: &mut PartWrites) {
        state.drain(CLOCK, size, Alarms::encode, writes);
    }

    fn part_keys(state: &Part<Clock>) -> Vec<PartKey> {
        state.stored_bytes().map(|_| CLOCK).into_iter().collect()
    }

    fn measure_parts(state: &Part<Clock>) -> PartLoad {
        let mut load = PartLoad::default();
        state.measure(size, &mut load);
        load
    }
}

async fn open(bench: &Bench, epoch: u64) -> Worker<Apart> {
    let config = bench.config_of(Arc::clone(&bench.hot), TimeSource::Stream);
    let worker = Worker::open(config, PartitionId::new(0), epoch).await;
    worker.expect("it opens")
}

#[tokio::test]
async fn a_wait_is_discarded_alone_by_whoever_has_not_loaded_the_others() {
    let bench = Bench::new().await;
    let set = alarms(&[(2, 10, NEVER), (3, 9_000, 0)]);
    bench.append(0, StreamName::Events, set).await;
    bench.append(0, StreamName::Events, vec![tick(20)]).await;
    settle(&mut open(&bench, 1).await).await;
    assert_eq!(tries(&bench).await, [(Some(2), 1)]);
    order_all(&bench, QuarantineVerb::Discard).await;
    let mut worker = open(&bench, 2).await;
    settle(&mut worker).await;
    assert_eq!(tries(&bench).await, []);
    bench.append(0, StreamName::Events, vec![tick(8_999)]).await;
    settle(&mut worker).await;
    assert_eq!(tries(&bench).await, []);
    // The other one rings, and so the first is tried once more.
    bench.append(0, StreamName::Events, vec![tick(9_000)]).await;
    settle(&mut worker).await;
    assert_eq!(tries(&bench).await, [(Some(2), 1)]);
}
