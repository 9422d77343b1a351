//! Words of merges and unmerges that wait for those of before.
//!
//! Each has a graph epoch, which grows with every change of a customer. A customer acts upon them in
//! that order: whoever is joined into somebody later does not come before what was told earlier.

use kernel::CustomerId;
use messages::engine::state_v1 as stored;
use messages::stream::v1::{Record, StateMoved, record::Body};
use prost::Message;

use crate::head::Head;
use crate::moving::text;

/// Records that wait in the head of a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Words(Vec<Word>);

/// A record that waits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Word {
    pub(crate) record: Record,
    /// True where it came in the low-priority lane.
    pub(crate) is_bulk: bool,
}

/// Records have no floats but those of events, and no event waits here.
impl Eq for Word {}

impl Words {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn first(&self) -> Option<&Word> {
        self.0.first()
    }

    /// Adds a word behind all whose graph epochs are not greater.
    pub(crate) fn add(&mut self, word: Word) {
        let epoch = epoch_of_word(&word.record);
        let is_before = |it: &Word| epoch_of_word(&it.record) <= epoch;
        let place = self.0.partition_point(is_before);
        self.0.insert(place, word);
    }

    pub(crate) fn take_first(&mut self) -> Option<Word> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    /// Takes those out that need not wait any longer.
    pub(crate) fn take_where(&mut self, is_free: impl Fn(&Record) -> bool) -> Vec<Word> {
        let all = std::mem::take(&mut self.0).into_iter();
        let (free, held) = all.partition(|it| is_free(&it.record));
        self.0 = held;
        free
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> + '_ {
        self.0.iter().map(|it| &it.record)
    }

    pub(crate) fn read(stored: &[stored::ParkedRecord]) -> Result<Self, String> {
        let words = stored.iter().map(|it| {
            Ok::<_, String>(Word {
                record: Record::decode(it.record.clone()).map_err(text)?,
                is_bulk: it.is_bulk,
            })
        });
        Ok(Self(words.collect::<Result<_, _>>()?))
    }

    pub(crate) fn write(&self) -> Vec<stored::ParkedRecord> {
        let words = self.0.iter().map(|it| stored::ParkedRecord {
            record: it.record.encode_to_vec().into(),
            is_bulk: it.is_bulk,
            ..stored::ParkedRecord::default()
        });
        words.collect()
    }
}

/// Returns the graph epoch of a record that says who the customer is part of, or who is part of
/// them. `None` for all others, and where nobody knows it.
pub(crate) fn epoch_of_word(record: &Record) -> Option<u64> {
    let epoch = match &record.body {
        Some(Body::Merged(merged)) => {
            let is_news = merged.arrived_leave_id == 0 && merged.marked_by_id.is_empty();
            let is_word = is_news && !merged.folded_in && !merged.repoints;
            is_word.then_some(merged.graph_epoch)
        }
        Some(Body::Awaited(awaited)) if !awaited.from_customer_ids.is_empty() => {
            Some(awaited.graph_epoch)
        }
        Some(Body::Split(split)) if !split.asks => Some(split.graph_epoch),
        _ => None,
    };
    epoch.filter(|epoch| *epoch > 0)
}

/// Returns whether a record has the customer say to somebody that they do not come by a merge, which
/// the service before has said already.
pub(crate) fn is_own_answer(moved: &StateMoved) -> bool {
    moved.stays && !moved.sought_by_id.is_empty()
}

impl Head {
    /// Returns whether words wait until those of before are done.
    pub(crate) fn has_words(&self) -> bool {
        self.splits.as_ref().is_some_and(|it| !it.words.is_empty())
    }

    /// Returns whether a word of the customer is being acted upon, or waits: what comes by later ones
    /// is not for the customer yet.
    pub(crate) fn is_changing(&self) -> bool {
        self.coming_back().is_some() || self.is_pending() || self.has_words()
    }

