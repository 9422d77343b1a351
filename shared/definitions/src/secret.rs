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
    for (_, secret) in secrets_of(&mut definition) {
        if !secret.is_empty() {
            MASK.clone_into(secret);
        }
    }
    definition
}

/// Puts the secrets of the stored definition where the new one carries the mask. Returns false
/// where there is none to put.
pub(crate) fn unmask(definition: &mut Definition, stored: Option<&Definition>) -> bool {
    let mut stored = stored.cloned();
    let kept = stored.as_mut().map(secrets_of).unwrap_or_default();
    secrets_of(definition).into_iter().all(|(name, secret)| {
        if secret != MASK {
            return true;
        }
        let same = kept.iter().find(|(other, _)| *other == name);
        let own = same.map(|(_, own)| own.as_str());
        match own.filter(|own| !own.is_empty()) {
            Some(own) => {
                own.clone_into(secret);
                true
            }
            None => false,
        }
    })
}

/// The definition as it is stored: its secrets sealed, where there are keys for that.
///
/// # Errors
/// As [`failure`].
pub(crate) async fn sealed(
    definition: &Definition,
    vault: Option<&Vault>,
) -> Result<Definition, Failure> {
    let mut sealed = definition.clone();
    let key = place_of(definition);
    if let Some(vault) = vault {
        for (name, secret) in secrets_of(&mut sealed) {
            if !secret.is_empty() {
                let place = format!("{key}{name}");
                *secret = vault.seal(secret, &place).await.map_err(failure)?;
            }
        }
    }
    Ok(sealed)
}

/// Opens the secrets of a stored definition. One that was stored in plain text stays as it is.
///
/// # Errors
/// As [`failure`].
pub(crate) async fn open(stored: &mut Definition, vault: Option<&Vault>) -> Result<(), Failure> {
    let key = place_of(stored);
    for (name, secret) in secrets_of(stored) {
        if !is_sealed(secret) {
            continue;
        }
        let place = format!("{key}{name}");
        let Some(vault) = vault else {
            let message = format!("the secret of {key} is sealed, and this process has no keys");
            return Err(Failure::new(ErrorReason::SecretSealed, message));
        };
        *secret = vault.open(secret, &place).await.map_err(failure)?;
    }
    Ok(())
}

/// The state of stored secrets after the newest key seals them, from the least change to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

/// Has the newest key seal the secrets of a stored definition, and tells of the one that changed
/// most.
///
/// # Errors
/// As [`failure`].
pub(crate) async fn rotate(stored: &mut Definition, vault: &Vault) -> Result<Rotated, Failure> {
    let key = place_of(stored);
    let mut rotated = Rotated::None;
    for (name, secret) in secrets_of(stored) {
        if secret.is_empty() {
            continue;
        }
        let own = if is_sealed(secret) {
            match vault.rewrap(secret).await.map_err(failure)? {
                Rewrapped::Same => Rotated::Unchanged,
                Rewrapped::Changed(sealed) => {
                    *secret = sealed;
                    Rotated::Rewrapped
                }
            }
        } else {
            let place = format!("{key}{name}");
            *secret = vault.seal(secret, &place).await.map_err(failure)?;
            Rotated::Sealed
        };
        rotated = rotated.max(own);
    }
    Ok(rotated)
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

/// The place of the secrets of a definition, which binds sealed ones to it.
fn place_of(definition: &Definition) -> String {
    key_of(definition).map_or_else(String::new, |key| key.to_string())
}

/// The secrets of a definition, each with what its place has behind the definition's: nothing for
/// the first, so that what was sealed when there was one only can be opened.
fn secrets_of(definition: &mut Definition) -> Vec<(&'static str, &mut String)> {
    let Some(kind) = definition.kind.as_mut() else {
        return Vec::new();
    };
    match kind {
        Kind::Channel(it) => match it.kind.as_mut() {
            Some(channel::Kind::Webhook(webhook)) => vec![("", &mut webhook.secret)],
            Some(channel::Kind::Log(_)) | None => Vec::new(),
        },
        Kind::Source(it) => match it.webhook.as_mut() {
            Some(webhook) => vec![
                ("", &mut webhook.secret),
                ("/previous", &mut webhook.previous_secret),
            ],
            None => Vec::new(),
        },
        Kind::Subscription(it) => vec![("", &mut it.secret)],
        Kind::Namespace(_)
        | Kind::IdentityPolicy(_)
        | Kind::Segment(_)
        | Kind::JourneyMap(_)
        | Kind::HappyPath(_)
        | Kind::Journey(_)
        | Kind::Template(_)
        | Kind::Policy(_) => Vec::new(),
    }
}
