//! A survivor waits for the states of those who were joined into it.
//!
//! An event says whose it is and whom it joined. Where the survivor lacks the state of one of them,
//! the event waits, and everything behind it for that customer: records, timers, and what the later
//! services do, who are told. So does what comes while a state arrives. What waits is stored in
//! parts of the customer, and goes on in order once the last of the states is folded in.
//!
//! Waits go from older to younger customers, since a survivor is older than whoever is joined into
//! it: they make no circle, and chains end. Whoever is waited for is told to come. They may be with
//! somebody else already: then these two are joined in their turn, whichever is younger.
//!
//! Nobody stays for a wait who is to leave, in no service: they take it along. Their state says
//! whom they wait for, so that the survivor waits in their place, and what had waited follows. A
//! customer whom a later service held back would wait for somebody who, in the first one, is with
//! the survivor.
//!
//! Where too much waits, or for too long, the customer goes on without: the state is folded in
//! whenever it comes.

use bytes::Bytes;
use decision::{Core, Home};
use hot::StreamName;
use kernel::{CustomerId, Duration, Timestamp};
use messages::engine::state_v1 as stored;
use messages::stream::v1::{Event, MergeAwaited, Record, record::Body};
use prost::Message;

use super::Worker;
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use super::inputs::Inputs;
use super::quarantine::InputId;
use super::words::is_of_merge;
use crate::head::Head;
use crate::key::customer_of;
use crate::metrics::WaitEnd;
use crate::moving::{ID_BYTES, Moving};
use crate::splitting::Epochs;
use crate::waiting::{Waiting, parked_key, read_ids};
use crate::{TimeSource, limits};

impl<C: Core> Worker<C> {
    /// Looks for states that a record speaks of and that are not here, and waits for them.
    pub(super) fn await_evidence(
        &mut self,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        if let Some(from) = cause.followed_from {
            self.await_merges(work, &[from], (cause.epochs, 0), cause)?;
        }
        let (Home::Segmentation, Some(Body::Event(event))) = (C::HOME, &record.body) else {
            return Ok(());
        };
        let is_own = event.fragment_id.is_empty() || event.fragment_id == record.customer_id;
        if is_own && event.joined_ids.is_empty() {
            return Ok(());
        }
        let named = named_by(event);
        // It came by the id that the customer had at that graph epoch.
        if cause.followed_from.is_none() {
            let joined = read_ids(&event.joined_ids).unwrap_or_default();
            self.take_epoch(work, (&joined, event.graph_epoch), cause);
        }
        // One that followed a merge speaks of the customer that it came for. Whoever it names may have
        // left that one before. It goes on to them where they are not here (`elsewhere`).
        if cause.followed_from.is_some() && event.graph_epoch > 0 {
            return Ok(());
        }
        self.await_merges(work, &named, (cause.epochs, event.graph_epoch), cause)
    }

