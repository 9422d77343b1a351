//! Calls that one process of an installation hands on to another: the sender's own credential and
//! address, and the proof that the address may be believed.
//!
//! A process that hands calls on shows its own key beside the sender's credential. The sender is
//! judged by the credential alone: the key only vouches for the address, and so for nothing that
//! opens a door.

use std::fmt;
use std::net::IpAddr;

use access::{ApiKey, CallerKind, Guard, Verdict};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header with the key of the process that hands a call on.
pub(crate) const KEY: HeaderName = HeaderName::from_static("x-happypath-relay-key");
/// The header with the address of the sender.
pub(crate) const ADDRESS: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The credential of a caller that was let in, for calls that are handed on: an extension of the
/// request where the guard [keeps](crate::GuardLayer::keeping_credentials) them.
#[derive(Clone)]
pub struct SentCredential(pub(crate) HeaderValue);

impl SentCredential {
    /// The value of the header `authorization`, which shows in no log.
    pub const fn value(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Debug for SentCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SentCredential(…)")
    }
}

/// The words of a process that handed a call on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Relayed {
    /// The address of the sender; absent where the proof is none.
    pub(crate) address: Option<IpAddr>,
}

impl Relayed {
    /// Takes these words out of the headers of a call, so that nothing behind sees them. Absent
    /// where nobody says that the call was handed on.
    pub(crate) fn take(headers: &mut HeaderMap, guard: &Guard) -> Option<Self> {
        let key = headers.remove(KEY)?;
        let address = headers.remove(ADDRESS);
        let address = address
            .as_ref()
            .and_then(|it| it.to_str().ok()?.parse().ok());
        Some(Self {
            address: address.filter(|_| is_service(&key, guard)),
        })
    }
}

/// Returns whether a key is that of a service of this installation.
fn is_service(key: &HeaderValue, guard: &Guard) -> bool {
    let key = key.to_str().ok().and_then(ApiKey::parse);
    key.is_some_and(|key| match guard.keyring().verify(&key, access::now()) {
        Verdict::Known(caller) => caller.kind() == CallerKind::Service,
        Verdict::Expired(..) | Verdict::Unknown => false,
    })
}

#[cfg(test)]
mod tests {
    use access::{Caller, GuardOptions, KnownKey, Mode, NewKey, Rules, Scopes};

    use super::*;

    fn guard(kind: CallerKind, key: &NewKey) -> Guard {
        let options = GuardOptions {
            mode: Mode::Required,
            rules: Rules::default(),
            file: None,
            installation: None,
        };
        let guard = Guard::open(options).expect("no file");
        let known = KnownKey {
            caller: Caller::new(kind, "one", "one", Scopes::NONE),
            secrets: vec![(key.hash(), None)],
            expire_time: None,
        };
        guard.keyring().set_stored([(key.id(), known)].into());
        guard
    }

    fn check(kind: CallerKind, sends: &[(HeaderName, &str)], expected: Option<Option<&str>>) {
        let key = NewKey::make().expect("randomness");
        let guard = guard(kind, &key);
        let mut headers = HeaderMap::new();
        for (name, value) in sends {
            let value = value.replace("KEY", key.reveal());
            headers.append(name, value.parse().expect("a value"));
        }
        let taken = Relayed::take(&mut headers, &guard);
        let address = |text: &str| text.parse().expect("an address");
        let expected = expected.map(|it| Relayed {
            address: it.map(address),
        });
        assert_eq!(taken, expected, "{sends:?}");
        assert!(taken.is_none() || headers.is_empty());
    }

    #[test]
    fn only_a_service_of_ours_is_believed() {
        let (key, from) = ((KEY, "KEY"), (ADDRESS, "192.0.2.7"));
        let service = CallerKind::Service;
        check(
            service,
            &[key.clone(), from.clone()],
            Some(Some("192.0.2.7")),
        );
        check(
            service,
            &[key.clone(), (ADDRESS, "2001:db8::1")],
            Some(Some("2001:db8::1")),
        );
        check(service, &[key.clone(), (ADDRESS, "somewhere")], Some(None));
        check(service, std::slice::from_ref(&key), Some(None));
        check(service, &[(KEY, "hpk_x"), from.clone()], Some(None));
        check(service, std::slice::from_ref(&from), None);
        check(CallerKind::Key, &[key, from], Some(None));
    }
}
