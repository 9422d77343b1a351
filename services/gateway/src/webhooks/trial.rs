//! A trial of a source's webhook: what would come of a post, with nothing sent and nothing kept.

use gateway_core::{Letter, Readable, Reading, SourceFault, SourceRules, Webhook, WebhookPost};
use kernel::Timestamp;
use proto::gateway::v1::Source;
use proto::identity::v1::Event;

/// The outcome of a post that is only tried.
#[derive(Debug, Default)]
pub struct Trial {
    /// The fault of its signature; absent where it is right, or was not to be checked.
    pub signature: Option<String>,
    /// The events that it would be, each with the thing that it is made of.
    pub events: Vec<(Event, String)>,
    /// The things that could not be taken: the field at fault, what is wrong, and the thing.
    pub faults: Vec<TriedFault>,
    /// The number of things that no mapping is for.
    pub unmapped_count: usize,
}

/// A thing that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriedFault {
    /// The reason by which it would be counted.
    pub reason: &'static str,
    /// The field at fault.
    pub field: String,
    /// The fault, with what would be right.
    pub description: String,
    /// The dead letter that would be kept.
    pub payload: String,
}

/// A post that cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The source takes no webhooks.
    #[error("the source takes no webhooks: set its `webhook`")]
    NoWebhook,
    /// Its definition has faults.
    #[error("the source has faults:{}", listed(.0))]
    Faults(Vec<SourceFault>),
    /// The post cannot be read.
    #[error("{0}")]
    Call(#[from] gateway_core::CallFault),
}

fn listed(faults: &[SourceFault]) -> String {
    let lines = faults.iter().map(|fault| {
        let SourceFault { field, description } = fault;
        format!("\n  {field} {description}")
    });
    lines.collect()
}

/// A secret that can be read in every way that secrets are written in.
const ANY_SECRET: &str = "AAAA";

/// Reads a post as the source says. Its signature is checked where `is_signed`; the secrets of the
/// definition do not matter otherwise, and may be masked.
///
/// # Errors
/// [`TrialError`] where none of its things can be told.
pub fn try_webhook(
    source: &Source,
    post: &WebhookPost<'_>,
    is_signed: bool,
    now: Timestamp,
) -> Result<Trial, TrialError> {
    let mut source = source.clone();
    let reading = source.webhook.as_mut().ok_or(TrialError::NoWebhook)?;
    if !is_signed {
        for secret in [&mut reading.secret, &mut reading.previous_secret] {
            if !secret.is_empty() {
                ANY_SECRET.clone_into(secret);
            }
        }
    }
    let webhook = Webhook::compile(reading, &|_| true).map_err(TrialError::Faults)?;
    let rules = SourceRules::of(&source);
    let mut trial = Trial::default();
    if is_signed {
        let verified = webhook.verify(post, now);
        trial.signature = verified.err().map(|fault| fault.to_string());
    }
    let (text, shown) = (webhook.text(post)?, webhook.shown(post));
    let Reading {
        events,
        letters,
        nothing_count,
        ..
    } = webhook.read(&text, &shown)?.events(&rules);
    let told = |readable: Readable<'_>| (readable.event, readable.sent.to_owned());
    trial.events = events.into_iter().map(told).collect();
    trial.faults = letters.into_iter().map(fault).collect();
    trial.unmapped_count = nothing_count;
    Ok(trial)
}

fn fault(letter: Letter) -> TriedFault {
    TriedFault {
        reason: letter.fault.reason.code(),
        field: letter.fault.field,
        description: letter.fault.description,
        payload: letter.payload,
    }
}
