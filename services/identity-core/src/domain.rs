//! Domains of the Internet: the part of a host name that somebody registered, by the public suffix
//! list with its private part, so that each shop of a builder of shops is one of its own.
//!
//! It asks no name server: a domain may be one that nobody has.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use crate::invisible::without_invisible;

/// Bytes of a text that a domain is looked for in: more than any address of a page that people
/// write.
const TEXT_BYTES: usize = 2_048;
/// Characters of a host name (RFC 1035 §2.3.4), without the dot at its end.
const HOST_CHARS: usize = 253;
/// Characters of one of its labels.
const LABEL_CHARS: usize = 63;

/// The reason for which a text has no registrable domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoDomain {
    /// It is no host name, nor has one where it should.
    #[error("it has no host name: expected one such as `www.example.com`")]
    NoHost,
    /// It is a number of a host.
    #[error("it is an IP address, which nobody registers: expected a host name")]
    IpAddress,
    /// It is a public suffix, under which others register domains.
    #[error("it is a public suffix, not a domain of one owner: expected one label more")]
    PublicSuffix,
    /// It ends in a label that is no public suffix, such as `local`.
    #[error("it ends in no public suffix: expected a domain of the Internet")]
    UnknownSuffix,
}

/// Returns the registrable domain of an e-mail address, in lower case and in ASCII.
///
/// # Errors
/// [`NoDomain`], as for the address of a host.
///
/// # Examples
/// `ada@mail.example.co.uk` has `example.co.uk`.
pub fn domain_of(email: &str) -> Result<String, NoDomain> {
    let (_, host) = email.rsplit_once('@').ok_or(NoDomain::NoHost)?;
    registrable(host)
}

/// Returns the registrable domain of a host name, of the address of a page or of an e-mail address,
/// in lower case and in ASCII.
///
/// # Errors
/// [`NoDomain`].
///
/// # Examples
/// `https://ada@shop.EXAMPLE.co.uk:8443/cart` has `example.co.uk`.
pub fn registrable(text: &str) -> Result<String, NoDomain> {
    own_part(&host(text)?)
}

/// Returns the host name of a text as [`registrable`] reads it, whole.
///
/// # Errors
/// [`NoDomain`].
pub(crate) fn host(text: &str) -> Result<String, NoDomain> {
    if text.len() > TEXT_BYTES {
        return Err(NoDomain::NoHost);
    }
    let visible = without_invisible(text);
    let host = host_of(visible.trim())?;
    let host = ascii(host)?;
    let host = host.strip_suffix('.').unwrap_or(&host);
    check_labels(host)?;
    Ok(host.to_owned())
}

/// Returns the registrable part of a host name.
///
/// # Errors
/// [`NoDomain`].
pub(crate) fn own_part(host: &str) -> Result<String, NoDomain> {
    let suffix = psl::suffix(host.as_bytes()).ok_or(NoDomain::NoHost)?;
    if !suffix.is_known() {
        return Err(NoDomain::UnknownSuffix);
    }
    let domain = psl::domain_str(host).ok_or(NoDomain::PublicSuffix)?;
    let own = domain.split('.').next().unwrap_or_default();
    let is_registered = !own.contains('_') && !own.starts_with('-') && !own.ends_with('-');
    is_registered
        .then(|| domain.to_owned())
        .ok_or(NoDomain::NoHost)
}

/// Returns the host of an address: without its scheme, user, port and path.
fn host_of(text: &str) -> Result<&str, NoDomain> {
    let is_mail = text
        .get(..7)
        .is_some_and(|it| it.eq_ignore_ascii_case("mailto:"));
    let rest = match text.split_once("://") {
        // A scheme has no such signs (RFC 3986 §3.1): these are of a path or a query.
        Some((scheme, rest)) if !scheme.contains(['/', '?', '#', '@', '.']) => rest,
        _ if is_mail => &text[7..],
        _ => text.strip_prefix("//").unwrap_or(text),
    };
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.starts_with('[') || host.parse::<Ipv6Addr>().is_ok() {
        return Err(NoDomain::IpAddress);
    }
    match host.split_once(':') {
        None => Ok(host),
        Some((host, port)) if port.bytes().all(|it| it.is_ascii_digit()) => Ok(host),
        Some(_) => Err(NoDomain::NoHost),
    }
}

/// Returns a host name in ASCII and in lower case (UTS 46).
fn ascii(host: &str) -> Result<Cow<'_, str>, NoDomain> {
    idna::domain_to_ascii_cow(host.as_bytes(), idna::AsciiDenyList::URL)
        .map_err(|_| NoDomain::NoHost)
}

/// Checks what every host name holds to, underscores of hosts below a domain aside.
fn check_labels(host: &str) -> Result<(), NoDomain> {
    let is_sign = |sign: u8| sign.is_ascii_alphanumeric() || sign == b'-' || sign == b'_';
    let is_label =
        |label: &str| (1..=LABEL_CHARS).contains(&label.len()) && label.bytes().all(is_sign);
    if host.len() > HOST_CHARS || !host.split('.').all(is_label) {
        return Err(NoDomain::NoHost);
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x");
    let is_number = hex.map_or_else(
        || last.bytes().all(|it| it.is_ascii_digit()),
        |digits| digits.bytes().all(|it| it.is_ascii_hexdigit()),
    );
    if is_number {
        return Err(NoDomain::IpAddress);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
