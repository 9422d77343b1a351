//! What goes wrong in a run, and when: chance decides.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{HOUR_MS, Run};
use crate::simulator::world::{CrashPoint, Place, Side};

impl Run {
    /// Something goes wrong.
    pub(super) fn go_wrong(&mut self) {
        self.on.disturb();
        let place = usize::try_from(self.rng.below(self.on.shared.options.services.len() as u64))
            .unwrap_or(0);
        let Some(process) = self.on.process(place) else {
            return;
        };
        let link = Arc::clone(&process.link);
        let world = Arc::clone(&self.on.shared.world);
        match self.rng.below(100) {
            0..20 => {
                world.tell(format!("{} is killed", link.name));
                link.life.kill();
            }
            20..40 => {
                let point = CrashPoint {
                    effect: world.effects() + self.rng.between(1, 40),
                    side: *self.rng.pick(&[Side::Before, Side::After]),
                };
                world.crash_at(Some(point));
            }
            40..55 => {
                let wait_ms = self.rng.between(100, 20_000);
                world.tell(format!("{} stands still for {wait_ms} ms", link.name));
                link.life.stop();
                tokio::spawn(async move {
                    sleep(Duration::from_millis(wait_ms)).await;
                    link.world.tell(format!("{} goes on", link.name));
                    link.life.go_on();
                });
            }
            55..65 => {
                let offset_ms = *self.rng.pick(&[-HOUR_MS, 0, HOUR_MS]);
                world.tell(format!("the clock of {} is {offset_ms} ms off", link.name));
                link.clock.go_wrong_by(offset_ms);
            }
            65..72 => {
                world.tell(format!("{} shuts down", link.name));
                tokio::spawn(async move { process.shut_down().await });
            }
            72..75 => {
                if self.on.shared.options.reads_late {
                    world.tell("processes that start from now on run another program");
                    self.on.shared.program.store(1, Ordering::Relaxed);
                }
            }
            75..87 => {
                let places = [
                    Place::Hot,
                    Place::Log,
                    Place::Leases,
                    Place::Definitions,
                    Place::Identity,
                ];
                let place = *self.rng.pick(&places);
                let wait_ms = self.rng.between(100, 20_000);
                world.tell(format!("{place:?} is away for {wait_ms} ms"));
                world.take_away(place, Instant::now() + Duration::from_millis(wait_ms));
            }
            _ => self.go_back(),
        }
    }

    /// The store goes back in time, or forgets everything.
    fn go_back(&mut self) {
        let now = Instant::now();
        let memory = self.on.shared.backing.memory().cloned();
        // A server cannot go back to a copy: it only forgets.
        if self.is_journaled() && (self.rng.hits(400) || memory.is_none()) {
            self.on.world().tell("the store forgets everything");
            self.on.shared.backing.forget();
            return;
        }
        let Some(store) = memory else {
            return;
        };
        let retention_ms = self.on.shared.options.retention.as_millis();
        let youngest = Duration::from_millis(u64::try_from(retention_ms).unwrap_or(0) / 2);
        if self.is_journaled() {
            // A journal reaches back as far as it is told to.
            self.copies
                .retain(|(taken, _)| now.duration_since(*taken) < youngest);
        }
        // Events that identity took by then would have to be sent again, and are not.
        let is_kept = self.on.shared.registry.is_some() && !self.is_journaled();
        if self.copies.is_empty() || is_kept {
            return;
        }
        let place = usize::try_from(self.rng.below(self.copies.len() as u64)).unwrap_or(0);
        let (taken, copy) = self.copies[place].clone();
        self.copies.truncate(place + 1);
        self.losses.push((taken, now));
        self.on.world().tell(format!(
            "the store goes back by {} ms",
            now.duration_since(taken).as_millis()
        ));
        self.on.shared.watch.forget();
        let wait_ms = if self.rng.hits(500) {
            0
        } else {
            self.rng.below(8_000)
        };
        store.roll_back_silently(copy);
        // Whoever watches the server finds out.
        tokio::spawn(async move {
            sleep(Duration::from_millis(wait_ms)).await;
            store.tell_reopen();
        });
    }
}
