//! Channels: ways to reach customers, checked at publish.

use destination::{Destination, Fault, Field};
use messages::activation::v1 as api;

use crate::limits;

/// A channel, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// How it delivers.
    pub kind: ChannelKind,
    /// How often a delivery is tried.
    pub max_attempts: u32,
}

/// How a channel delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelKind {
    /// Posts to a URL.
    Webhook(Destination),
    /// Writes to the service's log.
    Log,
}

/// Compiles a channel.
///
/// # Errors
/// Every mistake: the path of the field, and what would be right.
pub fn compile(channel: &api::Channel) -> Result<Channel, Vec<(&'static str, String)>> {
    let mut mistakes = Vec::new();
    let kind = match &channel.kind {
        Some(api::channel::Kind::Webhook(webhook)) => {
            let (url, secret) = (&webhook.url, &webhook.secret);
            Destination::parse(url, secret, webhook.allow_private_network)
                .map(ChannelKind::Webhook)
                .map_err(|faults| mistakes.extend(faults.into_iter().map(mistake)))
                .ok()
        }
        Some(api::channel::Kind::Log(api::LogChannel {})) => Some(ChannelKind::Log),
        None => {
            mistakes.push(("kind", "expected `webhook` or `log`".to_owned()));
            None
        }
    };
    let max_attempts = match channel.max_attempts {
        0 => limits::DEFAULT_ATTEMPTS,
        attempts => attempts,
    };
    match kind {
        Some(kind) if mistakes.is_empty() => Ok(Channel { kind, max_attempts }),
        _ => Err(mistakes),
    }
}

/// A mistake of a webhook as one of its channel.
fn mistake(fault: Fault) -> (&'static str, String) {
    let field = match fault.field {
        Field::Url => "webhook.url",
        Field::Secret => "webhook.secret",
    };
    (field, fault.description)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    fn webhook(url: &str, secret: &str, allow_private_network: bool) -> api::Channel {
        api::Channel {
            name: "hook".to_owned(),
            kind: Some(api::channel::Kind::Webhook(api::WebhookChannel {
                url: url.to_owned(),
                secret: secret.to_owned(),
                allow_private_network,
            })),
            ..api::Channel::default()
        }
    }

    #[test]
    fn every_mistake_is_found_at_once_and_the_key_is_not_shown() {
        let mistakes = compile(&webhook("nope", "whsec_AAAA", false)).expect_err("mistakes");
        assert_eq!(
            mistakes.iter().map(|(path, _)| *path).collect::<Vec<_>>(),
            ["webhook.url", "webhook.secret"]
        );
        let channel = compile(&webhook("https://example.com/", SECRET, false)).expect("a channel");
        assert!(!format!("{channel:?}").contains("key"));
        assert_eq!(channel.max_attempts, limits::DEFAULT_ATTEMPTS);
    }
}
