//! A subject for tests: traits, one event at hand, segments, and a plain list of past events.

use std::collections::{BTreeMap, BTreeSet};

use expr::{Aggregate, Feature, Measure, Scope, Subject};
use kernel::{Properties, Timestamp, Value};

/// A past event.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    pub(crate) name: &'static str,
    pub(crate) at: i64,
    pub(crate) properties: Properties,
}

/// A customer at an instant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Customer {
    pub(crate) traits: Properties,
    pub(crate) event: Properties,
    pub(crate) segments: BTreeSet<&'static str>,
    pub(crate) past: Vec<Past>,
    pub(crate) now: Timestamp,
}

/// A scope with everything in it.
pub(crate) fn everything() -> Scope {
    Scope {
        aggregates: true,
        event: true,
        segments: None,
    }
}

/// Properties from pairs.
pub(crate) fn properties<const N: usize>(pairs: [(&str, Value); N]) -> Properties {
    pairs.into_iter().collect()
}

impl Customer {
    /// The events of a feature at an instant, by plain search.
    fn matching<'a>(
        &'a self,
        feature: &'a Feature,
        at: Timestamp,
    ) -> impl Iterator<Item = &'a Past> {
        self.past.iter().filter(move |past| {
            let is_in_window = feature
                .window
                .is_none_or(|window| past.at > at.as_millis() - window.as_millis());
            past.name == feature.event.as_ref()
                && past.at <= at.as_millis()
                && is_in_window
                && feature
                    .filter
                    .as_ref()
                    .is_none_or(|filter| filter.accepts(&OnlyEvent(&past.properties)))
        })
    }
}

struct OnlyEvent<'a>(&'a Properties);

impl Subject for OnlyEvent<'_> {
    fn profile(&self, _name: &str) -> Option<&Value> {
        None
    }
    fn event(&self, name: &str) -> Option<&Value> {
        self.0.value(name)
    }
    fn in_segment(&self, _name: &str) -> bool {
        false
    }
}

impl Subject for Customer {
    fn profile(&self, name: &str) -> Option<&Value> {
        self.traits.value(name)
    }

    fn event(&self, name: &str) -> Option<&Value> {
        self.event.value(name)
    }

    fn in_segment(&self, name: &str) -> bool {
        self.segments.contains(name)
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn first_seen(&self) -> Option<Timestamp> {
        self.past
            .iter()
            .map(|past| Timestamp::from_millis(past.at))
            .min()
    }

    fn last_seen(&self) -> Option<Timestamp> {
        self.past
            .iter()
            .map(|past| Timestamp::from_millis(past.at))
            .max()
    }

    fn measure(&self, _slot: usize, feature: &Feature, at: Timestamp) -> Measure {
        let events: Vec<_> = self.matching(feature, at).collect();
        let values: Vec<f64> = feature
            .aggregate
            .property()
            .map(|property| {
                let values = events
                    .iter()
                    .filter_map(|past| past.properties.value(property)?.as_number());
                values.collect()
            })
            .unwrap_or_default();
        let times = events.iter().map(|past| Timestamp::from_millis(past.at));
        #[expect(clippy::cast_precision_loss, reason = "a test has few events")]
        let number = |count: usize| count as f64;
        match feature.aggregate {
            Aggregate::Count => Measure::Number(number(events.len())),
            Aggregate::Sum(_) => Measure::Number(values.iter().sum()),
            Aggregate::Average(_) if values.is_empty() => Measure::Unknown,
            Aggregate::Average(_) => {
                Measure::Number(values.iter().sum::<f64>() / number(values.len()))
            }
            Aggregate::Min(_) => values
                .into_iter()
                .reduce(f64::min)
                .map_or(Measure::Unknown, Measure::Number),
            Aggregate::Max(_) => values
                .into_iter()
                .reduce(f64::max)
                .map_or(Measure::Unknown, Measure::Number),
            Aggregate::FirstTime => times.min().map_or(Measure::Unknown, Measure::Time),
            Aggregate::LastTime => times.max().map_or(Measure::Unknown, Measure::Time),
        }
    }

    fn measure_change(
        &self,
        _slot: usize,
        feature: &Feature,
        after: Timestamp,
    ) -> Option<Timestamp> {
        let mut instants = BTreeMap::new();
        for past in self
            .past
            .iter()
            .filter(|past| past.name == feature.event.as_ref())
        {
            instants.insert(past.at, ());
            if let Some(window) = feature.window {
                instants.insert(past.at + window.as_millis(), ());
            }
        }
        instants
            .range(after.as_millis() + 1..)
            .next()
            .map(|(at, ())| Timestamp::from_millis(*at))
    }
}
