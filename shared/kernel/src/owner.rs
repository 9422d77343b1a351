//! The services that own state. It does not say what they decide.

/// A service that owns state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// Identity.
    Identity,
    /// Segmentation.
    Segmentation,
    /// Journey.
    Journey,
    /// Activation.
    Activation,
}

impl Owner {
    /// Every service. Stores keep the place in this list: only ever add at the end.
    pub const ALL: [Self; 4] = [
        Self::Identity,
        Self::Segmentation,
        Self::Journey,
        Self::Activation,
    ];

    /// Its place in [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name, as keys and answers carry it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Segmentation => "segmentation",
            Self::Journey => "journey",
            Self::Activation => "activation",
        }
    }
}
