//! Secrets in definitions: shown masked, kept where a masked one comes back, and sealed where they
//! are stored.

use proto::activation::v1::channel;
use proto::definition::v1::Definition;
use proto::definition::v1::definition::Kind;
use rpc::{ErrorReason, Failure};
use vault::{Rewrapped, Vault, VaultError, is_sealed};

use crate::key_of;

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

/// The definition as it is stored: its secret sealed, where there are keys for that.
///
/// # Errors
/// As [`failure`].
pub(crate) async fn sealed(
    definition: &Definition,
    vault: Option<&Vault>,
) -> Result<Definition, Failure> {
    let mut sealed = definition.clone();
    let place = place_of(definition);
    if let (Some(vault), Some(secret)) = (vault, secret_of(&mut sealed)) {
        *secret = vault.seal(secret, &place).await.map_err(failure)?;
    }
    Ok(sealed)
}

/// Opens the secret of a stored definition. One that was stored in plain text stays as it is.
///
/// # Errors
/// As [`failure`].
pub(crate) async fn open(stored: &mut Definition, vault: Option<&Vault>) -> Result<(), Failure> {
    let place = place_of(stored);
    let Some(secret) = secret_of(stored).filter(|secret| is_sealed(secret)) else {
        return Ok(());
    };
    let Some(vault) = vault else {
        let message = format!("the secret of {place} is sealed, and this process has no keys");
        return Err(Failure::new(ErrorReason::SecretSealed, message));
    };
    *secret = vault.open(secret, &place).await.map_err(failure)?;
    Ok(())
}

/// The state of a stored secret after the newest key seals it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rotated {
    /// The definition has no secret.
    None,
    /// The newest key sealed it before.
    Unchanged,
    /// Another key did.
    Rewrapped,
    /// It was in plain text.
    Sealed,
}

/// Has the newest key seal the secret of a stored definition.
///
/// # Errors
/// As [`failure`].
pub(crate) async fn rotate(stored: &mut Definition, vault: &Vault) -> Result<Rotated, Failure> {
    let place = place_of(stored);
    let Some(secret) = secret_of(stored).filter(|secret| !secret.is_empty()) else {
        return Ok(Rotated::None);
    };
    if !is_sealed(secret) {
        *secret = vault.seal(secret, &place).await.map_err(failure)?;
        return Ok(Rotated::Sealed);
    }
    match vault.rewrap(secret).await.map_err(failure)? {
        Rewrapped::Same => Ok(Rotated::Unchanged),
        Rewrapped::Changed(sealed) => {
            *secret = sealed;
            Ok(Rotated::Rewrapped)
        }
    }
}

/// A failure of the vault: [`ErrorReason::SecretSealed`] for a key that is missing,
/// [`ErrorReason::StoreUnavailable`] for a service for keys that does not answer.
pub(crate) fn failure(error: VaultError) -> Failure {
    match error {
        VaultError::Unavailable(_) => Failure::store_unavailable(error),
        VaultError::NoRandomness => Failure::internal(error),
        _ => Failure::new(ErrorReason::SecretSealed, error.to_string()).with_source(error),
    }
}

/// The place of a secret, which binds a sealed one to its definition.
fn place_of(definition: &Definition) -> String {
    key_of(definition).map_or_else(String::new, |key| key.to_string())
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
        | Kind::Policy(_)
        | Kind::Source(_) => None,
    }
}
