//! Choosing among replicas, on a clock that the tests move.

mod sequences;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::limits::{
    DIAL_PAUSE_LEAST, DIAL_PAUSE_MOST, LOOKUP_INTERVAL, LOOKUP_PAUSE, REPLICA_SILENCE,
    REPLICA_TRIAL_INTERVAL,
};

/// A connection that a test closes.
#[derive(Debug, Clone)]
struct Fake {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
}

impl Link for Fake {
    fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }
}

/// A pool, its clock, and what it has asked for.
struct Scene {
    pool: Pool<Fake>,
    now: Instant,
    dialled: Vec<(ReplicaId, SocketAddr)>,
    lookups: usize,
    links: BTreeMap<SocketAddr, Fake>,
}

impl Scene {
    fn behind_name() -> Self {
        let now = Instant::now();
        Self::of(Pool::behind_name(now, 1), now)
    }

    fn of(pool: Pool<Fake>, now: Instant) -> Self {
        Self {
            pool,
            now,
            dialled: Vec::new(),
            lookups: 0,
            links: BTreeMap::new(),
        }
    }

    /// One with so many replicas, all of which are connected.
    fn connected(count: u8) -> Self {
        let mut scene = Self::behind_name();
        assert!(matches!(scene.call(true), Choice::Wait));
        scene.found(1..=count);
        assert!(matches!(scene.call(false), Choice::Wait));
        scene.connect_all();
        scene.lookups = 0;
        scene
    }

    fn call(&mut self, is_first: bool) -> Choice<Fake> {
        let plan = self.pool.plan(self.now, is_first);
        self.dialled.extend(plan.dial);
        self.lookups += usize::from(plan.look_up);
        plan.choice
    }

    /// Asks a replica, and leaves the call under way.
    fn ask(&mut self) -> (ReplicaId, SocketAddr) {
        match self.call(true) {
            Choice::Ask(id, link) => (id, link.address),
            other => panic!("{other:?}"),
        }
    }

    /// Asks a replica until it is this one, and leaves that call under way. The others are answered
    /// at once.
    fn ask_of(&mut self, host: u8) -> ReplicaId {
        loop {
            let (id, asked) = self.ask();
            if asked == address(host) {
                return id;
            }
            self.pool.heard(id, self.now);
            self.pool.ended(id, true);
        }
    }

    /// Makes calls one after another, each answered at once, and counts them by replica.
    fn share_out(&mut self, calls: usize) -> BTreeMap<SocketAddr, usize> {
        let mut shares = BTreeMap::new();
        for _ in 0..calls {
            let (id, address) = self.ask();
            self.pool.heard(id, self.now);
            self.pool.ended(id, true);
            *shares.entry(address).or_default() += 1;
        }
        shares
    }

    fn found(&mut self, hosts: impl IntoIterator<Item = u8>) -> Change {
        let addresses: Vec<_> = hosts.into_iter().map(address).collect();
        self.pool.found(self.now, &addresses)
    }

    fn connect_all(&mut self) {
        for (id, address) in std::mem::take(&mut self.dialled) {
            let link = Fake {
                address,
                is_open: Arc::new(AtomicBool::new(true)),
            };
            assert!(self.pool.connected(id, link.clone()));
            self.links.insert(address, link);
        }
    }

    fn refuse_all(&mut self) {
        for (id, _) in std::mem::take(&mut self.dialled) {
            let refused = io::ErrorKind::ConnectionRefused.into();
            self.pool.not_connected(id, self.now, refused);
        }
    }

    fn close(&mut self, host: u8) {
        let link = &self.links[&address(host)];
        link.is_open.store(false, Ordering::Relaxed);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, host], 7_401))
}

#[test]
fn calls_are_shared_out_among_all_replicas() {
    let mut scene = Scene::connected(4);
    let shares = scene.share_out(4_000);
    assert_eq!(shares.len(), 4);
    for (address, share) in shares {
        assert!((800..=1_200).contains(&share), "{address} had {share}");
    }
}

