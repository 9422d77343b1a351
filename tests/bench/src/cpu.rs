//! Processor time of processes: of one by its clock (`clock_getcpuclockid(3)`), in nanoseconds; of
//! families from `/proc` (proc(5)), in hundredths of a second. It is 0 where the system does not
//! tell.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// Clock ticks in a second that Linux shows to programs, on every machine.
const TICKS: f64 = 100.0;

/// Seconds of processor time by the name of what used them.
pub(crate) type Seconds = BTreeMap<&'static str, f64>;

/// Seconds used by a process and by its children, those that ended included.
pub(crate) fn of_family(process: u32) -> f64 {
    let children: f64 = children(process).into_iter().map(own).sum();
    ticks(process, 4) / TICKS + children
}

/// Seconds used by a process itself.
pub(crate) fn own(process: u32) -> f64 {
    let Ok(process) = i32::try_from(process) else {
        return 0.0;
    };
    let used = clock_getcpuclockid(Pid::from_raw(process)).and_then(|clock| clock.now());
    used.map_or(0.0, |used| Duration::from(used).as_secs_f64())
}

/// Seconds used by those children of this process that ended and were waited for, with theirs.
pub(crate) fn of_ended_children() -> f64 {
    let process = std::process::id();
    (ticks(process, 4) - ticks(process, 2)) / TICKS
}

/// Microseconds for each of `count` events between two readings.
pub(crate) fn each_us(before: &Seconds, after: &Seconds, count: f64) -> Seconds {
    after
        .iter()
        .map(|(name, used)| {
            let since = used - before.get(name).copied().unwrap_or(0.0);
            (*name, since * 1e6 / count)
        })
        .collect()
}

/// The sum of the first `fields` of utime, stime, cutime and cstime.
fn ticks(process: u32, fields: usize) -> f64 {
    stat(process)
        .iter()
        .skip(11)
        .take(fields)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum()
}

/// The fields of a process from its state on; its name, which may hold anything, stands before.
fn stat(process: u32) -> Vec<String> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let after_name = text.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().map(str::to_owned).collect()
}

fn children(process: u32) -> Vec<u32> {
    let Ok(all) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|child| {
            stat(*child)
                .get(1)
                .is_some_and(|parent| *parent == process.to_string())
        })
        .collect()
}
