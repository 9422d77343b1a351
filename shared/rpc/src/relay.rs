//! Calls that one process of an installation hands on to another: the sender's own credential and
//! address, and the proof that the address may be believed.
//!
//! A process that hands calls on shows its own key beside the sender's credential. The sender is
//! judged by the credential alone: the key only vouches for the address, and so for nothing that
//! opens a door.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use access::{Guard, Peer, Vouched};
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
#[derive(Debug)]
pub(crate) struct Relayed {
    key: HeaderValue,
    address: Option<IpAddr>,
}

impl Relayed {
    /// Takes these words out of the headers of a call, so that nothing behind sees them. Absent
    /// where nobody says that the call was handed on.
    pub(crate) fn take(headers: &mut HeaderMap) -> Option<Self> {
        let key = headers.remove(KEY)?;
        let address = headers.remove(ADDRESS);
        Some(Self {
            key,
            address: address.and_then(|it| it.to_str().ok()?.parse().ok()),
        })
    }

    /// Tells whether the key is that of a service of this installation, so that the address may be
    /// believed.
    pub(crate) fn vouched(&self, guard: &Guard) -> Vouched {
        match self.key.to_str() {
            Ok(key) => guard.is_service(key),
            Err(_) => Vouched::Done(false),
        }
    }

    /// The sender, on a connection whose other end is at this address. The certificate of the
    /// connection is that of the process in between, and lets nobody in.
    pub(crate) fn sender(&self, is_vouched: bool, connection: Option<SocketAddr>) -> Peer {
        let told = self.address.filter(|_| is_vouched);
        let told = told.map(|address| SocketAddr::new(address, 0));
        Peer::new(told.or(connection), None)
    }
}

#[cfg(test)]
mod tests {
    use access::{Caller, CallerKind, GuardOptions, KnownKey, Mode, NewKey, Rules, Scopes};

    use super::*;

    /// The other end of the connections.
    const CONNECTION: &str = "198.51.100.1:7";

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

    fn check(kind: CallerKind, sends: &[(HeaderName, &str)], expected: Option<&str>) {
        let key = NewKey::make().expect("randomness");
        let guard = guard(kind, &key);
        let mut headers = HeaderMap::new();
        for (name, value) in sends {
            let value = value.replace("KEY", key.reveal());
            headers.append(name, value.parse().expect("a value"));
        }
        let sender = Relayed::take(&mut headers).map(|relayed| {
            assert!(headers.is_empty());
            let Vouched::Done(is_vouched) = relayed.vouched(&guard) else {
                panic!("there is no source of keys");
            };
            let sender = relayed.sender(is_vouched, CONNECTION.parse().ok());
            sender.address().map(|it| it.to_string())
        });
        let expected = expected.map(|it| Some(it.to_owned()));
        assert_eq!(sender, expected, "{sends:?}");
    }

    #[test]
    fn only_a_service_of_ours_is_believed() {
        let (key, from) = ((KEY, "KEY"), (ADDRESS, "192.0.2.7"));
        let service = CallerKind::Service;
        check(service, &[key.clone(), from.clone()], Some("192.0.2.7:0"));
        check(
            service,
            &[key.clone(), (ADDRESS, "2001:db8::1")],
            Some("[2001:db8::1]:0"),
        );
        check(
            service,
            &[key.clone(), (ADDRESS, "somewhere")],
            Some(CONNECTION),
        );
        check(service, std::slice::from_ref(&key), Some(CONNECTION));
        check(service, &[(KEY, "hpk_x"), from.clone()], Some(CONNECTION));
        check(service, std::slice::from_ref(&from), None);
        check(CallerKind::Key, &[key, from], Some(CONNECTION));
    }
}
