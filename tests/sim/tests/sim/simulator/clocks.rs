//! Machines whose clocks are wrong: what runs there owns nothing, and the right ones go on.

use std::time::Duration;

use kernel::{Duration as Span, PartitionCount};
use storage::Leases as _;
use tokio::time::sleep;

use super::clock::BEGIN;
use super::installation::{Installation, Options, SERVICES};
use super::people::{People, Seen};
use super::picture::Picture;

const HOUR_MS: i64 = 3_600_000;
const PARTITIONS: u64 = 3;
/// Longer than a lease lasts, and than it takes to share partitions out again.
const A_WHILE: Duration = Duration::from_secs(12);

/// Two processes of all services, on clocks.
fn options(is_journaled: bool) -> Options {
    Options {
        seed: 7,
        partitions: PARTITIONS,
        is_wall: true,
        is_journaled,
        redis: None,
        retention: Span::from_millis(HOUR_MS),
        services: vec![SERVICES.to_vec(), SERVICES.to_vec()],
        reads_late: false,
        has_identity: false,
        keeps_names: true,
        senders: 1,
    }
}

/// Counts the leases that each of the two processes has, and nobody.
async fn shares(on: &Installation) -> [usize; 3] {
    let mut shares = [0; 3];
    for service in SERVICES {
        let leases = on.shared.leases.list(service.name()).await.expect("a list");
        for lease in leases {
            let owner = lease.owner.map(|owner| owner.worker);
            let place = owner.and_then(|name| ["p0", "p1"].iter().position(|it| *it == name));
            shares[place.unwrap_or(2)] += 1;
        }
    }
    shares
}

/// Sends an event of a new customer, and returns how many customers are known once all is done.
async fn customers_after(on: &mut Installation, people: &mut People, name: &str) -> usize {
    let seen = Seen {
        identifiers: vec![("user_id".to_owned(), name.to_owned())],
        name: "signed_up".to_owned(),
        ..Seen::default()
    };
    for letter in people.take(seen, BEGIN, None) {
        on.post.send(0, letter);
    }
    on.settle().await;
    Picture::take(on).await.profiles.len()
}

async fn go_through(is_journaled: bool) {
    let mut on = Installation::start(options(is_journaled));
    let count = PartitionCount::try_new(PARTITIONS).expect("few");
    let mut people = People::nobody(count);
    on.settle().await;
    let all = SERVICES.len() * usize::from(count.get());
    let begun = shares(&on).await;
    assert!(begun[0] > 0 && begun[1] > 0 && begun[2] == 0, "{begun:?}");
    for (number, wrong) in [(1, 0), (2, 1)] {
        for (part, offset_ms) in [HOUR_MS, -HOUR_MS].into_iter().enumerate() {
            let clock = on.process(wrong).expect("it runs").link;
            clock.clock.go_wrong_by(offset_ms);
            sleep(A_WHILE).await;
            let mut expected = [all, all, 0];
            expected[wrong] = 0;
            assert_eq!(
                shares(&on).await,
                expected,
                "{wrong} is wrong by {offset_ms}"
            );
            let known = customers_after(&mut on, &mut people, &format!("{wrong}{part}")).await;
            assert_eq!(known, 2 * number + part - 1, "the right one works");
            clock.clock.go_wrong_by(0);
            sleep(A_WHILE).await;
            assert_eq!(shares(&on).await, begun, "it takes part again");
        }
    }
    assert_eq!(on.world().violations(), Vec::<String>::new());
}

#[test]
fn a_process_whose_clock_is_wrong_owns_nothing_and_the_right_one_does_all() {
    for is_journaled in [false, true] {
        super::on_virtual_time(go_through(is_journaled));
    }
}
