//! Customers who come apart from another one by an unmerge: what the engine keeps of that, at who
//! leaves and at who stays.
//!
//! This does not send, store or take anything: `worker::split`, `worker::split_off` and
//! `worker::come_back` do.

mod way;
mod word;

use decision::PartKey;
use decision::limits::FRAGMENTS;
use kernel::{CustomerId, Timestamp};
use messages::engine::state_v1 as stored;
use messages::stream::v1::CustomerSplit;
use prost::Message;

use crate::head::{Head, id_bytes};
use crate::limits;
use crate::moving::{MoveCause, Moving, text};
use crate::waiting::{read_ids, write_ids};

pub(crate) use self::way::Epochs;
pub(crate) use self::word::{Word, Words, epoch_of_word, is_own_answer};

/// The record of a customer's unmerges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Splits {
    /// Those by which the customer came out of others, the newest last.
    pub(crate) past: Vec<PastSplit>,
    /// The wait for what was learned under the customer.
    pub(crate) coming_back: Option<ComingBack>,
    /// The word of an unmerge that waits until the state that left is folded in.
    pub(crate) pending: Option<SplitWord>,
    /// The words of merges and unmerges that wait until those of before are done.
    pub(crate) words: Words,
    /// The questions and marks that go on once the own state has arrived at the survivor, in order.
    pub(crate) held: Words,
    /// Those whose states came before this customer had got to the graph epochs by which they come.
    /// They send them once more then.
    pub(crate) missed: Vec<(CustomerId, u64)>,
    /// Those who do not come by merges up to a graph epoch, as they said before the customer was out.
    pub(crate) apart: Vec<(CustomerId, u64)>,
    /// The states that go back to customers who were part of this one.
    pub(crate) returning: Vec<Returning>,
    /// The customers who were part of this one and became their own again, the newest last.
    pub(crate) gone: Vec<Gone>,
}

/// An unmerge by which a customer came out of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PastSplit {
    /// Since which graph epoch the customer was part of that one.
    pub(crate) since: u64,
    /// Its graph epoch: no word that is not above that of the newest concerns the customer any more.
    pub(crate) epoch: u64,
    /// The customer that this one was redirected to: whoever was part of this one stayed there.
    pub(crate) from: CustomerId,
}

/// A customer who waits for what was learned under them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ComingBack {
    pub(crate) split: SplitWord,
    /// The customer who was asked: the one that this one was redirected to.
    pub(crate) asked: CustomerId,
    pub(crate) cause: MoveCause,
    /// The state, of which some has come. Its `from` is who sent it.
    pub(crate) state: Option<Moving>,
    /// The number of times that it was asked for again.
    pub(crate) tries: u32,
}

/// An unmerge, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SplitWord {
    /// The customer that the record's was part of.
    pub(crate) from: CustomerId,
    /// The other fragments that are the customer's now.
    pub(crate) fragments: Vec<CustomerId>,
    pub(crate) epoch: u64,
    /// When the merge that is undone took effect at the earliest, where that is known.
    pub(crate) merge_time: Option<Timestamp>,
    /// The customer who came out with this fragment, into whom it is joined at once. `None` for the
    /// customer who comes out.
    pub(crate) into: Option<CustomerId>,
    /// As it came.
    pub(crate) message: CustomerSplit,
}

/// A state that goes back to a customer who was part of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Returning {
    /// The state, with the keys that its parts have here. Its `from` is who it goes to.
    pub(crate) state: Moving,
    /// The ordinals that its parts have here, each with the one that it has there. They ascend.
    pub(crate) ordinals: Vec<(u16, u16)>,
}

/// A customer who was part of another one and became their own again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone {
    pub(crate) customer: CustomerId,
    /// Up to this graph epoch whatever comes for them is theirs.
    pub(crate) epoch: u64,
    /// The name of the leave, once the state was let go of; 0 before.
    pub(crate) leave_id: u64,
    /// The ordinal that they had; 0 for none.
    pub(crate) ordinal: u16,
}

impl SplitWord {
    /// Reads a word.
    ///
    /// # Errors
    /// The words for people, where it is none.
    pub(crate) fn read(message: &CustomerSplit) -> Result<Self, String> {
        let from = CustomerId::try_from_bytes(&message.from_customer_id);
        let bad = |error| format!("an unmerge names no customer: {error}");
        let merge_time = (message.merge_time_ms != 0).then_some(message.merge_time_ms);
        let into = CustomerId::try_from_bytes(&message.into_customer_id).ok();
        Ok(Self {
            from: from.map_err(|error| bad(text(error)))?,
            fragments: read_ids(&message.fragment_ids).map_err(bad)?,
            epoch: message.graph_epoch,
            merge_time: merge_time.map(Timestamp::from_millis),
            into,
            message: message.clone(),
        })
    }
}

