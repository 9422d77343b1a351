//! A storm over a fleet: kills, cuts, slow lines and ends in order, at random.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::book::{LEASE_TTL, TAKE_OVER_MOST};
use super::fleet::{Fleet, Side};
use crate::random::Random;
use crate::suite::{ACTIVATION, IDENTITY, NAMES};

/// The time between two blows: from before the last victim is up again until all is well.
const PAUSES_MS: Range<u64> = 300..1_500;
/// The time that a cut lasts beyond a lease, so that others take over meanwhile.
const CUTS_MS: Range<u64> = 500..2_500;
/// Of so many turns one is a cut, and one an end in order; the others are kills.
const TURNS: u64 = 8;

/// A process that is cut off, and until when.
struct CutOff {
    place: usize,
    end: Instant,
}

/// The state of a storm.
struct Storm<'a> {
    fleet: &'a mut Fleet,
    random: &'a mut Random,
    cut_off: Option<CutOff>,
    /// When each process was hit last, or heard again.
    hits: Vec<Option<Instant>>,
    /// When each process was heard again after a cut.
    heals: Vec<Option<Instant>>,
    /// True where deliverers are killed: what they were about is sent again after a minute.
    kills_deliverers: bool,
}

/// Kills `kills` processes, and does everything else beside it. One process is slow all the time,
/// and one that owns partitions is cut off from everybody at the beginning.
pub(super) async fn rage(
    fleet: &mut Fleet,
    random: &mut Random,
    kills: usize,
    kills_deliverers: bool,
) {
    let count = fleet.len();
    let mut storm = Storm {
        fleet,
        random,
        cut_off: None,
        hits: vec![None; count],
        heals: vec![None; count],
        kills_deliverers,
    };
    let slow = storm.any();
    storm.fleet.slow_down(Some(slow));
    let owner = IDENTITY + 1 + slow % (NAMES.len() - 1);
    storm.cut(owner, Side::All);
    let mut left = kills;
    while left > 0 {
        storm.pause().await;
        match storm.random.within(0..TURNS) {
            0 => storm.cut_anybody().await,
            1 => storm.drain().await,
            _ => left -= usize::from(storm.kill()),
        }
    }
    while storm.cut_off.is_some() {
        storm.pause().await;
    }
    storm.fleet.slow_down(None);
}

impl Storm<'_> {
    fn any(&mut self) -> usize {
        let count = self.hits.len() as u64;
        usize::try_from(self.random.within(0..count)).expect("a place")
    }

    async fn pause(&mut self) {
        let pause = Duration::from_millis(self.random.within(PAUSES_MS));
        tokio::time::sleep(pause).await;
        self.fleet.installation.assert_running();
        if let Some(cut_off) = self.cut_off.take_if(|it| it.end <= Instant::now()) {
            self.fleet.heal(cut_off.place);
            self.hits[cut_off.place] = Some(Instant::now());
            self.heals[cut_off.place] = Some(Instant::now());
        }
    }

    /// Returns whether a process cannot be counted upon: it was hit a moment ago, or is cut off.
    fn is_hit(&self, place: usize) -> bool {
        let is_recent = self.hits[place].is_some_and(|hit| hit.elapsed() < TAKE_OVER_MOST);
        is_recent || self.cut_off.as_ref().is_some_and(|it| it.place == place)
    }

    /// The processes of the service of one.
    fn of_service(&self, place: usize) -> impl Iterator<Item = usize> + use<'_> {
        let service = self.fleet.service(place);
        (0..self.hits.len()).filter(move |it| self.fleet.service(*it) == service)
    }

    /// Kills a process, unless one of its service is cut off, or was until a moment ago: somebody
    /// has to be there who can take over. Returns whether it did.
    fn kill(&mut self) -> bool {
        let place = self.any();
        let is_away = |it: usize| {
            let is_cut_off = self.cut_off.as_ref().is_some_and(|cut| cut.place == it);
            is_cut_off || self.heals[it].is_some_and(|heal| heal.elapsed() < TAKE_OVER_MOST)
        };
        let is_cut_off = self.of_service(place).any(is_away);
        let is_spared = self.fleet.service(place) == ACTIVATION && !self.kills_deliverers;
        if is_cut_off || is_spared {
            return false;
        }
        self.fleet.kill(place);
        self.hits[place] = Some(Instant::now());
        true
    }

    /// Cuts a process off, unless one is, or one of its service was hit: not one that begins, which
    /// needs its stores once. Or it is lost with its node.
    async fn cut_anybody(&mut self) {
        let place = self.any();
        let is_hit = self.of_service(place).any(|it| self.is_hit(it));
        if self.cut_off.is_some() || is_hit || !self.fleet.is_ready(place).await {
            return;
        }
        match self.random.within(0..4) {
            0 => self.cut(place, Side::Hub),
            1 => self.cut(place, Side::Neighbours),
            2 => self.cut(place, Side::All),
            _ => {
                self.fleet.lose_node(place);
                self.heal_after_a_lease(place);
            }
        }
    }

    fn cut(&mut self, place: usize, side: Side) {
        self.fleet.cut_off(place, side);
        self.heal_after_a_lease(place);
    }

    fn heal_after_a_lease(&mut self, place: usize) {
        let more = Duration::from_millis(self.random.within(CUTS_MS));
        self.cut_off = Some(CutOff {
            place,
            end: Instant::now() + LEASE_TTL + more,
        });
    }

    /// Ends a process in order, where all of its service can be counted upon.
    async fn drain(&mut self) {
        let place = self.any();
        let is_hit = self.of_service(place).any(|it| self.is_hit(it));
        // One that begins has nothing to hand over yet, and ends at once.
        if !is_hit && self.fleet.is_ready(place).await {
            self.fleet.drain(place).await;
            self.hits[place] = Some(Instant::now());
        }
    }
}
