//! Tokens that somebody else issued: JSON Web Tokens (RFC 7519), signed with public keys.
//!
//! The algorithms are fixed by who operates the process, never by the token; shared secrets
//! (`HS256` and its kin) and `none` are not among those that can be fixed. So a token that is
//! signed with the public key as if it were a secret is refused before any key is looked for.

mod claims;
mod fetch;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod key_set;
mod signature;

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Validation};
use kernel::Timestamp;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};

use self::claims::{Claims, Head};
pub use self::key_set::KeySetPlace;
use self::key_set::{KeySets, NoKey};
use crate::limits::{CLOCK_LEEWAY, REMEMBERED_TOKENS};
use crate::tls::ClientTls;
use crate::{Caller, CallerKind, Refusal, Scopes};

/// Algorithms that an issuer may be allowed: signatures with public keys only.
pub const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// An issuer whose tokens are accepted.
#[derive(Debug, Clone)]
pub struct IssuerOptions {
    /// The claim `iss` of its tokens.
    pub issuer: String,
    /// Values of the claim `aud` that are accepted, at least one.
    pub audiences: Vec<String>,
    /// The place of its keys.
    pub keys: KeySetPlace,
    /// The authorities that the place of its keys is known by, where it is at `https://`.
    pub tls: ClientTls,
    /// The algorithms that it signs with, at least one of [`ALGORITHMS`].
    pub algorithms: Vec<Algorithm>,
    /// The most that a token of it may allow, whatever it says.
    pub scopes: Scopes,
}

/// The issuers whose tokens a process accepts.
#[derive(Debug, Default)]
pub struct Issuers(Vec<Arc<Issuer>>);

/// One issuer: its keys, and tokens of it that were verified a short time ago.
#[derive(Debug)]
pub struct Issuer {
    options: IssuerOptions,
    installation: Option<String>,
    /// The demands of each algorithm that is allowed: the library takes those of one kind of key.
    validations: Vec<(Algorithm, Validation)>,
    keys: KeySets,
    verified: Cache<[u8; 32], Verified>,
}

#[derive(Debug, Clone)]
struct Verified {
    caller: Caller,
    end: Timestamp,
    /// The set of keys that it was verified with: a key that its issuer took back ends it.
    generation: u64,
}

/// The answer to a token.
#[derive(Debug)]
pub enum Checked {
    /// It is this caller's, or it is refused.
    Done(Result<Caller, Refusal>),
    /// Its key is not known, and its issuer may have published a new one: ask
    /// [`Issuer::verify_later`].
    Later(Arc<Issuer>),
}

impl Issuers {
    /// Accepts tokens of these issuers. Nothing is fetched yet.
    pub fn new(
        options: impl IntoIterator<Item = IssuerOptions>,
        installation: Option<&str>,
    ) -> Self {
        signature::install();
        let options = options.into_iter();
        let issuers = options.map(|it| Arc::new(Issuer::new(it, installation)));
        Self(issuers.collect())
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Verifies a token, as far as the keys at hand allow.
    pub fn verify(&self, token: &str, now: Timestamp) -> Checked {
        if self.0.is_empty() {
            return Checked::Done(Err(Refusal::invalid(
                "tokens are not accepted here: no issuer is configured",
            )));
        }
        // The issuer is read before anything is verified, and only chooses who has to verify.
        let issuer = Head::read(token)
            .and_then(|head| Ok((head, claims::issuer_of(token)?)))
            .and_then(|(head, issuer)| Ok((head, self.find(&issuer)?)));
        let (head, issuer) = match issuer {
            Ok(found) => found,
            Err(refusal) => return Checked::Done(Err(refusal)),
        };
        match issuer.verify(token, &head, now) {
            Ok(done) => Checked::Done(done),
            Err(NoKey) => Checked::Later(issuer),
        }
    }

    /// Fetches the keys of every issuer that is due. Failures are logged.
    pub async fn refresh(&self) {
        let all = self.0.iter().map(|issuer| issuer.keys.refresh_if_due());
        futures::future::join_all(all).await;
    }

    fn find(&self, issuer: &str) -> Result<Arc<Issuer>, Refusal> {
        let found = self.0.iter().find(|it| it.options.issuer == issuer);
        found.cloned().ok_or_else(|| {
            Refusal::invalid("the token is of an issuer whose tokens are not accepted here")
        })
    }
}

impl Issuer {
    fn new(options: IssuerOptions, installation: Option<&str>) -> Self {
        let algorithms = options.algorithms.iter();
        let validations =
            algorithms.map(|algorithm| (*algorithm, validation(&options, *algorithm)));
        Self {
            keys: KeySets::new(options.keys.clone(), options.tls.clone(), &options.issuer),
            validations: validations.collect(),
            verified: Cache::new(REMEMBERED_TOKENS),
            installation: installation.map(str::to_owned),
            options,
        }
    }

    /// Verifies a token after its issuer was asked for new keys.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`] where the issuer does not answer in time and no key of it is known,
    /// and any other [`Refusal`] of the token.
    pub async fn verify_later(&self, token: &str, now: Timestamp) -> Result<Caller, Refusal> {
        self.keys.refresh_for_unknown_key().await;
        let head = Head::read(token)?;
        match self.verify(token, &head, now) {
            Ok(done) => done,
            Err(NoKey) if !self.keys.has_any() => Err(Refusal::Unavailable(
                "the keys of the issuer of the token cannot be fetched now".to_owned(),
            )),
            Err(NoKey) => Err(Refusal::invalid(
                "the token is signed with a key that its issuer does not publish",
            )),
        }
    }

    fn verify(
        &self,
        token: &str,
        head: &Head,
        now: Timestamp,
    ) -> Result<Result<Caller, Refusal>, NoKey> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.verified.get(&digest)
            && self.keys.generation() == Some(known.generation)
        {
            if now < known.end {
                return Ok(Ok(known.caller));
            }
            return Ok(Err(Refusal::Expired {
                what: "token",
                end: known.end,
            }));
        }
        let mut allowed = self.validations.iter();
        let allowed = allowed.find(|(own, _)| head.algorithm == Some(*own));
        let Some((algorithm, validation)) = allowed else {
            return Ok(Err(Refusal::invalid(format!(
                "the token is signed by the algorithm `{}`, which is not accepted of its issuer",
                head.shown_algorithm()
            ))));
        };
        let (key, generation) = self.keys.find(head.key_id.as_deref(), *algorithm)?;
        let decoded = jsonwebtoken::decode::<Claims>(token, &key, validation);
        let claims = match decoded {
            Ok(data) => data.claims,
            Err(error) => return Ok(Err(claims::refusal_of(&error, token))),
        };
        let caller = self.caller(&claims);
        let end = claims.end(CLOCK_LEEWAY);
        let verified = Verified {
            caller: caller.clone(),
            end,
            generation,
        };
        self.verified.insert(digest, verified);
        Ok(Ok(caller))
    }

    fn caller(&self, claims: &Claims) -> Caller {
        let id = format!("{}#{}", self.options.issuer, claims.sub);
        let scopes = claims.scopes().and(self.options.scopes);
        Caller::new(CallerKind::Token, &id, claims.shown_name(), scopes)
            .of_installation(self.installation.as_deref())
    }
}

/// The demands on a token of an issuer that is signed by an algorithm.
fn validation(options: &IssuerOptions, algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.leeway = CLOCK_LEEWAY.as_secs();
    validation.validate_nbf = true;
    validation.set_issuer(&[&options.issuer]);
    validation.set_audience(&options.audiences);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation
}

#[cfg(test)]
mod tests;
