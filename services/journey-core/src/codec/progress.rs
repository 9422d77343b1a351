//! The progress on happy paths as it is stored: in several sections, by path.

use std::sync::Arc;

use bytes::Bytes;
use decision::{Grouped, PartKey, Piece, Poison, read_ordinal};
use kernel::Timestamp;
use messages::journey::state_v1 as stored;
use messages::journey::v1::DeviationKind;

use super::{FIELD_BYTES, bad, read_message, text_bytes, write_message};
use crate::state::{Deviation, Measure, PartKind, Passage, Progress};

/// The sections of the progress on happy paths.
#[derive(Debug)]
pub struct HappyPaths;

impl Piece for HappyPaths {
    type Value = Vec<Arc<Progress>>;

    fn is_empty(value: &Vec<Arc<Progress>>) -> bool {
        value.is_empty()
    }

    fn encode(value: &Vec<Arc<Progress>>) -> Bytes {
        write_message(&stored::CustomerState {
            happy_paths: value.iter().map(|own| write(own)).collect(),
            ..stored::CustomerState::default()
        })
    }

    fn most_bytes(value: &Vec<Arc<Progress>>) -> Option<usize> {
        Some(value.iter().map(|own| most_bytes(own)).sum())
    }

    fn decode(bytes: &Bytes) -> Result<Vec<Arc<Progress>>, Poison> {
        let paths = read_message(bytes)?.happy_paths.into_iter();
        paths.map(|entry| Ok(Arc::new(read(entry)?))).collect()
    }
}

impl Grouped for HappyPaths {
    type Entry = Arc<Progress>;

    fn key_of(entry: &Arc<Progress>) -> PartKey {
        PartKind::HappyPaths.section_of(&entry.path)
    }
}

fn most_bytes(progress: &Progress) -> usize {
    let measure = &progress.measure;
    let passages = progress.passages.iter().chain(&measure.reached);
    let passages = passages.map(|own| &own.milestone);
    let deviations = measure.deviations.iter().map(|own| &own.milestone);
    let dated = passages.chain(deviations);
    let dated = dated.map(|name| FIELD_BYTES * 3 + text_bytes(name));
    let counted = measure.counted.iter().map(|name| text_bytes(name));
    let lists = dated.sum::<usize>() + counted.sum::<usize>();
    FIELD_BYTES * 5 + text_bytes(&progress.path) + lists
}

pub(super) fn write(progress: &Progress) -> stored::ProgressEntry {
    let measure = &progress.measure;
    let counted = measure.counted.iter();
    stored::ProgressEntry {
        happy_path: progress.path.as_ref().to_owned(),
        version: progress.version,
        passages: progress.passages.iter().map(write_passage).collect(),
        reached: measure.reached.iter().map(write_passage).collect(),
        counted: counted.map(|name| name.as_ref().to_owned()).collect(),
        deviations: measure.deviations.iter().map(write_deviation).collect(),
        followed: measure.followed,
        under_way: measure.under_way,
        due_time_ms: measure.due.map(Timestamp::as_millis),
    }
}

pub(super) fn read(entry: stored::ProgressEntry) -> Result<Progress, Poison> {
    let passages = |entries: Vec<stored::MilestoneEntry>| {
        let entries = entries.into_iter().map(read_passage);
        entries.collect::<Result<_, _>>()
    };
    let deviations = entry.deviations.into_iter().map(read_deviation);
    Ok(Progress {
        path: entry.happy_path.into(),
        version: entry.version,
        passages: passages(entry.passages)?,
        measure: Measure {
            reached: passages(entry.reached)?,
            counted: entry.counted.into_iter().map(Into::into).collect(),
            deviations: deviations.collect::<Result<_, _>>()?,
            followed: entry.followed,
            under_way: entry.under_way,
            due: entry.due_time_ms.map(Timestamp::from_millis),
        },
    })
}

fn write_passage(passage: &Passage) -> stored::MilestoneEntry {
    stored::MilestoneEntry {
        milestone: passage.milestone.as_ref().to_owned(),
        time_ms: passage.time.as_millis(),
        ordinal: passage.ordinal.into(),
    }
}

fn read_passage(entry: stored::MilestoneEntry) -> Result<Passage, Poison> {
    Ok(Passage {
        milestone: entry.milestone.into(),
        time: Timestamp::from_millis(entry.time_ms),
        ordinal: read_ordinal(entry.ordinal)?,
    })
}

fn write_deviation(deviation: &Deviation) -> stored::DeviationEntry {
    stored::DeviationEntry {
        kind: deviation.kind.into(),
        milestone: deviation.milestone.as_ref().to_owned(),
        time_ms: deviation.time.as_millis(),
    }
}

fn read_deviation(entry: stored::DeviationEntry) -> Result<Deviation, Poison> {
    Ok(Deviation {
        kind: DeviationKind::try_from(entry.kind).map_err(|_| bad("kind"))?,
        milestone: entry.milestone.into(),
        time: Timestamp::from_millis(entry.time_ms),
    })
}
