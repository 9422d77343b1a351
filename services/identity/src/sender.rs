//! The sender of the events of a call, as evidence names it where these have no source of their
//! own.

use std::future::Future;
use std::sync::Arc;

use access::{Caller, CallerKind};
use tonic::Request;

tokio::task_local! {
    static SENDER: Sender;
}

/// The sender of the events of a call. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sender(Option<Arc<str>>);

impl Sender {
    /// Returns the sender of a request: the source that its key is of, or the name of the key or of
    /// the certificate. People who come with a token are not named.
    pub(crate) fn of<T>(request: &Request<T>) -> Self {
        let name = Caller::of(request.extensions()).and_then(|caller| {
            let is_named = matches!(caller.kind(), CallerKind::Key | CallerKind::Certificate);
            let own = is_named.then(|| caller.name());
            caller.source().or(own)
        });
        Self(name.map(Into::into))
    }

    /// Returns the sender of the call at hand; nobody outside of calls.
    pub(crate) fn current() -> Self {
        SENDER.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs work as part of a call of this sender.
    pub(crate) async fn scope<F: Future>(self, work: F) -> F::Output {
        SENDER.scope(self, work).await
    }

    /// Its name; empty for nobody.
    pub(crate) fn name(&self) -> &str {
        self.0.as_deref().unwrap_or("")
    }
}

#[cfg(test)]
mod tests {
    use access::Scopes;

    use super::*;

    #[test]
    fn the_source_of_a_key_comes_before_its_name_and_people_are_not_named() {
        let named = |kind, source: Option<&str>| {
            let caller = Caller::new(kind, "ab", "till", Scopes::all());
            let mut request = Request::new(());
            request.extensions_mut().insert(match source {
                Some(source) => caller.of_source(source),
                None => caller,
            });
            Sender::of(&request).name().to_owned()
        };
        assert_eq!(named(CallerKind::Key, Some("web_shop")), "web_shop");
        assert_eq!(named(CallerKind::Key, None), "till");
        assert_eq!(named(CallerKind::Certificate, None), "till");
        assert_eq!(named(CallerKind::Token, None), "");
        assert_eq!(named(CallerKind::Service, None), "");
        assert_eq!(Sender::of(&Request::new(())).name(), "");
    }
}
