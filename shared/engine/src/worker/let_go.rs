//! A merged customer lets go of the state that left, once the survivor has all of it. Once that state
//! is part of one that left in its turn, nobody else is answered.

use decision::{Core, PartKey};
use kernel::{CustomerId, Timestamp};
use messages::stream::v1::{StateMoved, record::Body};

use super::Worker;
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use super::wait::clock_now;
use crate::head::id_bytes;
use crate::key::customer_of;

impl<C: Core> Worker<C> {
    /// Has the timer of a customer whose state is sent say when that should have arrived.
    pub(super) fn watch_leave(&mut self, work: usize, tries: u32, now: Timestamp) {
        let next = clock_now(&self.config.time, now) + self.merge_retry(tries);
        self.set_timer_of_all(work, Some(next));
    }

    /// Sends a state once more that the survivor has not asked about: the store may have lost a
    /// piece of it.
    pub(super) fn send_again(&mut self, work: usize, cause: Cause<'_>) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let Some(leaving) = &mut entry.cached.head.leaving else {
            return Ok(());
        };
        leaving.tries = leaving.tries.saturating_add(1);
        let tries = leaving.tries;
        for own in leaving.states.iter_mut().filter(|it| it.from == customer) {
            (own.sent_parts, own.is_sent) = (0, false);
        }
        entry.change = Change::Write;
        self.batch.count_write(work);
        self.watch_leave(work, tries, cause.now);
        self.send_word(work, cause)?;
        self.finish(work, cause)
    }

    /// Sends a state once more of which the survivor could not take a piece. One that is only
    /// looked for is on its way.
    pub(super) fn answer_sought(
        &mut self,
        work: usize,
        leave_id: u64,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        // 1 is of who could not take what was sent before its time.
        let is_sending = self.batch.works[work].cached.head.is_sending();
        if leave_id == 0 || is_sending && leave_id != 1 {
            return Ok(());
        }
        self.send_again(work, cause)
    }

    /// Returns whether a record asks the customer to let go of the state that leaves. All of that has
    /// arrived, so that nothing has to come before the answer: not even the state itself, where it is
    /// being sent again.
    pub(super) fn is_question(&self, work: usize, body: Option<&Body>) -> bool {
        let Some(Body::Merged(merged)) = body else {
            return false;
        };
        let entry = &self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        entry
            .cached
            .head
            .is_leaving_as(merged.arrived_leave_id, customer)
    }

    /// Lets go of the state that left, since the survivor has stored all of it, and says so.
    pub(super) fn let_go(
        &mut self,
        work: usize,
        (survivor, arrived): (CustomerId, u64),
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let states = entry.cached.head.leaving.as_mut().map(|it| &mut it.states);
        let own = states.and_then(|states| states.iter_mut().find(|it| it.from == customer));
        match own {
            Some(own) if own.leave_id < arrived => {
                // The survivor has a state of which this store lost that it left. It takes the
                // newer one instead.
                own.leave_id = arrived.saturating_add(1);
                (own.sent_parts, own.is_sent) = (0, false);
                entry.change = Change::Write;
                self.batch.count_write(work);
                return self.send_word(work, cause);
            }
            Some(own) if own.leave_id == arrived => {
                let is_sent = own.is_sent;
                let parts: Vec<PartKey> = own.parts.values().copied().collect();
                self.drop_own(work, customer, arrived);
                for part in parts {
                    self.batch.put_part(work, part, None);
                }
                if !is_sent {
                    self.end_resend(work, cause)?;
                }
                self.come_out_now(work, cause)?;
            }
            None if entry.cached.head.released_leave_id == arrived => {}
            // The pieces of the newer leave are on their way.
            Some(_) | None => return Ok(()),
        }
        let released = StateMoved {
            from_customer_id: id_bytes(customer),
            leave_id: arrived,
            released: true,
            ..StateMoved::default()
        };
        let released = cause.record(survivor, Some(Body::Moved(released)));
        self.deliver(C::HOME, released, cause)
    }

    /// Takes note that the state is part of one that left in its turn: whoever asks from now on has a
    /// copy that is not to be folded in.
    pub(super) fn release_for_nobody(
        &mut self,
        work: usize,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &mut self.batch.works[work];
        entry.cached.head.released_leave_id = 0;
        entry.change = Change::Write;
        self.batch.count_write(work);
        self.finish(work, cause)
    }

    /// Goes on with what was to come behind a state that needs not be sent again.
    fn end_resend(&mut self, work: usize, cause: Cause<'_>) -> Result<(), Failed> {
        if self.batch.works[work].cached.head.is_sending() {
            return self.send_word(work, cause);
        }
        self.end_leave(work, cause)?;
        self.wake(work, cause)
    }

    fn drop_own(&mut self, work: usize, customer: CustomerId, leave_id: u64) {
        let entry = &mut self.batch.works[work];
        entry.cached.head.released_leave_id = leave_id;
        entry.cached.head.leaving = entry.cached.head.leaving.take().and_then(|mut leaving| {
            leaving.states.retain(|it| it.from != customer);
            (!leaving.states.is_empty()).then_some(leaving)
        });
        entry.change = Change::Write;
        self.batch.count_write(work);
        self.set_timer_of_all(work, None);
    }
}
