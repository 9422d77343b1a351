//! Secrets in definitions: shown masked, and kept where a masked one comes back.

use proto::activation::v1::channel;
use proto::definition::v1::Definition;
use proto::definition::v1::definition::Kind;

/// The text that answers carry instead of a secret.
pub(crate) const MASK: &str = "whsec_***";

/// The definition as answers carry it.
pub(crate) fn masked(mut definition: Definition) -> Definition {
    if let Some(secret) = secret_of(&mut definition)
        && !secret.is_empty()
    {
        MASK.clone_into(secret);
    }
    definition
}

/// Puts the secret of the stored definition where the new one carries the mask. Returns false where
/// there is none to put.
pub(crate) fn unmask(definition: &mut Definition, stored: Option<&Definition>) -> bool {
    let Some(secret) = secret_of(definition).filter(|secret| *secret == MASK) else {
        return true;
    };
    let mut stored = stored.cloned();
    match stored.as_mut().and_then(secret_of) {
        Some(kept) if !kept.is_empty() => {
            kept.clone_into(secret);
            true
        }
        _ => false,
    }
}

fn secret_of(definition: &mut Definition) -> Option<&mut String> {
    match definition.kind.as_mut()? {
        Kind::Channel(it) => match it.kind.as_mut()? {
            channel::Kind::Webhook(webhook) => Some(&mut webhook.secret),
            channel::Kind::Log(_) => None,
        },
        Kind::Namespace(_)
        | Kind::Segment(_)
        | Kind::JourneyMap(_)
        | Kind::HappyPath(_)
        | Kind::Journey(_)
        | Kind::Template(_)
        | Kind::Policy(_) => None,
    }
}
