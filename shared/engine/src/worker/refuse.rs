//! Records that are refused, and who goes on without a state because of that.
//!
//! A refused record is set aside, and whoever waits for a state that it holds up is told in the
//! same commit:
//!
//! 1. A customer who cannot leave tells the survivor, in this service and in those after it, which
//!    did not hear of the merge. What they wait for themselves may be with the survivor, so they go
//!    on without it.
//! 2. A customer whose state is being sent and cannot be read any further tells the survivor in
//!    this service. In those after it the state leaves by itself.
//! 3. A survivor who cannot take a state in goes on without.
//! 4. A survivor who looks for a state is told that it does not come.
//!
//! The state stays as it is, and so does the record about it. A retry of that brings it. Who left
//! sends a state again and again until it has arrived, so one record of it is set aside, and the
//! others are dropped: they come once more. Pieces that a survivor sends on are not, since it keeps
//! none of them: each is set aside.

use std::borrow::Cow;

use decision::{Core, Home};
use hot::QuarantineId;
use kernel::{CustomerId, Timestamp};
use messages::engine::v1::{QuarantinedKind, QuarantinedRecord};
use messages::stream::v1::{Record, StateMoved, record::Body};
use prost::Message;

use super::batch::{Change, Work};
use super::cause::Cause;
use super::fault::Failed;
use super::lane::Lane;
use super::moved_aside::MovedAside;
use super::quarantine::{InputId, of_customer};
use super::{Planned, Worker};
use crate::head::{Head, id_bytes, read_alone};
use crate::key::customer_of;
use crate::metrics::WaitEnd;
use crate::moving::{Fragment, ID_BYTES, write_fragments};
use crate::waiting::Waiting;

/// The way of a word to a survivor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// To a service, with nothing before it.
    Straight(Home),
    /// To this service, behind the pieces that were sent: through the services after it.
    BehindPieces,
}

impl<C: Core> Worker<C> {
    /// Sets a record of a lane aside that is refused, and tells whoever waits for what it holds up.
    pub(super) fn refuse(
        &mut self,
        (planned, lane): (&Planned, &Lane),
        record: &Record,
        (origin, reason): (InputId, &str),
        now: Timestamp,
    ) -> Result<(), Failed> {
        if !self.is_repetition(record) {
            let entry = entry_of(record);
            let id = self.set_aside_item(planned, lane, (origin, reason), now, entry)?;
            self.note_moved_aside(record, id);
        }
        let cause = Cause::of_record(origin, lane.bulk, record, now);
        planned
            .work
            .map_or(Ok(()), |work| self.tell_of_refusal(work, record, cause))
    }

    /// The same for one that waited. It is set aside also where there is no room: it would hold up
    /// all that waits behind it.
    pub(super) fn refuse_parked(
        &mut self,
        work: usize,
        record: &Record,
        (stream, reason): (String, &str),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        if !self.is_repetition(record) {
            let entry = QuarantinedRecord {
                stream,
                is_bulk: cause.bulk,
                ..entry_of(record)
            };
            let (id, _) = self.set_aside(reason, cause.now, entry);
            self.note_moved_aside(record, id);
        }
        self.tell_of_refusal(work, record, cause)
    }

    /// Returns whether a record needs no entry of its own in the quarantine: the state that it is
    /// about has one, or it asks and is sent again.
    fn is_repetition(&self, record: &Record) -> bool {
        match (&record.body, MovedAside::of(record)) {
            (_, Some(moved)) => self.is_moved_aside(moved),
            (Some(Body::Moved(moved)), None) => moved.sought,
            _ => false,
        }
    }

    /// Returns whether something of a state is in quarantine, as of now in the batch.
    fn is_moved_aside(&self, moved: MovedAside) -> bool {
        let aside = &self.batch.aside;
        let stored = self.quarantine.moved.get(&moved);
        stored.is_some_and(|id| !aside.released.contains(id))
            || aside.moved.iter().any(|(new, _)| *new == moved)
    }

    fn note_moved_aside(&mut self, record: &Record, id: QuarantineId) {
        if let Some(moved) = MovedAside::of(record) {
            self.batch.aside.moved.push((moved, id));
        }
    }

