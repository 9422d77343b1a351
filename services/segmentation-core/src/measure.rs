//! Computes features from a history, at any instant.

use expr::{Aggregate, Feature, Filter, Measure};
use kernel::{Timestamp, Value};

use crate::past::{Past, Row, Sums, fold_property};

/// The value of a feature at an instant.
pub(crate) fn measure(past: Option<&Past>, feature: &Feature, at: Timestamp) -> Measure {
    let sums = past.map_or(Sums::NONE, |past| sums_at(past, feature, at));
    match &feature.aggregate {
        Aggregate::Count => Measure::Number(number(sums.count)),
        Aggregate::Sum(_) => Measure::Number(sums.sum),
        Aggregate::FirstTime if sums.count > 0 => Measure::Time(sums.first),
        Aggregate::LastTime if sums.count > 0 => Measure::Time(sums.last),
        Aggregate::Average(_) if sums.number_count > 0 => {
            Measure::Number(sums.sum / number(sums.number_count))
        }
        Aggregate::Min(_) if sums.number_count > 0 => Measure::Number(sums.min),
        Aggregate::Max(_) if sums.number_count > 0 => Measure::Number(sums.max),
        _ => Measure::Unknown,
    }
}

/// The first instant after another at which a feature may change with no new event.
pub(crate) fn next_change(past: &Past, feature: &Feature, after: Timestamp) -> Option<Timestamp> {
    let accepted = |place: usize| {
        let row = Row {
            columns: &past.columns,
            place,
        };
        feature
            .filter
            .as_ref()
            .is_none_or(|filter| filter.accepts(&row))
    };
    let first_of = |from: usize| (from..past.times.len()).find(|place| accepted(*place));
    // Events may be ahead of the clock: they count once their time has come.
    let coming = past.times.partition_point(|at| *at <= after);
    let coming = first_of(coming).map(|place| past.times[place]);
    let leaving = feature.window.and_then(|window| {
        let kept = past.times.partition_point(|at| *at + window <= after);
        first_of(kept).map(|place| past.times[place] + window)
    });
    coming.into_iter().chain(leaving).min()
}

fn sums_at(past: &Past, feature: &Feature, at: Timestamp) -> Sums {
    let until = past.times.partition_point(|time| *time <= at);
    let is_plain = feature.filter.is_none() && feature.aggregate.property().is_none();
    let mut sums = Sums::NONE;
    let from = match feature.window {
        Some(window) => past.times.partition_point(|time| *time + window <= at),
        None if is_plain => return plain(past, until),
        None => {
            let filter = feature.filter.as_ref().map_or("", Filter::source);
            let property = fold_property(&feature.aggregate);
            let folded = past.folded.iter().find(|folded| {
                folded.filter.as_ref() == filter && folded.property.as_ref() == property
            });
            sums = folded.map_or(Sums::NONE, |folded| folded.sums);
            0
        }
    };
    if is_plain {
        // Nothing is asked of the single events.
        if from < until {
            sums.count = (until - from) as u64;
            (sums.first, sums.last) = (past.times[from], past.times[until - 1]);
        }
        return sums;
    }
    let column = feature.aggregate.property().and_then(|name| {
        past.columns
            .iter()
            .find(|column| column.name.as_ref() == name)
    });
    for place in from..until {
        let row = Row {
            columns: &past.columns,
            place,
        };
        if feature
            .filter
            .as_ref()
            .is_none_or(|filter| filter.accepts(&row))
        {
            let value = column.and_then(|column| column.values[place].as_ref());
            sums.add(past.times[place], value.and_then(Value::as_number));
        }
    }
    sums
}

/// All events that ever happened, but for those that are ahead of the clock.
fn plain(past: &Past, until: usize) -> Sums {
    let ahead = past.times.len() - until;
    let last = match until.checked_sub(1) {
        Some(newest) => past.times[newest],
        None if ahead == 0 => past.last_time,
        // The newest event is ahead; the last one before it is no longer kept itself.
        None => {
            let folded = past
                .folded
                .iter()
                .find(|folded| folded.filter.is_empty() && folded.property.is_empty());
            folded.map_or(past.first_time, |folded| folded.sums.last)
        }
    };
    Sums {
        count: past.count.saturating_sub(ahead as u64),
        first: past.first_time,
        last,
        ..Sums::NONE
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact to 2^53 events of one customer"
)]
fn number(count: u64) -> f64 {
    count as f64
}
