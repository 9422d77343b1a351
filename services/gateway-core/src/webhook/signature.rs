//! Signatures: whether a post is of the sender that has the secret.
//!
//! Comparisons take as long for a wrong signature as for the right one. Times are checked once the
//! signature is right, so that nobody else is told whose clock is wrong.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use expr::{Found, Numeral};
use kernel::{Duration, Timestamp};
use ring::{digest, hmac};
use subtle::{Choice, ConstantTimeEq as _};

use super::template::{Part, decoded};
use super::{WebhookPost, header};
use crate::Reason;
use crate::limits::SIGNATURES_PER_POST;

/// A post that is not shown to be of the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// A header that is needed is not there, or not as it should be.
    #[error("the header `{0}` has no {1}")]
    Missing(String, &'static str),
    /// The signature is not that of the post with the secret.
    #[error(
        "the signature is not that of the post: check the secret, and that nothing changes what is posted on its way"
    )]
    Wrong,
    /// It was signed too long ago, or in the future.
    #[error(
        "the post was signed {0} ago, and at most {1} are allowed: have clocks set, or set `tolerance`"
    )]
    Stale(Duration, Duration),
    /// It was signed in the future.
    #[error(
        "the post was signed {0} ahead of now, and at most {1} are allowed: have clocks set, or set `tolerance`"
    )]
    Ahead(Duration, Duration),
}

impl SignatureFault {
    /// The reason by which it is counted.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Missing(..) | Self::Wrong => Reason::BadSignature,
            Self::Stale(..) | Self::Ahead(..) => Reason::StaleSignature,
        }
    }
}

/// The rules by which a post shows that it is of the sender.
#[derive(Clone)]
pub(super) enum Verification {
    /// By the write key alone.
    None,
    /// By a header that holds one of the secrets.
    Token {
        header: String,
        prefix: String,
        secrets: Vec<Vec<u8>>,
    },
    /// By a signature with one of the secrets.
    Signature(Box<Signature>),
}

/// The rules of a signature.
#[derive(Clone)]
pub(super) struct Signature {
    pub(super) header: String,
    pub(super) prefix: String,
    pub(super) hash: Hash,
    pub(super) is_base64: bool,
    pub(super) signed: Vec<Part>,
    pub(super) timestamp: Option<Place>,
    pub(super) tolerance: Duration,
    pub(super) id: Option<String>,
    pub(super) secrets: Vec<Vec<u8>>,
}

/// The place of a text in the headers: all of one, or the part of it behind `KEY=`.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) header: String,
    pub(super) key: Option<String>,
}

/// A hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha512,
}

impl fmt::Debug for Verification {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token { .. } => "Token",
            Self::Signature(_) => "Signature",
        })
    }
}