    /// Returns whether a state is all here, and who left is asked to let go of it. The answer is for
    /// this customer alone.
    pub(crate) fn waits_for_answer(&self) -> bool {
        let is_awaited = |from| {
            let waiting = self.waiting.as_deref();
            waiting.is_some_and(|it| it.awaited.contains(&from))
        };
        let mut arriving = self.arriving.iter();
        arriving.any(|it| it.epoch > 0 && it.is_whole() && is_awaited(it.from))
    }

    /// Returns whether a word can be acted upon, where none is before it.
    pub(crate) fn can_take_word(&self, record: &Record) -> bool {
        if self.coming_back().is_some() || self.is_pending() {
            return false;
        }
        match &record.body {
            // The customer is to come out first.
            Some(Body::Awaited(awaited)) => {
                let is_part = self.redirect.is_some() && self.merge_epoch > 0;
                !is_part || awaited.graph_epoch <= self.merge_epoch
            }
            Some(Body::Merged(_) | Body::Split(_)) => {
                self.redirect.is_some() || !self.waits_for_answer()
            }
            _ => true,
        }
    }

    /// Returns whether the state of the customer is on its way to the survivor, who may not have got
    /// to the graph epoch by which it comes.
    pub(crate) const fn is_on_way_out(&self) -> bool {
        self.redirect.is_some() && self.leaving.is_some() && self.merge_epoch > 0
    }

    /// Returns whether a question or a mark waits: until the own state has arrived at the survivor, or
    /// until what it asks for is folded in, which is all here.
    pub(crate) fn holds(&self, record: &Record) -> bool {
        let by = match &record.body {
            Some(Body::Split(split)) if split.asks && split.arrived_leave_id == 0 => {
                CustomerId::try_from_bytes(&split.by_customer_id).ok()
            }
            Some(Body::Merged(merged)) if !merged.marked_by_id.is_empty() => None,
            Some(Body::Moved(moved)) if is_own_answer(moved) => {
                return self.is_changing() || self.is_on_way_out();
            }
            _ => return false,
        };
        let mut arriving = self.arriving.iter();
        let is_arriving = arriving.any(|moving| {
            let is_partial = Some(moving.from) == by && !moving.is_whole();
            !is_partial && moving.all_fragments().any(|it| Some(it.customer) == by)
        });
        self.is_on_way_out() || is_arriving
    }

    /// Returns whether a piece of a state that comes by a graph epoch comes before its time.
    pub(crate) fn is_early(&self, from: CustomerId, epoch: u64) -> bool {
        if epoch == 0 {
            return false;
        }
        if self.is_changing() || self.is_on_way_out() {
            return true;
        }
        if self.redirect.is_some() {
            return self.is_behind(epoch);
        }
        // A version before this one waited without a graph epoch.
        let waiting = self.waiting.as_deref();
        let is_awaited =
            waiting.is_some_and(|it| it.awaited.contains(&from) && it.epoch_of(from) == 0);
        let mut arriving = self.arriving.iter();
        epoch > self.graph_epoch && !is_awaited && !arriving.any(|it| it.from == from)
    }

    /// Returns whether a word that waits can be acted upon, or something that waited for that can go
    /// on.
    pub(crate) fn has_ready(&self) -> bool {
        let Some(splits) = self.splits.as_ref() else {
            return false;
        };
        match splits.words.first() {
            Some(word) => self.can_take_word(&word.record),
            None if self.is_changing() || self.is_on_way_out() => false,
            None => {
                let reach = self.reach();
                let mut held = splits.held.iter();
                held.any(|it| !self.holds(it)) || splits.missed.iter().any(|it| it.1 <= reach)
            }
        }
    }

    /// The graph epoch up to which states come that are for the customer, or for the survivor.
    pub(crate) const fn reach(&self) -> u64 {
        if self.redirect.is_some() {
            self.merge_epoch
        } else {
            self.graph_epoch
        }
    }
}
