//! The arithmetic of a comparison: ratios of pairs, their median and quartiles, and the verdict.
//!
//! Pure: it runs nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// The largest median ratio that counts as equally fast.
const BOUND: f64 = 1.02;

/// Microseconds of processor time for each event, by benchmark and process.
pub(super) type Figures = BTreeMap<String, f64>;

/// Seconds of processor time of both builds, measured one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Pair {
    old_s: f64,
    new_s: f64,
    /// The new build's time to the old one's.
    ratio: f64,
}

/// Pairs of runs of two builds.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    /// The benchmark that they ran.
    compare: String,
    /// Of the ratios of the pairs.
    #[serde(flatten)]
    spread: Spread,
    bound: f64,
    holds: bool,
    pairs: Vec<Pair>,
    /// Ratios of the figures that every run printed, by their names.
    #[serde(serialize_with = "medians")]
    figures: BTreeMap<String, Vec<f64>>,
}

/// The middle of several figures and what half of them lies between.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    lower_quartile: f64,
    median: f64,
    upper_quartile: f64,
}

impl Pair {
    pub(super) fn new(old_s: f64, new_s: f64) -> Self {
        Self {
            old_s,
            new_s,
            ratio: new_s / old_s,
        }
    }
}

impl Comparison {
    pub(super) fn new(bench: String) -> Self {
        Self {
            compare: bench,
            spread: Spread::of(Vec::new()),
            bound: BOUND,
            holds: false,
            pairs: Vec::new(),
            figures: BTreeMap::new(),
        }
    }

    /// Adds a pair, and the figures that both of its runs printed.
    pub(super) fn add(&mut self, pair: Pair, old: &Figures, new: &Figures) {
        self.pairs.push(pair);
        self.spread = Spread::of(self.pairs.iter().map(|pair| pair.ratio).collect());
        self.holds = self.spread.median <= BOUND;
        for (name, old) in old.iter().filter(|(_, old)| **old > 0.0) {
            if let Some(new) = new.get(name) {
                let ratios = self.figures.entry(name.clone()).or_default();
                ratios.push(new / old);
            }
        }
    }

    /// Returns whether the new build is as fast as the old one. Nothing measured is not.
    pub(crate) fn holds(&self) -> bool {
        self.holds
    }
}

impl Spread {
    /// Interpolates between the two nearest figures (Hyndman and Fan 1996, definition 7).
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        Self {
            lower_quartile: quartile(&figures, 1),
            median: quartile(&figures, 2),
            upper_quartile: quartile(&figures, 3),
        }
    }
}

/// The figure below which this many quarters of the sorted figures lie; NaN of none.
fn quartile(sorted: &[f64], quarters: usize) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let (place, rest) = (last * quarters / 4, last * quarters % 4);
    let (low, high) = (sorted[place], sorted[(place + 1).min(last)]);
    let share = [0.0, 0.25, 0.5, 0.75][rest];
    low + (high - low) * share
}

/// Lists what one printed line says of processor time: each process at the level that is measured
/// first, and the figures whose names say that they are of processor time.
pub(super) fn figures(measured: &Value) -> Vec<(String, f64)> {
    let bench = measured["bench"].as_str().unwrap_or_default();
    let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let processes = fields(&measured["cpu_us"]);
    let named = fields(measured)
        .into_iter()
        .filter(|(name, _)| name.ends_with("_cpu_us"));
    processes
        .into_iter()
        .chain(named)
        .filter_map(|(name, value)| Some((format!("{bench} {name}"), value.as_f64()?)))
        .collect()
}

/// Serializes the median of each list of ratios.
fn medians<S: serde::Serializer>(
    figures: &BTreeMap<String, Vec<f64>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let median = |ratios: &Vec<f64>| Spread::of(ratios.clone()).median;
    serializer.collect_map(figures.iter().map(|(name, ratios)| (name, median(ratios))))
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            old_s,
            new_s,
            ratio,
        } = self;
        write!(
            f,
            "old {old_s:>8.2} s   new {new_s:>8.2} s   ratio {ratio:.3}"
        )
    }
}

