//! The ways of what comes late for fragments that came apart.

use kernel::CustomerId;

use crate::head::Head;
use crate::limits;
use crate::splitting::Gone;

/// The graph epochs that what comes for a fragment carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    /// The one at which the fragment was last known to be part of another.
    pub(crate) own: u64,
    /// The one since which it is part of the customer for whom that comes: its own, or that of
    /// whoever sent it on.
    pub(crate) since: u64,
}

impl Epochs {
    /// The same for both.
    pub(crate) const fn of(epoch: u64) -> Self {
        Self {
            own: epoch,
            since: epoch,
        }
    }
}

impl Head {
    /// Returns what is known of a customer who left by an unmerge.
    pub(crate) fn gone(&self, customer: CustomerId) -> Option<&Gone> {
        let mut gone = self.splits.as_ref()?.gone.iter();
        let gone = gone.find(|it| it.customer == customer);
        // One who is here again was joined anew.
        gone.filter(|_| !self.has_fragment(customer))
    }

    /// Takes note that a customer left by an unmerge. Of very many the oldest are forgotten.
    pub(crate) fn set_gone(&mut self, mut gone: Gone) {
        let known = self.gone(gone.customer);
        gone.epoch = known.map_or(0, |it| it.epoch).max(gone.epoch);
        self.forget_gone(gone.customer, u64::MAX);
        let all = &mut self.splits_mut().gone;
        all.push(gone);
        let beyond = all.len().saturating_sub(limits::GONE_CUSTOMERS);
        all.drain(..beyond);
    }

    /// Forgets that a customer left before a graph epoch, who was joined into this one anew.
    pub(crate) fn forget_gone(&mut self, customer: CustomerId, epoch: u64) {
        if let Some(splits) = &mut self.splits {
            let is_older = |it: &Gone| it.customer == customer && it.epoch < epoch;
            splits.gone.retain(|it| !is_older(it));
        }
    }

    /// Returns the customer with whom those stayed who were part of this one since a graph epoch,
    /// where this one came out of another since, and the graph epoch up to then.
    pub(crate) fn stayed_with(&self, since: u64) -> Option<(CustomerId, u64)> {
        let mut past = self.splits.as_ref()?.past.iter();
        let split = past.find(|it| it.epoch > since)?;
        Some((split.from, since.max(split.since)))
    }

    /// Returns where that goes which comes for a fragment, and since when the fragment is part of that
    /// one. `None` where it is for this customer, or for the one that this one is redirected to.
    pub(crate) fn way_of(&self, fragment: CustomerId, epochs: Epochs) -> Option<(CustomerId, u64)> {
        self.splits.as_ref()?;
        if self.redirect.is_none() && self.knows(fragment) {
            return None;
        }
        match self.gone(fragment) {
            Some(gone) if epochs.own <= gone.epoch => Some((fragment, 0)),
            _ => self.stayed_with(epochs.since),
        }
    }

    /// Since which graph epoch the customer is part of the one that they were told of last.
    pub(crate) fn told_epoch(&self) -> u64 {
        let next = self.next_redirect.map_or(0, |it| it.epoch);
        self.merge_epoch.max(next)
    }

    /// Returns whether what comes with a graph epoch comes after an unmerge that is not done here.
    pub(crate) const fn is_behind(&self, epoch: u64) -> bool {
        self.redirect.is_some() && self.merge_epoch > 0 && epoch > self.merge_epoch
    }

    /// Takes note that somebody is to send their state once more, which comes by a graph epoch. Of
    /// very many the rest sends it by itself, later.
    pub(crate) fn set_missed(&mut self, customer: CustomerId, epoch: u64) {
        let missed = &mut self.splits_mut().missed;
        if let Some(known) = missed.iter_mut().find(|it| it.0 == customer) {
            known.1 = epoch;
        } else if missed.len() < limits::GONE_CUSTOMERS {
            missed.push((customer, epoch));
        }
    }

    /// Returns whether somebody's state came before its time, and is to be sent once more.
    pub(crate) fn has_missed(&self, customer: CustomerId) -> bool {
        let mut missed = self.splits.iter().flat_map(|it| &it.missed);
        missed.any(|it| it.0 == customer)
    }

    /// Returns where a piece of somebody's state goes that comes by a graph epoch, and since when
    /// they are part of that one. `None` as for [`Self::way_of`].
    pub(crate) fn way_of_state(
        &self,
        from: CustomerId,
        epochs: Epochs,
    ) -> Option<(CustomerId, u64)> {
        self.splits.as_ref()?;
        let waiting = self.waiting.as_deref();
        let is_awaited =
            waiting.is_some_and(|it| it.knows(from) && it.epoch_of(from) <= epochs.since);
        let mut arriving = self.arriving.iter();
        let is_here = self.has_or_expects(from) || arriving.any(|it| it.from == from);
        if self.redirect.is_none() && (is_here || is_awaited) {
            return None;
        }
        match self.gone(from) {
            Some(gone) if epochs.own <= gone.epoch => Some((from, 0)),
            _ => self.stayed_with(epochs.since),
        }
    }

    /// Takes note that somebody does not come by merges up to a graph epoch.
    pub(crate) fn set_apart(&mut self, customer: CustomerId, epoch: u64) {
        let apart = &mut self.splits_mut().apart;
        if apart.len() < limits::GONE_CUSTOMERS {
            apart.push((customer, epoch));
        }
    }

    /// Returns whether somebody said that they do not come by a merge.
    pub(crate) fn is_apart(&self, customer: CustomerId, epoch: u64) -> bool {
        let mut apart = self.splits.iter().flat_map(|it| &it.apart);
        apart.any(|it| it.0 == customer && epoch <= it.1)
    }

    /// Returns whether the word of an unmerge waits until the state that left is folded in.
    pub(crate) fn is_pending(&self) -> bool {
        self.splits.as_ref().is_some_and(|it| it.pending.is_some())
    }
}