impl Hash {
    const fn keyed(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    const fn plain(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

impl Verification {
    /// The header that shows who sends.
    pub(super) fn header(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Token { header, .. } => Some(header),
            Self::Signature(signature) => Some(&signature.header),
        }
    }

    pub(super) fn verify(
        &self,
        post: &WebhookPost<'_>,
        public_url: &str,
        now: Timestamp,
    ) -> Result<(), SignatureFault> {
        match self {
            Self::None => Ok(()),
            Self::Token {
                header,
                prefix,
                secrets,
            } => verify_token(post, header, prefix, secrets),
            Self::Signature(signature) => signature.verify(post, public_url, now),
        }
    }
}

fn verify_token(
    post: &WebhookPost<'_>,
    name: &str,
    prefix: &str,
    secrets: &[Vec<u8>],
) -> Result<(), SignatureFault> {
    let shown = header(post.headers, name).and_then(|value| value.strip_prefix(prefix));
    let Some(shown) = shown else {
        return Err(SignatureFault::Missing(name.to_owned(), "token"));
    };
    let is_right = secrets.iter().fold(Choice::from(0), |found, secret| {
        found | secret.as_slice().ct_eq(shown.trim().as_bytes())
    });
    match bool::from(is_right) {
        true => Ok(()),
        false => Err(SignatureFault::Wrong),
    }
}

impl Signature {
    fn verify(
        &self,
        post: &WebhookPost<'_>,
        public_url: &str,
        now: Timestamp,
    ) -> Result<(), SignatureFault> {
        let candidates = self.candidates(post);
        if candidates.is_empty() {
            let missing = SignatureFault::Missing(self.header.clone(), "signature");
            return Err(missing);
        }
        let timestamp = self.timestamp.as_ref().map(|place| {
            let found = place.find(post);
            found.ok_or_else(|| SignatureFault::Missing(place.header.clone(), "time"))
        });
        let timestamp = timestamp.transpose()?;
        let id = self.id.as_ref().map(|name| {
            let found = header(post.headers, name);
            found.ok_or_else(|| SignatureFault::Missing(name.clone(), "id"))
        });
        let signed = Signed {
            post,
            public_url,
            timestamp: timestamp.unwrap_or_default(),
            id: id.transpose()?.unwrap_or_default(),
        };
        let mut is_right = Choice::from(0);
        for secret in &self.secrets {
            let expected = self.sign(secret, &signed);
            for candidate in &candidates {
                is_right |= expected.as_slice().ct_eq(candidate);
            }
        }
        if !bool::from(is_right) {
            return Err(SignatureFault::Wrong);
        }
        timestamp.map_or(Ok(()), |told| self.check_time(told, now))
    }

    /// Returns the signatures that a post shows. A prefix that has a separator in it is of a sender
    /// that separates by blanks alone.
    fn candidates(&self, post: &WebhookPost<'_>) -> Vec<Vec<u8>> {
        let separates = |character: char| {
            let is_own = self.prefix.contains(character);
            !is_own && (character.is_ascii_whitespace() || matches!(character, ',' | ';'))
        };
        let headers = post.headers.iter();
        let own = headers.filter(|(name, _)| *name == self.header);
        let texts = own.flat_map(|(_, value)| value.split(separates));
        texts
            .filter_map(|text| self.decode(text.strip_prefix(self.prefix.as_str())?))
            .take(SIGNATURES_PER_POST)
            .collect()
    }

    fn decode(&self, text: &str) -> Option<Vec<u8>> {
        let bytes = match self.is_base64 {
            true => of_base64(text)?,
            false => of_hex(text)?,
        };
        (!bytes.is_empty()).then_some(bytes)
    }

    fn sign(&self, secret: &[u8], signed: &Signed<'_>) -> Vec<u8> {
        if self.signed.contains(&Part::Secret) {
            let mut context = digest::Context::new(self.hash.plain());
            signed.each(&self.signed, secret, |bytes| context.update(bytes));
            return context.finish().as_ref().to_vec();
        }
        let key = hmac::Key::new(self.hash.keyed(), secret);
        let mut context = hmac::Context::with_key(&key);
        signed.each(&self.signed, secret, |bytes| context.update(bytes));
        context.sign().as_ref().to_vec()
    }

    fn check_time(&self, told: &str, now: Timestamp) -> Result<(), SignatureFault> {
        let missing = || {
            let place = self.timestamp.as_ref();
            let header = place.map_or(String::new(), |place| place.header.clone());
            SignatureFault::Missing(header, "time that can be read")
        };
        let time = read_time(told).ok_or_else(missing)?;
        let age = now.as_millis().saturating_sub(time.as_millis());
        let most = self.tolerance;
        if age > most.as_millis() {
            return Err(SignatureFault::Stale(Duration::from_millis(age), most));
        }
        if age < -most.as_millis() {
            let ahead = Duration::from_millis(age.saturating_neg());
            return Err(SignatureFault::Ahead(ahead, most));
        }
        Ok(())
    }
}

impl Place {
    fn find<'t>(&self, post: &WebhookPost<'t>) -> Option<&'t str> {
        let value = header(post.headers, &self.header)?;
        let Some(key) = &self.key else {
            return Some(value.trim()).filter(|text| !text.is_empty());
        };
        let mut parts = value.split([',', ';', ' ']);
        parts.find_map(|part| part.trim().strip_prefix(key.as_str())?.strip_prefix('='))
    }
}

/// The parts of a post that are signed.
struct Signed<'p> {
    post: &'p WebhookPost<'p>,
    public_url: &'p str,
    timestamp: &'p str,
    id: &'p str,
}

impl Signed<'_> {
    /// Gives the bytes of each part.
    fn each(&self, parts: &[Part], secret: &[u8], mut take: impl FnMut(&[u8])) {
        for part in parts {
            match part {
                Part::Literal(text) => take(text.as_bytes()),
                Part::Body => take(self.post.body),
                Part::Timestamp => take(self.timestamp.as_bytes()),
                Part::Id => take(self.id.as_bytes()),
                Part::Method => take(self.post.method.as_bytes()),
                Part::Url => {
                    take(self.public_url.as_bytes());
                    take(self.post.target.as_bytes());
                }
                Part::DecodedUrl => {
                    take(self.public_url.as_bytes());
                    take(decoded(self.post.target).as_bytes());
                }
                Part::Secret => take(secret),
            }
        }
    }
}

/// Reads the time of a signature: seconds or milliseconds since the epoch, or RFC 3339.
fn read_time(told: &str) -> Option<Timestamp> {
    let is_number = told.bytes().all(|byte| byte.is_ascii_digit());
    let found = match is_number {
        true => Found::Number(Numeral::Written(told.into())),
        false => Found::Text(told.into()),
    };
    found.as_time()
}

/// Reads base64, with or without padding, in either alphabet.
pub(super) fn of_base64(text: &str) -> Option<Vec<u8>> {
    let alphabet = match text.contains(['-', '_']) {
        true => &URL_SAFE,
        false => &STANDARD,
    };
    let padding = DecodePaddingMode::Indifferent;
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(padding);
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

/// Reads hexadecimal digits, in small or capital letters.
pub(super) fn of_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok())
        .collect()
}
