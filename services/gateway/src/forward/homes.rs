//! The homes of definitions and partitions: the services that keep them, and the ways there.

use kernel::Owner;
use proto::definition::v1::DefinitionKind;
use rpc::RelayChannel;
use runtime::{Calls, Peers};
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Status};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use super::pass::unanswered;

/// The way to a service, which a client of its RPCs can be made of.
pub(super) type Way = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Status>;

/// Headers about the form of the messages, which each call has of its own.
const FORMS: [&str; 2] = ["grpc-encoding", "grpc-accept-encoding"];

/// A service that keeps definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Home {
    /// One of the other services.
    Service(Owner),
    /// This process.
    Here,
}

impl Home {
    /// Every home, in the order of the kinds of definitions.
    pub(super) const ALL: [Self; 5] = [
        Self::Service(Owner::Identity),
        Self::Service(Owner::Segmentation),
        Self::Service(Owner::Journey),
        Self::Service(Owner::Activation),
        Self::Here,
    ];

    /// Every home in the order in which definitions are applied: what others name comes first.
    pub(super) const BY_DEPENDENCE: [Self; 5] = [
        Self::Service(Owner::Identity),
        Self::Service(Owner::Segmentation),
        Self::Service(Owner::Activation),
        Self::Service(Owner::Journey),
        Self::Here,
    ];

    /// The home of a kind of definition; absent where none is meant.
    pub(super) const fn of(kind: DefinitionKind) -> Option<Self> {
        let owner = match kind {
            DefinitionKind::Unspecified => return None,
            DefinitionKind::Source | DefinitionKind::Subscription => return Some(Self::Here),
            DefinitionKind::Namespace | DefinitionKind::IdentityPolicy => Owner::Identity,
            DefinitionKind::Segment => Owner::Segmentation,
            DefinitionKind::JourneyMap | DefinitionKind::HappyPath | DefinitionKind::Journey => {
                Owner::Journey
            }
            DefinitionKind::Channel | DefinitionKind::Template | DefinitionKind::Policy => {
                Owner::Activation
            }
        };
        Some(Self::Service(owner))
    }

    /// Its name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Service(owner) => owner.name(),
            Self::Here => "gateway",
        }
    }
}

impl Home {
    /// Returns the words of a service, or the failure of one that does not answer.
    pub(super) fn said<T>(self, answer: Result<tonic::Response<T>, Status>) -> Result<T, Status> {
        match (answer, self) {
            (Ok(answer), _) => Ok(answer.into_inner()),
            (Err(status), Self::Service(owner)) => Err(unanswered(owner, status)),
            (Err(status), Self::Here) => Err(status),
        }
    }
}

/// The ways to the services.
pub(super) struct Homes {
    here: Calls,
    peers: Peers,
}

impl Homes {
    pub(super) const fn new(here: Calls, peers: Peers) -> Self {
        Self { here, peers }
    }

    /// The services of this process.
    pub(super) fn here(&self) -> Calls {
        self.here.clone()
    }

    /// The way to the services at a home.
    pub(super) fn way(&self, home: Home) -> Way {
        match home {
            Home::Service(owner) => Way::new(self.channel(owner)),
            Home::Here => Way::new(self.here().map_err(|never| match never {})),
        }
    }

    /// The channel to another service, for messages as they are.
    pub(super) fn channel(&self, owner: Owner) -> RelayChannel {
        self.peers.relay(owner).clone()
    }
}

/// The caller of a call, and all that is known of it beside its message: what goes with the calls
/// that are made of it.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    metadata: MetadataMap,
    extensions: Extensions,
}

impl Sender {
    /// Splits a call into its sender and its message.
    pub(super) fn of<T>(request: Request<T>) -> (Self, T) {
        let (mut metadata, extensions, message) = request.into_parts();
        for name in FORMS {
            metadata.remove(name);
        }
        let sender = Self {
            metadata,
            extensions,
        };
        (sender, message)
    }

    /// A call of the same sender.
    pub(super) fn asks<T>(&self, message: T) -> Request<T> {
        Request::from_parts(self.metadata.clone(), self.extensions.clone(), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_home_and_homes_are_in_the_order_of_kinds() {
        let mut last = None;
        for number in 1.. {
            let Ok(kind) = DefinitionKind::try_from(number) else {
                break;
            };
            let home = Home::of(kind);
            let place = Home::ALL.iter().position(|it| Some(*it) == home);
            assert!(place.is_some(), "{kind:?}");
            // It came later than the kinds of the services behind.
            if kind != DefinitionKind::IdentityPolicy {
                assert!(place >= last, "{kind:?}");
                last = place;
            }
        }
        assert_eq!(Home::of(DefinitionKind::Unspecified), None);
        let mut ordered = Home::BY_DEPENDENCE;
        ordered.sort_unstable();
        let mut all = Home::ALL;
        all.sort_unstable();
        assert_eq!(ordered, all);
    }
}
