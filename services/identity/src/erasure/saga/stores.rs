//! Everything beside the states: logs, tables that tell nobody's id, and the files of stores.

use std::collections::BTreeMap;

use super::batch::Batch;
use super::states::STATES;
use super::{Saga, SagaError};
use crate::erasure::limits::MEMBERSHIP_ROUNDS;
use crate::erasure::scan;
use crate::erasure::steps::Step;
use crate::erasure::words::Words;

/// The tables that had rows of erased people.
const TABLES: [&str; 13] = [
    "identity_identifier",
    "identity_shared",
    "identity_evidence",
    "identity_customer",
    "identity_membership",
    "identity_buying_group",
    "identity_buying_group_slot",
    "identity_account_news",
    "identity_erasure",
    "identity_import_pending",
    "dead_letter",
    "request",
    "audit_subject",
];

/// The steps before the files of the hot store.
const BEFORE_FILES: [Step; 6] = [
    Step::Segmentation,
    Step::Journey,
    Step::Activation,
    Step::Streams,
    Step::Quarantine,
    Step::Journal,
];

/// The steps before the files of the database: all others.
const BEFORE_DATABASE: [Step; 11] = [
    Step::Streams,
    Step::Quarantine,
    Step::Journal,
    Step::EventLog,
    Step::Changes,
    Step::HotStore,
    Step::DeadLetters,
    Step::RememberedAnswers,
    Step::Imports,
    Step::Identity,
    Step::Memberships,
];

impl Saga {
    /// Does what can be done now.
    pub(super) async fn work(&mut self, batch: &mut Batch) -> Result<(), SagaError> {
        self.announce(batch).await?;
        self.clear_memberships(batch).await?;
        self.clear_imports(batch).await?;
        self.clear_states(batch).await?;
        self.clear_events(batch).await?;
        self.clear_changes(batch).await?;
        self.clear_sent(batch).await?;
        self.clear_files(batch).await?;
        self.clear_database(batch).await
    }

    /// Members of an account that is gone, and accounts that lost a member, are told of it by the
    /// news that this leaves.
    async fn clear_memberships(&self, batch: &mut Batch) -> Result<(), SagaError> {
        for place in batch.waiting(Step::Memberships, &[]) {
            let customers = batch.customers(&[place]);
            let intake = &self.parts.intake;
            let forgotten = intake.forget_memberships(&customers, MEMBERSHIP_ROUNDS);
            match forgotten.await? {
                true => batch.finish(&[place], Step::Memberships),
                false => batch.wait(&[place], Step::Memberships, "some are left"),
            }
        }
        Ok(())
    }

    async fn clear_imports(&self, batch: &mut Batch) -> Result<(), SagaError> {
        let waiting = batch.waiting(Step::Imports, &[]);
        if waiting.is_empty() {
            return Ok(());
        }
        let intake = &self.parts.intake;
        let database = intake.store.database();
        scan::imports(database, intake.partitions, &batch.set(&waiting)).await?;
        batch.finish(&waiting, Step::Imports);
        Ok(())
    }

    async fn clear_events(&self, batch: &mut Batch) -> Result<(), SagaError> {
        for place in batch.waiting_thoroughly(Step::EventLog, &STATES) {
            let customers = batch.customers(&[place]);
            let Some(log) = self.parts.events.as_ref().filter(|_| !customers.is_empty()) else {
                batch.finish(&[place], Step::EventLog);
                continue;
            };
            let others = self.others(&customers).await?;
            let (mut next, mut waiting_rows) = (None, 0);
            loop {
                let erased = log.erase_among(&customers, &others, next).await?;
                waiting_rows += erased.waiting_rows;
                let row = &mut batch.all[place].row;
                let events = i64::try_from(erased.events).unwrap_or(i64::MAX);
                row.event_count = Some(row.event_count.unwrap_or(0).saturating_add(events));
                next = erased.next;
                if next.is_none() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            if waiting_rows == 0 {
                batch.finish(&[place], Step::EventLog);
            } else {
                let detail = format!("{waiting_rows} rows have not been read");
                batch.wait(&[place], Step::EventLog, &detail);
            }
        }
        Ok(())
    }

    async fn clear_changes(&self, batch: &mut Batch) -> Result<(), SagaError> {
        let waiting = batch.waiting_thoroughly(Step::Changes, &STATES);
        if waiting.is_empty() {
            return Ok(());
        }
        if let Some(changes) = &self.parts.changes {
            changes.erase(&batch.raw(&waiting)).await?;
        }
        batch.finish(&waiting, Step::Changes);
        Ok(())
    }

    /// Looks for the values of identifiers, after which they are forgotten too.
    async fn clear_sent(&self, batch: &mut Batch) -> Result<(), SagaError> {
        let waiting = batch.waiting_thoroughly(Step::DeadLetters, &STATES);
        if waiting.is_empty() {
            return Ok(());
        }
        let words = waiting.iter().map(|place| &batch.all[*place].words);
        let words = Words::all(words);
        let database = self.parts.intake.store.database();
        scan::dead_letters(database, &words).await?;
        scan::answers(database, &words, &batch.customers(&waiting)).await?;
        batch.finish(&waiting, Step::DeadLetters);
        batch.finish(&waiting, Step::RememberedAnswers);
        for place in waiting {
            batch.all[place].row.value_list.clear();
        }
        Ok(())
    }

    /// A ticket is of what was removed before it was given: who comes later has the next one.
    async fn clear_files(&mut self, batch: &mut Batch) -> Result<(), SagaError> {
        let mut by_ticket: BTreeMap<Option<String>, Vec<usize>> = BTreeMap::new();
        for place in batch.waiting_thoroughly(Step::HotStore, &BEFORE_FILES) {
            let operation = batch.all[place].row.operation_id;
            let ticket = self.tickets.remove(&operation);
            by_ticket.entry(ticket).or_default().push(place);
        }
        for (ticket, places) in by_ticket {
            let scrubbed = self.parts.hot.scrub(ticket.as_deref()).await;
            let scrubbed = scrubbed.inspect_err(|_| {
                batch.wait(
                    &places,
                    Step::HotStore,
                    "the hot store failed; it is asked again",
                );
            })?;
            if scrubbed.is_done {
                batch.finish_with(&places, Step::HotStore, &scrubbed.detail);
                continue;
            }
            batch.wait(&places, Step::HotStore, &scrubbed.detail);
            for place in places {
                let operation = batch.all[place].row.operation_id;
                self.tickets.insert(operation, scrubbed.ticket.clone());
            }
        }
        Ok(())
    }

    /// The row of the erasure itself had values, so it is written before.
    async fn clear_database(&self, batch: &mut Batch) -> Result<(), SagaError> {
        let waiting = batch.waiting_thoroughly(Step::Database, &BEFORE_DATABASE);
        let (kept, waiting): (Vec<usize>, Vec<usize>) = waiting
            .into_iter()
            .partition(|place| batch.all[*place].has_values);
        batch.wait(&kept, Step::Database, "");
        if waiting.is_empty() {
            return Ok(());
        }
        let database = self.parts.intake.store.database();
        let scrub = database.scrub(&TABLES).await?;
        match scrub.is_done {
            true => batch.finish_with(&waiting, Step::Database, &scrub.detail),
            false => batch.wait(&waiting, Step::Database, &scrub.detail),
        }
        Ok(())
    }
}
