//! The value of a feature, and how much is behind it: since when everything is known, and by how
//! much it is rounded.

use std::fmt;

use expr::{Aggregate, Feature, Measure};
use kernel::{Duration, Timestamp};

use crate::feature::{self, Rounding, Sums, count_as_number};
use crate::state::{Held, MissingParts, State};

/// The value of a feature, and how much is behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureReading {
    /// The value, of what is known.
    pub measure: Measure,
    /// The part of the past that is known.
    pub known: Known,
    /// At most so many events are counted that have left the window.
    pub over: u64,
    /// At most so many events are not counted that have come.
    pub under: u64,
    /// An edge of the window is off by at most so much: a 256th of the window. Zero where the value
    /// is exact.
    pub width: Duration,
}

/// The part that is known of what a feature asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// All of it.
    Whole,
    /// Events since an instant, which is later than the feature asks for.
    Since(Timestamp),
    /// Nothing: events of this name happened, and were not kept for it.
    Nothing,
}

/// Reads a feature at an instant.
pub(crate) fn read(
    state: &State,
    held: &[Held],
    feature: &Feature,
    at: Timestamp,
) -> Result<FeatureReading, MissingParts> {
    let mut rounding = Rounding::default();
    for_each(held, |kept| {
        let own = kept.rounding(feature.window, at)?;
        rounding.over += own.over;
        rounding.under += own.under;
        rounding.width = rounding.width.max(own.width);
        Ok(())
    })?;
    Ok(FeatureReading {
        measure: measure(state, held, feature, at)?,
        known: known(state, held, feature, at)?,
        over: rounding.over,
        under: rounding.under,
        width: rounding.width,
    })
}

/// The value of a feature at an instant, of what is known.
pub(crate) fn measure(
    state: &State,
    held: &[Held],
    feature: &Feature,
    at: Timestamp,
) -> Result<Measure, MissingParts> {
    if feature.aggregate == Aggregate::Count && !held.is_empty() {
        let mut count = 0;
        for_each(held, |kept| {
            count += kept.count(feature.window, at)?;
            Ok(())
        })?;
        return Ok(Measure::Number(count_as_number(count)));
    }
    let mut sums = Sums::NONE;
    if held.is_empty() && is_total(feature) {
        sums = state
            .total(&feature.event)
            .map_or(sums, |total| total.sums());
    }
    for_each(held, |kept| {
        sums.join(&kept.sums(feature.window, at)?);
        Ok(())
    })?;
    Ok(match &feature.aggregate {
        Aggregate::Count => Measure::Number(count_as_number(sums.count)),
        Aggregate::Sum(_) => Measure::Number(sums.sum.number()),
        Aggregate::FirstTime if sums.count > 0 => Measure::Time(sums.first),
        Aggregate::LastTime if sums.count > 0 => Measure::Time(sums.last),
        Aggregate::Average(_) if sums.number_count > 0 => {
            Measure::Number(sums.sum.number() / count_as_number(sums.number_count))
        }
        Aggregate::Min(_) if sums.number_count > 0 => Measure::Number(sums.min),
        Aggregate::Max(_) if sums.number_count > 0 => Measure::Number(sums.max),
        _ => Measure::Unknown,
    })
}

/// The first instant after another at which a feature may change with no new event.
pub(crate) fn next_change(
    held: &[Held],
    feature: &Feature,
    after: Timestamp,
) -> Result<Option<Timestamp>, MissingParts> {
    let mut first = None;
    for_each(held, |kept| {
        let own = kept.next_change(feature.window, after)?;
        first = first.into_iter().chain(own).min();
        Ok(())
    })?;
    Ok(first)
}

/// The first instant after another at which a count or a sum may fall to a level, or grow, and
/// whether it surely falls there then.
pub(crate) fn level_change(
    held: &[Held],
    feature: &Feature,
    level: f64,
    after: Timestamp,
) -> Result<Option<(Timestamp, bool)>, MissingParts> {
    let mut kept = held.iter().filter(|held| !held.is_empty());
    let (Some(only), None) = (kept.next(), kept.next()) else {
        // It is not worth a search which of several histories takes the answer there.
        let change = next_change(held, feature, after)?;
        return Ok(change.map(|at| (at, false)));
    };
    let Some(kept) = only.feature()? else {
        return Ok(None);
    };
    let unsure = |change: Option<Timestamp>| change.map(|at| (at, false));
    let change = match feature.aggregate {
        Aggregate::Count => kept.count_change(feature.window, level, after),
        Aggregate::Sum(_) => kept.sum_change(feature.window, level, after).map(unsure),
        _ => kept.next_change(feature.window, after).map(unsure),
    };
    change.map_err(|missing| missing.of(only.id, only.ordinal))
}

/// The part that is known of what a feature asks for.
pub(crate) fn known(
    state: &State,
    held: &[Held],
    feature: &Feature,
    at: Timestamp,
) -> Result<Known, MissingParts> {
    if is_total(feature) {
        return Ok(Known::Whole);
    }
    if held.is_empty() {
        return Ok(if state.may_have_had(&feature.event) {
            Known::Nothing
        } else {
            Known::Whole
        });
    }
    let mut since: Option<Timestamp> = None;
    for_each(held, |kept| {
        since = since.max(kept.complete_from);
        if feature.window.is_some() && kept.folded.count > 0 {
            since = since.max(Some(kept.folded.last));
        }
        Ok(())
    })?;
    Ok(match (since, feature.window) {
        (None, _) => Known::Whole,
        (Some(since), Some(window)) if at - window >= since => Known::Whole,
        (Some(since), _) => Known::Since(since),
    })
}

/// Returns whether a feature asks only how often or when something happened, ever: that is known of
/// every name.
fn is_total(feature: &Feature) -> bool {
    feature.window.is_none() && feature.filter.is_none() && feature.aggregate.property().is_none()
}

fn for_each(
    held: &[Held],
    mut use_it: impl FnMut(&feature::Feature) -> Result<(), feature::MissingBlocks>,
) -> Result<(), MissingParts> {
    // All that is missing is told at once.
    let mut missing = MissingParts::default();
    for held in held {
        if let Some(kept) = missing.note(held.feature(), None) {
            let used = use_it(kept).map_err(|missing| missing.of(held.id, held.ordinal));
            missing.note(used, ());
        }
    }
    missing.or(())
}

impl fmt::Display for FeatureReading {
    /// Writes what is to be said beside the value; nothing where it is exact and whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known {
            Known::Whole => {}
            Known::Since(since) => write!(f, "what happened since {since} is known")?,
            Known::Nothing => f.write_str("it was not kept")?,
        }
        if self.width == Duration::ZERO {
            return Ok(());
        }
        if self.known != Known::Whole {
            f.write_str("; ")?;
        }
        write!(f, "rounded: its oldest edge by at most {}", self.width)?;
        if self.over > 0 {
            write!(f, ", at most {} events too many", self.over)?;
        }
        if self.under > 0 {
            write!(f, ", at most {} too few", self.under)?;
        }
        Ok(())
    }
}
