//! Merges whose process dies between writing them and telling of them.

use std::time::Duration;

use kernel::Duration as Span;
use tokio::time::sleep;

use super::Arrival;
use crate::simulator::clock::BEGIN;
use crate::simulator::installation::{Installation, Options, SERVICES};
use crate::simulator::people::Seen;
use crate::simulator::picture::Picture;
use crate::simulator::world::{CrashPoint, Side};

/// The longest that nobody is told, by the documentation, and as long as calls take besides.
const SECOND: Duration = Duration::from_millis(1_100);
/// The time that a journal gives besides to an entry that was logged and does not arrive, before
/// it puts that right.
const LOGGED: Duration = Duration::from_millis(650);
const HOUR_MS: i64 = 3_600_000;
/// Effects of an event that joins two customers: it is written, appended, and noted.
const EFFECTS: u64 = 3;

/// Two processes, to which nothing happens but what a test does.
fn options(is_journaled: bool) -> Options {
    Options {
        seed: 11,
        partitions: 3,
        is_wall: true,
        is_journaled,
        redis: None,
        retention: Span::from_millis(3_600_000),
        services: vec![SERVICES.to_vec(), SERVICES.to_vec()],
        reads_late: false,
        keeps_names: false,
        has_identity: true,
        senders: 1,
    }
}

/// Sends an event of these identifiers.
fn send(on: &Installation, number: u64, identifiers: &[(&str, &str)]) {
    let pairs = identifiers.iter();
    let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let seen = Seen {
        identifiers: pairs.collect(),
        name: "visited".to_owned(),
        ..Seen::default()
    };
    let arrival = Arrival {
        number,
        event: seen.into_request(BEGIN),
        is_counted: false,
    };
    on.post.take_in(0, arrival);
}

/// Kills the process that joins two customers after one of the effects of that. Returns whether all
/// was told of within a second.
async fn die_after(effect: u64, is_journaled: bool, wrong_by_ms: i64) -> bool {
    let mut on = Installation::start(options(is_journaled));
    on.settle().await;
    send(&on, 1, &[("user_id", "ann")]);
    send(&on, 2, &[("device", "phone")]);
    on.settle().await;
    let first = on.process(0).expect("it lives");
    first.link.clock.go_wrong_by(wrong_by_ms);
    on.world().crash_at(Some(CrashPoint {
        effect: on.world().effects() + effect,
        side: Side::After,
    }));
    send(&on, 3, &[("user_id", "ann"), ("device", "phone")]);
    sleep(if is_journaled {
        SECOND + LOGGED
    } else {
        SECOND
    })
    .await;
    let registry = on.shared.registry.clone().expect("there is identity");
    let is_told = registry.is_all_told();
    let died = on
        .roster
        .processes()
        .iter()
        .any(|it| it.link.life.is_dead());
    assert!(died, "nobody died after effect {effect}");
    on.calm_down();
    on.settle_for_good().await;
    let picture = Picture::take(&on).await;
    registry.check(on.world(), &picture, &on.post.ledger.answers());
    let world = on.world();
    assert_eq!(world.violations(), [""; 0], "{}", world.last_lines());
    assert_eq!(
        picture.counters.get("event/seen/visited"),
        Some(&3),
        "{}",
        world.last_lines()
    );
    is_told
}

#[test]
fn a_merge_is_told_of_within_a_second_whoever_wrote_it() {
    for is_journaled in [false, true] {
        for effect in 1..=EFFECTS {
            check(effect, is_journaled, 0);
        }
    }
}

#[test]
fn a_merge_is_told_of_whatever_the_clocks_say() {
    for wrong_by_ms in [-HOUR_MS, HOUR_MS] {
        check(1, false, wrong_by_ms);
    }
}

fn check(effect: u64, is_journaled: bool, wrong_by_ms: i64) {
    let died = die_after(effect, is_journaled, wrong_by_ms);
    let is_told = crate::simulator::on_virtual_time(died);
    assert!(
        is_told,
        "effect {effect}, journal {is_journaled}, a clock wrong by {wrong_by_ms} ms"
    );
}
