//! Judges the hot store and the database, and the disks that they tell of. Pure.

use hot::ServerFacts;
use kernel::{Duration, Timestamp};
use storage::{DatabaseFacts, LogFacts};

use super::{CLOCK_OFF, Check};
use crate::commands::doctor::disk::Disk;
use crate::commands::doctor::examine::{Database, HotStore};
use crate::commands::status::verdict::whole_seconds;

const HOT_STORE: &str = "hot store";
const DATABASE: &str = "database";

/// Shares of a bound, in hundredths, from which on it is worth a look, and wrong.
const NEARLY_FULL: u64 = 80;
const FULL: u64 = 95;
/// Bytes of the write-ahead log that nobody reads, from which on they are worth a look: a slot that
/// is between two readers holds less.
const LOG_HELD: u64 = 1 << 30;

/// Judges the hot store; absent where it was not named.
pub(super) fn hot_store(found: Option<&Result<HotStore, String>>) -> Vec<Check> {
    match found {
        None => vec![not_named(HOT_STORE, "--hot-store")],
        Some(Err(cause)) => vec![away(HOT_STORE, cause)],
        Some(Ok(HotStore::Redis(servers))) => servers.iter().flat_map(server).collect(),
        Some(Ok(HotStore::Embedded(folder))) => vec![disk(HOT_STORE, "its folder", *folder)],
    }
}

/// Judges the database; absent where it was not named.
pub(super) fn database(found: Option<&Result<Database, String>>) -> Vec<Check> {
    match found {
        None => vec![not_named(DATABASE, "--database")],
        Some(Err(cause)) => vec![away(DATABASE, cause)],
        Some(Ok(found)) => {
            let mut checks = tables(&found.facts, found.answered);
            checks.extend(found.facts.log.iter().flat_map(write_ahead_log));
            checks.extend(found.disk.map(|own| disk(DATABASE, "its file", own)));
            checks
        }
    }
}

/// Judges one server of the hot store.
fn server(facts: &ServerFacts) -> Vec<Check> {
    let place = match facts.node.as_str() {
        "" => String::new(),
        node => format!("{node}: "),
    };
    let mut checks = Vec::new();
    if facts.has_failed_to_persist {
        checks.push(Check::fault(
            HOT_STORE,
            format!("{place}its last write to the disk failed"),
            "look at its log and at the room on its disk: what it holds is lost with it otherwise",
        ));
    }
    if facts.forgets_customers() {
        checks.push(Check::fault(
            HOT_STORE,
            format!(
                "{place}it forgets customers when its memory is full (maxmemory-policy {})",
                facts.eviction
            ),
            "set it to noeviction",
        ));
    }
    if !facts.has_append_only_file {
        checks.push(Check::warning(
            HOT_STORE,
            format!("{place}it has no append-only file: a restart empties it"),
            "set appendonly to yes, unless the durability is journal and a recovery may take its time",
        ));
    }
    let used = format!(
        "{place}Redis {}, {} of memory, {} replicas",
        facts.version,
        mebibytes(facts.used_bytes),
        facts.replicas
    );
    // Without a bound of its own it grows until its machine has no more.
    let most = match facts.most_bytes {
        0 => facts.machine_bytes,
        most => most,
    };
    let remedy =
        "give it more memory, or spread it as a cluster: once it is full, events are refused";
    checks.push(bounded(HOT_STORE, used, facts.used_bytes, most, remedy));
    checks
}

/// Judges the database, whose answer came at this time of our clock.
fn tables(facts: &DatabaseFacts, answered: Timestamp) -> Vec<Check> {
    let mut checks = Vec::new();
    if facts.is_read_only {
        checks.push(Check::fault(
            DATABASE,
            "it takes no writes: it is a copy, or set to read only".to_owned(),
            "name its primary",
        ));
    }
    let skew_ms = answered.as_millis().saturating_sub(facts.now_ms);
    let skew = Duration::from_millis(skew_ms.saturating_abs());
    if skew >= CLOCK_OFF {
        checks.push(Check::warning(
            DATABASE,
            format!(
                "its clock is {} from that of this machine",
                whole_seconds(skew)
            ),
            "set both by NTP: workers follow the database's",
        ));
    }
    let largest = facts.largest.iter();
    let largest = largest.map(|(name, bytes)| format!("{name} {}", mebibytes(*bytes)));
    let largest: Vec<String> = largest.collect();
    let mut size = format!("{}, {}", facts.version, mebibytes(facts.bytes));
    if !largest.is_empty() {
        size = format!("{size} (largest: {})", largest.join(", "));
    }
    checks.push(match facts.connections {
        None => Check::good(DATABASE, size),
        Some((open, most)) => {
            let what = format!("{size}, {open} of {most} connections");
            let remedy = "raise max_connections, or run fewer processes: each opens up to sixteen";
            bounded(DATABASE, what, open, most, remedy)
        }
    });
    checks
}

/// Judges the write-ahead log: what is not taken away fills the disk of Postgres.
fn write_ahead_log(log: &LogFacts) -> Vec<Check> {
    let mut checks = Vec::new();
    if log.has_failed_to_archive {
        checks.push(Check::fault(
            DATABASE,
            "its write-ahead log cannot be archived, and stays on its disk".to_owned(),
            "look at its log for what archive_command says: a backup is only as new as the archive",
        ));
    }
    for (slot, bytes) in log
        .idle_slots
        .iter()
        .filter(|(_, bytes)| *bytes >= LOG_HELD)
    {
        checks.push(Check::warning(
            DATABASE,
            format!(
                "nobody reads the replication slot {slot}, which keeps {} of its write-ahead log",
                mebibytes(*bytes)
            ),
            "bring its reader back, or drop the slot with pg_drop_replication_slot",
        ));
    }
    checks
}

/// Judges the disk of something.
fn disk(area: &'static str, what: &str, disk: Disk) -> Check {
    let used = disk.all_bytes.saturating_sub(disk.free_bytes);
    let what = format!(
        "the disk of {what} has {} of {} free",
        mebibytes(disk.free_bytes),
        mebibytes(disk.all_bytes)
    );
    let remedy = "make room there, or move it to a larger one: once it is full, events are refused";
    bounded(area, what, used, disk.all_bytes, remedy)
}

/// Grades something by its share of a bound; 0 is no bound.
fn bounded(area: &'static str, what: String, used: u64, most: u64, remedy: &str) -> Check {
    let share = match most {
        0 => 0,
        most => used.saturating_mul(100) / most,
    };
    match share {
        FULL.. => Check::fault(area, format!("{what}: {share} of 100 are in use"), remedy),
        NEARLY_FULL.. => Check::warning(area, format!("{what}: {share} of 100 are in use"), remedy),
        _ => Check::good(area, what),
    }
}

fn not_named(area: &'static str, flag: &str) -> Check {
    Check::warning(
        area,
        "not looked at: no address was given".to_owned(),
        &format!("name it as the services do, with {flag}"),
    )
}

fn away(area: &'static str, cause: &str) -> Check {
    Check::fault(
        area,
        cause.to_owned(),
        "check that it runs, and can be reached from here",
    )
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}

#[cfg(test)]
pub(super) mod tests;
