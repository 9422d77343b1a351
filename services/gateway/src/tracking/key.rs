//! The write key of a call: wherever SDKs put it, and whom it stands for.

use std::fmt;

use access::{Admission, Caller, CallerKind, Guard, KEY_PREFIX, Peer, Refusal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_core::limits::KEY_BYTES;
use gateway_core::{Denial, Reason};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use super::Refused;

/// The method whose demand callers have to meet.
const INGEST: &str = "/happypath.identity.v1.IdentityService/Ingest";
/// The parameters of an address in which SDKs put a key.
const PARAMETERS: [&str; 3] = ["writeKey", "api_key", "token"];

/// The parts of a token (RFC 7515, section 7.1).
const TOKEN_PARTS: usize = 3;
/// The words about a key of another product.
const UNKNOWN: &str =
    "the write key is not known here: make one with `happypath keys create NAME --source SOURCE`";

/// A write key as it was sent. It is not verified yet, and a secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    text: String,
    header: HeaderValue,
}

impl fmt::Debug for Credential {
    /// Shows nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

impl Credential {
    /// Reads a key.
    ///
    /// # Errors
    /// Where it is longer than a key may be, or no text of one line.
    pub(crate) fn new(key: &str) -> Result<Self, Refused> {
        let key = key.trim();
        let wrong = || {
            let text = format!(
                "the write key is no text of at most {KEY_BYTES} letters, digits and signs"
            );
            Refused::new(Reason::KeyInvalid, Denial::Unauthorized, text)
        };
        if key.is_empty() || key.len() > KEY_BYTES {
            return Err(wrong());
        }
        let mut header = HeaderValue::try_from(format!("Bearer {key}")).map_err(|_| wrong())?;
        header.set_sensitive(true);
        let text = key.to_owned();
        Ok(Self { text, header })
    }

    /// Reads the key outside of the body of a call: the name of `Basic` authorization, `Bearer`, or
    /// a parameter of the address. None where there is none.
    ///
    /// # Errors
    /// Where there is one that cannot be read.
    pub(crate) fn of(head: &Parts) -> Result<Option<Self>, Refused> {
        let Some(value) = head.headers.get(AUTHORIZATION) else {
            return of_query(head.uri.query().unwrap_or_default());
        };
        let wrong = || {
            let text = "the authorization header is neither `Basic`, with the write key as its name, nor `Bearer`";
            Refused::new(Reason::KeyInvalid, Denial::Unauthorized, text)
        };
        let value = value.to_str().map_err(|_| wrong())?;
        let (scheme, rest) = value.split_once(' ').ok_or_else(wrong)?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return Self::new(rest).map(Some);
        }
        if !scheme.eq_ignore_ascii_case("basic") || rest.len() > 2 * KEY_BYTES {
            return Err(wrong());
        }
        let pair = STANDARD.decode(rest.trim()).map_err(|_| wrong())?;
        let pair = String::from_utf8(pair).map_err(|_| wrong())?;
        let (key, _password) = pair.split_once(':').unwrap_or((&pair, ""));
        if key.is_empty() {
            // A browser that has no key yet sends an empty one.
            return Ok(None);
        }
        Self::new(key).map(Some)
    }

    /// The key.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The header that shows it to a service.
    pub(crate) const fn header(&self) -> &HeaderValue {
        &self.header
    }
}

fn of_query(query: &str) -> Result<Option<Credential>, Refused> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(name, key)| PARAMETERS.contains(name) && !key.is_empty());
    // Keys need no escapes.
    found.map(|(_, key)| Credential::new(key)).transpose()
}

/// Lets the holder of a key in.
///
/// # Errors
/// Where the key is not known, may not send events, or cannot be checked now.
pub(crate) async fn admit(
    guard: &Guard,
    key: &Credential,
    peer: Option<&Peer>,
) -> Result<Caller, Refused> {
    let mut headers = HeaderMap::with_capacity(1);
    headers.insert(AUTHORIZATION, key.header.clone());
    let admitted = admit_by(guard, &headers, peer).await;
    admitted.map_err(|refused| match refused.reason {
        // It was taken for a token, of which whoever uses an SDK knows nothing.
        Reason::KeyInvalid if is_foreign(&key.text) => Refused {
            message: UNKNOWN.to_owned(),
            ..refused
        },
        _ => refused,
    })
}

