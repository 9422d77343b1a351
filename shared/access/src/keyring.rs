//! The keys that a process knows, by id: verified in memory, with one look-up and one hash.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use kernel::Timestamp;

use crate::{ApiKey, Caller, CallerKind, KeyHash, KeyId};

/// A key as it is known here.
#[derive(Debug, Clone)]
pub struct KnownKey {
    /// The caller that it stands for.
    pub caller: Caller,
    /// The secrets that are accepted, each with its end; absent for none.
    pub secrets: Vec<(KeyHash, Option<Timestamp>)>,
    /// The end of the key; absent for none.
    pub expire_time: Option<Timestamp>,
}

/// The answer to a key that somebody presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is this caller's.
    Known(Caller),
    /// It was this caller's, until then.
    Expired(Caller, Timestamp),
    /// No such key is known here, or its secret is another one.
    Unknown,
}

/// Keys by id.
pub type KeyTable = HashMap<KeyId, KnownKey>;

/// The keys that a process knows: those of its file, and those of the database. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Keyring(Arc<Tables>);

#[derive(Debug, Default)]
struct Tables {
    fixed: RwLock<Arc<KeyTable>>,
    stored: RwLock<Arc<KeyTable>>,
}

impl Keyring {
    /// Replaces the keys of the file.
    pub fn set_fixed(&self, keys: KeyTable) {
        replace(&self.0.fixed, keys);
    }

    /// Replaces the keys of the database.
    pub fn set_stored(&self, keys: KeyTable) {
        replace(&self.0.stored, keys);
    }

    /// Returns whether no caller is known: services do not count.
    pub fn is_empty(&self) -> bool {
        let is_caller = |key: &KnownKey| key.caller.kind() != CallerKind::Service;
        let has_caller = |table: &RwLock<_>| current(table).values().any(is_caller);
        !has_caller(&self.0.fixed) && !has_caller(&self.0.stored)
    }

    /// Returns whether a key is one of the file, which needs no database.
    pub fn is_fixed(&self, id: &KeyId) -> bool {
        current(&self.0.fixed).contains_key(id)
    }

    /// Verifies a key.
    pub fn verify(&self, key: &ApiKey<'_>, now: Timestamp) -> Verdict {
        let hash = key.hash();
        for table in [&self.0.stored, &self.0.fixed] {
            let table = current(table);
            if let Some(known) = table.get(&key.id()) {
                return known.verify(&hash, now);
            }
        }
        Verdict::Unknown
    }
}

impl KnownKey {
    fn verify(&self, hash: &KeyHash, now: Timestamp) -> Verdict {
        let mut secrets = self.secrets.iter();
        let Some((_, secret_end)) = secrets.find(|(known, _)| known.matches(hash)) else {
            return Verdict::Unknown;
        };
        let ends = [self.expire_time, *secret_end];
        match ends.into_iter().flatten().min() {
            Some(end) if end <= now => Verdict::Expired(self.caller.clone(), end),
            _ => Verdict::Known(self.caller.clone()),
        }
    }
}

fn current(table: &RwLock<Arc<KeyTable>>) -> Arc<KeyTable> {
    Arc::clone(&table.read().unwrap_or_else(PoisonError::into_inner))
}

fn replace(table: &RwLock<Arc<KeyTable>>, keys: KeyTable) {
    *table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NewKey, Scopes};

    fn known(key: &NewKey, ends: &[Option<i64>]) -> (KeyId, KnownKey) {
        let time = |end: &Option<i64>| end.map(Timestamp::from_millis);
        let caller = Caller::new(CallerKind::Key, key.id().as_str(), "shop", Scopes::all());
        let known = KnownKey {
            caller,
            secrets: vec![(key.hash(), time(&ends[0]))],
            expire_time: ends.get(1).and_then(time),
        };
        (key.id(), known)
    }

    fn verify(keyring: &Keyring, key: &NewKey, now: i64) -> Verdict {
        let key = ApiKey::parse(key.reveal()).expect("a key");
        keyring.verify(&key, Timestamp::from_millis(now))
    }

    #[test]
    fn a_key_counts_until_the_first_of_its_ends() {
        let key = NewKey::make().expect("randomness");
        for (ends, end) in [
            (&[None, None][..], None),
            (&[Some(10), None], Some(10)),
            (&[None, Some(20)], Some(20)),
            (&[Some(30), Some(20)], Some(20)),
        ] {
            let keyring = Keyring::default();
            let (id, entry) = known(&key, ends);
            keyring.set_stored([(id, entry.clone())].into());
            assert_eq!(
                verify(&keyring, &key, 9),
                Verdict::Known(entry.caller.clone())
            );
            let expected = match end {
                Some(end) => Verdict::Expired(entry.caller, Timestamp::from_millis(end)),
                None => Verdict::Known(entry.caller),
            };
            assert_eq!(verify(&keyring, &key, 20.max(end.unwrap_or(0))), expected);
        }
    }

    #[test]
    fn another_secret_of_a_known_id_is_unknown() {
        let key = NewKey::make().expect("randomness");
        let other = NewKey::of(key.id()).expect("randomness");
        let keyring = Keyring::default();
        keyring.set_fixed([known(&key, &[None])].into());
        assert_eq!(verify(&keyring, &other, 0), Verdict::Unknown);
        assert_eq!(
            verify(&keyring, &NewKey::make().expect("randomness"), 0),
            Verdict::Unknown
        );
    }

    #[test]
    fn a_rotation_leaves_no_gap() {
        let old = NewKey::make().expect("randomness");
        let new = NewKey::of(old.id()).expect("randomness");
        let (id, mut entry) = known(&old, &[Some(100)]);
        entry.secrets.push((new.hash(), None));
        let keyring = Keyring::default();
        keyring.set_stored([(id, entry.clone())].into());
        for now in [0, 99] {
            for key in [&old, &new] {
                assert_eq!(
                    verify(&keyring, key, now),
                    Verdict::Known(entry.caller.clone())
                );
            }
        }
        assert!(matches!(verify(&keyring, &old, 100), Verdict::Expired(..)));
        assert_eq!(verify(&keyring, &new, 100), Verdict::Known(entry.caller));
    }
}
