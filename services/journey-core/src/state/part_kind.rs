//! The names of journey's parts.

use decision::PartKey;
use kernel::StableHash;

use crate::limits;

/// The kind of a part, as [`PartKey::kind`] carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum PartKind {
    /// The traits.
    Traits = 1,
    /// The segments that the customer is in.
    Segments = 2,
    /// Some of the positions in maps.
    Positions = 3,
    /// Some of the progress on happy paths.
    HappyPaths = 4,
    /// A run under way.
    Run = 5,
    /// A page of the runs that ended.
    EndedRuns = 6,
    /// Ends of runs of some journeys.
    Endings = 7,
    /// A page of the history.
    History = 8,
    /// The arms of splits of some journeys.
    Assignments = 9,
    /// The events that happy paths remember of before their beginning.
    Remembered = 10,
    /// What some of the fragments of a merged customer did by themselves.
    Trails = 11,
}

impl PartKind {
    /// The kind of a number; absent where this version does not know it.
    pub(crate) const fn of(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Traits,
            2 => Self::Segments,
            3 => Self::Positions,
            4 => Self::HappyPaths,
            5 => Self::Run,
            6 => Self::EndedRuns,
            7 => Self::Endings,
            8 => Self::History,
            9 => Self::Assignments,
            10 => Self::Remembered,
            11 => Self::Trails,
            _ => return None,
        })
    }

    /// The key of the only part of its kind.
    pub(crate) const fn key(self) -> PartKey {
        PartKey {
            ordinal: 0,
            kind: self as u8,
            name: 0,
        }
    }

    /// The key of the part that has what belongs to a name: a definition's.
    pub(crate) fn section_of(self, name: &str) -> PartKey {
        let hash = StableHash::new().with(name.as_bytes()).finish();
        PartKey {
            name: hash % u64::from(limits::SECTIONS_BY_NAME),
            ..self.key()
        }
    }

    /// The key of a page.
    pub(crate) fn page(self, number: u32) -> PartKey {
        PartKey {
            name: number.into(),
            ..self.key()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_their_numbers() {
        for number in 0..=u8::MAX {
            let kind = PartKind::of(number);
            assert!(kind.is_none_or(|kind| kind as u8 == number));
            assert_eq!(kind.is_some(), (1..=11).contains(&number));
        }
    }

    #[test]
    fn a_name_never_changes_its_section() {
        // Another number here would look for what is stored in another place.
        assert_eq!(PartKind::Positions.section_of("onboarding").name, 9);
        assert_eq!(PartKind::Endings.section_of("welcome").name, 12);
    }
}