    /// Tells whoever waits for a state that a refused record holds up.
    fn tell_of_refusal(
        &mut self,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let (mut staying, redirect, is_sending) = {
            let head = known_head(entry);
            (all_of(customer, &head), head.redirect, head.is_sending())
        };
        match (&record.body, redirect) {
            (Some(Body::Moved(moved)), _) if moved.sought => {
                self.answer_seeker(work, moved, is_sending, cause)
            }
            (body, Some(survivor)) if is_sending => {
                if let Some(Body::Moved(moved)) = body {
                    staying.extend(all_moved(moved));
                } else if std::mem::replace(&mut self.batch.works[work].has_told, true) {
                    return Ok(());
                }
                self.say_stays((work, Way::BehindPieces), survivor, &staying, cause)?;
                self.finish(work, cause)
            }
            (Some(Body::Moved(moved)), None) if !moved.stays => {
                self.go_on_without_refused(work, moved, cause)
            }
            (Some(Body::Merged(merged)), redirect) if !merged.folded_in => {
                let survivor = CustomerId::try_from_bytes(&merged.into_customer_id);
                let older = survivor.ok().filter(|it| *it < customer);
                // A redirected customer may have been asked about the state, and cannot answer.
                let is_held_up = redirect.is_none() || merged.arrived_leave_id != 0;
                let Some(survivor) = older.filter(|_| is_held_up) else {
                    return Ok(());
                };
                for home in homes_from(C::HOME) {
                    self.say_stays((work, Way::Straight(*home)), survivor, &staying, cause)?;
                }
                self.go_on_instead_of_leaving(work, cause)
            }
            _ => Ok(()),
        }
    }

    /// Waits for no state any longer at a customer who cannot leave, in this service and in those
    /// after it: what they wait for may be with the survivor.
    fn go_on_instead_of_leaving(&mut self, work: usize, cause: Cause<'_>) -> Result<(), Failed> {
        let entry = &self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let waiting = entry.cached.head.waiting.as_deref();
        let awaited = waiting.map_or_else(Vec::new, |it| it.awaited.clone());
        if awaited.is_empty() {
            return self.finish(work, cause);
        }
        for home in &homes_from(C::HOME)[1..] {
            self.say_stays((work, Way::Straight(*home)), customer, &awaited, cause)?;
        }
        self.go_on_without(work, &awaited, cause)
    }

    /// Tells a survivor that states stay where they are, of which the first has the others.
    fn say_stays(
        &mut self,
        (work, way): (usize, Way),
        survivor: CustomerId,
        staying: &[CustomerId],
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let Some(stays) = stays(survivor, staying, cause) else {
            return Ok(());
        };
        match way {
            Way::Straight(home) => self.deliver(home, stays, cause),
            Way::BehindPieces => self.send(work, C::HOME, stays, cause),
        }
    }

    /// Tells a survivor who looks for a state that it does not come.
    fn answer_seeker(
        &mut self,
        work: usize,
        moved: &StateMoved,
        is_sending: bool,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let customer = customer_of(&self.batch.works[work].key_bytes);
        let seeker = CustomerId::try_from_bytes(&moved.sought_by_id);
        let Some(seeker) = seeker.ok().filter(|seeker| *seeker != customer) else {
            return Ok(());
        };
        let staying = all_moved(moved);
        // In the later services it leaves by itself; otherwise nobody there has heard of the merge.
        if is_sending {
            self.say_stays((work, Way::BehindPieces), seeker, &staying, cause)?;
            return self.finish(work, cause);
        }
        for home in homes_from(C::HOME) {
            self.say_stays((work, Way::Straight(*home)), seeker, &staying, cause)?;
        }
        self.finish(work, cause)
    }

    /// Goes on without a state that cannot be taken in here.
    fn go_on_without_refused(
        &mut self,
        work: usize,
        moved: &StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        let Ok(from) = CustomerId::try_from_bytes(&moved.from_customer_id) else {
            return Ok(());
        };
        // An unreadable state stays as it is stored.
        if entry.fault.is_some() || entry.cached.head.has_fragment(from) {
            return Ok(());
        }
        let mut staying = all_moved(moved);
        if let Some(arriving) = entry.cached.head.arriving_from(from) {
            // A piece that is none of it takes nothing from it.
            if arriving.is_whole() && !moved.released {
                return Ok(());
            }
            staying.extend(arriving.all_fragments().map(|it| it.customer));
        }
        self.go_on_without(work, &staying, cause)
    }

    /// Goes on without states that do not come by themselves. They stay where they are.
    pub(super) fn go_on_without(
        &mut self,
        work: usize,
        staying: &[CustomerId],
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        self.waive(work, |it| staying.contains(&it), WaitEnd::Refused);
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let head = &mut entry.cached.head;
        let others = staying.iter().copied().filter(|it| *it > customer);
        let lacking: Vec<CustomerId> = others.filter(|it| !head.has_fragment(*it)).collect();
        if !lacking.is_empty() {
            // The word may come before that of the merge, which then has nobody wait.
            let before = entry.before.head.waiting.as_deref();
            let waiting = head
                .waiting
                .get_or_insert_with(|| Box::new(Waiting::behind(before)));
            let news = lacking.into_iter().filter(|it| waiting.set_absent(*it));
            if news.count() > 0 {
                entry.change = Change::Write;
                self.batch.count_write(work);
            }
        }
        self.batch.works[work].last = Some(cause.origin);
        self.wake(work, cause)?;
        self.finish(work, cause)
    }