#[test]
fn a_replica_with_fewer_calls_under_way_is_asked_first() {
    let mut scene = Scene::connected(2);
    let mut under_way: BTreeMap<SocketAddr, usize> = BTreeMap::new();
    for _ in 0..100 {
        let (_, address) = scene.ask();
        *under_way.entry(address).or_default() += 1;
    }
    assert_eq!(under_way.into_values().collect::<Vec<_>>(), [50, 50]);
}

#[test]
fn an_address_that_is_no_name_is_never_looked_for() {
    let now = Instant::now();
    let mut scene = Scene::of(Pool::at(address(1), now, 1), now);
    assert!(matches!(scene.call(true), Choice::Wait));
    scene.refuse_all();
    assert!(matches!(scene.call(false), Choice::Fail));
    assert_eq!(scene.pool.failure(), "connection refused");
    // The next call tries at once, whenever the last one failed.
    assert!(matches!(scene.call(true), Choice::Wait));
    scene.connect_all();
    scene.pass(LOOKUP_INTERVAL * 2);
    scene.ask();
    assert_eq!(scene.lookups, 0);
}

#[test]
fn a_name_without_addresses_fails_its_calls_and_is_asked_for_again_by_the_next() {
    let mut scene = Scene::behind_name();
    for _ in 0..2 {
        assert!(matches!(scene.call(true), Choice::Wait));
        let unknown = io::Error::other("nobody knows it");
        scene.pool.not_found(scene.now, unknown);
        assert!(matches!(scene.call(false), Choice::Fail));
        assert_eq!(scene.pool.failure(), "nobody knows it");
    }
    assert_eq!(scene.lookups, 2);
}

#[test]
fn a_call_waits_until_every_replica_has_failed_and_then_says_why() {
    let mut scene = Scene::behind_name();
    scene.call(true);
    scene.found([1, 2]);
    assert!(matches!(scene.call(false), Choice::Wait));
    let second = scene.dialled.pop().expect("two");
    scene.refuse_all();
    assert!(matches!(scene.call(false), Choice::Wait));
    scene.dialled.push(second);
    scene.refuse_all();
    assert!(matches!(scene.call(false), Choice::Fail));
    assert_eq!(
        scene.pool.failure(),
        "10.0.0.1:7401: connection refused; 10.0.0.2:7401: connection refused"
    );
}

#[test]
fn a_name_that_is_not_found_for_a_while_keeps_its_replicas() {
    let mut scene = Scene::connected(3);
    for _ in 0..5 {
        scene.pass(LOOKUP_INTERVAL * 2);
        scene.share_out(1);
        let is_news = scene
            .pool
            .not_found(scene.now, io::Error::other("no answer"));
        assert_eq!(is_news, scene.lookups == 1);
        assert_eq!(scene.share_out(300).len(), 3);
    }
    assert_eq!(scene.lookups, 5);
}

#[test]
fn a_replica_that_comes_is_connected_to_and_has_its_share() {
    let mut scene = Scene::connected(2);
    scene.pass(LOOKUP_INTERVAL * 6 / 5);
    scene.share_out(1);
    assert_eq!(scene.lookups, 1);
    let change = scene.found([2, 1, 3]);
    assert_eq!(change.added, [address(3)]);
    assert_eq!(scene.share_out(300).len(), 2, "not before it is connected");
    assert_eq!(scene.dialled.len(), 1);
    scene.connect_all();
    assert!(scene.share_out(300)[&address(3)] > 50);
}

#[test]
fn a_replica_that_goes_is_asked_no_more_and_its_calls_end_as_they_would() {
    let mut scene = Scene::connected(2);
    let begun: Vec<_> = (0..4).map(|_| scene.ask().0).collect();
    let change = scene.found([2]);
    assert_eq!(change.removed, [address(1)]);
    for id in begun {
        scene.pool.heard(id, scene.now);
        scene.pool.ended(id, true);
    }
    assert_eq!(scene.share_out(100).len(), 1);
    assert_eq!(scene.pool.counts(), (1, 1));
}

#[test]
fn more_replicas_than_are_kept_leave_those_that_are_known() {
    let mut scene = Scene::connected(2);
    scene.found((1..=200).rev());
    assert_eq!(scene.pool.counts(), (REPLICAS, 2));
    assert_eq!(scene.share_out(100).len(), 2);
}