impl Returning {
    /// Returns whether it is the same leave of the same customer. One commit may name two alike.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        let (own, other) = (&self.state, &other.state);
        own.from == other.from && own.leave_id == other.leave_id
    }

    /// The ordinal that a part has at the customer whose it is.
    pub(crate) fn ordinal_there(&self, key: PartKey) -> Option<u16> {
        let mut ordinals = self.ordinals.iter();
        let own = ordinals.find(|(here, _)| *here == key.ordinal)?;
        Some(own.1)
    }
}

impl Splits {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether a state is on its way by an unmerge.
    const fn is_on_way(&self) -> bool {
        let has_states = self.coming_back.is_some() || !self.returning.is_empty();
        let has_words = !self.words.is_empty() || !self.held.is_empty();
        has_states || self.pending.is_some() || has_words
    }

    /// The states that come or go back.
    pub(crate) fn states_mut(&mut self) -> impl Iterator<Item = &mut Moving> + '_ {
        let coming = self.coming_back.iter_mut();
        let coming = coming.filter_map(|it| it.state.as_mut());
        coming.chain(self.returning.iter_mut().map(|it| &mut it.state))
    }

    pub(crate) fn read(head: &stored::Head) -> Result<Option<Box<Self>>, String> {
        let past = head.splits.iter().map(|split| {
            Ok::<_, String>(PastSplit {
                since: split.merge_epoch,
                epoch: split.graph_epoch,
                from: CustomerId::try_from_bytes(&split.from_customer_id).map_err(text)?,
            })
        });
        let coming_back = head.coming_back.as_ref().map(ComingBack::read);
        let returning = head.returning.iter().map(Returning::read);
        let gone = head.gone.iter().map(Gone::read);
        let all = Self {
            past: past.collect::<Result<_, _>>()?,
            coming_back: coming_back.transpose()?,
            pending: match head.pending_split.as_ref() {
                [] => None,
                word => Some(SplitWord::read(
                    &CustomerSplit::decode(word).map_err(text)?,
                )?),
            },
            words: Words::read(&head.words)?,
            held: Words::read(&head.held)?,
            missed: {
                let epochs = head.missed_epochs.iter().copied();
                let epochs = epochs.chain(std::iter::repeat(0));
                read_ids(&head.missed_ids)?
                    .into_iter()
                    .zip(epochs)
                    .collect()
            },
            apart: read_ids(&head.apart_ids)?
                .into_iter()
                .zip(head.apart_epochs.iter().copied())
                .collect(),
            returning: returning.collect::<Result<_, _>>()?,
            gone: gone.collect::<Result<_, _>>()?,
        };
        Ok((!all.is_empty()).then(|| Box::new(all)))
    }

    pub(crate) fn write(&self, head: &mut stored::Head) {
        let past = self.past.iter().map(|split| stored::Split {
            graph_epoch: split.epoch,
            from_customer_id: id_bytes(split.from),
            merge_epoch: split.since,
        });
        head.splits = past.collect();
        head.coming_back = self.coming_back.as_ref().map(ComingBack::write);
        let pending = self.pending.as_ref();
        head.pending_split =
            pending.map_or_else(Default::default, |word| word.message.encode_to_vec().into());
        let missed: Vec<CustomerId> = self.missed.iter().map(|it| it.0).collect();
        head.missed_ids = write_ids(&missed);
        head.missed_epochs = self.missed.iter().map(|it| it.1).collect();
        head.words = self.words.write();
        head.held = self.held.write();
        let apart: Vec<CustomerId> = self.apart.iter().map(|it| it.0).collect();
        head.apart_ids = write_ids(&apart);
        head.apart_epochs = self.apart.iter().map(|it| it.1).collect();
        head.returning = self.returning.iter().map(Returning::write).collect();
        head.gone = self.gone.iter().map(Gone::write).collect();
    }
}

impl ComingBack {
    fn read(message: &stored::ComingBack) -> Result<Self, String> {
        let split = CustomerSplit::decode(message.split.clone()).map_err(text)?;
        Ok(Self {
            split: SplitWord::read(&split)?,
            asked: CustomerId::try_from_bytes(&message.asked_id).map_err(text)?,
            cause: MoveCause::read(message.cause.as_ref()),
            state: message.state.as_ref().map(Moving::read).transpose()?,
            tries: message.tries,
        })
    }

    fn write(&self) -> stored::ComingBack {
        stored::ComingBack {
            split: self.split.message.encode_to_vec().into(),
            asked_id: id_bytes(self.asked),
            cause: Some(self.cause.write()),
            state: self.state.as_ref().map(Moving::write),
            tries: self.tries,
        }
    }
}

