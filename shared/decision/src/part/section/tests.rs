//! Sections that change, move and come back.

use super::*;

struct Text;

impl Piece for Text {
    type Value = Vec<u8>;

    fn is_empty(value: &Vec<u8>) -> bool {
        value.is_empty()
    }

    fn encode(value: &Vec<u8>) -> Bytes {
        Bytes::copy_from_slice(value)
    }

    fn most_bytes(value: &Vec<u8>) -> Option<usize> {
        Some(value.len() + SPARE)
    }

    fn decode(bytes: &Bytes) -> Result<Vec<u8>, Poison> {
        if bytes.contains(&0xff) {
            return Err(Poison::new("no text"));
        }
        Ok(bytes.to_vec())
    }
}

/// Bytes by which the bound of a text is too large.
const SPARE: usize = 50;

const KEY: PartKey = PartKey {
    ordinal: 0,
    kind: 1,
    name: 0,
};

/// Drains a section, as measured before.
fn drain(section: &mut Section<Text>) -> Vec<Option<usize>> {
    let (mut load, head) = (PartLoad::default(), section.head_bytes());
    section.measure(&mut load);
    assert!(section.most_head_bytes() >= head);
    let mut writes = PartWrites::default();
    section.drain(KEY, &mut writes);
    let in_head = section
        .encoded()
        .filter(|_| section.stored_bytes().is_none());
    assert_eq!(head, in_head.map_or(0, Bytes::len), "as was foretold");
    let writes = writes.into_iter();
    let sizes: Vec<_> = writes.map(|(_, it)| it.map(|it| it.len())).collect();
    assert_eq!(load.dirty, sizes.len());
    sizes
}

fn change(section: &mut Section<Text>, change: impl FnOnce(&mut Vec<u8>)) {
    let mut lent = section.lend();
    change(&mut lent);
    section.take_back(lent);
}

#[test]
fn a_section_is_written_only_where_another_value_comes_back() {
    let mut section = Section::<Text>::new(vec![1; 2_000]);
    assert_eq!(drain(&mut section), [Some(2_000)]);
    change(&mut section, |value| {
        value.push(2);
        value.pop();
    });
    assert!(drain(&mut section).is_empty(), "it is as it was");
    change(&mut section, |value| value.push(2));
    assert_eq!(drain(&mut section), [Some(2_001)]);
    change(&mut section, |value| value.truncate(10));
    assert_eq!(drain(&mut section), [None], "it comes back into the head");
    assert_eq!(section.encoded().map(Bytes::len), Some(10));
    change(&mut section, Vec::clear);
    assert!(drain(&mut section).is_empty());
    assert_eq!(section, Section::default());
}

#[test]
fn a_section_is_measured_without_writing_it_where_its_bound_tells() {
    let largest = crate::limits::PART_APART_BYTES;
    for (bytes, is_written) in [
        (1, false),
        (largest - SPARE, false),
        (largest - SPARE + 1, true),
        (largest, true),
        (largest + 1, true),
    ] {
        let section = Section::<Text>::new(vec![7; bytes]);
        let mut load = PartLoad::default();
        section.measure(&mut load);
        assert_eq!(load.dirty, usize::from(bytes > largest));
        let most = section.most_head_bytes();
        assert!(bytes > largest || (bytes..=bytes + SPARE).contains(&most));
        let kept = section.part.get().ok().flatten().expect("a value");
        assert_eq!(kept.bytes.get().is_some(), is_written, "{bytes}");
    }
}

#[test]
fn a_section_that_is_not_loaded_is_lent_as_missing_and_stays_as_it_is() {
    let mut section = Section::<Text>::apart(2_000);
    let mut lent = section.lend();
    lent.push(1);
    assert!(lent.is_missed());
    section.take_back(lent);
    assert!(section.is_not_loaded());
    assert!(drain(&mut section).is_empty());
    assert_ne!(section, Section::default(), "not loaded is never empty");
    assert!(section.load(&Bytes::from_static(b"\xff")).is_err());
    section.load(&Bytes::from(vec![1; 2_000])).expect("a text");
    assert_eq!(section.value(), Some(&vec![1; 2_000]));
    assert_eq!(section, Section::new(vec![1; 2_000]));
}

#[test]
fn the_largest_make_room_and_come_back_by_themselves_only_when_they_shrink() {
    let mut sections: Vec<_> = [400, 900, 700, 0]
        .map(|bytes| Section::<Text>::new(vec![7; bytes]))
        .into();
    let room = |sections: &mut [Section<Text>]| {
        let all = sections.iter_mut().map(|own| own as &mut dyn AnySection);
        make_room(all.collect(), 1_200);
        let drained = sections.iter_mut().map(drain);
        drained.collect::<Vec<_>>()
    };
    let none: Vec<Option<usize>> = Vec::new();
    let drained = room(&mut sections);
    assert_eq!(
        drained,
        [none.clone(), vec![Some(900)], none.clone(), none.clone()]
    );
    assert!(room(&mut sections).concat().is_empty());
    // One that would come back where there is no room stays apart.
    change(&mut sections[1], |value| value.truncate(760));
    assert_eq!(room(&mut sections).concat(), [Some(760)]);
    change(&mut sections[2], Vec::clear);
    change(&mut sections[1], |value| value.truncate(700));
    room(&mut sections);
    assert!(sections.iter().map(AnySection::head_bytes).sum::<usize>() <= 1_200);
}
