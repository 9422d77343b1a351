//! Ids and buckets by hash: the same answer on every machine, whenever it is asked.

use kernel::{CustomerId, RunId};
use sha2::{Digest, Sha256};
use uuid::Builder;

use crate::limits;

/// The id of a run: a UUIDv8 over what names it. `count` is how many runs the customer had before, so that no two
/// are the same even where everything else is.
pub(crate) fn run_id(
    customer: CustomerId,
    journey: &str,
    key: &str,
    cause: &str,
    count: u64,
) -> RunId {
    let mut hash = Sha256::new();
    hash.update(customer.as_bytes());
    hash.update(count.to_be_bytes());
    for part in [journey, key, cause] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    RunId::new(Builder::from_custom_bytes(bytes).into_uuid())
}

/// Returns the hash that stands for a run's key in the memory of its end.
pub(crate) fn key_hash(key: &str) -> u64 {
    let digest = Sha256::digest(key.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(bytes)
}

/// The bucket of a customer in a split, below [`limits::SHARES`].
pub(crate) fn bucket(salt: &str, customer: CustomerId) -> u32 {
    let mut hash = Sha256::new();
    hash.update(salt.as_bytes());
    hash.update([0]);
    hash.update(customer.as_bytes());
    let digest = hash.finalize();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest[..8]);
    u32::try_from(u64::from_be_bytes(bytes) % u64::from(limits::SHARES))
        .expect("below a u32 number of shares")
}

#[cfg(test)]
mod tests {
    use kernel::FragmentId;
    use uuid::Uuid;

    use super::*;

    fn customer(number: u128) -> CustomerId {
        FragmentId::new(Uuid::from_u128(number << 64 | 7)).into()
    }

    #[test]
    fn a_bucket_never_changes() {
        // Another number here would move customers of every installation to other arms.
        assert_eq!(bucket("welcome/split", customer(1)), PINNED);
    }

    const PINNED: u32 = 4588;

    #[test]
    fn buckets_are_spread_evenly_and_salts_are_independent() {
        let below = |salt: &str| {
            (0..10_000)
                .filter(|number| bucket(salt, customer(*number)) < 1_000)
                .count()
        };
        assert!((900..1_100).contains(&below("a")), "{}", below("a"));
        let both = (0..10_000)
            .filter(|number| {
                bucket("a", customer(*number)) < 5_000 && bucket("b", customer(*number)) < 5_000
            })
            .count();
        assert!((2_300..2_700).contains(&both), "{both}");
    }

    #[test]
    fn run_ids_differ_by_each_part() {
        let base = run_id(customer(1), "j", "k", "c", 0);
        for other in [
            run_id(customer(2), "j", "k", "c", 0),
            run_id(customer(1), "jk", "", "c", 0),
            run_id(customer(1), "j", "k", "d", 0),
            run_id(customer(1), "j", "k", "c", 1),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!(base.uuid().get_version_num(), 8);
    }
}
