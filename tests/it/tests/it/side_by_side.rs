//! Two versions side by side, while everything goes wrong that a network and a machine can do.
//!
//! Each process is on a node of its own, whose line is slow, loses packets and is cut, and dies
//! again and again, while the newer version takes the place of the older one, and goes again.
//! Nothing acknowledged is lost, no partition is nobody's for long, and whoever sends is told
//! nothing but to try again. Single faults in detail are in [`crate::faults`].

mod book;
mod fleet;
mod network;
mod owners;
mod readers;
mod stores;
mod storm;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tonic::{Code, Status};

use self::book::{BlowKind, Gap, HAND_OVER_MOST, Look, TAKE_OVER_MOST};
use self::fleet::{Fleet, Version};
use self::readers::{Asked, Readers, TRIES};
use crate::faults::installation::PARTITIONS;
use crate::faults::load::{self, Load, Record};
use crate::faults::whole_machine;
use crate::process;
use crate::random::Random;
use crate::suite::{IDENTITY, NAMES};

/// The name of the test that runs itself again in a network of its own.
const NAME: &str =
    "side_by_side::two_versions_side_by_side_lose_nothing_whatever_dies_or_is_cut_off";
/// The number of kills of a long series, which runs apart; absent for a short one.
const KILLS_VARIABLE: &str = "HAPPYPATH_VERSION_KILLS";
/// The kills of a short series.
const KILLS: usize = 4;
/// The time after which events flow in all partitions.
const WARM_UP: Duration = Duration::from_secs(1);
/// The way of a long series from the older version to the newer one and back: the replica that
/// changes, and to what.
const WAY: [(usize, Version); 4] = [
    (0, Version::Newer),
    (1, Version::Newer),
    (0, Version::Older),
    (1, Version::Older),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_versions_side_by_side_lose_nothing_whatever_dies_or_is_cut_off() {
    let _machine = whole_machine().await;
    if !network::is_inside() {
        return network::enter(NAME);
    }
    let kills = std::env::var(KILLS_VARIABLE).ok();
    let kills = kills.map(|kills| kills.parse().expect("a number of kills"));
    let mut random = Random::new();
    let of_network = Random::from_seed(random.within(0..u64::MAX));
    let record: Arc<Mutex<Record>> = Arc::default();
    let mut fleet = Fleet::start(Version::Older, of_network).await;
    let owners = fleet.watch_owners();
    let key = fleet.installation.key.clone();
    let readers = Readers::start(std::array::from_fn(fleet::urls), key.as_deref());
    let mut load = Load::start_to(fleet::urls(IDENTITY), key, &record);
    load.join_visitors();
    tokio::time::sleep(WARM_UP).await;
    match kills {
        Some(kills) => go_there_and_back(&mut fleet, &mut random, kills).await,
        None => {
            fleet.roll(0, Version::Newer).await;
            storm::rage(&mut fleet, &mut random, KILLS, false).await;
        }
    }
    load.stop().await;
    fleet.installation.review(&record, None).await;
    verify_audit_log(&fleet);
    refusals_say_to_try_again(&record, &readers.asked());
    changes_are_hidden_by_a_usual_retry(&fleet, &readers.asked());
    let gaps = gaps_of_all_partitions(&fleet, &owners.looks());
    // Whoever shares the machine of a short series can hold it up for longer than that.
    if kills.is_some() {
        are_short(&fleet, &gaps, &owners.looks());
    }
    tell(&fleet, &gaps, &owners.looks());
    tell_of_refusals(&record, &readers.asked());
    assert!(fleet.book.count(BlowKind::Kill) >= kills.unwrap_or(KILLS));
}

/// Lets a storm rage over the older version alone, both side by side, the newer one alone, and both
/// again on the way back, of which there is nothing left at the end.
async fn go_there_and_back(fleet: &mut Fleet, random: &mut Random, kills: usize) {
    for (replica, version) in WAY {
        storm::rage(fleet, random, kills.div_ceil(WAY.len()), true).await;
        // A change shows how it goes by itself once nothing of the storm is left.
        tokio::time::sleep(TAKE_OVER_MOST).await;
        fleet.roll(replica, version).await;
    }
}

/// The audit log holds, across all processes that died.
fn verify_audit_log(fleet: &Fleet) {
    let mut arguments = vec!["audit", "verify", "--json"];
    let addresses = fleet.installation.arguments.chunks(2);
    let addresses = addresses.filter(|pair| pair[0].ends_with("-address"));
    arguments.extend(addresses.flatten().map(String::as_str));
    let key = fleet.installation.key.as_deref();
    let verified = process::run_program(&process::binary("happypath"), &arguments, key);
    let said = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{said} {verified:?}");
    let verdict: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(verdict["faults"], serde_json::json!([]));
}

/// A refusal of a service can be sent again, and so can a call whose connection broke.
fn refusals_say_to_try_again(record: &Mutex<Record>, asked: &[Asked]) {
    let refusals = load::lock(record).refusals.clone();
    let is_of_service = |status: &&Status| status.source().is_none();
    let of_senders = refusals.iter().map(|refusal| &refusal.status);
    let of_readers = asked.iter().flat_map(|asked| &asked.refusals);
    for status in of_senders.chain(of_readers).filter(is_of_service) {
        let is_retryable = matches!(
            status.code(),
            Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::DeadlineExceeded
        ) || is_of_client(status);
        assert!(is_retryable, "{status:?}");
    }
}

/// While processes came and went in order, no question was refused more often than a client with a
/// usual policy asks.
fn changes_are_hidden_by_a_usual_retry(fleet: &Fleet, asked: &[Asked]) {
    let mut seen = BTreeSet::new();
    for asked in asked {
        if fleet.book.is_calm(&(asked.begin_ms..asked.end_ms)) {
            assert!(asked.refusals.len() < TRIES, "{asked:?}");
            seen.insert(asked.service);
        }
    }
    assert_eq!(seen.len(), NAMES.len(), "all were asked: {seen:?}");
}

/// Returns whether a client ended its call itself, at its deadline.
fn is_of_client(status: &Status) -> bool {
    status.code() == Code::Cancelled && status.message() == "Timeout expired"
}

/// The times in which partitions were nobody's. All of them were looked at.
fn gaps_of_all_partitions(fleet: &Fleet, looks: &[Look]) -> Vec<Gap> {
    let seen: BTreeSet<_> = looks
        .iter()
        .map(|look| (&look.service, look.partition))
        .collect();
    // Identity owns none.
    assert_eq!(seen.len(), usize::from(PARTITIONS) * (NAMES.len() - 1));
    fleet.book.gaps(looks)
}

/// No partition was nobody's for longer than what happened before that may take, and none stood
/// still during a change for longer than a hand-over.
fn are_short(fleet: &Fleet, gaps: &[Gap], looks: &[Look]) {
    let is_long = |gap: &&Gap| {
        let (length, most) = gap.length();
        length > most
    };
    let long: Vec<String> = gaps.iter().filter(is_long).map(Gap::to_string).collect();
    assert_eq!(long, Vec::<String>::new(), "{}", fleet.installation.logs());
    let (longest, service, partition) = fleet.book.longest_standstill(looks);
    assert!(
        longest <= HAND_OVER_MOST,
        "partition {partition} of {service} stood still for {longest:?}\n{}",
        fleet.installation.logs()
    );
}

/// Tells whoever wants to know how long partitions were nobody's.
#[expect(
    clippy::print_stderr,
    reason = "the distribution belongs to the output of a long series"
)]
fn tell(fleet: &Fleet, gaps: &[Gap], looks: &[Look]) {
    let mut by_cause: BTreeMap<&str, Vec<&Gap>> = BTreeMap::new();
    for gap in gaps {
        by_cause.entry(gap.cause()).or_default().push(gap);
    }
    let kills = fleet.book.count(BlowKind::Kill);
    let cuts = fleet.book.count(BlowKind::Cut);
    eprintln!("{kills} kills, {cuts} cuts from the stores");
    let (longest, service, partition) = fleet.book.longest_standstill(looks);
    eprintln!(
        "longest without a commit during a change: {longest:?}, partition {partition} of {service}"
    );
    for (cause, mut gaps) in by_cause {
        gaps.sort_by_key(|gap| gap.length());
        let count = gaps.len();
        let at = |percent: usize| gaps[(count - 1) * percent / 100].length().0;
        eprintln!(
            "nobody's after a {cause}: {count} times, half up to {:?}, nine of ten up to {:?}; longest: {}",
            at(50),
            at(90),
            gaps[count - 1]
        );
    }
}

/// Tells whoever wants to know how often senders and readers were refused, and with what.
#[expect(
    clippy::print_stderr,
    reason = "the codes belong to the output of a long series"
)]
fn tell_of_refusals(record: &Mutex<Record>, asked: &[Asked]) {
    let record = load::lock(record);
    let of_senders = record.refusals.iter().map(|refusal| &refusal.status);
    let of_readers = asked.iter().flat_map(|asked| &asked.refusals);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for status in of_senders.chain(of_readers) {
        let origin = if status.source().is_some() {
            "by the connection"
        } else {
            "by the service"
        };
        *counts
            .entry(format!("{:?} {origin}", status.code()))
            .or_default() += 1;
    }
    let waits = record
        .sent
        .iter()
        .filter_map(|sent| Some(sent.ack_time? - sent.first_time));
    eprintln!(
        "{} events, the longest until it was acknowledged {:?}; {} questions; refused: {counts:?}",
        record.sent.len(),
        waits.max().unwrap_or_default(),
        asked.len()
    );
}
