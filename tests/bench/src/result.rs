//! A figure beside its ceiling.

use std::fmt;

use serde::Serialize;

/// A figure beside the ceiling that was measured in the same run; medians of several rounds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    /// The benchmark.
    pub(crate) bench: &'static str,
    /// What was measured.
    pub(crate) figure: f64,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// The same work with nothing but gRPC.
    pub(crate) ceiling: f64,
    /// The figure as a share of the ceiling, or as a multiple of it where less is better.
    pub(crate) ratio: f64,
    /// Processor time of this process, services and client together, in microseconds for each event.
    pub(crate) cpu_us: f64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<10} {:>10.2} {}   ceiling {:>10.2}   ratio {:.3}   cpu {:.1} µs an event",
            self.bench, self.figure, self.unit, self.ceiling, self.ratio, self.cpu_us
        )
    }
}

/// The middle of several figures.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Processor time that this process has used so far, in seconds; 0 where the system does not tell.
///
/// Read from `/proc/self/stat` (proc(5)): fields 14 and 15 in clock ticks, of which Linux shows 100 a second.
pub(crate) fn cpu_seconds() -> f64 {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
        return 0.0;
    };
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}
