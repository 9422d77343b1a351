//! The caller of a call: known by a credential, or anybody where a process is open.

use std::fmt;
use std::sync::Arc;

use crate::{Scope, Scopes};

/// The way in which a caller is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallerKind {
    /// Anybody on this machine, where a process listens on loopback only and asks for nothing.
    Local,
    /// By an API key.
    Key,
    /// By a token that somebody else issued.
    Token,
    /// By the certificate of the connection.
    Certificate,
    /// By a key that a service of this installation made for itself.
    Service,
}

impl CallerKind {
    /// Its name in logs and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Key => "key",
            Self::Token => "token",
            Self::Certificate => "certificate",
            Self::Service => "service",
        }
    }
}

/// The caller of a call: an extension of every request that was let in.
///
/// Nothing in it is a secret: its text may be logged and recorded. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Caller(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    kind: CallerKind,
    id: Box<str>,
    name: Box<str>,
    scopes: Scopes,
    installation: Option<Box<str>>,
    source: Option<Box<str>>,
}

/// Characters of the id and of the name of a caller: issuers choose them freely.
const TEXT_CHARS: usize = 256;

impl Caller {
    /// A caller that is known by a credential.
    ///
    /// The id tells callers of a kind apart and stays the same when a secret changes: the id of a
    /// key, `issuer#subject` of a token, the identity in a certificate, the worker of a service.
    /// The name is for people. Both are cut to 256 characters, and hold no control characters.
    pub fn new(kind: CallerKind, id: &str, name: &str, scopes: Scopes) -> Self {
        Self(Arc::new(Parts {
            kind,
            id: harmless(id),
            name: harmless(name),
            scopes,
            installation: None,
            source: None,
        }))
    }

    /// Anybody, where a process is open: they may do everything.
    pub fn local() -> Self {
        Self::new(
            CallerKind::Local,
            "local",
            "anybody on this machine",
            Scopes::all(),
        )
    }

    /// The same caller, of an installation with a name.
    #[must_use]
    pub fn of_installation(self, name: Option<&str>) -> Self {
        let parts = &self.0;
        Self(Arc::new(Parts {
            kind: parts.kind,
            id: parts.id.clone(),
            name: parts.name.clone(),
            scopes: parts.scopes,
            installation: name.map(Into::into),
            source: parts.source.clone(),
        }))
    }

    /// The same caller, who sends for a source: whatever else they were given, they may send
    /// events and nothing more, since their key is public.
    #[must_use]
    pub fn of_source(self, source: &str) -> Self {
        let parts = &self.0;
        Self(Arc::new(Parts {
            kind: parts.kind,
            id: parts.id.clone(),
            name: parts.name.clone(),
            scopes: parts.scopes.and(Scopes::of_sources()),
            installation: parts.installation.clone(),
            source: Some(source.into()),
        }))
    }

    /// The caller of a request, by its extensions; none where no layer looked at it.
    pub fn of(extensions: &http::Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// The way in which they are known.
    pub fn kind(&self) -> CallerKind {
        self.0.kind
    }

    /// Their id among callers of their kind.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Their name, for people.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The scopes that they have.
    pub fn scopes(&self) -> Scopes {
        self.0.scopes
    }

    /// Returns whether they have a scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.0.scopes.has(scope)
    }

    /// The name of the installation that they were let into; none where it has no name.
    pub fn installation(&self) -> Option<&str> {
        self.0.installation.as_deref()
    }

    /// The source that they send for; none where their key is not one of a source.
    pub fn source(&self) -> Option<&str> {
        self.0.source.as_deref()
    }
}

impl fmt::Display for Caller {
    /// Writes `kind:id`, by which a caller is known in logs and records.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            CallerKind::Local => f.write_str(CallerKind::Local.name()),
            kind => write!(f, "{}:{}", kind.name(), self.0.id),
        }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Caller({self})")
    }
}

fn harmless(text: &str) -> Box<str> {
    let letters = text.chars().take(TEXT_CHARS);
    let letters = letters.map(|letter| match letter.is_control() {
        true => '\u{fffd}',
        false => letter,
    });
    letters.collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_told_by_kind_and_id() {
        let scopes = Scopes::known(["events:write"]);
        let caller = Caller::new(CallerKind::Key, "ab12", "shop", scopes);
        assert_eq!(caller.to_string(), "key:ab12");
        assert!(caller.may(Scope::EventsWrite) && !caller.may(Scope::KeysWrite));
        assert_eq!(Caller::local().to_string(), "local");
        assert_eq!(caller.installation(), None);
        assert_eq!(caller.of_installation(Some("a")).installation(), Some("a"));
    }

    #[test]
    fn who_sends_for_a_source_may_send_and_nothing_else() {
        let caller = Caller::new(CallerKind::Key, "ab12", "shop", Scopes::all());
        assert_eq!(caller.source(), None);
        let caller = caller.of_source("web_shop").of_installation(Some("a"));
        assert_eq!(caller.source(), Some("web_shop"));
        assert_eq!(caller.scopes().names(), ["events:write"]);
        let caller = Caller::new(CallerKind::Key, "ab12", "shop", Scopes::NONE);
        assert!(caller.of_source("web_shop").scopes().is_empty());
    }

    #[test]
    fn texts_of_issuers_are_bounded_and_harmless() {
        let long = "x".repeat(1_000);
        let caller = Caller::new(CallerKind::Token, &long, "a\nb\u{1b}", Scopes::NONE);
        assert_eq!(caller.id().len(), 256);
        assert_eq!(caller.name(), "a\u{fffd}b\u{fffd}");
    }
}
