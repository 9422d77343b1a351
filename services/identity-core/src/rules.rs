//! All that an installation says of identity: its namespaces, and the policy for conflicts.

use crate::limits::{IDENTIFIERS_PER_CUSTOMER, IDENTIFIERS_WHERE_REASSIGNED};
use crate::namespace::{Namespace, Namespaces};

/// The namespaces of an installation, and its policy.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The namespaces.
    pub namespaces: Namespaces,
    /// The policy.
    pub policy: Policy,
}

/// The way in which events that name several customers are decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The rule.
    pub rule: ConflictRule,
    /// The number of identifiers that one customer may have.
    pub identifier_limit: u32,
    /// The version of its definition; 0 for the built-in one.
    pub version: u32,
}

/// The fate of an identifier of an event whose holder cannot be one with the event's customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ConflictRule {
    /// The event goes on without it, as with Segment Unify.
    #[default]
    DropLowestPriority,
    /// It goes to the customer of the event, with the events that it alone named, as with Adobe.
    ReassignNewest,
    /// It is nobody's from then on, as with Snowplow.
    AmbiguousAnonymous,
    /// The event goes on without it, and without those of any other known customer, as with
    /// PostHog.
    RefuseIfKnown,
    /// It goes to the customer of the event, and earlier events stay, as with Apache Unomi.
    SwitchSession,
    /// The customers are joined whatever limits of namespaces say.
    UnionAll,
}

impl Policy {
    /// A policy of a rule, with its usual number of identifiers a customer.
    pub const fn of(rule: ConflictRule) -> Self {
        Self {
            rule,
            identifier_limit: match rule {
                ConflictRule::ReassignNewest => IDENTIFIERS_WHERE_REASSIGNED,
                _ => IDENTIFIERS_PER_CUSTOMER,
            },
            version: 0,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::of(ConflictRule::default())
    }
}

impl Rules {
    /// The namespace of a name, with its rank: 0 is kept longest.
    pub fn find(&self, name: &str) -> Option<(usize, &Namespace)> {
        self.namespaces.find(name)
    }

    /// All namespaces that values may be stored of: those of events, and those switched off.
    pub fn all(&self) -> impl Iterator<Item = &Namespace> {
        self.iter().chain(self.namespaces.switched_off())
    }

    /// The namespaces, by priority.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Namespace> + DoubleEndedIterator {
        self.namespaces.iter()
    }
}
