//! The head of a state, which has the small sections and lists the others; and the whole of a state
//! that moves.

use std::ops::Range;

use bytes::Bytes;
use decision::{Group, Grouped, Part, PartKey, Piece, Poison, Section, UnknownParts, read_ordinal};
use messages::journey::state_v1 as stored;
use prost::Message as _;

use super::fields::Fields;
use super::{bad, read_message};
use crate::state::{PartKind, State};

/// The numbers of the fields that this version knows.
mod number {
    pub(super) const TRAITS: u32 = 2;
    pub(super) const SEGMENTS: u32 = 3;
    pub(super) const POSITIONS: u32 = 4;
    pub(super) const HAPPY_PATHS: u32 = 5;
    pub(super) const RUNS: u32 = 6;
    pub(super) const RUN_COUNT: u32 = 9;
    pub(super) const ENDINGS: u32 = 11;
    pub(super) const PARTS: u32 = 12;
    pub(super) const HISTORY: u32 = 13;
    pub(super) const ENDED_RUNS: u32 = 14;
    pub(super) const ASSIGNMENTS: u32 = 15;
    pub(super) const REMEMBERED: u32 = 16;
    pub(super) const TRAILS: u32 = 17;
    pub(super) const ALL: [u32; 13] = [
        TRAITS,
        SEGMENTS,
        POSITIONS,
        HAPPY_PATHS,
        RUNS,
        RUN_COUNT,
        ENDINGS,
        PARTS,
        HISTORY,
        ENDED_RUNS,
        ASSIGNMENTS,
        REMEMBERED,
        TRAILS,
    ];
}

/// Writes the head of a state, whose parts were handed out before.
pub(crate) fn encode(state: &State) -> Bytes {
    let mut parts = Vec::new();
    let mut runs = 0;
    let sections = state.sections();
    for (key, section) in &sections {
        let is_run = key.kind == PartKind::Run as u8;
        let place = if is_run { runs } else { 0 };
        runs += u32::from(is_run);
        if let Some(bytes) = section.stored_bytes() {
            parts.push(stored::PartEntry {
                apart_bytes: Some(bytes),
                place,
                ..entry(*key)
            });
        }
    }
    parts.extend(state.others.iter().map(|(key, part)| {
        stored::PartEntry {
            apart_bytes: part.stored_bytes(),
            body: body(part)
                .filter(|_| part.stored_bytes().is_none())
                .unwrap_or_default(),
            ..entry(key)
        }
    }));
    let here = sections.iter().map(|(_, section)| section);
    let here = here.filter(|section| section.stored_bytes().is_none());
    write(state, here.filter_map(|section| section.encoded()), parts)
}

/// Writes a state of which all parts are loaded, whole.
pub(crate) fn encode_whole(state: &State) -> Bytes {
    let others = state.others.iter().map(|(key, part)| stored::PartEntry {
        body: body(part).unwrap_or_default(),
        ..entry(key)
    });
    let sections = state.sections();
    let sections = sections.iter().filter_map(|(_, section)| section.encoded());
    write(state, sections, others.collect())
}

fn write<'a>(
    state: &State,
    sections: impl Iterator<Item = &'a Bytes>,
    parts: Vec<stored::PartEntry>,
) -> Bytes {
    let own = stored::CustomerState {
        run_count: state.run_count,
        parts,
        ..stored::CustomerState::default()
    };
    let mut message = own.encode_to_vec();
    for section in sections {
        message.extend_from_slice(section);
    }
    message.extend_from_slice(&state.unknown_fields);
    message.into()
}

fn entry(key: PartKey) -> stored::PartEntry {
    stored::PartEntry {
        kind: key.kind.into(),
        ordinal: key.ordinal.into(),
        name: key.name,
        ..stored::PartEntry::default()
    }
}

fn body(part: &Part<Bytes>) -> Option<Bytes> {
    part.get().ok().flatten().cloned()
}

/// Reads a head, or a whole state.
///
/// # Errors
/// [`Poison`] where the bytes are not a state of the journey service.
pub(crate) fn decode(bytes: &[u8]) -> Result<State, Poison> {
    let fields = Fields::split(Bytes::copy_from_slice(bytes))?;
    let own = |number| matches!(number, number::RUN_COUNT | number::PARTS);
    let own = read_message(&fields.join(fields.places(own)))?;
    let mut state = State {
        known: true,
        run_count: own.run_count,
        traits: section(&fields, number::TRAITS)?,
        segments: section(&fields, number::SEGMENTS)?,
        positions: group(&fields, number::POSITIONS)?,
        progress: group(&fields, number::HAPPY_PATHS)?,
        runs: group(&fields, number::RUNS)?,
        ended: group(&fields, number::ENDED_RUNS)?,
        endings: group(&fields, number::ENDINGS)?,
        history: group(&fields, number::HISTORY)?,
        assignments: group(&fields, number::ASSIGNMENTS)?,
        remembered: section(&fields, number::REMEMBERED)?,
        trails: group(&fields, number::TRAILS)?,
        others: UnknownParts::default(),
        unknown_fields: fields.join(fields.places(|own| !number::ALL.contains(&own))),
    };
    for part in own.parts {
        list(&mut state, part)?;
    }
    Ok(state)
}

