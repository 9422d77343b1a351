//! Placement: which worker should own which partition, by rendezvous hashing (Thaler and
//! Ravishankar 1998) with bounded loads (Mirrokni, Thorup and Zadimoghaddam 2018). Pure.
//!
//! Every worker comes to the same answer from the same members. When one joins or leaves, little
//! more than its own share moves, and nobody has more than a quarter above an equal share: with few
//! partitions the hash alone would leave some worker without any.

use kernel::{PartitionCount, PartitionId, StableHash};

/// Returns the worker that should own each partition, by the number of the partition; nothing where
/// there are no workers.
pub(crate) fn owners<'a>(
    service: &str,
    count: PartitionCount,
    members: &'a [String],
) -> Vec<&'a str> {
    let most = most(count.get().into(), members.len());
    let mut loads = vec![0; members.len()];
    let mut owners = Vec::new();
    for partition in count.iter() {
        let free = (0..members.len()).filter(|place| loads[*place] < most);
        let member = free.max_by_key(|place| {
            let member = &members[*place];
            (weight(service, partition, member), member)
        });
        let Some(member) = member else {
            return Vec::new();
        };
        loads[member] += 1;
        owners.push(&*members[member]);
    }
    owners
}

/// The most partitions of one member: a quarter above an equal share, rounded down, or else an equal
/// share, rounded up.
fn most(partitions: usize, members: usize) -> usize {
    let members = members.max(1);
    partitions
        .div_ceil(members)
        .max(partitions * 5 / (members * 4))
}

/// The weight of a member for a partition: the same on every machine and in every version.
fn weight(service: &str, partition: PartitionId, member: &str) -> u64 {
    StableHash::new()
        .with(service.as_bytes())
        .with(member.as_bytes())
        .with(&partition.number().to_be_bytes())
        .finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn members(names: impl IntoIterator<Item = u32>) -> Vec<String> {
        names.into_iter().map(|n| format!("worker-{n}")).collect()
    }

    fn count(n: u64) -> PartitionCount {
        PartitionCount::try_new(n).expect("a count")
    }

    /// The number of partitions of each member.
    fn shares(count: PartitionCount, members: &[String]) -> Vec<usize> {
        let mut shares: BTreeMap<&str, usize> = members.iter().map(|it| (&**it, 0)).collect();
        for owner in owners("journey", count, members) {
            *shares.get_mut(owner).expect("a member") += 1;
        }
        shares.into_values().collect()
    }

    #[test]
    fn a_weight_never_changes() {
        assert_eq!(
            weight("journey", PartitionId::new(3), "worker-1"),
            0xef27_46a7_652b_ba9b
        );
    }

    #[test]
    fn an_owner_never_changes() {
        let members = members(1..4);
        let places: String = owners("journey", count(16), &members)
            .into_iter()
            .map(|owner| owner.trim_start_matches("worker-"))
            .collect();
        assert_eq!(places, "1221112233321231");
    }

    #[test]
    fn nobody_owns_what_has_no_members() {
        assert_eq!(owners("journey", count(8), &[]), [""; 0]);
    }

    #[test]
    fn two_share_eight_whoever_they_are() {
        for first in 0..1_000 {
            let shares = shares(count(8), &members([first, first + 1_000]));
            assert!(shares.iter().all(|it| (3..=5).contains(it)), "{shares:?}");
        }
    }

    #[test]
    fn little_more_than_the_share_of_who_joins_moves() {
        for (partitions, workers) in [(8, 1), (64, 3), (64, 7), (256, 4), (1_024, 15)] {
            let rounds = 50;
            let mut moved = 0;
            for round in 0..rounds {
                let before = members(round * 100..round * 100 + workers);
                let after = members(round * 100..=round * 100 + workers);
                let [before, after] =
                    [before, after].map(|it| owners("x", count(partitions), &it).join(" "));
                let pairs = before.split(' ').zip(after.split(' '));
                moved += pairs
                    .map(|(before, after)| u64::from(before != after))
                    .sum::<u64>();
            }
            let shares = partitions * u64::from(rounds) / u64::from(workers + 1);
            assert!(
                2 * moved <= 3 * shares,
                "{partitions}: {moved} for {shares}"
            );
        }
    }

    proptest! {
        #[test]
        fn nobody_has_more_than_a_quarter_above_an_equal_share(
            partitions in 1_usize..1_025,
            names in proptest::collection::btree_set(0_u32..1_000, 1..40),
        ) {
            let members = members(names);
            let shares = shares(count(partitions as u64), &members);
            prop_assert_eq!(shares.iter().sum::<usize>(), partitions);
            let equal = partitions.div_ceil(members.len());
            for share in shares {
                prop_assert!(share <= equal || 4 * share * members.len() <= 5 * partitions);
            }
        }

        #[test]
        fn the_order_of_members_does_not_matter(names in proptest::collection::vec(0_u32..1_000, 1..8)) {
            let forward = members(names.iter().copied());
            let backward = members(names.iter().rev().copied());
            prop_assert_eq!(owners("x", count(16), &forward), owners("x", count(16), &backward));
        }
    }
}