    /// The same for a record that waited: what it speaks of may have left meanwhile, or was not to be
    /// told then. Returns whether it is to wait on.
    pub(super) fn lacks_evidence(
        &mut self,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<bool, Failed> {
        let is_redirected = self.batch.works[work].cached.head.redirect.is_some();
        let is_elsewhere = self.elsewhere(work, cause).is_some();
        if is_redirected || is_elsewhere || is_of_merge(record) {
            return Ok(false);
        }
        self.await_evidence(work, record, cause)?;
        let waiting = self.batch.works[work].cached.head.waiting.as_deref();
        Ok(waiting.is_some_and(|it| !it.awaited.is_empty()))
    }

    /// Takes the word that customers were joined into this one.
    pub(super) fn take_awaited(
        &mut self,
        work: usize,
        awaited: &MergeAwaited,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let named = read_ids(&awaited.from_customer_ids);
        let named = named.map_err(|error| {
            cause.failed(format!(
                "a merge that is awaited names no customer: {error}"
            ))
        })?;
        let epoch = awaited.graph_epoch;
        self.take_epoch(work, (&named, epoch), cause);
        self.await_merges(work, &named, (Epochs::of(epoch), epoch), cause)?;
        self.finish(work, cause)
    }

    /// Takes note of the graph epoch of a word by which customers were joined into this one. The next
    /// service is told that also of those who are here.
    fn take_epoch(&mut self, work: usize, (joined, epoch): (&[CustomerId], u64), cause: Cause<'_>) {
        if !self.raise_graph_epoch(work, epoch) {
            return;
        }
        let entry = &self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let is_here =
            |it: &CustomerId| !is_lacking(&entry.cached.head, *it, customer, Epochs::of(epoch));
        let here: Vec<CustomerId> = joined.iter().copied().filter(is_here).collect();
        self.pass_awaited_on(work, (&here, epoch), cause);
    }

    /// Waits for the states of customers, as far as they are not here and are part of this customer
    /// since a graph epoch. They are told of the merge with the one that identity gave it, 0 where
    /// nobody knows.
    pub(super) fn await_merges(
        &mut self,
        work: usize,
        named: &[CustomerId],
        (epochs, epoch): (Epochs, u64),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let head = &entry.cached.head;
        let lacking = named.iter().copied();
        let lacking = lacking.filter(|it| is_lacking(head, *it, customer, epochs));
        let lacking: Vec<CustomerId> = lacking.collect();
        if lacking.is_empty() {
            return Ok(());
        }
        self.await_lacking(work, &lacking, epochs.own, cause);
        // They may not know: whoever wrote that may not have told them yet, or a store lost it.
        if C::HOME == Home::Segmentation && (epoch > 0 || epochs.own == 0) {
            for from in lacking {
                self.tell_first(from, (customer, epoch), cause)?;
            }
        }
        Ok(())
    }

    /// Waits for the states of customers who come by themselves.
    pub(super) fn await_lacking(
        &mut self,
        work: usize,
        lacking: &[CustomerId],
        epoch: u64,
        cause: Cause<'_>,
    ) {
        let entry = &mut self.batch.works[work];
        let head = &mut entry.cached.head;
        let anew = lacking.iter().copied();
        anew.for_each(|it| head.forget_gone(it, epoch));
        self.begin_wait(work, (lacking, epoch), cause);
        // One that is above is told once the customer has got there. The later services see by their own
        // records who has followed.
        let is_by_record = cause.followed_from.is_some() && epoch > 0;
        if !is_by_record && epoch <= self.batch.works[work].cached.head.graph_epoch {
            self.pass_awaited_on(work, (lacking, epoch), cause);
        }
    }

    /// Waits for a state that arrives.
    pub(super) fn await_state(
        &mut self,
        work: usize,
        (from, epoch): (CustomerId, u64),
        cause: Cause<'_>,
    ) {
        let head = &self.batch.works[work].cached.head;
        if head.waiting.as_deref().is_none_or(|it| !it.knows(from)) {
            self.begin_wait(work, (&[from], epoch), cause);
        }
    }

    fn begin_wait(
        &mut self,
        work: usize,
        (awaited, epoch): (&[CustomerId], u64),
        cause: Cause<'_>,
    ) {
        let entry = &mut self.batch.works[work];
        let is_holding = entry.cached.head.is_holding();
        let since = clock_now(&self.config.time, cause.now);
        let due = entry.cached.timer.due;
        let before = entry.before.head.waiting.as_deref();
        let waiting = entry
            .cached
            .head
            .waiting
            .get_or_insert_with(|| Box::new(Waiting::behind(before)));
        // Records that waited for others before may still be being taken.
        let is_first = waiting.awaited.is_empty();
        waiting.add(awaited, epoch);
        if is_first {
            (waiting.since, waiting.tries) = (Some(since), 0);
        }
        if !is_holding {
            waiting.due = due;
        }
        entry.change = Change::Write;
        entry.last = Some(cause.origin);
        self.batch.count_write(work);
        if is_first {
            self.watch_wait(work, since);
        }
    }

    /// Has the timer of a customer who waits say when that took long. On stream time the wait goes
    /// on, since time says nothing there of how long a state takes to come.
    fn watch_wait(&mut self, work: usize, now: Timestamp) {
        let waiting = self.batch.works[work].cached.head.waiting.as_deref();
        let tries = waiting.map_or(0, |it| it.tries);
        let mut next = now + self.merge_retry(tries);
        if let (TimeSource::Wall(_), Some(since)) =
            (&self.config.time, waiting.and_then(|it| it.since))
        {
            let end = since + limits::MERGE_GRACE;
            next = if end > now { next.min(end) } else { next };
        }
        self.set_timer_of_all(work, Some(next));
    }

    /// The time until something of a merge is told again, after so many times.
    pub(super) fn merge_retry(&self, tries: u32) -> Duration {
        let first = match &self.config.time {
            TimeSource::Wall(_) => limits::MERGE_RETRY,
            TimeSource::Stream => limits::MERGE_RETRY_STREAM,
        };
        let doublings = tries.min(limits::MERGE_DOUBLINGS);
        Duration::from_millis(first.as_millis() << doublings)
    }

    /// The timer of a customer who waits has come up: the others are asked for again, and the wait
    /// may have taken too long.
    pub(super) fn look_at_wait(&mut self, work: usize, cause: Cause<'_>) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let Some(waiting) = entry.cached.head.waiting.as_deref_mut() else {
            return Ok(());
        };
        waiting.tries = waiting.tries.saturating_add(1);
        let (awaited, since) = (waiting.awaited.clone(), waiting.since);
        entry.change = Change::Write;
        self.batch.count_write(work);
        for from in awaited {
            let arriving = self.batch.works[work].cached.head.arriving_from(from);
            match arriving.map(|it| (it.leave_id, it.is_whole())) {
                Some((leave_id, true)) => self.ask(work, (from, leave_id), cause)?,
                // The one who left sends the rest again by itself, unless somebody else did who
                // joined the survivor meanwhile, or a store lost that it left.
                Some((leave_id, false)) => self.seek(work, (from, leave_id), cause)?,
                None => {
                    let waiting = self.batch.works[work].cached.head.waiting.as_deref();
                    let epoch = waiting.map_or(0, |it| it.epoch_of(from));
                    self.tell_first(from, (customer, epoch), cause)?;
                    self.seek(work, (from, 0), cause)?;
                }
            }
        }
        let now = clock_now(&self.config.time, cause.now);
        self.watch_wait(work, now);
        if since.is_some_and(|since| self.is_too_long(since, cause.now)) {
            self.waive(work, |_| true, WaitEnd::Late);
        }
        self.wake(work, cause)?;
        self.finish(work, cause)
    }

