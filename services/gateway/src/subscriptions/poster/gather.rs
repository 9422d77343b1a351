//! Gathers the changes of a batch.

use std::sync::Arc;

use ::changes::Position;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::{Poster, Trouble};
use crate::GatewayDefinitions;
use crate::limits::{BATCH_FRESH, SCAN_NOTED};
use crate::subscriptions::progress::BatchAtHand;
use crate::subscriptions::reader::{Found, Reader, Until};
use crate::subscriptions::rules::SubscriptionRules;

impl Poster {
    /// Returns the batch at hand with its changes: a new one where there is none, or the filter is
    /// another one since.
    pub(super) async fn gather(
        &mut self,
        rules: &Arc<SubscriptionRules>,
    ) -> Result<(BatchAtHand, Found), Trouble> {
        if let Some(batch) = self.progress.batch.clone()
            && batch.filter == rules.filter_digest
        {
            let mut reader = Reader::new(self.shared.tail.clone(), self.progress.position);
            let found = reader.read_to(batch.end, &rules.filter).await?;
            reader.keep_page(&self.shared.pages);
            self.reader = Some(reader);
            return Ok((batch, found));
        }
        let mut reader = match self.reader.take() {
            Some(reader) if reader.at() == self.progress.position => reader,
            _ => Reader::new(self.shared.tail.clone(), self.progress.position),
        };
        let found = self.form(&mut reader, rules).await?;
        reader.keep_page(&self.shared.pages);
        let batch = BatchAtHand {
            id: Uuid::now_v7().to_string(),
            end: reader.at(),
            filter: rules.filter_digest.clone(),
        };
        self.reader = Some(reader);
        // It is at hand only once that is noted.
        let before = self.progress.batch.replace(batch.clone());
        match self.save().await {
            Ok(true) => Ok((batch, found)),
            Ok(false) => Err(Trouble::Late),
            Err(error) => {
                self.progress.batch = before;
                Err(error.into())
            }
        }
    }

    /// Looks for changes until a batch is full, or its time is over.
    async fn form(
        &mut self,
        reader: &mut Reader,
        rules: &Arc<SubscriptionRules>,
    ) -> Result<Found, Trouble> {
        let tail = &self.shared.tail;
        let mut newest = self.newest.take().unwrap_or_else(|| tail.subscribe());
        let (filter, most) = (&rules.filter, Until::Count(rules.batch_size));
        let (mut found, mut begun) = (Found::default(), None);
        loop {
            newest.borrow_and_update();
            while !reader.take(filter, most, &mut found) && reader.fill().await? {
                if found.count == 0 {
                    self.looked_through(reader.at()).await?;
                }
            }
            let is_full = found.count >= rules.batch_size;
            let first = (found.count > 0).then(|| *begun.get_or_insert_with(Instant::now));
            let end = first.map(|first| first + rules.max_delay);
            if is_full || end.is_some_and(|end| end <= Instant::now()) {
                break;
            }
            if found.count == 0 {
                self.looked_through(reader.at()).await?;
            }
            if !is_fresh(begun) {
                // It is read again before it is posted.
                found.text = Vec::new();
            }
            if !self.wait(rules, &mut newest, end).await {
                return Err(Trouble::Interrupted);
            }
        }
        self.newest = Some(newest);
        if is_fresh(begun) {
            return Ok(found);
        }
        // Meanwhile something of it may have been erased.
        let mut again = Reader::new(self.shared.tail.clone(), self.progress.position);
        Ok(again.read_to(reader.at(), filter).await?)
    }

    /// Waits for new rows, or the end of a batch. Returns false where it was interrupted.
    async fn wait(
        &mut self,
        rules: &Arc<SubscriptionRules>,
        newest: &mut watch::Receiver<u64>,
        end: Option<Instant>,
    ) -> bool {
        let note = self.is_note_due.then(|| self.noted + SCAN_NOTED);
        let timer = async {
            match [end, note].into_iter().flatten().min() {
                Some(time) => sleep_until(time).await,
                None => std::future::pending().await,
            }
        };
        let (definitions, name) = (&mut self.definitions, self.progress.name.as_str());
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = others(definitions, name, rules) => false,
            // The end of the log is followed as long as this is.
            _ = newest.changed() => true,
            () = timer => true,
        }
    }

    /// Nothing matches up to a position: a note of that is made now and then.
    async fn looked_through(&mut self, position: Position) -> Result<(), Trouble> {
        if position != self.progress.position {
            self.progress.position = position;
            self.is_note_due = true;
        }
        if !self.is_note_due || self.noted.elapsed() < SCAN_NOTED {
            return Ok(());
        }
        match self.save().await? {
            true => Ok(()),
            false => Err(Trouble::Late),
        }
    }
}

/// Returns whether changes that were found since then may be posted as they were read.
fn is_fresh(begun: Option<Instant>) -> bool {
    begun.is_none_or(|begun| begun.elapsed() < BATCH_FRESH)
}

/// Waits until a subscription has other rules than these, or none.
async fn others(
    definitions: &mut watch::Receiver<Arc<GatewayDefinitions>>,
    name: &str,
    rules: &Arc<SubscriptionRules>,
) {
    loop {
        // The store is there as long as the process.
        let _ = definitions.changed().await;
        let now = definitions.borrow_and_update();
        let now = now.subscriptions.get(name);
        if !now.is_some_and(|now| Arc::ptr_eq(now, rules)) {
            return;
        }
    }
}
