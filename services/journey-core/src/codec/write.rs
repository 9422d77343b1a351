//! From the state to its message.

use bytes::Bytes;
use kernel::RunId;
use messages::convert::named_values;
use messages::journey::state_v1 as stored;
use prost::Message as _;

use crate::state::{
    Deviation, EndedRun, HistoryEntry, JourneyEndings, Name, Passage, Position, Progress, Run,
    State,
};

/// Writes a state.
pub(crate) fn encode(state: &State) -> Bytes {
    let message = stored::CustomerState {
        traits: named_values(&state.traits),
        segments: state.segments.iter().map(text).collect(),
        positions: state.positions.iter().map(position).collect(),
        happy_paths: state.progress.iter().map(progress).collect(),
        runs: state.runs.iter().map(run).collect(),
        ended_runs: state.ended.iter().map(ended).collect(),
        endings: Vec::new(),
        run_count: state.run_count,
        history: state.history.iter().map(history).collect(),
        journey_endings: state.endings.iter().map(journey_endings).collect(),
    };
    message.encode_to_vec().into()
}

fn text(name: &Name) -> String {
    name.as_ref().to_owned()
}

fn id(run: RunId) -> Bytes {
    Bytes::copy_from_slice(run.as_bytes())
}

fn position(position: &Position) -> stored::PositionEntry {
    stored::PositionEntry {
        map: text(&position.map),
        stage: text(&position.stage),
        enter_time_ms: position.enter_time.as_millis(),
    }
}

fn progress(progress: &Progress) -> stored::ProgressEntry {
    let measure = &progress.measure;
    stored::ProgressEntry {
        happy_path: text(&progress.path),
        version: progress.version,
        passages: progress.passages.iter().map(passage).collect(),
        reached: measure.reached.iter().map(passage).collect(),
        counted: measure.counted.iter().map(text).collect(),
        deviations: measure.deviations.iter().map(deviation).collect(),
        followed: measure.followed,
        under_way: measure.under_way,
        due_time_ms: measure.due.map(kernel::Timestamp::as_millis),
    }
}

fn passage(passage: &Passage) -> stored::MilestoneEntry {
    stored::MilestoneEntry {
        milestone: text(&passage.milestone),
        time_ms: passage.time.as_millis(),
    }
}

fn deviation(deviation: &Deviation) -> stored::DeviationEntry {
    stored::DeviationEntry {
        kind: deviation.kind.into(),
        milestone: text(&deviation.milestone),
        time_ms: deviation.time.as_millis(),
    }
}

fn run(run: &Run) -> stored::RunEntry {
    stored::RunEntry {
        run_id: id(run.id),
        journey: text(&run.journey),
        version: run.version,
        key: text(&run.key),
        step: text(&run.step),
        visit: run.visit,
        start_time_ms: run.start_time.as_millis(),
        arrive_time_ms: run.arrive_time.as_millis(),
        since_ms: run.since.as_millis(),
        due_time_ms: run.due.map(kernel::Timestamp::as_millis),
        trigger: named_values(&run.trigger),
        holdout: run.holdout,
        arm: text(&run.arm),
        trace_parent: run.trace_parent.as_ref().to_owned(),
    }
}

fn ended(run: &EndedRun) -> stored::EndedRunEntry {
    stored::EndedRunEntry {
        run_id: id(run.id),
        journey: text(&run.journey),
        version: run.version,
        key: text(&run.key),
        visit: run.visit,
        start_time_ms: run.start_time.as_millis(),
        end_time_ms: run.end_time.as_millis(),
        reason: run.reason.code().to_owned(),
        outcome: run.outcome.into(),
    }
}

fn journey_endings(own: &JourneyEndings) -> stored::JourneyEndings {
    let times = own.ends.iter().map(|(_, time)| time.as_millis());
    let deltas = times.scan(0_i64, |last, time| {
        let delta = time.wrapping_sub(*last);
        *last = time;
        Some(delta)
    });
    stored::JourneyEndings {
        journey: text(&own.journey),
        closed_time_ms: own.closed.map(kernel::Timestamp::as_millis),
        key_hashes: own.ends.iter().map(|(key, _)| *key).collect(),
        end_time_deltas_ms: deltas.collect(),
    }
}

fn history(entry: &HistoryEntry) -> stored::HistoryRecord {
    stored::HistoryRecord {
        time_ms: entry.time.as_millis(),
        subject: text(&entry.subject),
        run_id: entry.run.map(id).unwrap_or_default(),
        step: text(&entry.step),
        reason: entry.reason.code().to_owned(),
        detail: text(&entry.detail),
    }
}
