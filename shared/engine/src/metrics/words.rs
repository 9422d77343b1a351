//! The words that labels of metrics have.

/// How a lease came or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseChange {
    /// The lease was acquired, with a new epoch.
    Acquired,
    /// It was given back: another process should own the partition, or this one ends.
    Released,
    /// It lapsed, or the store refused its epoch: another process owns the partition.
    Lost,
}

impl LeaseChange {
    pub(super) const ALL: [Self; 3] = [Self::Acquired, Self::Released, Self::Lost];

    /// The word for it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Acquired => "acquired",
            Self::Released => "released",
            Self::Lost => "lost",
        }
    }
}

/// The end of a survivor's wait for the states of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitEnd {
    /// All are folded in.
    Joined,
    /// One cannot be read where it arrived: the customer went on without.
    Refused,
    /// Too much waited: the customer went on without.
    Full,
    /// It took too long: the customer went on without.
    Late,
    /// A store lost one with its newest writes: the customer went on without.
    Lost,
    /// Another one had gone on without it, who was joined into the customer since: the customer went
    /// on without.
    Waived,
}

impl WaitEnd {
    pub(super) const ALL: [Self; 6] = [
        Self::Joined,
        Self::Refused,
        Self::Full,
        Self::Late,
        Self::Lost,
        Self::Waived,
    ];

    /// The word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::Refused => "refused",
            Self::Full => "full",
            Self::Late => "late",
            Self::Lost => "lost",
            Self::Waived => "waived",
        }
    }
}
