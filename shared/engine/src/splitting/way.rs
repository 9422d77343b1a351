//! The ways of what comes late for fragments that came apart.

use kernel::CustomerId;

use crate::head::Head;
use crate::limits;

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

    /// Returns whether what comes with a graph epoch comes after an unmerge that is not done here.
    pub(crate) const fn is_behind(&self, epoch: u64) -> bool {
        self.redirect.is_some() && self.merge_epoch > 0 && epoch > self.merge_epoch
    }

    /// Takes note that somebody is to send their state once more.
    pub(crate) fn set_missed(&mut self, customer: CustomerId) {
        let missed = &mut self.splits_mut().missed;
        if !missed.contains(&customer) && missed.len() < limits::GONE_CUSTOMERS {
            missed.push(customer);
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

    /// Returns whether the customer has come out, and records wait still that came before the own
    /// state was back: words of later merges and unmerges may be among them.
    pub(crate) fn catches_up(&self) -> bool {
        self.redirect.is_none() && self.splits.as_ref().is_some_and(|it| it.catches_up)
    }

    /// Returns whether the word of an unmerge waits until the state that left is folded in.
    pub(crate) fn is_pending(&self) -> bool {
        self.splits.as_ref().is_some_and(|it| it.pending.is_some())
    }
}