fn section<P: Piece>(fields: &Fields, number: u32) -> Result<Section<P>, Poison> {
    Section::inline(fields.join(fields.places(|own| own == number)))
}

/// The key of a section that stands in the head, its entries, and the places of their fields.
type Found<E> = (PartKey, Vec<E>, Vec<Range<usize>>);

fn group<P: Grouped>(fields: &Fields, number: u32) -> Result<Group<P>, Poison> {
    let mut found: Vec<Found<P::Entry>> = Vec::new();
    for place in fields.places(|own| own == number) {
        let entries = P::decode(&fields.at(place.clone()))?;
        let Some(key) = entries.first().map(P::key_of) else {
            continue;
        };
        match found.iter_mut().find(|(own, _, _)| *own == key) {
            Some((_, own, places)) => {
                own.extend(entries);
                places.push(place);
            }
            None => found.push((key, entries, vec![place])),
        }
    }
    let mut group = Group::default();
    for (place, (key, entries, places)) in found.into_iter().enumerate() {
        group.restore(place, key, Section::read(entries, fields.join(places)));
    }
    Ok(group)
}

/// Takes a part that the head lists.
fn list(state: &mut State, part: stored::PartEntry) -> Result<(), Poison> {
    let key = PartKey {
        ordinal: read_ordinal(part.ordinal)?,
        kind: u8::try_from(part.kind).map_err(|_| bad("kind"))?,
        name: part.name,
    };
    match PartKind::of(key.kind) {
        None => state.others.insert(key, unknown(part)),
        Some(PartKind::Traits) => state.traits = listed(part)?,
        Some(PartKind::Segments) => state.segments = listed(part)?,
        Some(PartKind::Positions) => restore(&mut state.positions, key, part)?,
        Some(PartKind::HappyPaths) => restore(&mut state.progress, key, part)?,
        Some(PartKind::Run) => restore(&mut state.runs, key, part)?,
        Some(PartKind::EndedRuns) => restore(&mut state.ended, key, part)?,
        Some(PartKind::Endings) => restore(&mut state.endings, key, part)?,
        Some(PartKind::History) => restore(&mut state.history, key, part)?,
        Some(PartKind::Assignments) => restore(&mut state.assignments, key, part)?,
        Some(PartKind::Remembered) => state.remembered = listed(part)?,
        Some(PartKind::Trails) => restore(&mut state.trails, key, part)?,
    }
    Ok(())
}

fn unknown(part: stored::PartEntry) -> Part<Bytes> {
    let body = part.body;
    part.apart_bytes
        .map_or_else(|| Part::inline(body), Part::apart)
}

fn restore<P: Grouped>(
    group: &mut Group<P>,
    key: PartKey,
    part: stored::PartEntry,
) -> Result<(), Poison> {
    let place = usize::try_from(part.place).map_err(|_| bad("place"))?;
    group.restore(place, key, listed(part)?);
    Ok(())
}

/// A version that did not know the kind may have written the body here.
fn listed<P: Piece>(part: stored::PartEntry) -> Result<Section<P>, Poison> {
    match part.apart_bytes {
        Some(bytes) => Ok(Section::apart(bytes)),
        None => Section::inline(part.body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_state_are_refused() {
        assert!(decode(&[0xff, 0xff]).is_err());
        let message = stored::CustomerState {
            parts: vec![stored::PartEntry {
                body: Bytes::from_static(&[0xff]),
                ..entry(PartKind::Traits.key())
            }],
            ..stored::CustomerState::default()
        };
        assert!(decode(&message.encode_to_vec()).is_err());
    }

    #[test]
    fn a_section_that_another_version_carried_along_is_read() {
        let segments = stored::CustomerState {
            segments: vec!["vip".to_owned()],
            ..stored::CustomerState::default()
        };
        let message = stored::CustomerState {
            parts: vec![stored::PartEntry {
                body: segments.encode_to_vec().into(),
                ..entry(PartKind::Segments.key())
            }],
            ..stored::CustomerState::default()
        };
        let state = decode(&message.encode_to_vec()).expect("a state");
        assert!(state.open().is_in_segment("vip"));
    }

    #[test]
    fn every_field_of_the_message_is_known() {
        let name = "happypath.journey.state.v1.CustomerState";
        let message = messages::DESCRIPTORS.get_message_by_name(name);
        let message = message.expect("the contract has states");
        let mut numbers: Vec<u32> = message.fields().map(|field| field.number()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, {
            let mut all = number::ALL;
            all.sort_unstable();
            all
        });
    }
}
