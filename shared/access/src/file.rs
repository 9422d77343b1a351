//! The file of callers that an operator writes: keys by their hashes, identities in certificates,
//! and issuers of tokens.
//!
//! It holds no secret. Every fault is told, each with its place; a file with any is not used.

use std::fmt;
use std::path::{Path, PathBuf};

use http::Uri;
use kernel::Timestamp;
use serde::Deserialize;

use crate::limits::{ACCESS_FILE_BYTES, SOURCE_BYTES};
use crate::tls::{ClientFiles, ClientTls};
use crate::token::{ALGORITHMS, IssuerOptions, KeySetPlace};
use crate::{Caller, CallerKind, KeyHash, KeyId, KeyTable, KnownKey, Scopes};

/// The callers that a file names.
#[derive(Debug, Default)]
pub struct AccessFile {
    /// Keys by id.
    pub keys: KeyTable,
    /// Identities in certificates, such as `uri:spiffe://acme/shop`, with the callers that have
    /// them; the first that fits counts.
    pub certificates: Vec<(String, Caller)>,
    /// Issuers of tokens.
    pub issuers: Vec<IssuerOptions>,
}

/// Every fault of a file of callers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessFileFaults(pub Vec<String>);

impl std::error::Error for AccessFileFaults {}

impl fmt::Display for AccessFileFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawFile {
    keys: Vec<RawKey>,
    certificates: Vec<RawCertificate>,
    issuers: Vec<RawIssuer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    name: String,
    id: String,
    hash: String,
    #[serde(default)]
    scopes: Vec<String>,
    expire_time: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCertificate {
    name: String,
    identity: String,
    scopes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIssuer {
    issuer: String,
    audiences: Vec<String>,
    keys: String,
    ca: Option<PathBuf>,
    algorithms: Vec<String>,
    scopes: Vec<String>,
}

/// The kinds of identities in certificates.
const IDENTITY_KINDS: [&str; 4] = ["uri:", "dns:", "email:", "cn:"];

impl AccessFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`AccessFileFaults`] with every fault.
    pub fn read(
        path: &Path,
        installation: Option<&str>,
    ) -> Result<(Self, String), AccessFileFaults> {
        let text = read_text(path).map_err(|problem| AccessFileFaults(vec![problem]))?;
        Self::parse(&text, installation).map(|file| (file, text))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`AccessFileFaults`] with every fault.
    pub fn parse(text: &str, installation: Option<&str>) -> Result<Self, AccessFileFaults> {
        let raw: RawFile = match text.trim().is_empty() {
            true => RawFile::default(),
            false => serde_saphyr::from_str(text)
                .map_err(|error| AccessFileFaults(vec![format!("is not as expected: {error}")]))?,
        };
        let mut faults = Vec::new();
        let mut file = Self::default();
        for (place, key) in raw.keys.iter().enumerate() {
            let place = format!("keys[{place}]");
            if let Some((id, known)) = key.read(&place, installation, &mut faults)
                && file.keys.insert(id, known).is_some()
            {
                faults.push(format!("{place}.id: the key {id} is there twice: keep one"));
            }
        }
        for (place, certificate) in raw.certificates.iter().enumerate() {
            let place = format!("certificates[{place}]");
            file.certificates
                .extend(certificate.read(&place, installation, &mut faults));
        }
        for (place, issuer) in raw.issuers.iter().enumerate() {
            let place = format!("issuers[{place}]");
            if raw
                .issuers
                .iter()
                .filter(|own| own.issuer == issuer.issuer)
                .count()
                > 1
            {
                faults.push(format!(
                    "{place}.issuer: is there twice: keep one, with all audiences"
                ));
            }
            file.issuers.extend(issuer.read(&place, &mut faults));
        }
        if faults.is_empty() {
            Ok(file)
        } else {
            Err(AccessFileFaults(faults))
        }
    }
}

