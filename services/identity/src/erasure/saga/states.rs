//! The states of the services: told, asked until they are gone, and told again where something is
//! left that another commit takes along.

use std::collections::HashMap;

use kernel::{CustomerId, Owner, PartitionId};
use tokio::time::Instant;
use uuid::Uuid;

use super::batch::Batch;
use super::{Saga, SagaError};
use crate::erasure::people;
use crate::erasure::steps::Step;
use crate::limits::APPEND_PATIENCE;

/// The services with states, in the order of their streams, each with its step.
const SERVICES: [(Owner, Step); 3] = [
    (Owner::Segmentation, Step::Segmentation),
    (Owner::Journey, Step::Journey),
    (Owner::Activation, Step::Activation),
];

/// The time between two words to the same customer: each makes every service of the partition
/// commit.
const TOLD_AGAIN_MS: i64 = 5_000;

/// By partition, the last commit of each service that may have had something of erased customers.
pub(super) type Numbers = HashMap<PartitionId, Vec<(Owner, u64)>>;

/// The steps by which states are gone.
pub(super) const STATES: [Step; 5] = [
    Step::Segmentation,
    Step::Journey,
    Step::Activation,
    Step::Streams,
    Step::Quarantine,
];

impl Saga {
    /// Tells the streams of customers, once.
    pub(super) async fn announce(&self, batch: &mut Batch) -> Result<(), SagaError> {
        for work in &mut batch.all {
            if work.row.is_announced {
                continue;
            }
            let (operation, customers) = (work.row.operation_id, &work.customers);
            let deadline = Some(Instant::now() + APPEND_PATIENCE);
            let intake = &self.parts.intake;
            intake
                .announce_erasure(operation, customers, 0, deadline)
                .await?;
            work.row.is_announced = true;
        }
        Ok(())
    }

    /// Looks whether the services have let go of their states, and the record of each partition of
    /// what these were.
    pub(super) async fn clear_states(&mut self, batch: &mut Batch) -> Result<(), SagaError> {
        for place in 0..batch.all.len() {
            let work = &batch.all[place];
            if !work.row.is_announced || work.steps.is_done(Step::Journal) {
                continue;
            }
            let customers = work.customers.clone();
            let (mut needs_word, mut numbers) = (false, Numbers::new());
            let mut clean = true;
            for (owner, step) in SERVICES {
                let seen = self.look(owner, &customers, &mut numbers).await?;
                clean &= seen.applied == customers.len() && seen.clean == customers.len();
                let steps = &mut batch.all[place].steps;
                if seen.applied == customers.len() {
                    steps.finish(step);
                    needs_word |= seen.clean < customers.len();
                } else {
                    let left = customers.len() - seen.applied;
                    steps.wait(step, format!("{left} ids have not been reached"));
                }
            }
            for step in [Step::Streams, Step::Quarantine] {
                match clean {
                    true => batch.finish(&[place], step),
                    false => batch.wait(&[place], step, "entries of the customer wait"),
                }
            }
            let is_thorough = !batch.waiting_thoroughly(Step::Journal, &STATES).is_empty();
            if clean && is_thorough {
                // Commits come all the time: those up to the first look at what was clean count.
                let operation = batch.all[place].row.operation_id;
                for (owner, _) in SERVICES {
                    let others = self.others(&customers).await?;
                    self.look(owner, &others, &mut numbers).await?;
                }
                let numbers = self.numbers.entry(operation).or_insert(numbers).clone();
                needs_word |= self.forget(batch, place, &numbers).await?;
                if batch.all[place].steps.is_done(Step::Journal) {
                    self.numbers.remove(&operation);
                }
            }
            if needs_word {
                self.tell_again(batch, place).await?;
            }
        }
        Ok(())
    }

    /// The customers that erased ones were ever part of and are not now.
    pub(super) async fn others(
        &self,
        customers: &[CustomerId],
    ) -> Result<Vec<CustomerId>, SagaError> {
        let fragments: Vec<Uuid> = customers.iter().map(|it| it.uuid()).collect();
        let orm = self.parts.intake.store.database().orm();
        let others = people::others(orm, &fragments).await?;
        Ok(others.into_iter().map(CustomerId::new).collect())
    }

    async fn look(
        &self,
        owner: Owner,
        customers: &[CustomerId],
        numbers: &mut Numbers,
    ) -> Result<Seen, SagaError> {
        let mut seen = Seen::default();
        let partitions = self.parts.intake.partitions;
        for customer in customers {
            let progress =
                engine::erasure_progress(self.parts.hot.as_ref(), owner, *customer).await?;
            seen.applied += usize::from(progress.is_applied);
            seen.clean += usize::from(progress.is_clean);
            let partition = partitions.partition_of(customer.fragment());
            let own: &mut Vec<(Owner, u64)> = numbers.entry(partition).or_default();
            match own.iter_mut().find(|(it, _)| *it == owner) {
                Some((_, number)) => *number = Ord::max(*number, progress.commit_seq),
                None => own.push((owner, progress.commit_seq)),
            }
        }
        Ok(seen)
    }

    /// Has the record of each partition forget. Returns whether a service has to commit once more.
    async fn forget(
        &self,
        batch: &mut Batch,
        place: usize,
        numbers: &Numbers,
    ) -> Result<bool, SagaError> {
        let (mut is_done, mut needs_commit) = (true, false);
        for (partition, upto) in numbers {
            let forgotten = self.parts.hot.forget(*partition, upto).await?;
            is_done &= forgotten.is_done;
            needs_commit |= forgotten.needs_commit;
        }
        match is_done {
            true => batch.finish(&[place], Step::Journal),
            false => batch.wait(&[place], Step::Journal, "rows have to be a minute old"),
        }
        Ok(needs_commit)
    }

    async fn tell_again(&self, batch: &Batch, place: usize) -> Result<(), SagaError> {
        let work = &batch.all[place];
        let deadline = Some(Instant::now() + APPEND_PATIENCE);
        let round = batch.now.as_millis() / TOLD_AGAIN_MS;
        let intake = &self.parts.intake;
        intake
            .announce_erasure(work.row.operation_id, &work.customers, round, deadline)
            .await?;
        Ok(())
    }
}

/// The numbers of ids that a service has let go of.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    applied: usize,
    clean: usize,
}
