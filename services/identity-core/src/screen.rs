//! Identifiers of an event that may name a customer, and those that may not.

use std::collections::HashSet;

use crate::customer::Identifier;
use crate::limits::{IDENTIFIER_CHARS, IDENTIFIERS_PER_EVENT};
use crate::normalizer::MalformedValue;
use crate::rules::Rules;

/// The reason for which an identifier was not used to resolve its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// The value names nobody, such as `null`.
    BlockedValue,
    /// The value is none of its namespace, such as an e-mail address without `@`.
    MalformedValue,
    /// With it, the customer would have more values of its namespace than one may have.
    LimitExceeded,
    /// With it, the customer would have more fragments or identifiers than one may have.
    CustomerFull,
    /// It belongs to a customer with whom this one must never be joined, since an unmerge.
    CannotLink,
    /// It belongs to a customer who is known.
    KnownCustomer,
    /// Several customers claimed it, so that it is nobody's.
    Contested,
    /// It stood between too many customers, so that it is nobody's.
    Quarantined,
    /// The event has more values of a namespace than one customer may have, and is refused whole.
    ConflictingValues,
    /// The event has more identifiers than one may have.
    TooMany,
    /// The customer of the value was erased after the event.
    Erased,
    /// The processing of the value is stopped.
    Suppressed,
    /// No such namespace is defined.
    UnknownNamespace,
    /// It names an account where a customer is named, or the other way round.
    OtherSubject,
}

impl DropReason {
    /// The code, as answers carry it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BlockedValue => "BLOCKED_VALUE",
            Self::MalformedValue => "MALFORMED_VALUE",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::UnknownNamespace => "UNKNOWN_NAMESPACE",
            Self::OtherSubject => "OTHER_SUBJECT",
            Self::CustomerFull => "CUSTOMER_FULL",
            Self::CannotLink => "CANNOT_LINK",
            Self::KnownCustomer => "KNOWN_CUSTOMER",
            Self::Contested => "CONTESTED",
            Self::Quarantined => "QUARANTINED",
            Self::ConflictingValues => "CONFLICTING_VALUES",
            Self::TooMany => "TOO_MANY",
            Self::Erased => "ERASED",
            Self::Suppressed => "SUPPRESSED",
        }
    }
}

/// An identifier that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The identifier; as it came where screening dropped it, else as normalised.
    pub identifier: Identifier,
    /// The reason.
    pub reason: DropReason,
}

/// The identifiers of one event, screened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Screened {
    /// Those that may name a customer, by priority, each with the rank of its namespace.
    pub kept: Vec<(usize, Identifier)>,
    /// The others.
    pub dropped: Vec<Dropped>,
    /// True where the sender knows that all are one person's.
    pub is_alias: bool,
}

/// Screens the identifiers of an event. Of several of one namespace the first ones have priority;
/// one that is there twice, once it is normalised, counts once. Of more than an event may have,
/// those of the lowest priority are left out.
pub fn screen(rules: &Rules, identifiers: impl IntoIterator<Item = (String, String)>) -> Screened {
    let identifiers = identifiers.into_iter();
    let mut screened = Screened {
        kept: Vec::with_capacity(identifiers.size_hint().0),
        dropped: Vec::new(),
        is_alias: false,
    };
    for (namespace, value) in identifiers {
        let mut drop = |namespace: String, value: String, reason| {
            screened.dropped.push(Dropped {
                identifier: Identifier { namespace, value },
                reason,
            });
        };
        let Some((rank, definition)) = rules.find(&namespace) else {
            let reason = match rules.is_of_others(&namespace) {
                true => DropReason::OtherSubject,
                false => DropReason::UnknownNamespace,
            };
            drop(namespace, value, reason);
            continue;
        };
        if value.chars().count() > IDENTIFIER_CHARS {
            drop(namespace, value, DropReason::MalformedValue);
            continue;
        }
        if definition.is_blocked(&value) {
            drop(namespace, value, DropReason::BlockedValue);
            continue;
        }
        match definition.normalize(value) {
            Ok(value) => screened.kept.push((rank, Identifier { namespace, value })),
            Err(MalformedValue(value)) => drop(namespace, value, DropReason::MalformedValue),
        }
    }
    keep_first(&mut screened.kept);
    screened.kept.sort_by_key(|(rank, _)| *rank);
    let too_many = IDENTIFIERS_PER_EVENT.min(screened.kept.len());
    for (_, identifier) in screened.kept.drain(too_many..) {
        screened.dropped.push(Dropped {
            identifier,
            reason: DropReason::TooMany,
        });
    }
    screened
        .dropped
        .sort_by(|a, b| a.identifier.cmp(&b.identifier));
    screened
}

/// Removes what is there before.
fn keep_first(kept: &mut Vec<(usize, Identifier)>) {
    // Of a few, comparing each with each is the fastest.
    if kept.len() > IDENTIFIERS_PER_EVENT {
        let mut seen = HashSet::new();
        kept.retain(|it| seen.insert(it.clone()));
        return;
    }
    for place in (1..kept.len()).rev() {
        if kept[..place].contains(&kept[place]) {
            kept.remove(place);
        }
    }
}
