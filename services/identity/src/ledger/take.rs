//! Takes a batch of an import: what its ledger has is a replay, all else is taken and written down.

use std::collections::HashSet;
use std::sync::Arc;

use hot::StreamName;
use proto::identity::v1;
use proto::stream::v1::record::Body;
use tokio::time::Instant;

use super::known::Known;
use super::marks::{Mark, import_digest, mark_of};
use super::payload::{pack, place_in_call, source_of};
use super::{Import, ImportError, Ticket};
use crate::append::Group;
use crate::event::Prepared;
use crate::ingest::{Accepted, Intake};
use crate::sources::{Replays, Source};
use crate::store::NewBatch;

impl Intake {
    /// Begins to take an import: reads its ledger unless it is known, and brings to their streams
    /// the batches that nobody of this process does.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn import(
        &self,
        name: &str,
        deadline: Option<Instant>,
    ) -> Result<Arc<Import>, ImportError> {
        let call = self.resolver.draw_id();
        let import = self.ledgers.open(import_digest(name), call);
        {
            let mut known = import.slot.known.lock().await;
            self.refresh(&import, &mut known).await?;
        }
        let orphans = import.slot.batches().orphans();
        self.bring(&import, orphans, deadline).await?;
        Ok(import)
    }

    /// Takes events of an import: as [`Intake::accept`], but for those that its ledger has. What is
    /// taken is written to the ledger when this returns, and has to be appended.
    ///
    /// # Errors
    /// [`ImportError`]. Where the database fails, events may be taken all the same: sent again,
    /// they are brought to their streams.
    pub async fn accept_import(
        &self,
        events: Vec<v1::Event>,
        import: &Arc<Import>,
        stream: StreamName,
        deadline: Option<Instant>,
    ) -> Result<Accepted, ImportError> {
        let source = Source::Import(import.digest());
        let namespaces = self.namespaces_for(&events).await;
        let (mut prepared, rejected) = self.prepare(events, source, &namespaces);
        let mut known = import.slot.known.lock().await;
        self.refresh(import, &mut known).await?;
        let known = known.get_or_insert_default();
        let before = prepared.len();
        let marks = keep_new(&mut prepared, known);
        let count = before - prepared.len();
        if count > 0 {
            let others = import.slot.batches().of_others(import.call);
            self.bring(import, others, deadline).await?;
        }
        let replays = Replays {
            count,
            accept_time: import.slot.batches().accept_time(),
        };
        let accepted = Accepted::none(self.lane(stream), rejected, replays);
        let accepted = self
            .resolve_prepared(prepared, source, &namespaces, accepted)
            .await?;
        self.write_down(import, known, (accepted, marks), deadline)
            .await
    }

    /// Writes a batch to the ledger. What another process took meanwhile is left out of it.
    async fn write_down(
        &self,
        import: &Arc<Import>,
        known: &mut Known,
        (mut accepted, mut marks): (Accepted, Vec<(u64, Mark)>),
        deadline: Option<Instant>,
    ) -> Result<Accepted, ImportError> {
        while !accepted.events.is_empty() {
            let now = self.own_clock.now();
            let number = known.last + 1;
            let id = self.resolver.draw_id();
            let batch = NewBatch {
                id,
                call: import.call,
                import: import.digest(),
                number,
                time: now,
                marks: marks.iter().flat_map(|(_, mark)| *mark).collect(),
                stream: accepted.outbound.stream,
                records: pack(&mut accepted.outbound.groups),
            };
            let settled = import.slot.batches().take_settled();
            let written = self.store.take_batch(batch, &settled).await;
            if !matches!(written, Ok(true)) {
                import.slot.batches().give_back(settled);
            }
            if written? {
                known.add(number, now, marks.into_iter().map(|(_, mark)| mark));
                import.weigh(known);
                import.slot.batches().begin(id, number, import.call);
                place_in_call(&mut accepted.outbound.groups, number);
                accepted.outbound.source = Some(source_of(import.call));
                accepted.outbound.ticket = Some(Ticket {
                    import: Arc::clone(import),
                    id,
                });
                return Ok(accepted);
            }
            let stores = (&self.ledgers, &self.store);
            import.catch_up(known, stores, now).await?;
            leave_out(&mut accepted, &mut marks, known);
            let others = import.slot.batches().of_others(import.call);
            self.bring(import, others, deadline).await?;
            accepted.replays.accept_time = import.slot.batches().accept_time();
        }
        Ok(accepted)
    }

    /// Reads a ledger that is not known, and anew one that knows what it is to have forgotten.
    async fn refresh(&self, import: &Import, known: &mut Option<Known>) -> Result<(), ImportError> {
        let now = self.own_clock.now();
        if known.as_ref().is_some_and(|known| !known.is_stale(now)) {
            return self.ledgers.make_room();
        }
        // Not there until all of it was read.
        *known = None;
        let mut read = Known::default();
        let stores = (&self.ledgers, &self.store);
        let result = import.catch_up(&mut read, stores, now).await;
        if result.is_err() {
            read = Known::default();
            import.weigh(&read);
        } else {
            *known = Some(read);
        }
        result
    }
}

/// Leaves the events of a batch that a ledger does not have, each id once, and returns their places
/// with their marks.
fn keep_new(prepared: &mut Vec<Prepared>, known: &Known) -> Vec<(u64, Mark)> {
    let mut own = HashSet::with_capacity(prepared.len());
    let mut marks = Vec::with_capacity(prepared.len());
    prepared.retain(|event| {
        let mark = mark_of(&event.event.event_id);
        let is_new = !known.marks.has(&mark) && own.insert(mark);
        if is_new {
            marks.push((event.sequence, mark));
        }
        is_new
    });
    marks
}

/// Takes events out of a batch that a ledger has by now. The news of whom they joined is told by
/// whoever announces merges that are overdue.
fn leave_out(accepted: &mut Accepted, marks: &mut Vec<(u64, Mark)>, known: &Known) {
    let before = marks.len();
    let mut gone = HashSet::new();
    marks.retain(|(sequence, mark)| {
        let is_known = known.marks.has(mark);
        if is_known {
            gone.insert(*sequence);
        }
        !is_known
    });
    if gone.is_empty() {
        return;
    }
    accepted.replays.count += before - marks.len();
    let place = |index: usize| index as u64 + 1;
    accepted
        .events
        .retain(|event| !gone.contains(&place(event.index)));
    let outbound = &mut accepted.outbound;
    for group in &mut outbound.groups {
        let is_left = |own: &Option<Body>| !matches!(own, Some(Body::Event(_)));
        group
            .records
            .retain(|own| !gone.contains(&own.sequence) || is_left(&own.record.body));
    }
    let has_records = |group: &Group| !group.records.is_empty();
    outbound.groups.retain(has_records);
    if accepted.events.is_empty() {
        outbound.groups.clear();
        outbound.news.clear();
        outbound.announcing = None;
        outbound.members.clear();
        outbound.joining = None;
    }
}
