//! From the message to the state.

use std::sync::Arc;

use decision::Poison;
use kernel::{Reason, RunId, Timestamp};
use messages::convert::properties;
use messages::journey::state_v1 as stored;
use messages::journey::v1::{DeviationKind, RunOutcome};
use prost::Message as _;

use crate::run_id::key_hash;
use crate::state::{
    Deviation, EndedRun, Endings, HistoryEntry, JourneyEndings, Measure, Passage, Position,
    Progress, Run, State,
};

/// Reads a state.
///
/// # Errors
/// [`Poison`] where the bytes are not a state of the journey service.
pub(crate) fn decode(bytes: &[u8]) -> Result<State, Poison> {
    let message = stored::CustomerState::decode(bytes).map_err(|error| {
        Poison::new(format!("the stored journey state does not decode: {error}"))
    })?;
    Ok(State {
        known: true,
        traits: Arc::new(properties(&message.traits)),
        segments: message.segments.into_iter().map(Into::into).collect(),
        positions: message.positions.into_iter().map(position).collect(),
        progress: message
            .happy_paths
            .into_iter()
            .map(progress)
            .collect::<Result<_, _>>()?,
        runs: message
            .runs
            .into_iter()
            .map(run)
            .collect::<Result<_, _>>()?,
        ended: message
            .ended_runs
            .into_iter()
            .map(ended)
            .collect::<Result<_, _>>()?,
        endings: Arc::new(endings(message.journey_endings, message.endings)),
        run_count: message.run_count,
        history: Arc::new(message.history.into_iter().filter_map(history).collect()),
    })
}

fn bad(field: &str) -> Poison {
    Poison::new(format!("the stored journey state has a bad `{field}`"))
}

fn id(bytes: &[u8]) -> Result<RunId, Poison> {
    RunId::try_from_bytes(bytes).map_err(|_| bad("run_id"))
}

fn reason(code: &str) -> Result<Reason, Poison> {
    Reason::from_code(code).ok_or_else(|| bad("reason"))
}

fn position(entry: stored::PositionEntry) -> Position {
    Position {
        map: entry.map.into(),
        stage: entry.stage.into(),
        enter_time: Timestamp::from_millis(entry.enter_time_ms),
    }
}

fn progress(entry: stored::ProgressEntry) -> Result<Progress, Poison> {
    Ok(Progress {
        path: entry.happy_path.into(),
        version: entry.version,
        passages: entry.passages.into_iter().map(passage).collect(),
        measure: Measure {
            reached: entry.reached.into_iter().map(passage).collect(),
            counted: entry.counted.into_iter().map(Into::into).collect(),
            deviations: entry
                .deviations
                .into_iter()
                .map(deviation)
                .collect::<Result<_, _>>()?,
            followed: entry.followed,
            under_way: entry.under_way,
            due: entry.due_time_ms.map(Timestamp::from_millis),
        },
    })
}

fn passage(entry: stored::MilestoneEntry) -> Passage {
    Passage {
        milestone: entry.milestone.into(),
        time: Timestamp::from_millis(entry.time_ms),
    }
}

fn deviation(entry: stored::DeviationEntry) -> Result<Deviation, Poison> {
    Ok(Deviation {
        kind: DeviationKind::try_from(entry.kind).map_err(|_| bad("kind"))?,
        milestone: entry.milestone.into(),
        time: Timestamp::from_millis(entry.time_ms),
    })
}

fn run(entry: stored::RunEntry) -> Result<Run, Poison> {
    Ok(Run {
        id: id(&entry.run_id)?,
        journey: entry.journey.into(),
        version: entry.version,
        key: entry.key.into(),
        step: entry.step.into(),
        visit: entry.visit,
        start_time: Timestamp::from_millis(entry.start_time_ms),
        arrive_time: Timestamp::from_millis(entry.arrive_time_ms),
        since: Timestamp::from_millis(entry.since_ms),
        due: entry.due_time_ms.map(Timestamp::from_millis),
        trigger: Arc::new(properties(&entry.trigger)),
        holdout: entry.holdout,
        arm: entry.arm.into(),
        trace_parent: entry.trace_parent.into(),
    })
}

fn ended(entry: stored::EndedRunEntry) -> Result<EndedRun, Poison> {
    Ok(EndedRun {
        id: id(&entry.run_id)?,
        journey: entry.journey.into(),
        version: entry.version,
        key: entry.key.into(),
        visit: entry.visit,
        start_time: Timestamp::from_millis(entry.start_time_ms),
        end_time: Timestamp::from_millis(entry.end_time_ms),
        reason: reason(&entry.reason)?,
        outcome: RunOutcome::try_from(entry.outcome).map_err(|_| bad("outcome"))?,
    })
}

/// Reads the ends of runs, and those that an earlier version wrote one by one.
fn endings(journeys: Vec<stored::JourneyEndings>, single: Vec<stored::EndingEntry>) -> Endings {
    let mut endings = Endings::restored(journeys.into_iter().map(journey_endings).collect());
    for entry in single {
        let time = Timestamp::from_millis(entry.end_time_ms);
        endings.remember(&entry.journey.into(), key_hash(&entry.key), time);
    }
    endings
}

fn journey_endings(entry: stored::JourneyEndings) -> JourneyEndings {
    let times = entry.end_time_deltas_ms.into_iter();
    let times = times.scan(0_i64, |last, delta| {
        *last = last.wrapping_add(delta);
        Some(Timestamp::from_millis(*last))
    });
    JourneyEndings {
        journey: entry.journey.into(),
        closed: entry.closed_time_ms.map(Timestamp::from_millis),
        ends: entry.key_hashes.into_iter().zip(times).collect(),
    }
}

/// A reason that only a newer version knows is left out: history is for display.
fn history(entry: stored::HistoryRecord) -> Option<HistoryEntry> {
    Some(HistoryEntry {
        time: Timestamp::from_millis(entry.time_ms),
        subject: entry.subject.into(),
        run: RunId::try_from_bytes(&entry.run_id).ok(),
        step: entry.step.into(),
        reason: Reason::from_code(&entry.reason)?,
        detail: entry.detail.into(),
    })
}
