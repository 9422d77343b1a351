//! Compares two builds by the processor time of one benchmark, run by both in turns.
//!
//! The time is that of every process that a run starts: the program, its installations, Redis and
//! PostgreSQL. Runs of one build vary by 15 % on shared cores, and drift; interleaved pairs cancel
//! most of both.

mod verdict;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cpu;
use crate::{Failure, say};

pub(crate) use self::verdict::Comparison;
use self::verdict::{Figures, Pair};

/// Two builds, and how to run them.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct Options {
    /// The benchmark program of the build before, such as a copy of target/release/bench
    old: PathBuf,
    /// The benchmark program of the build after
    new: PathBuf,
    /// The benchmark that both run
    #[arg(long, value_name = "NAME", default_value = "pipeline")]
    bench: String,
    /// Pairs of runs, one of each build
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pairs: u32,
    /// Exits with 1 where the median ratio is above 1.02
    #[arg(long)]
    pub(crate) assert: bool,
    /// A further argument of the build before alone, such as `--unlogged`; may be repeated
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    old_with: Vec<String>,
    /// A further argument of the build after alone, such as `--guarded`; may be repeated
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    new_with: Vec<String>,
    /// Further arguments of the benchmark, after `--`
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// One run of one build.
struct Run {
    /// Seconds of processor time of all its processes.
    seconds: f64,
    /// Microseconds that it printed for single events, by name.
    figures: Figures,
}

/// Runs both builds in turns, and says each pair as it ends.
pub(crate) fn compare(options: &Options) -> Result<Comparison, Failure> {
    let mut comparison = Comparison::new(options.bench.clone());
    for number in 0..options.pairs {
        // Whoever runs second finds a warmer machine, so that place is shared out evenly.
        let (old, new) = if number % 2 == 0 {
            let old = run(&options.old, &options.old_with, options)?;
            (old, run(&options.new, &options.new_with, options)?)
        } else {
            let new = run(&options.new, &options.new_with, options)?;
            (run(&options.old, &options.old_with, options)?, new)
        };
        let pair = Pair::new(old.seconds, new.seconds);
        say(&format!("pair {:>3}   {pair}", number + 1));
        comparison.add(pair, &old.figures, &new.figures);
    }
    Ok(comparison)
}

/// Runs one build to its end. A bound that it misses is not asked about here.
fn run(program: &Path, further: &[String], options: &Options) -> Result<Run, Failure> {
    let before = cpu::of_ended_children();
    let output = Command::new(program)
        .arg(&options.bench)
        .arg("--json")
        .args(&options.arguments)
        .args(further)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
    let seconds = cpu::of_ended_children() - before;
    let text = String::from_utf8_lossy(&output.stdout);
    let measured = text.lines().filter_map(|line| {
        let value: Value = serde_json::from_str(line).ok()?;
        value.is_object().then_some(value)
    });
    let measured: Vec<Value> = measured.collect();
    if measured.is_empty() {
        let program = program.display();
        let bench = &options.bench;
        return Err(format!(
            "`{program} {bench} --json` measured nothing: {}",
            output.status
        )
        .into());
    }
    if seconds <= 0.0 {
        return Err("this system does not tell the processor time of processes in /proc".into());
    }
    let figures = measured.iter().flat_map(verdict::figures).collect();
    Ok(Run { seconds, figures })
}
