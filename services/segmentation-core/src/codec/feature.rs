//! Histories as they are stored: a head, the index of the sealed blocks, and each block by itself.

use bytes::Bytes;
use kernel::{Duration, Timestamp};
use messages::segmentation::state_v1 as stored;
use prost::Message;

use crate::feature::{Block, Blocks, Feature, Sealed, Sums, Twofold};

/// Writes the head of a history, with the index of its blocks unless that is kept apart.
pub(crate) fn write_feature(feature: &Feature) -> Bytes {
    let folded = (feature.folded.count > 0).then(|| write_runs(&[feature.folded]));
    let blocks = &feature.sealed;
    let has_index = !blocks.is_indexed() && !blocks.is_empty();
    let head = stored::FeatureHead {
        complete_from_time_ms: feature.complete_from.map(Timestamp::as_millis),
        unread_since_time_ms: feature.unread_since.map(Timestamp::as_millis),
        folded,
        index: has_index.then(|| index_of(blocks)),
        open: (feature.open.len() > 0).then(|| write_runs_of(&feature.open)),
        next_block: feature.next_block,
        compacted_run_count: feature.compacted,
    };
    head.encode_to_vec().into()
}

/// Writes the index of the blocks of a history.
pub(crate) fn write_index(blocks: &[Sealed]) -> Bytes {
    index_of(blocks).encode_to_vec().into()
}

fn index_of(blocks: &[Sealed]) -> stored::FeatureIndex {
    let sums: Vec<Sums> = blocks.iter().map(|sealed| sealed.sums).collect();
    stored::FeatureIndex {
        sums: Some(write_runs(&sums)),
        numbers: blocks.iter().map(|sealed| sealed.number).collect(),
        run_counts: blocks.iter().map(|sealed| sealed.runs).collect(),
    }
}

/// Reads a history, with no block loaded; none where it cannot be read. The index comes with it
/// where it is kept apart.
pub(crate) fn read_feature(bytes: &Bytes, index: Option<&Bytes>) -> Option<Feature> {
    let head = stored::FeatureHead::decode(bytes.as_ref()).ok()?;
    let open = head.open.map(|runs| read_runs(&runs)).unwrap_or_default();
    let folded = head.folded.and_then(|runs| read_sums(&runs).pop());
    let index = match index {
        Some(bytes) => Some(stored::FeatureIndex::decode(bytes.as_ref()).ok()?),
        None => head.index,
    };
    Some(Feature {
        complete_from: head.complete_from_time_ms.map(Timestamp::from_millis),
        unread_since: head.unread_since_time_ms.map(Timestamp::from_millis),
        folded: folded.unwrap_or(Sums::NONE),
        sealed: Blocks::listed(index.map(read_index).unwrap_or_default()),
        open_sums: open.sums(),
        open,
        next_block: head.next_block,
        compacted: head.compacted_run_count,
    })
}

fn read_index(index: stored::FeatureIndex) -> Vec<Sealed> {
    let sums = index.sums.map(|runs| read_sums(&runs)).unwrap_or_default();
    let numbers = index.numbers.into_iter().zip(index.run_counts);
    sums.into_iter()
        .zip(numbers)
        .map(|(sums, (number, runs))| Sealed::listed(number, sums, runs))
        .collect()
}

/// Writes a sealed block.
pub(crate) fn write_block(block: &Block) -> Bytes {
    write_runs_of(block).encode_to_vec().into()
}

/// Reads a sealed block; none where it cannot be read.
pub(crate) fn read_block(bytes: &Bytes) -> Option<Block> {
    let runs = stored::Runs::decode(bytes.as_ref()).ok()?;
    Some(read_runs(&runs))
}

fn write_runs_of(block: &Block) -> stored::Runs {
    match block {
        Block::Events { times, numbers } => stored::Runs {
            last_steps_ms: steps(times.iter().copied()),
            sums: numbers.clone(),
            ..stored::Runs::default()
        },
        Block::Runs(runs) => write_runs(runs),
    }
}

fn write_runs(runs: &[Sums]) -> stored::Runs {
    let has_numbers = runs.iter().any(|run| run.number_count > 0);
    let numbers = |of: fn(&Sums) -> f64| {
        let runs = if has_numbers { runs } else { &[] };
        runs.iter().map(of).collect()
    };
    stored::Runs {
        last_steps_ms: steps(runs.iter().map(|run| run.last)),
        widths_ms: runs
            .iter()
            .map(|run| u64::try_from(run.width_ms()).unwrap_or(0))
            .collect(),
        counts: runs.iter().map(|run| run.count).collect(),
        number_counts: if has_numbers {
            runs.iter().map(|run| run.number_count).collect()
        } else {
            Vec::new()
        },
        sums: numbers(|run| run.sum.high),
        sum_rests: if runs.iter().all(|run| run.sum.low == 0.0) {
            // Sums of whole numbers lose nothing.
            Vec::new()
        } else {
            numbers(|run| run.sum.low)
        },
        mins: numbers(|run| run.min),
        maxs: numbers(|run| run.max),
    }
}

fn read_runs(runs: &stored::Runs) -> Block {
    if runs.counts.is_empty() {
        Block::Events {
            times: instants(&runs.last_steps_ms).collect(),
            numbers: fit(&runs.sums, runs.last_steps_ms.len()),
        }
    } else {
        Block::Runs(read_sums(runs))
    }
}

fn read_sums(runs: &stored::Runs) -> Vec<Sums> {
    let read = |(place, last): (usize, Timestamp)| {
        let width = runs.widths_ms.get(place).copied().unwrap_or(0);
        let width = Duration::from_millis(i64::try_from(width).unwrap_or(0));
        let number = |numbers: &[f64], of_none| numbers.get(place).copied().unwrap_or(of_none);
        Sums {
            count: runs.counts.get(place).copied().unwrap_or(0),
            number_count: runs.number_counts.get(place).copied().unwrap_or(0),
            sum: Twofold {
                high: number(&runs.sums, 0.0),
                low: number(&runs.sum_rests, 0.0),
            },
            min: number(&runs.mins, f64::INFINITY),
            max: number(&runs.maxs, f64::NEG_INFINITY),
            first: last - width,
            last,
        }
    };
    instants(&runs.last_steps_ms)
        .enumerate()
        .map(read)
        .collect()
}

/// Numbers for so many events, or none at all.
fn fit(numbers: &[f64], events: usize) -> Vec<f64> {
    let mut numbers = numbers.to_vec();
    if !numbers.is_empty() {
        numbers.resize(events, f64::NAN);
    }
    numbers
}

/// Each instant as the difference from the one before.
fn steps(instants: impl Iterator<Item = Timestamp>) -> Vec<i64> {
    let mut last = 0;
    let step = |at: Timestamp| {
        let step = at.as_millis().wrapping_sub(last);
        last = at.as_millis();
        step
    };
    instants.map(step).collect()
}

fn instants(steps: &[i64]) -> impl Iterator<Item = Timestamp> {
    steps.iter().scan(0_i64, |last, step| {
        *last = last.wrapping_add(*step);
        Some(Timestamp::from_millis(*last))
    })
}