impl Returning {
    fn read(message: &stored::Returning) -> Result<Self, String> {
        let state = message.state.clone().unwrap_or_default();
        let there = message.ordinals_there.iter();
        let ordinals = message.ordinals.iter().zip(there).map(|(own, there)| {
            let read = |ordinal: &u32| u16::try_from(*ordinal).map_err(text);
            Ok::<_, String>((read(own)?, read(there)?))
        });
        Ok(Self {
            state: Moving::read(&state)?,
            ordinals: ordinals.collect::<Result<_, _>>()?,
        })
    }

    fn write(&self) -> stored::Returning {
        let ordinals = self.ordinals.iter();
        stored::Returning {
            state: Some(self.state.write()),
            ordinals: ordinals.clone().map(|it| it.0.into()).collect(),
            ordinals_there: ordinals.map(|it| it.1.into()).collect(),
        }
    }
}

impl Gone {
    fn read(message: &stored::Gone) -> Result<Self, String> {
        Ok(Self {
            customer: CustomerId::try_from_bytes(&message.customer_id).map_err(text)?,
            epoch: message.graph_epoch,
            leave_id: message.leave_id,
            ordinal: u16::try_from(message.ordinal).map_err(text)?,
        })
    }

    fn write(&self) -> stored::Gone {
        stored::Gone {
            customer_id: id_bytes(self.customer),
            graph_epoch: self.epoch,
            leave_id: self.leave_id,
            ordinal: self.ordinal.into(),
        }
    }
}

impl Head {
    /// The record of the customer's unmerges, to be changed.
    pub(crate) fn splits_mut(&mut self) -> &mut Splits {
        self.splits.get_or_insert_default()
    }

    /// The graph epoch of the last unmerge by which the customer came out of another; 0 for none.
    pub(crate) fn split_epoch(&self) -> u64 {
        let last = self.splits.as_ref().and_then(|it| it.past.last());
        last.map_or(0, |it| it.epoch)
    }

    /// Returns whether a word of a graph epoch is of before the last unmerge by which the customer
    /// came out of another.
    pub(crate) fn is_before_split(&self, epoch: u64) -> bool {
        self.split_epoch() > 0 && epoch <= self.split_epoch()
    }

    /// Takes note that the customer came out of another. Of very many the oldest are forgotten.
    pub(crate) fn add_split(&mut self, split: PastSplit) {
        let past = &mut self.splits_mut().past;
        past.push(split);
        let beyond = past.len().saturating_sub(limits::PAST_SPLITS);
        past.drain(..beyond);
    }

    /// The wait for what was learned under the customer.
    pub(crate) fn coming_back(&self) -> Option<&ComingBack> {
        self.splits.as_ref()?.coming_back.as_ref()
    }

    /// The states that go back to customers who were part of this one.
    pub(crate) fn returning(&self) -> &[Returning] {
        self.splits.as_ref().map_or(&[], |it| &it.returning)
    }

    /// The customer who has an ordinal, or had it and left by an unmerge.
    pub(crate) fn owner_of(&self, ordinal: u16) -> Option<CustomerId> {
        let mut fragments = self.fragments.iter();
        let own = fragments.find(|it| it.ordinal == ordinal);
        let gone = self.splits.iter().flat_map(|it| &it.gone);
        let mut gone = gone
            .filter(|it| it.ordinal == ordinal)
            .map(|it| it.customer);
        own.map(|it| it.customer).or_else(|| gone.next_back())
    }

    /// Returns whether a part is of a state that goes back.
    pub(crate) fn is_returning(&self, part: PartKey) -> bool {
        let mut states = self.returning().iter().map(|it| &it.state);
        states.any(|state| state.parts.values().any(|own| *own == part))
    }

    /// Returns whether some of a state that goes back is still to be sent.
    pub(crate) fn has_to_return(&self) -> bool {
        self.returning().iter().any(|it| !it.state.is_sent)
    }

    /// Returns whether a state is on its way by an unmerge, which programs before this one do not
    /// know.
    pub(crate) fn is_splitting(&self) -> bool {
        self.splits.as_ref().is_some_and(|it| it.is_on_way())
    }

    /// Returns whether what is known of a fragment is here, or known to be on its way.
    pub(crate) fn knows(&self, fragment: CustomerId) -> bool {
        let waiting = self.waiting.as_deref();
        let mut arriving = self.arriving.iter();
        self.has_or_expects(fragment)
            || arriving.any(|it| it.from == fragment)
            || waiting.is_some_and(|it| it.knows(fragment))
    }

    /// The ordinal of a fragment: 0 for the customer's own, and for one that is not here.
    pub(crate) fn ordinal_of(&self, fragment: Option<CustomerId>) -> u16 {
        let mut fragments = self.fragments.iter();
        let found = fragment.and_then(|id| fragments.find(|it| it.customer == id));
        found.map_or(0, |it| it.ordinal.min(FRAGMENTS - 1))
    }
}