impl fmt::Display for Comparison {
    /// For people: the median with its quartiles and the verdict, then the medians of figures.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spread {
            lower_quartile,
            median,
            upper_quartile,
        } = self.spread;
        writeln!(
            f,
            "{:<9} {median:>10.3} median ratio of {} pairs, quartiles {lower_quartile:.3} and \
             {upper_quartile:.3}",
            self.compare,
            self.pairs.len()
        )?;
        for (name, ratios) in &self.figures {
            let median = Spread::of(ratios.clone()).median;
            writeln!(f, "          {median:>10.3} of {name}")?;
        }
        let verdict = if self.holds { "holds" } else { "MISSED" };
        write!(f, "          {verdict:>10}  median ratio at most {BOUND}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check_spread(figures: &[f64], expected: [f64; 3]) {
        let spread = Spread::of(figures.to_vec());
        let found = [spread.lower_quartile, spread.median, spread.upper_quartile];
        assert_eq!(found, expected, "{figures:?}");
    }

    #[test]
    fn quartiles_lie_between_the_nearest_figures() {
        check_spread(&[3.0], [3.0, 3.0, 3.0]);
        check_spread(&[4.0, 2.0], [2.5, 3.0, 3.5]);
        check_spread(&[5.0, 1.0, 3.0], [2.0, 3.0, 4.0]);
        check_spread(&[4.0, 1.0, 3.0, 2.0], [1.75, 2.5, 3.25]);
        check_spread(&[1.0, 2.0, 3.0, 4.0, 100.0], [2.0, 3.0, 4.0]);
        assert!(Spread::of(Vec::new()).median.is_nan());
    }

    fn compared(seconds: &[(f64, f64)]) -> Comparison {
        let mut comparison = Comparison::new("pipeline".to_owned());
        for (old, new) in seconds {
            let none = Figures::new();
            comparison.add(Pair::new(*old, *new), &none, &none);
        }
        comparison
    }

    #[test]
    fn a_build_is_as_fast_within_two_per_cent_of_the_median() {
        assert!(compared(&[(10.0, 10.2)]).holds());
        assert!(!compared(&[(10.0, 10.3)]).holds());
        // One bad pair decides nothing, and neither do the times of others.
        assert!(compared(&[(10.0, 10.0), (10.0, 30.0), (20.0, 20.2)]).holds());
        assert!(!compared(&[(10.0, 10.5), (20.0, 21.0), (10.0, 1.0)]).holds());
        assert!(!compared(&[]).holds());
    }

    #[test]
    fn figures_are_those_of_processor_time_in_both_runs() {
        let line = |services: f64| {
            json!({
                "bench": "pipeline", "figure": 20_000.0, "cpu_us": {"services": services},
                "hot_redis_cpu_us": 13.0, "hot_ratio": 0.9,
            })
        };
        let old: Figures = figures(&line(50.0)).into_iter().collect();
        let mut new: Figures = figures(&line(40.0)).into_iter().collect();
        let names: Vec<&str> = old.keys().map(String::as_str).collect();
        assert_eq!(names, ["pipeline hot_redis_cpu_us", "pipeline services"]);
        new.remove("pipeline hot_redis_cpu_us");
        let mut comparison = Comparison::new("pipeline".to_owned());
        comparison.add(Pair::new(1.0, 1.0), &old, &new);
        let expected = BTreeMap::from([("pipeline services".to_owned(), vec![0.8])]);
        assert_eq!(comparison.figures, expected);
    }

    #[test]
    fn people_and_programs_read_the_same_verdict() {
        let comparison = compared(&[(10.0, 10.0), (10.0, 11.0)]);
        let text = comparison.to_string();
        assert!(text.contains("1.050 median ratio of 2 pairs"), "{text}");
        assert!(text.contains("quartiles 1.025 and 1.075"), "{text}");
        assert!(
            text.ends_with("MISSED  median ratio at most 1.02"),
            "{text}"
        );
        let json = serde_json::to_value(&comparison).expect("JSON");
        assert_eq!(json["pairs"][1]["ratio"], 1.1);
        assert_eq!(
            (&json["median"], &json["holds"]),
            (&json!(1.05), &json!(false))
        );
    }
}