impl RawKey {
    fn read(
        &self,
        place: &str,
        installation: Option<&str>,
        faults: &mut Vec<String>,
    ) -> Option<(KeyId, KnownKey)> {
        let id = KeyId::parse(&self.id);
        let id = noted(id, &format!("{place}.id"), faults);
        let hash = KeyHash::from_hex(&self.hash)
            .ok_or("is not 64 hexadecimal digits, as `happypath keys make` prints them");
        let hash = noted(hash, &format!("{place}.hash"), faults);
        let scopes = self.scopes(place, faults);
        let expire_time = self.expire_time.as_deref().map(time);
        let expire_time = expire_time.transpose();
        let expire_time = noted(expire_time, &format!("{place}.expire_time"), faults);
        let (id, hash) = (id?, hash?);
        let caller = Caller::new(CallerKind::Key, id.as_str(), &self.name, scopes?);
        let caller = caller.of_installation(installation);
        let known = KnownKey {
            caller: match &self.source {
                Some(source) => caller.of_source(source),
                None => caller,
            },
            secrets: vec![(hash, None)],
            expire_time: expire_time?,
        };
        Some((id, known))
    }

    /// The scopes of the key: those of a source may be left out, and are no others.
    fn scopes(&self, place: &str, faults: &mut Vec<String>) -> Option<Scopes> {
        let Some(source) = &self.source else {
            return scopes(&self.scopes, place, faults);
        };
        if !is_source(source) {
            faults.push(format!(
                "{place}.source: `{source}` is not the name of a source: expected small letters, \
                 digits and _, beginning with a letter, such as web_shop"
            ));
        }
        if self.scopes.is_empty() {
            return Some(Scopes::of_sources());
        }
        let given = scopes(&self.scopes, place, faults)?;
        if given != Scopes::of_sources() {
            faults.push(format!(
                "{place}.scopes: the key of a source may only have events:write: leave them out"
            ));
        }
        Some(given)
    }
}

impl RawCertificate {
    fn read(
        &self,
        place: &str,
        installation: Option<&str>,
        faults: &mut Vec<String>,
    ) -> Option<(String, Caller)> {
        let mut kinds = IDENTITY_KINDS.iter();
        let is_right =
            kinds.any(|kind| self.identity.len() > kind.len() && self.identity.starts_with(kind));
        if !is_right {
            faults.push(format!(
                "{place}.identity: `{}` is not the name in a certificate: expected uri:…, dns:…, email:… or cn:…",
                self.identity
            ));
        }
        let scopes = scopes(&self.scopes, place, faults)?;
        let caller = Caller::new(CallerKind::Certificate, &self.identity, &self.name, scopes);
        is_right.then(|| (self.identity.clone(), caller.of_installation(installation)))
    }
}

impl RawIssuer {
    fn read(&self, place: &str, faults: &mut Vec<String>) -> Option<IssuerOptions> {
        if self.issuer.is_empty() {
            faults.push(format!(
                "{place}.issuer: is empty: expected the claim `iss` of its tokens"
            ));
        }
        if self.audiences.is_empty() || self.audiences.iter().any(String::is_empty) {
            faults.push(format!(
                "{place}.audiences: names nobody: expected the claim `aud` of tokens for this installation"
            ));
        }
        let keys = noted(key_set(&self.keys), &format!("{place}.keys"), faults);
        let tls = authorities(self.ca.as_ref(), keys.as_ref());
        let tls = noted(tls, &format!("{place}.ca"), faults);
        let mut algorithms = Vec::new();
        for name in &self.algorithms {
            let found = ALGORITHMS.iter().find(|(known, _)| known == name);
            let found = found
                .map(|(_, algorithm)| *algorithm)
                .ok_or_else(|| no_algorithm(name));
            algorithms.extend(noted(found, &format!("{place}.algorithms"), faults));
        }
        if self.algorithms.is_empty() {
            faults.push(format!(
                "{place}.algorithms: is empty: name those that it signs with, such as RS256"
            ));
        }
        Some(IssuerOptions {
            issuer: self.issuer.clone(),
            audiences: self.audiences.clone(),
            keys: keys?,
            tls: tls?,
            algorithms,
            scopes: scopes(&self.scopes, place, faults)?,
        })
    }
}

