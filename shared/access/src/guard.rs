//! The guard: lets in who may call a method, and tells the others why not.
//!
//! Most calls are decided at once, from memory. A credential that is not known may have been made a
//! moment ago elsewhere, so that its look-up takes longer: [`Admission::Later`].

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use http::HeaderMap;

use crate::credential::mistyped;
use crate::token::{Checked, Issuers};
use crate::{
    AccessFile, AccessFileFaults, ApiKey, Caller, CallerKind, Credential, Keyring, PeerCertificate,
    Refusal, Requirement, Rules, Verdict, now,
};

/// A future of the guard.
type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The source of stored keys.
pub trait KeySource: fmt::Debug + Send + Sync {
    /// Brings the keys up to date, unless that was done a moment ago.
    fn refresh(&self) -> Pending<()>;

    /// Returns whether the keys at hand may be so old that a revoked one could be among them.
    fn is_stale(&self) -> bool;
}

/// The demand for credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// None: whoever reaches the process may do everything.
    Open,
    /// Every method but the open ones needs one.
    Required,
}

/// Lets calls in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Guard(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    mode: Mode,
    rules: Rules,
    local: Caller,
    installation: Option<String>,
    keyring: Keyring,
    source: OnceLock<Arc<dyn KeySource>>,
    path: Option<PathBuf>,
    lists: RwLock<Arc<Lists>>,
    /// The last reason why the file could not be read again.
    told: Mutex<Option<String>>,
}

/// The parts of the file of callers that are no keys.
#[derive(Debug, Default)]
struct Lists {
    text: String,
    certificates: Vec<(String, Caller)>,
    issuers: Issuers,
}

/// The settings of a guard.
#[derive(Debug, Clone)]
pub struct GuardOptions {
    /// The demand for credentials.
    pub mode: Mode,
    /// The demands of methods.
    pub rules: Rules,
    /// The file of callers; absent for none.
    pub file: Option<PathBuf>,
    /// The name of the installation; absent for none.
    pub installation: Option<String>,
}

/// The answer to a call.
pub enum Admission {
    /// It is let in or refused.
    Done(Result<Option<Caller>, Refused>),
    /// It will be, in a bounded time.
    Later(Pending<Result<Option<Caller>, Refused>>),
}

/// The answer about a key that vouches for something.
pub enum Vouched {
    /// It is that of a service, or not.
    Done(bool),
    /// It will be known, in a bounded time.
    Later(Pending<bool>),
}

/// A call that is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub refusal: Refusal,
    /// The caller, where they are known all the same.
    pub caller: Option<Caller>,
}

impl Guard {
    /// Reads the file of callers.
    ///
    /// # Errors
    /// [`AccessFileFaults`] with every fault of the file.
    pub fn open(options: GuardOptions) -> Result<Self, AccessFileFaults> {
        let installation = options.installation;
        let guard = Self(Arc::new(Inner {
            mode: options.mode,
            rules: options.rules,
            local: Caller::local().of_installation(installation.as_deref()),
            installation,
            keyring: Keyring::default(),
            source: OnceLock::new(),
            path: options.file,
            lists: RwLock::default(),
            told: Mutex::default(),
        }));
        guard.0.read_file()?;
        Ok(guard)
    }

    /// Adds the source of stored keys, which fills [`keyring`](Self::keyring). Once only.
    pub fn set_source(&self, source: Arc<dyn KeySource>) {
        // A second source would be a fault of ours, and the first one stays.
        let _ = self.0.source.set(source);
    }

    /// The keys that it knows.
    pub fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    /// The demand for credentials.
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// Returns whether the file names anybody, or issuers of tokens.
    pub fn names_anybody(&self) -> bool {
        let lists = self.0.lists();
        !self.0.keyring.is_empty() || !lists.certificates.is_empty() || !lists.issuers.is_empty()
    }

    /// Returns whether a key is that of a service of this installation, such as one that vouches
    /// for what it hands on. One that is not known may have been made a moment ago, so that its
    /// look-up takes longer.
    pub fn is_service(&self, key: &str) -> Vouched {
        let Some(parsed) = ApiKey::parse(key) else {
            return Vouched::Done(false);
        };
        match self.0.keyring.verify(&parsed, now()) {
            Verdict::Known(caller) => Vouched::Done(caller.kind() == CallerKind::Service),
            Verdict::Expired(..) => Vouched::Done(false),
            Verdict::Unknown if !parsed.is_intact() || self.0.source.get().is_none() => {
                Vouched::Done(false)
            }
            Verdict::Unknown => {
                let (guard, key) = (Arc::clone(&self.0), key.to_owned());
                Vouched::Later(Box::pin(async move {
                    let caller = guard.verify_later(&key).await;
                    caller.is_ok_and(|caller| caller.kind() == CallerKind::Service)
                }))
            }
        }
    }

    /// Reads the file again where it changed, and fetches keys of issuers that are due. Failures
    /// are logged, and change nothing.
    pub async fn refresh(&self) {
        let guard = Arc::clone(&self.0);
        if let Err(error) = tokio::task::spawn_blocking(move || guard.refresh_file()).await {
            tracing::error!(%error, "the file of callers was not read again");
        }
        self.0.lists().issuers.refresh().await;
    }

