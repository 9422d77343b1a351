//! The parts of a token that are read: which key signed it, who it is about, what it allows.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use jsonwebtoken::errors::ErrorKind;
use kernel::Timestamp;
use serde::Deserialize;

use super::ALGORITHMS;
use crate::limits::TOKEN_HEADER_BYTES;
use crate::{Refusal, Scopes};

/// Characters of a name in a token that an error shows.
const SHOWN_CHARS: usize = 20;

/// The header of a token, as far as it counts.
#[derive(Debug)]
pub(super) struct Head {
    /// The algorithm, where it is one that anybody may be allowed.
    pub(super) algorithm: Option<Algorithm>,
    /// The name of the key.
    pub(super) key_id: Option<String>,
    name: String,
}

#[derive(Deserialize)]
struct RawHead {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

impl Head {
    /// Reads the header of a token. The rest is not decoded.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for what is no signed token, and for one with extensions that a reader
    /// must understand.
    pub(super) fn read(token: &str) -> Result<Self, Refusal> {
        let mut parts = token.split('.');
        let (Some(head), Some(_), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(no_token());
        };
        if head.len() > TOKEN_HEADER_BYTES * 4 / 3 {
            return Err(Refusal::invalid("the header of the token is too long"));
        }
        let raw: RawHead = decode(head)?;
        if raw.alg.eq_ignore_ascii_case("none") || signature.is_empty() {
            return Err(Refusal::invalid(
                "the token is not signed: `alg: none` is never accepted",
            ));
        }
        if raw.crit.is_some() {
            return Err(Refusal::invalid(
                "the token has extensions (`crit`) that are not understood here",
            ));
        }
        let known = ALGORITHMS.iter().find(|(name, _)| *name == raw.alg);
        Ok(Self {
            algorithm: known.map(|(_, algorithm)| *algorithm),
            key_id: raw.kid,
            name: raw.alg,
        })
    }

    /// Its algorithm for messages, without anything odd.
    pub(super) fn shown_algorithm(&self) -> String {
        let letters = self.name.chars().filter(char::is_ascii_alphanumeric);
        letters.take(SHOWN_CHARS).collect()
    }
}

/// The claims of a token, once its signature is known to be right.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    exp: f64,
    #[serde(default)]
    scope: Option<Names>,
    #[serde(default)]
    scp: Option<Names>,
    #[serde(default)]
    name: Option<String>,
}

/// Names in one text, with spaces between them, or in a list: issuers differ.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    Text(String),
    List(Vec<String>),
}

impl Claims {
    /// The scopes of the claims `scope` (RFC 8693) and `scp`.
    pub(super) fn scopes(&self) -> Scopes {
        let names = [&self.scope, &self.scp].into_iter().flatten();
        let names = names.flat_map(|names| match names {
            Names::Text(text) => text.split_ascii_whitespace().collect::<Vec<_>>(),
            Names::List(list) => list.iter().map(String::as_str).collect(),
        });
        Scopes::known(names)
    }

    /// The instant at which it is accepted no more.
    pub(super) fn end(&self, leeway: std::time::Duration) -> Timestamp {
        /// Beyond this a sum of milliseconds would not fit; it is some 290,000 years away.
        const MOST: f64 = 9e15;
        let millis = (self.exp + leeway.as_secs_f64()) * 1e3;
        #[expect(clippy::cast_possible_truncation, reason = "bounded the line above")]
        let millis = millis.clamp(0.0, MOST) as i64;
        Timestamp::from_millis(millis)
    }

    /// The name of whom it is about, for people.
    pub(super) fn shown_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.sub)
    }
}

/// Reads who issued a token. Nothing of it is verified.
pub(super) fn issuer_of(token: &str) -> Result<String, Refusal> {
    #[derive(Deserialize)]
    struct Issued {
        iss: String,
    }
    let payload = token.split('.').nth(1).unwrap_or_default();
    decode::<Issued>(payload).map(|issued| issued.iss)
}

/// The reason for which the library refuses a token.
pub(super) fn refusal_of(error: &jsonwebtoken::errors::Error, token: &str) -> Refusal {
    let reason: Cow<'static, str> = match error.kind() {
        ErrorKind::ExpiredSignature => return expired(token),
        ErrorKind::InvalidSignature => "the signature of the token is wrong".into(),
        ErrorKind::ImmatureSignature => "the token is not valid yet (`nbf`)".into(),
        ErrorKind::InvalidAudience => {
            "the token is for another audience (`aud`) than this installation".into()
        }
        ErrorKind::InvalidIssuer => "the token is of another issuer (`iss`)".into(),
        ErrorKind::MissingRequiredClaim(claim) => {
            format!("the token has no claim `{claim}`").into()
        }
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => {
            "the token is signed by an algorithm that does not fit the key it names".into()
        }
        _ => "the token cannot be read".into(),
    };
    Refusal::invalid(reason)
}

/// Its end was verified with the rest, so that it may be told.
fn expired(token: &str) -> Refusal {
    #[derive(Deserialize)]
    struct End {
        exp: f64,
    }
    let payload = token.split('.').nth(1).unwrap_or_default();
    let end = decode::<End>(payload).map_or(0.0, |end| end.exp);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float is cut to the nearest integer"
    )]
    let end = Timestamp::from_millis((end * 1e3) as i64);
    Refusal::Expired { what: "token", end }
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| no_token())?;
    serde_json::from_slice(&bytes).map_err(|_| no_token())
}

fn no_token() -> Refusal {
    Refusal::invalid(
        "the credential is neither a key (`hpk_…`) nor a signed token of three parts (a JWT)",
    )
}