    /// Returns whether a customer has waited for too long, by the clock of the worker. On stream
    /// time nobody does.
    pub(super) fn is_too_long(&self, since: Timestamp, now: Timestamp) -> bool {
        let clock = clock_now(&self.config.time, now);
        !self.is_on_stream_time() && since + limits::MERGE_GRACE <= clock
    }

    /// Waits neither for states without which one went on who was joined into this customer, unless
    /// they are arriving here.
    pub(super) fn take_over_waived(&mut self, work: usize, moving: &Moving) {
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let head = &mut entry.cached.head;
        let younger = moving.waived.iter().copied().filter(|it| *it > customer);
        let mut is_coming = |it| head.has_or_expects(it) || head.arriving_from(it).is_some();
        let lacking: Vec<CustomerId> = younger.filter(|it| !is_coming(*it)).collect();
        if lacking.is_empty() {
            return;
        }
        // This customer may have begun to wait before that state came.
        self.waive(work, |it| lacking.contains(&it), WaitEnd::Waived);
        let entry = &mut self.batch.works[work];
        let before = entry.before.head.waiting.as_deref();
        let waiting = &mut entry.cached.head.waiting;
        let waiting = waiting.get_or_insert_with(|| Box::new(Waiting::behind(before)));
        for lacked in lacking {
            waiting.set_waived(lacked);
            if moving.absent.contains(&lacked) {
                waiting.set_absent(lacked);
            }
        }
    }

    /// Stores a record behind those that wait.
    pub(super) fn park(
        &mut self,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let stored = stored::ParkedRecord {
            record: record.encode_to_vec().into(),
            stream: stream_of::<C>(cause).name().to_owned(),
            is_bulk: cause.bulk,
            now_ms: cause.now.as_millis(),
        };
        let body = Bytes::from(stored.encode_to_vec());
        let entry = &mut self.batch.works[work];
        let before = entry.before.head.waiting.as_deref();
        let waiting = &mut entry.cached.head.waiting;
        let waiting = waiting.get_or_insert_with(|| Box::new(Waiting::behind(before)));
        let number = waiting.next;
        waiting.next += 1;
        waiting.bytes += body.len() as u64;
        entry.change = Change::Write;
        self.batch.count_write(work);
        self.batch.put_part(work, parked_key(number), Some(body));
        self.finish(work, cause)
    }
}

/// Returns the time of the clock that a worker has, which an input that was accepted long ago is
/// behind; on stream time that of the input.
pub(super) fn clock_now(source: &TimeSource, now: Timestamp) -> Timestamp {
    match source {
        TimeSource::Wall(clock) => clock.now(),
        TimeSource::Stream => now,
    }
}

/// Returns whether another one is to be waited for, who is part of a customer by graph epochs.
fn is_lacking(head: &Head, other: CustomerId, customer: CustomerId, epochs: Epochs) -> bool {
    let is_for_here = other > customer && head.way_of(other, epochs).is_none();
    is_for_here && lacks(head, other) && !head.is_apart(other, epochs.own)
}

/// Returns whether a customer has not been taken in, and is not known to be on the way.
fn lacks(head: &Head, customer: CustomerId) -> bool {
    let waiting = head.waiting.as_deref();
    !head.has_fragment(customer) && waiting.is_none_or(|it| !it.knows(customer))
}

/// The customers that an event names beside its own.
fn named_by(event: &Event) -> Vec<CustomerId> {
    let joined = event.joined_ids.chunks(ID_BYTES);
    let named = joined.chain([&event.fragment_id[..]]);
    // Bytes that are no id cannot be waited for.
    named
        .filter_map(|id| CustomerId::try_from_bytes(id).ok())
        .collect()
}

/// The stream that a record came by: for one that left the quarantine, the one that the service
/// reads first.
fn stream_of<C: Core>(cause: Cause<'_>) -> StreamName {
    let lane = match cause.origin {
        InputId::Record { lane, .. } => Inputs::streams::<C>().get(lane).copied(),
        InputId::Timer { .. } | InputId::Move { .. } | InputId::Parked { .. } => None,
    };
    let lane = lane.filter(|stream| !stream.is_commands());
    lane.unwrap_or(C::INPUTS[0].0)
}