    /// Decides about a call, by its path, its headers and the certificate of its connection.
    pub fn admit(
        &self,
        path: &str,
        headers: &HeaderMap,
        peer: Option<&Arc<PeerCertificate>>,
    ) -> Admission {
        let requirement = self.0.rules.of(path);
        if requirement == Requirement::Open {
            return Admission::Done(Ok(None));
        }
        match self.0.recognise(headers, peer) {
            Recognised::Done(caller) => Admission::Done(allow(requirement, caller)),
            Recognised::Key(key) => {
                let guard = Arc::clone(&self.0);
                Admission::Later(Box::pin(async move {
                    allow(requirement, guard.verify_later(&key).await)
                }))
            }
            Recognised::Token(token, issuer) => Admission::Later(Box::pin(async move {
                allow(requirement, issuer.verify_later(&token, now()).await)
            })),
        }
    }
}

enum Recognised {
    Done(Result<Caller, Refusal>),
    /// A key that is not known yet.
    Key(String),
    /// A token whose key is not known yet, and who issued it.
    Token(String, Arc<crate::token::Issuer>),
}

impl Inner {
    fn recognise(&self, headers: &HeaderMap, peer: Option<&Arc<PeerCertificate>>) -> Recognised {
        if self.mode == Mode::Open {
            return Recognised::Done(Ok(self.local.clone()));
        }
        match Credential::read(headers) {
            Err(refusal) => Recognised::Done(Err(refusal)),
            Ok(Some(Credential::Key(key))) => self.key(&key),
            Ok(Some(Credential::Token(token))) => match self.lists().issuers.verify(token, now()) {
                Checked::Done(caller) => Recognised::Done(caller),
                Checked::Later(issuer) => Recognised::Token(token.to_owned(), issuer),
            },
            Ok(None) => Recognised::Done(match peer {
                Some(peer) => self.certificate(peer),
                None => Err(Refusal::Missing),
            }),
        }
    }

    fn key(&self, key: &ApiKey<'_>) -> Recognised {
        let source = self.source.get();
        Recognised::Done(match self.keyring.verify(key, now()) {
            Verdict::Known(_)
                if source.is_some_and(|it| it.is_stale()) && !self.keyring.is_fixed(&key.id()) =>
            {
                Err(stale())
            }
            Verdict::Known(caller) => Ok(caller),
            // It may have been rotated or created elsewhere a moment ago. The checksum keeps what
            // was mistyped from the database.
            _ if !key.is_intact() => Err(mistyped()),
            _ if source.is_some() => return Recognised::Key(key.text().to_owned()),
            verdict => refusal_of(verdict),
        })
    }

    async fn verify_later(&self, text: &str) -> Result<Caller, Refusal> {
        if let Some(source) = self.source.get() {
            source.refresh().await;
            if source.is_stale() {
                return Err(stale());
            }
        }
        let key = ApiKey::parse(text).ok_or_else(mistyped)?;
        refusal_of(self.keyring.verify(&key, now()))
    }

    fn certificate(&self, peer: &PeerCertificate) -> Result<Caller, Refusal> {
        if peer.end <= now() {
            return Err(Refusal::Expired {
                what: "certificate of the connection",
                end: peer.end,
            });
        }
        let lists = self.lists();
        let mut known = lists.certificates.iter();
        let known = known.find(|(identity, _)| peer.identities.contains(identity));
        known.map(|(_, caller)| caller.clone()).ok_or_else(|| {
            Refusal::invalid(format!(
                "the certificate of the connection names nobody who is known here: {}",
                peer.identities.join(", ")
            ))
        })
    }

    fn refresh_file(&self) {
        let failure = self.read_file().err().map(|faults| faults.to_string());
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(faults) = failure.as_ref().filter(|_| *told != failure) {
            tracing::warn!(
                faults,
                "the file of callers cannot be read again, the last one counts"
            );
        }
        *told = failure;
    }

    fn read_file(&self) -> Result<(), AccessFileFaults> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let installation = self.installation.as_deref();
        let (file, text) = AccessFile::read(path, installation)?;
        if self.lists().text == text {
            return Ok(());
        }
        self.keyring.set_fixed(file.keys);
        let lists = Lists {
            text,
            certificates: file.certificates,
            issuers: Issuers::new(file.issuers, installation),
        };
        *self.lists.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(lists);
        tracing::info!(file = %path.display(), "the file of callers was read");
        Ok(())
    }

    fn lists(&self) -> Arc<Lists> {
        Arc::clone(&self.lists.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Decides whether a caller may call a method.
fn allow(
    requirement: Requirement,
    caller: Result<Caller, Refusal>,
) -> Result<Option<Caller>, Refused> {
    let caller = caller.map_err(|refusal| Refused {
        refusal,
        caller: None,
    })?;
    let refusal = match requirement {
        Requirement::Open | Requirement::AnyCaller => return Ok(Some(caller)),
        Requirement::Scope(scope) if caller.may(scope) => return Ok(Some(caller)),
        Requirement::Scope(scope) => Refusal::Scope {
            scope,
            held: caller.scopes().names().join(", "),
        },
        Requirement::Closed => Refusal::NoRule,
    };
    Err(Refused {
        refusal,
        caller: Some(caller),
    })
}

fn refusal_of(verdict: Verdict) -> Result<Caller, Refusal> {
    match verdict {
        Verdict::Known(caller) => Ok(caller),
        Verdict::Expired(_, end) => Err(Refusal::Expired { what: "key", end }),
        Verdict::Unknown => Err(Refusal::invalid(
            "the key is not one of this installation, or was revoked",
        )),
    }
}

fn stale() -> Refusal {
    Refusal::Unavailable(
        "keys cannot be checked now: the database has not answered for long".to_owned(),
    )
}

#[cfg(test)]
mod tests;