/// Returns whether a text is neither a key of ours nor a token.
fn is_foreign(key: &str) -> bool {
    !key.starts_with(KEY_PREFIX) && key.split('.').count() != TOKEN_PARTS
}

/// Lets somebody in who shows no key: by the certificate of the connection, or where nobody needs
/// one.
///
/// # Errors
/// As [`admit`].
pub(crate) async fn admit_nobody(guard: &Guard, peer: Option<&Peer>) -> Result<Caller, Refused> {
    admit_by(guard, &HeaderMap::new(), peer).await
}

async fn admit_by(
    guard: &Guard,
    headers: &HeaderMap,
    peer: Option<&Peer>,
) -> Result<Caller, Refused> {
    let certificate = peer.and_then(Peer::certificate);
    let admitted = match guard.admit(INGEST, headers, certificate) {
        Admission::Done(admitted) => admitted,
        Admission::Later(later) => later.await,
    };
    match admitted {
        Ok(caller) => Ok(caller.unwrap_or_else(Caller::local)),
        Err(refused) => Err(of_refusal(&refused.refusal)),
    }
}

fn of_refusal(refusal: &Refusal) -> Refused {
    let (reason, denial) = match refusal {
        Refusal::Missing => {
            let text = "the call has no write key: make one with `happypath keys create NAME --source SOURCE`";
            return Refused::new(Reason::KeyMissing, Denial::Unauthorized, text);
        }
        Refusal::Invalid(_) | Refusal::Expired { .. } => (Reason::KeyInvalid, Denial::Unauthorized),
        Refusal::Scope { .. } | Refusal::NoRule => (Reason::KeyScope, Denial::Forbidden),
        Refusal::Unavailable(_) => (Reason::Unavailable, Denial::Unavailable),
    };
    Refused::new(reason, denial, refusal.to_string())
}

/// Returns the caller of a call with two keys, where both are of one source.
///
/// # Errors
/// Where they are not: one of them would decide whose events these are.
pub(crate) fn same_source(caller: Caller, other: &Caller) -> Result<Caller, Refused> {
    let is_same = match (caller.source(), other.source()) {
        (Some(one), Some(two)) => one == two,
        // Where everybody is let in, each key is a name of its own.
        (None, None) => caller == *other && caller.kind() != CallerKind::Local,
        _ => false,
    };
    if is_same {
        return Ok(caller);
    }
    let text = "the key in the body is of another source than the one beside it: send one";
    Err(Refused::new(Reason::KeyInvalid, Denial::Unauthorized, text))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn read(authorization: Option<&str>, address: &str) -> Result<Option<String>, Reason> {
        let mut request = Request::post(address);
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let read = Credential::of(&head);
        read.map(|it| it.map(|it| it.text)).map_err(|it| it.reason)
    }

    #[test]
    fn a_key_is_found_wherever_sdks_put_it() {
        let key = Ok(Some("key_1".to_owned()));
        for (authorization, address) in [
            (Some("Basic a2V5XzE6"), "/v1/t"),
            (Some("basic a2V5XzE6c2VjcmV0"), "/v1/t"),
            (Some("Bearer key_1"), "/i/v1/analytics/events"),
            (None, "/beacon/v1/batch?writeKey=key_1"),
            (None, "/e/?ip=0&api_key=key_1&x"),
        ] {
            assert_eq!(
                read(authorization, address),
                key,
                "{authorization:?} {address}"
            );
        }
        assert_eq!(read(None, "/e/?token="), Ok(None));
        assert_eq!(read(Some("Basic Og=="), "/v1/t"), Ok(None));
        let long = format!("Bearer {}", "x".repeat(KEY_BYTES + 1));
        for bad in [
            "Basic",
            "Basic %",
            "Digest x",
            "Bearer ",
            "Basic /w==",
            &long,
        ] {
            assert_eq!(read(Some(bad), "/v1/t"), Err(Reason::KeyInvalid), "{bad}");
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = Credential::new("hpk_secret")
            .map_err(|_| ())
            .expect("a key");
        assert_eq!(format!("{key:?}"), "Credential");
        assert!(key.header().is_sensitive());
    }
}
