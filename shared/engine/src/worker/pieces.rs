//! The pieces of a state that leaves: some with each batch, until the survivor was sent all of it.
//!
//! The head of the state goes alone, and last. It goes through the later services, so that it
//! leaves behind all that these send, and what follows the state comes right behind it. The other
//! pieces go straight to the survivor, who stores them: a state without its head is never whole, so
//! that none is folded in before what goes ahead of it.
//!
//! This does not decide that a state leaves, nor let go of it: `leave` and `let_go` do.

use decision::{Core, PartKey};
use kernel::CustomerId;
use messages::stream::v1::{StateMoved, record::Body};
use prost::Message;

use super::Worker;
use super::batch::Change;
use super::cause::Cause;
use super::fault::Failed;
use crate::key::customer_of;
use crate::limits;
use crate::moving::{Leaving, Moving, has_head};

impl<C: Core> Worker<C> {
    /// Sends the next pieces, as many as one batch may.
    pub(super) fn send_pieces(
        &mut self,
        work: usize,
        leaving: Leaving,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let entry = &self.batch.works[work];
        let customer = customer_of(&entry.key_bytes);
        let Some(survivor) = entry.cached.head.redirect else {
            return Err(cause.failed("a state leaves, and there is no survivor"));
        };
        self.read_moving(work, &leaving, cause)?;
        let mut states = leaving.states;
        let mut bytes = 0;
        let (most, most_bytes) = self.share_of_batch();
        let mut pieces = 0;
        while let Some(at) = states.iter().position(|it| !it.is_sent) {
            let moving = &mut states[at];
            let is_own = moving.from == customer;
            // The head is a piece of its own only because it goes another way.
            if pieces >= most && !(is_own && moving.is_head_next()) {
                break;
            }
            pieces += 1;
            // Nothing is sent of a state of which nothing arrived: the rest of it follows.
            if moving.unsent().next().is_some() || moving.part_count == 0 {
                let Some(piece) = self.next_piece(work, moving, is_own) else {
                    break;
                };
                bytes += piece.encoded_len();
                if is_own {
                    self.send_own_piece(work, survivor, piece, cause)?;
                } else {
                    self.send_piece(work, survivor, piece, cause)?;
                }
            }
            let is_sent = moving.unsent().next().is_none();
            moving.is_sent = is_sent;
            // Those of others are still with them.
            if is_sent && !is_own {
                states.remove(at);
            }
            // A part that is larger than a piece goes alone.
            if bytes >= most_bytes {
                break;
            }
        }
        let is_sent = states.iter().all(|it| it.is_sent);
        let entry = &mut self.batch.works[work];
        entry.change = Change::Write;
        entry.cached.head.leaving = (!states.is_empty()).then(|| {
            Box::new(Leaving {
                states,
                cause: leaving.cause,
                tries: leaving.tries,
            })
        });
        self.batch.count_write(work);
        if is_sent {
            self.watch_leave(work, leaving.tries, cause.now);
        }
        self.end_leave(work, cause)?;
        self.come_out_now(work, cause)?;
        self.finish(work, cause)
    }

    /// Returns how many pieces one batch sends, and from how many bytes on no more. On a clock others
    /// have half of the batch.
    fn share_of_batch(&self) -> (usize, usize) {
        let all = (limits::PIECES_PER_BATCH, limits::BYTES_PER_BATCH);
        if self.is_on_stream_time() {
            all
        } else {
            (all.0 / 2, all.1 / 2)
        }
    }

    /// Asks for the parts that are sent next.
    fn read_moving(
        &mut self,
        work: usize,
        leaving: &Leaving,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let key = self.batch.works[work].key;
        let unsent = leaving.states.iter().filter(|it| !it.is_sent);
        let next = unsent.flat_map(|it| it.unsent().map(|(_, part)| part));
        let next = next.take(limits::PARTS_PER_PIECE);
        let missing: Vec<PartKey> = next
            .filter(|part| !self.batch.raw.contains_key(&(key, *part)))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let lacked = self.batch.effects.lacks_definition;
        self.batch.effects.needs.extend(missing);
        Err(self.miss(work, cause, lacked))
    }

    /// Takes the next piece of a state that leaves. `None` where its first part was not read. Parts
    /// of the customer's own state are only marked as sent.
    fn next_piece(&mut self, work: usize, moving: &mut Moving, is_own: bool) -> Option<StateMoved> {
        let key = self.batch.works[work].key;
        let mut piece = moving.piece();
        let mut bytes = 0;
        loop {
            let next = moving.unsent().next();
            let Some((index, part)) = next else {
                break;
            };
            let Some(body) = self.batch.raw.get(&(key, part)).cloned() else {
                break;
            };
            bytes += body.len() + PartKey::STORE_BYTES;
            let is_first = piece.parts.is_empty();
            let is_full =
                bytes > self.config.piece_bytes || piece.parts.len() >= limits::PARTS_PER_PIECE;
            // The head goes another way than the rest.
            let is_alone = part.kind == PartKey::ENGINE_KIND;
            if (is_full || is_alone) && !is_first {
                break;
            }
            moving.sent_parts = index + 1;
            piece.parts.push(moving.moved_part(index, part, body));
            if !is_own {
                moving.parts.remove(&index);
                self.batch.put_part(work, part, None);
            }
        }
        (moving.part_count == 0 || !piece.parts.is_empty()).then_some(piece)
    }

    /// Sends a piece to the survivor, behind all that the later services send.
    pub(super) fn send_piece(
        &mut self,
        work: usize,
        survivor: CustomerId,
        piece: StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        let record = cause.record(survivor, Some(Body::Moved(piece)));
        self.send(work, C::HOME, record, cause)
    }

    /// Sends a piece of the customer's own state: the one with the head behind all that the later
    /// services send, the others straight.
    ///
    /// In the low-priority lane the head may be long in coming. The others come with it, since reads
    /// that come after a write wait from the first piece on.
    fn send_own_piece(
        &mut self,
        work: usize,
        survivor: CustomerId,
        piece: StateMoved,
        cause: Cause<'_>,
    ) -> Result<(), Failed> {
        if cause.bulk || piece.parts.is_empty() || has_head(&piece) {
            return self.send_piece(work, survivor, piece, cause);
        }
        let record = cause.record(survivor, Some(Body::Moved(piece)));
        self.deliver(C::HOME, record, cause)
    }
}
