//! Destinations, checked when their definitions are published.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;

use crate::is_public;

/// A place that webhooks are posted to.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// The URL, absolute, http or https.
    pub url: Uri,
    /// The key that signs: 24 to 64 bytes.
    pub key: Box<[u8]>,
    /// True where addresses that are not of the public internet are taken.
    pub allow_private_network: bool,
}

/// A part of a destination as definitions write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The URL.
    Url,
    /// The secret.
    Secret,
}

impl Field {
    /// Returns the name of the field in definitions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Secret => "secret",
        }
    }
}

/// A mistake in a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The field at fault.
    pub field: Field,
    /// The fault, and what would be right.
    pub description: String,
}

impl fmt::Debug for Destination {
    /// Leaves out the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination")
            .field("url", &self.url)
            .field("allow_private_network", &self.allow_private_network)
            .finish_non_exhaustive()
    }
}

impl Destination {
    /// Reads a destination as a definition writes it.
    ///
    /// # Errors
    /// Every [`Fault`].
    ///
    /// # Examples
    /// ```
    /// # use destination::Destination;
    /// let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    /// assert!(Destination::parse("https://example.com/hooks", secret, false).is_ok());
    /// assert!(Destination::parse("http://127.0.0.1/", secret, false).is_err());
    /// ```
    pub fn parse(url: &str, secret: &str, allow_private_network: bool) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut note = |field, description| faults.push(Fault { field, description });
        let url = parse_url(url, allow_private_network).map_err(|text| note(Field::Url, text));
        let key = parse_secret(secret).map_err(|text| note(Field::Secret, text));
        match (url, key) {
            (Ok(url), Ok(key)) => Ok(Self {
                url,
                key,
                allow_private_network,
            }),
            _ => Err(faults),
        }
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
    let is_inside = host
        .parse::<IpAddr>()
        .map_or_else(|_| is_local_name(&host), |literal| !is_public(literal));
    if is_inside && !allow_private_network {
        return Err(format!(
            "`{host}` is not an address of the public internet: set `allow_private_network` if that is meant"
        ));
    }
    Ok(url)
}

/// Returns the host of a URL, without the brackets of an IPv6 address and without the dot that ends
/// a full name.
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

    fn check_url(url: &str, expected: Result<(), &str>) {
        match (Destination::parse(url, SECRET, false), expected) {
            (Ok(_), Ok(())) => {}
            (Err(faults), Err(part)) => {
                assert_eq!(faults[0].field, Field::Url);
                assert!(faults[0].description.contains(part), "{url}: {faults:?}");
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
        assert!(Destination::parse("http://127.0.0.1:9000/", SECRET, true).is_ok());
    }

    #[test]
    fn every_mistake_is_found_at_once_and_the_key_is_not_shown() {
        let faults = Destination::parse("nope", "whsec_AAAA", false).expect_err("mistakes");
        let fields: Vec<Field> = faults.iter().map(|fault| fault.field).collect();
        assert_eq!(fields, [Field::Url, Field::Secret]);
        let found = Destination::parse("https://example.com/", SECRET, false).expect("right");
        assert!(!format!("{found:?}").contains("key"));
    }
}