fn no_algorithm(name: &str) -> String {
    let known: Vec<&str> = ALGORITHMS.iter().map(|(known, _)| *known).collect();
    let known = known.join(", ");
    if name.starts_with("HS") || name.eq_ignore_ascii_case("none") {
        return format!(
            "`{name}` is never accepted, since it takes no public key: expected some of {known}"
        );
    }
    format!("`{name}` is not an algorithm of signatures: expected some of {known}")
}

/// Reads `file:PATH` or a URL, which must be over TLS unless it is on this machine: whoever can
/// change the keys on their way can issue tokens.
fn key_set(text: &str) -> Result<KeySetPlace, String> {
    const EXPECTED: &str = "expected https://HOST/… or file:PATH";
    if let Some(path) = text.strip_prefix("file:").filter(|path| !path.is_empty()) {
        return Ok(KeySetPlace::File(PathBuf::from(path)));
    }
    let url: Uri = text
        .parse()
        .map_err(|_| format!("`{text}` is not a URL: {EXPECTED}"))?;
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_near = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    match url.scheme_str() {
        Some("https") if !host.is_empty() => Ok(KeySetPlace::Url(url)),
        Some("http") if is_near => Ok(KeySetPlace::Url(url)),
        Some("http") => Err(format!(
            "`{text}` is not encrypted, so that anybody on the way could issue tokens: {EXPECTED}"
        )),
        _ => Err(format!("`{text}` is not a URL: {EXPECTED}")),
    }
}

/// Reads the authorities by which the place of keys is known: those of a file, or of this machine.
fn authorities(ca: Option<&PathBuf>, keys: Option<&KeySetPlace>) -> Result<ClientTls, String> {
    let Some(ca) = ca else {
        return Ok(ClientTls::of_system());
    };
    let is_secured = |place: &KeySetPlace| match place {
        KeySetPlace::Url(url) => url.scheme_str() == Some("https"),
        KeySetPlace::File(_) => false,
    };
    if keys.is_some_and(|place| !is_secured(place)) {
        return Err("is for keys at https://: leave it out".to_owned());
    }
    let files = ClientFiles {
        ca: Some(ca.clone()),
        identity: None,
    };
    ClientTls::open(files).map_err(|error| error.to_string())
}

fn scopes(names: &[String], place: &str, faults: &mut Vec<String>) -> Option<Scopes> {
    let place = format!("{place}.scopes");
    if names.is_empty() {
        faults.push(format!(
            "{place}: is empty: name what is allowed, such as events:write"
        ));
        return None;
    }
    match Scopes::parse(names.iter().map(String::as_str)) {
        Ok(scopes) => Some(scopes),
        Err(unknown) => {
            faults.extend(unknown.iter().map(|one| format!("{place}: {one}")));
            None
        }
    }
}

/// Returns whether a text may name a source, by the pattern of the contracts.
fn is_source(text: &str) -> bool {
    let is_letter = |letter: u8| letter.is_ascii_lowercase();
    let is_right = |letter: u8| is_letter(letter) || letter.is_ascii_digit() || letter == b'_';
    let bytes = text.as_bytes();
    bytes.len() <= SOURCE_BYTES
        && bytes.first().copied().is_some_and(is_letter)
        && bytes.iter().copied().all(is_right)
}

fn time(text: &str) -> Result<Timestamp, String> {
    let time = text.parse();
    time.map_err(|_| format!("`{text}` is not a time: expected one such as 2030-01-01T00:00:00Z"))
}

/// The value, or none and a fault.
fn noted<T>(
    value: Result<T, impl fmt::Display>,
    place: &str,
    faults: &mut Vec<String>,
) -> Option<T> {
    value
        .map_err(|problem| faults.push(format!("{place}: {problem}")))
        .ok()
}

fn read_text(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path)
        .map_err(|error| format!("cannot be read ({error}): name a file that exists"))?
        .len();
    if size > ACCESS_FILE_BYTES {
        return Err(format!(
            "has {size} bytes: at most {ACCESS_FILE_BYTES} are read"
        ));
    }
    std::fs::read_to_string(path)
        .map_err(|error| format!("cannot be read ({error}): it must be text in UTF-8"))
}

#[cfg(test)]
mod tests;
