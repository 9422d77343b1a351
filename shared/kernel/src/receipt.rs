//! The names of receipts: events that tell what became of what was asked of activation.

/// An event that activation puts on the way to segments and journeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Receipt {
    /// An activation was delivered.
    Delivered,
    /// An activation was admitted, and could not be delivered.
    Failed,
    /// An activation was refused.
    Suppressed,
    /// A grant of consent was not taken.
    ConsentRefused,
}

impl Receipt {
    /// Every receipt.
    pub const ALL: [Self; 4] = [
        Self::Delivered,
        Self::Failed,
        Self::Suppressed,
        Self::ConsentRefused,
    ];

    /// Its name, as that of an event.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "activation_delivered",
            Self::Failed => "activation_failed",
            Self::Suppressed => "activation_suppressed",
            Self::ConsentRefused => "consent_refused",
        }
    }
}