#[test]
fn the_end_of_a_connection_makes_the_addresses_be_looked_for_at_once_and_no_more_than_once_a_second()
 {
    let mut scene = Scene::connected(3);
    scene.close(1);
    scene.share_out(1);
    assert_eq!(scene.lookups, 0, "the last look was this very moment");
    scene.pass(LOOKUP_PAUSE);
    assert_eq!(scene.share_out(100).len(), 2);
    assert_eq!(scene.lookups, 1);
    assert_eq!(scene.dialled.len(), 1, "it may be back");
    scene.found([2, 3]);
    for _ in 0..10 {
        scene.pass(LOOKUP_PAUSE / 10);
        scene.close(2);
        scene.share_out(1);
    }
    assert!(scene.lookups <= 2, "{}", scene.lookups);
}

#[test]
fn a_replica_that_cannot_be_connected_to_is_tried_less_and_less_often() {
    let mut scene = Scene::connected(1);
    scene.found([1, 2]);
    let mut attempts = 0;
    let until = scene.now + DIAL_PAUSE_MOST * 10;
    while scene.now < until {
        assert_eq!(scene.share_out(1).len(), 1);
        attempts += scene.dialled.len();
        scene.refuse_all();
        scene.pass(DIAL_PAUSE_LEAST / 5);
    }
    // Seven while the pause grows from a quarter of a second to ten, and then one in each ten.
    assert!((14..=20).contains(&attempts), "{attempts}");
}

#[test]
fn who_takes_connections_and_closes_them_is_no_endless_hope() {
    let now = Instant::now();
    let mut scene = Scene::of(Pool::at(address(1), now, 1), now);
    assert!(matches!(scene.call(true), Choice::Wait));
    scene.connect_all();
    scene.close(1);
    assert!(matches!(scene.call(false), Choice::Fail));
    assert!(scene.pool.failure().contains("closes connections"));
}

#[test]
fn a_replica_that_says_nothing_loses_its_share_but_for_a_call_now_and_then() {
    let mut scene = Scene::connected(2);
    let (mut asked, mut late) = (0, 0);
    let begin = scene.now;
    // Calls come one after another, and are given up after a tenth of a second.
    while scene.now < begin + REPLICA_SILENCE + REPLICA_TRIAL_INTERVAL * 6 {
        let (id, to) = scene.ask();
        if to == address(1) {
            scene.pass(Duration::from_millis(100));
            scene.pool.ended(id, false);
            asked += 1;
            late += usize::from(scene.now > begin + REPLICA_SILENCE * 2);
        } else {
            scene.pool.heard(id, scene.now);
            scene.pool.ended(id, true);
            scene.pass(Duration::from_millis(5));
        }
    }
    assert!(asked <= 10 + 1 + 6, "{asked}");
    assert!((4..=6).contains(&late), "{late}");
}

#[test]
fn a_silent_replica_that_answers_has_its_share_again() {
    let mut scene = Scene::connected(2);
    let owed = scene.ask_of(1);
    scene.pass(REPLICA_SILENCE);
    assert_eq!(scene.share_out(100).len(), 1);
    scene.pool.heard(owed, scene.now);
    scene.pool.ended(owed, true);
    assert!(scene.share_out(300)[&address(1)] > 100);
}

#[test]
fn where_all_are_silent_all_are_asked() {
    let mut scene = Scene::connected(2);
    scene.ask_of(1);
    scene.ask_of(2);
    scene.pass(REPLICA_SILENCE);
    assert_ne!(scene.ask().1, scene.ask().1);
}

#[test]
fn what_hangs_stays_silent_over_its_connections_and_what_began_anew_does_not() {
    for (owed_for, expected) in [(REPLICA_SILENCE, 1), (REPLICA_SILENCE / 2, 2)] {
        let mut scene = Scene::connected(2);
        let owed = scene.ask_of(1);
        scene.pass(owed_for);
        scene.close(1);
        scene.pool.part_with_closed(scene.now);
        scene.pool.ended(owed, false);
        scene.pass(REPLICA_SILENCE);
        scene.share_out(1);
        scene.connect_all();
        assert_eq!(scene.share_out(100).len(), expected, "{owed_for:?}");
    }
}
