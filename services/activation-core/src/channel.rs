//! Channels: ways to reach customers, checked at publish.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use messages::activation::v1 as api;

use crate::{address, limits};

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
    Webhook(Webhook),
    /// Writes to the service's log.
    Log,
}

/// Where a webhook goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The URL, absolute, http or https.
    pub url: Uri,
    /// The key that signs: 24 to 64 bytes.
    pub key: Box<[u8]>,
    /// Whether private addresses are allowed.
    pub allow_private_network: bool,
}

impl std::fmt::Debug for Webhook {
    /// Leaves out the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("url", &self.url)
            .field("allow_private_network", &self.allow_private_network)
            .finish_non_exhaustive()
    }
}

/// Compiles a channel.
///
/// # Errors
/// Every mistake: the path of the field, and what would be right.
pub fn compile(channel: &api::Channel) -> Result<Channel, Vec<(&'static str, String)>> {
    let mut mistakes = Vec::new();
    let kind = match &channel.kind {
        Some(api::channel::Kind::Webhook(webhook)) => {
            let url = parse_url(&webhook.url, webhook.allow_private_network)
                .map_err(|message| mistakes.push(("webhook.url", message)));
            let key = parse_secret(&webhook.secret)
                .map_err(|message| mistakes.push(("webhook.secret", message)));
            url.and_then(|url| {
                Ok(ChannelKind::Webhook(Webhook {
                    url,
                    key: key?,
                    allow_private_network: webhook.allow_private_network,
                }))
            })
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

fn parse_url(text: &str, allow_private_network: bool) -> Result<Uri, String> {
    const EXAMPLE: &str = "expected one such as https://example.com/hooks";
    let url: Uri = text
        .parse()
        .map_err(|error| format!("this is not a URL ({error}): {EXAMPLE}"))?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err(format!("the scheme must be http or https: {EXAMPLE}"));
    }
    let authority = url
        .authority()
        .ok_or_else(|| format!("the URL names no host: {EXAMPLE}"))?;
    if authority.as_str().contains('@') {
        return Err("a URL with a user or password is not taken, because it would be logged; the signature proves who sends".to_owned());
    }
    let host = host_of(&url);
    if host.is_empty() {
        return Err(format!("the URL names no host: {EXAMPLE}"));
    }
    let is_inside = host.parse::<IpAddr>().map_or_else(
        |_| is_local_name(&host),
        |literal| !address::is_public(literal),
    );
    if is_inside && !allow_private_network {
        return Err(format!(
            "`{host}` is not an address of the public internet: set `allow_private_network` if that is meant"
        ));
    }
    Ok(url)
}

/// The host of a URL, without the brackets of an IPv6 address and without the dot that ends a full name.
pub fn host_of(url: &Uri) -> String {
    let host = url.host().unwrap_or_default();
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bare.trim_end_matches('.').to_ascii_lowercase()
}

fn is_local_name(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

/// Reads a secret as Standard Webhooks writes it.
fn parse_secret(secret: &str) -> Result<Box<[u8]>, String> {
    const EXPECTED: &str = "expected `whsec_` and 24 to 64 random bytes in base64, as `openssl rand -base64 32` makes them";
    let encoded = secret
        .strip_prefix("whsec_")
        .ok_or_else(|| EXPECTED.to_owned())?;
    let key = STANDARD.decode(encoded).map_err(|_| EXPECTED.to_owned())?;
    if (24..=64).contains(&key.len()) {
        Ok(key.into())
    } else {
        Err(format!("the secret has {} bytes: {EXPECTED}", key.len()))
    }
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

    fn check_url(url: &str, expected: Result<(), &str>) {
        match (compile(&webhook(url, SECRET, false)), expected) {
            (Ok(_), Ok(())) => {}
            (Err(mistakes), Err(part)) => {
                assert_eq!(mistakes[0].0, "webhook.url");
                assert!(mistakes[0].1.contains(part), "{url}: {mistakes:?}");
            }
            (got, _) => panic!("{url}: {got:?}"),
        }
    }

    #[test]
    fn public_urls_are_taken_and_others_are_refused() {
        check_url("https://example.com/hooks?x=1", Ok(()));
        check_url("http://93.184.216.34:8080/", Ok(()));
        check_url("https://", Err("not a URL"));
        check_url("ftp://example.com/", Err("scheme"));
        check_url("https://user:pw@example.com/", Err("user or password"));
        check_url("http://127.0.0.1/", Err("public internet"));
        check_url("http://[::1]:9000/", Err("public internet"));
        check_url("http://[::ffff:169.254.169.254]/", Err("public internet"));
        check_url("http://LOCALHOST./", Err("public internet"));
        check_url("http://exa mple.com/", Err("not a URL"));
    }

    #[test]
    fn private_addresses_are_taken_where_that_is_meant() {
        assert!(compile(&webhook("http://127.0.0.1:9000/", SECRET, true)).is_ok());
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