    /// Takes note that a piece of a state has come, so that the rest of it is on its way, unless
    /// some of it is set aside here.
    pub(super) fn is_coming(&mut self, work: usize, from: CustomerId) {
        let key = self.batch.works[work].key;
        let head = &self.batch.works[work].cached.head;
        let is_absent = head.waiting.as_ref().is_some_and(|it| it.is_absent(from));
        if !is_absent || self.is_moved_aside(MovedAside::pieces(key, from)) {
            return;
        }
        let head = &mut self.batch.works[work].cached.head;
        let coming: Vec<CustomerId> = head.arriving_from(from).map_or_else(Vec::new, |it| {
            it.all_fragments().map(|it| it.customer).collect()
        });
        if let Some(waiting) = head.waiting.as_deref_mut() {
            waiting.absent.retain(|it| !coming.contains(it));
        }
    }

    /// A piece that was set aside is taken after all. Those that came with it were dropped: asks
    /// who left to send them once more.
    pub(super) fn ask_for_rest(
        &mut self,
        work: usize,
        record: &Record,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let Some(moved) = MovedAside::of(record) else {
            return Ok(());
        };
        let head = &mut self.batch.works[work].cached.head;
        let arriving = head.arriving_from(moved.from);
        let Some(arriving) = arriving.filter(|it| !it.is_whole()) else {
            return Ok(());
        };
        let leave_id = arriving.leave_id;
        self.seek(work, (moved.from, leave_id), cause)?;
        self.finish(work, cause)
    }
}

/// The word to a survivor that states stay where they are, of which the first has the others.
fn stays(survivor: CustomerId, staying: &[CustomerId], cause: Cause<'_>) -> Option<Record> {
    let (from, others) = staying.split_first()?;
    let fragment = |customer: &CustomerId| Fragment {
        customer: *customer,
        ordinal: 0,
    };
    let others: Vec<Fragment> = others.iter().map(fragment).collect();
    let (fragment_ids, fragment_ordinals) = write_fragments(&others);
    let stays = StateMoved {
        from_customer_id: id_bytes(*from),
        fragment_ids,
        fragment_ordinals,
        stays: true,
        ..StateMoved::default()
    };
    Some(cause.record(survivor, Some(Body::Moved(stays))))
}

/// The entry of a record in the quarantine.
fn entry_of(record: &Record) -> QuarantinedRecord {
    QuarantinedRecord {
        kind: QuarantinedKind::Record.into(),
        record: record.encode_to_vec().into(),
        ..of_customer(&record.customer_id)
    }
}

/// The head of a customer, also of one whose state cannot be read; an empty one where the head
/// cannot be read either.
fn known_head<S>(work: &Work<S>) -> Cow<'_, Head> {
    match (&work.fault, &work.raw) {
        (Some(_), Some(raw)) => Cow::Owned(read_alone(raw).unwrap_or_default()),
        _ => Cow::Borrowed(&work.cached.head),
    }
}

/// The customer, and all others whose states leave with the own one.
fn all_of(customer: CustomerId, head: &Head) -> Vec<CustomerId> {
    let fragments = head.fragments.iter().map(|it| it.customer);
    let leaving = head.leaving.iter().flat_map(|it| &it.states);
    let leaving = leaving.flat_map(|it| it.all_fragments().map(|it| it.customer));
    let mut all: Vec<CustomerId> = std::iter::once(customer).chain(fragments).collect();
    all.extend(leaving.filter(|it| *it != customer));
    all
}

/// The customers of a state that moves, as far as a record of it tells.
fn all_moved(moved: &StateMoved) -> Vec<CustomerId> {
    let fragments = moved.fragment_ids.chunks(ID_BYTES);
    let ids = std::iter::once(&moved.from_customer_id[..]).chain(fragments);
    ids.filter_map(|id| CustomerId::try_from_bytes(id).ok())
        .collect()
}

/// A service and those after it.
const fn homes_from(home: Home) -> &'static [Home] {
    match home {
        Home::Segmentation => &[Home::Segmentation, Home::Journey, Home::Activation],
        Home::Journey => &[Home::Journey, Home::Activation],
        Home::Activation | Home::Unspecified => &[Home::Activation],
    }
}
