//! A figure beside its ceiling.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::cpu::Seconds;

/// A figure beside the ceiling that was measured in the same run; medians of several rounds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    /// The benchmark.
    pub(crate) bench: &'static str,
    /// The measured value.
    pub(crate) figure: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The same work with nothing but what it stands on.
    pub(crate) ceiling: f64,
    /// The figure to the ceiling.
    pub(crate) ratio: f64,
    /// Processor time in microseconds for each event, by process.
    pub(crate) cpu_us: Seconds,
    /// Further measured values, by name.
    #[serde(flatten)]
    pub(crate) also: BTreeMap<String, f64>,
    /// Bounds of the figures, from below or above.
    pub(crate) bounds: Vec<Bound>,
}

/// A bound that one of the figures keeps, or misses.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Bound {
    /// The figure that is bound: `figure`, `ratio`, or a name of `also`.
    pub(crate) of: String,
    /// It must be at least this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at_least: Option<f64>,
    /// It must be at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at_most: Option<f64>,
    /// Says that the figure keeps to it.
    pub(crate) holds: bool,
}

impl Measured {
    /// A figure with its ratio to the ceiling.
    pub(crate) fn new(
        bench: &'static str,
        figure: f64,
        unit: &'static str,
        ceiling: f64,
        cpu_us: Seconds,
    ) -> Self {
        Self {
            bench,
            figure,
            unit,
            ceiling,
            ratio: figure / ceiling,
            cpu_us,
            also: BTreeMap::new(),
            bounds: Vec::new(),
        }
    }

    /// Adds what else was measured.
    #[must_use]
    pub(crate) fn also(mut self, name: impl Into<String>, value: f64) -> Self {
        self.also.insert(name.into(), value);
        self
    }

    /// Says what a figure must reach.
    #[must_use]
    pub(crate) fn at_least(self, of: &str, bound: f64) -> Self {
        let holds = self.value(of) >= bound;
        self.bound(of, Some(bound), None, holds)
    }

    /// Says what a figure must not exceed.
    #[must_use]
    pub(crate) fn at_most(self, of: &str, bound: f64) -> Self {
        let holds = self.value(of) <= bound;
        self.bound(of, None, Some(bound), holds)
    }

    /// Returns whether every bound holds.
    pub(crate) fn holds(&self) -> bool {
        self.bounds.iter().all(|bound| bound.holds)
    }

    fn bound(mut self, of: &str, at_least: Option<f64>, at_most: Option<f64>, holds: bool) -> Self {
        self.bounds.push(Bound {
            of: of.to_owned(),
            at_least,
            at_most,
            holds,
        });
        self
    }

    fn value(&self, of: &str) -> f64 {
        match of {
            "figure" => self.figure,
            "ratio" => self.ratio,
            other => self.also.get(other).copied().unwrap_or(f64::NAN),
        }
    }
}

impl fmt::Display for Measured {
    /// For people: the figure, then what else was measured and the bounds, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<9} {:>10.2} {}   ceiling {:.2}   ratio {:.3}",
            self.bench, self.figure, self.unit, self.ceiling, self.ratio
        )?;
        for (name, value) in &self.also {
            writeln!(f, "          {value:>10.2} {name}")?;
        }
        for (name, value) in &self.cpu_us {
            writeln!(f, "          {value:>10.2} µs of {name} for each")?;
        }
        for bound in &self.bounds {
            let (word, limit) = match (bound.at_least, bound.at_most) {
                (Some(limit), _) => ("at least", limit),
                (None, limit) => ("at most", limit.unwrap_or(f64::NAN)),
            };
            let verdict = if bound.holds { "holds" } else { "MISSED" };
            writeln!(f, "          {verdict:>10}  {} {word} {limit}", bound.of)?;
        }
        Ok(())
    }
}

/// The table of several figures, in Markdown, as the README shows it.
pub(crate) fn table(measured: &[Measured]) -> String {
    let mut table = "| bench | figure | ceiling | ratio | µs for each, by process | bounds |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for one in measured {
        let cpu: Vec<String> = one
            .cpu_us
            .iter()
            .map(|(name, value)| format!("{name} {value:.1}"))
            .collect();
        let bounds: Vec<String> = one
            .bounds
            .iter()
            .map(|bound| {
                let sign = if bound.at_least.is_some() {
                    "≥"
                } else {
                    "≤"
                };
                let limit = bound.at_least.or(bound.at_most).unwrap_or(f64::NAN);
                let verdict = if bound.holds { "" } else { " MISSED" };
                format!(
                    "{} {:.2} {sign} {limit}{verdict}",
                    bound.of,
                    one.value(&bound.of)
                )
            })
            .collect();
        table.push_str(&format!(
            "| `{}` | {:.1} {} | {:.1} | {:.3} | {} | {} |\n",
            one.bench,
            one.figure,
            one.unit,
            one.ceiling,
            one.ratio,
            cpu.join(", "),
            bounds.join("; "),
        ));
    }
    table
}

/// The middle of several figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value below which this share of the figures lies.
pub(crate) fn quantile(figures: &mut [f64], share: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place in a list"
    )]
    let place = (figures.len() as f64 * share) as usize;
    let last = figures.len().saturating_sub(1);
    figures.get(place.min(last)).copied().unwrap_or(f64::NAN)
}

/// The middle of several readings of processor time, process by process.
pub(crate) fn median_seconds(readings: &[Seconds]) -> Seconds {
    let names = readings.first().into_iter().flat_map(BTreeMap::keys);
    names
        .map(|name| {
            let values = readings
                .iter()
                .filter_map(|reading| reading.get(name).copied());
            (*name, median(values.collect()))
        })
        .collect()
}
