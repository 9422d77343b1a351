//! One process's link to the definitions: SQL, as the network shows it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::{Freshness, Refresh};
use hot::HotError;

use crate::simulator::installation::Shared;
use crate::simulator::link::{Link, Lost};
use crate::simulator::world::Place;

/// The time between two looks of a process at the definitions, in milliseconds: as long as in
/// production at the least.
const LOOKS_MS: (u64, u64) = (500, 40_000);
/// The wait of a process before it tries once more to read what it starts with.
const START_RETRY: Duration = Duration::from_millis(500);

/// The reader of one process.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    shared: Arc<Shared>,
    link: Arc<Link>,
}

impl Reader {
    /// Reads what is defined, and goes on to do so.
    ///
    /// In production a process ends at its start where its program does not understand what is
    /// stored (`load_definitions` of the runtime), and is started again. So here nothing begins
    /// before there are definitions in force.
    pub(crate) async fn start(shared: &Arc<Shared>, link: &Arc<Link>) -> Self {
        let reader = Self {
            shared: Arc::clone(shared),
            link: Arc::clone(link),
        };
        while !matches!(reader.refresh().await, Ok(Freshness::Newest)) {
            tokio::time::sleep(START_RETRY).await;
        }
        if shared.options.reads_late {
            tokio::spawn(reader.clone().look());
        } else {
            shared.definitions().tell(&link.shelf);
        }
        reader
    }

    /// Looks now and then whether something else is defined.
    async fn look(self) {
        let (least, most) = LOOKS_MS;
        let wait_ms = self.link.world.draw(|rng| rng.between(least, most));
        while !self.link.life.is_dead() {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            // Without an answer it is the next look that finds out.
            self.refresh().await.ok();
        }
    }
}

#[async_trait]
impl Refresh for Reader {
    async fn refresh(&self) -> Result<Freshness, HotError> {
        self.link
            .enter(Place::Definitions, false)
            .await
            .map_err(lost)?;
        let before = self.link.shelf.reading();
        let freshness = self.link.shelf.read(&self.shared.definitions());
        let after = self.link.shelf.reading();
        if after != before {
            let name = &self.link.name;
            self.link.world.tell(format!("{name} reads {after:?}"));
        }
        self.link.leave().await.map_err(lost)?;
        Ok(freshness)
    }
}

fn lost(lost: Lost) -> HotError {
    HotError::unavailable(lost)
}
