//! The lines that services log about recoveries.

use std::collections::BTreeMap;
use std::path::Path;

use crate::Failure;

/// The line of a service that has recovered a partition.
const RECOVERED: &str = "recovered a partition from the journal";

/// The recoveries of all services.
#[derive(Debug, Default)]
pub(super) struct Recoveries(Vec<Recovery>);

#[derive(Debug)]
struct Recovery {
    partition: u64,
    commits: u64,
    took_ms: u64,
}

impl Recoveries {
    /// Reads the logs in a folder.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let mut recoveries = Self::default();
        for file in std::fs::read_dir(folder)? {
            let path = file?.path();
            if path.extension().is_some_and(|it| it == "log") {
                let text = std::fs::read_to_string(&path)?;
                let lines = text.lines().filter(|line| line.contains(RECOVERED));
                for line in lines {
                    recoveries.0.push(Recovery::parse(line)?);
                }
            }
        }
        Ok(recoveries)
    }

    /// Their number.
    pub(super) fn all(&self) -> f64 {
        figure(self.0.len() as u64)
    }

    /// The number of commits that they applied again.
    pub(super) fn commits(&self) -> f64 {
        figure(self.0.iter().map(|it| it.commits).sum())
    }

    /// The number of those that found nothing to apply again.
    pub(super) fn empty(&self) -> f64 {
        figure(self.0.iter().filter(|it| it.commits == 0).count() as u64)
    }

    /// The most recoveries of one partition.
    pub(super) fn most(&self) -> f64 {
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for recovery in &self.0 {
            *counts.entry(recovery.partition).or_default() += 1;
        }
        figure(counts.into_values().max().unwrap_or(0))
    }

    /// The time of the longest.
    pub(super) fn longest_s(&self) -> f64 {
        figure(self.0.iter().map(|it| it.took_ms).max().unwrap_or(0)) / 1e3
    }
}

impl Recovery {
    fn parse(line: &str) -> Result<Self, Failure> {
        let field = |name: &str| {
            let mut words = line.split_whitespace();
            let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            value.ok_or_else(|| format!("no {name} in `{line}`"))
        };
        Ok(Self {
            partition: field("partition")?.parse()?,
            commits: field("commits")?.parse()?,
            took_ms: field("took_ms")?.parse()?,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn figure(number: u64) -> f64 {
    number as f64
}
