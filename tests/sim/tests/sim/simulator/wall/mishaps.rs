//! The mishaps of a process: it stands still and goes on, dies, or is shut down, and another
//! one takes its place after a while. One at a time, so that nobody is away for the grace.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Stage;
use crate::simulator::world::{CrashPoint, Side};

/// The longest time for which a process is away where merges wait for it, in seconds.
pub(super) const SHORT_SECS: u64 = 8;
/// The same elsewhere: with what it takes to get leases back it stays below the grace.
pub(super) const LONG_SECS: u64 = 200;
/// The longest of what is as good as none.
pub(super) const LEAST_SECS: u64 = 4;

impl Stage {
    /// Something goes wrong, for so long at most, unless the last mishap is not over.
    pub(super) fn go_wrong(&mut self, longest_secs: u64) {
        let now = Instant::now();
        if now < self.over {
            return;
        }
        let place = usize::try_from(self.rng.below(self.door as u64)).unwrap_or(0);
        let Some(process) = self.on.process(place) else {
            return;
        };
        self.on.disturb();
        let away = Duration::from_secs(self.rng.between(1, longest_secs));
        self.over = now + away;
        self.restart = self.over;
        let (link, world) = (Arc::clone(&process.link), self.on.world());
        match self.rng.below(4) {
            0 => {
                world.tell(format!("{} stands still for {away:?}", link.name));
                link.life.stop();
                tokio::spawn(async move {
                    sleep(away).await;
                    link.life.go_on();
                });
            }
            1 => {
                world.tell(format!("{} is killed", link.name));
                link.life.kill();
            }
            2 => {
                let point = CrashPoint {
                    effect: world.effects() + self.rng.between(1, 6),
                    side: *self.rng.pick(&[Side::Before, Side::After]),
                };
                world.crash_at(Some(point));
            }
            _ => {
                world.tell(format!("{} shuts down", link.name));
                tokio::spawn(async move { process.shut_down().await });
            }
        }
    }
}
