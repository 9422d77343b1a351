//! The names of services.

/// One of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceName {
    Identity,
    Segmentation,
    Activation,
    Journey,
    Gateway,
}

impl ServiceName {
    /// Every service, in the order in which definitions are applied: journeys refer to all before
    /// them, and sources to namespaces.
    pub(crate) const ALL: [Self; 5] = [
        Self::Identity,
        Self::Segmentation,
        Self::Activation,
        Self::Journey,
        Self::Gateway,
    ];

    /// Returns whether every deployment has it.
    pub(super) const fn is_everywhere(self) -> bool {
        !matches!(self, Self::Gateway)
    }

    /// The service of a name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Segmentation => "segmentation",
            Self::Activation => "activation",
            Self::Journey => "journey",
            Self::Gateway => "gateway",
        }
    }
}
