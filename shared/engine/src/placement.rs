//! Placement: which worker should own which partition, by rendezvous hashing (Thaler and
//! Ravishankar 1998). Pure.
//!
//! Every worker comes to the same answer from the same members, and when one joins or leaves only
//! its own share moves.

use kernel::{PartitionId, StableHash};

/// The worker that should own a partition; absent where there are none.
pub(crate) fn owner<'a>(
    service: &str,
    partition: PartitionId,
    members: &'a [String],
) -> Option<&'a str> {
    members
        .iter()
        .max_by_key(|member| (weight(service, partition, member), member.as_str()))
        .map(String::as_str)
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
    use kernel::PartitionCount;
    use proptest::prelude::*;

    use super::*;

    fn members(names: impl IntoIterator<Item = u32>) -> Vec<String> {
        names.into_iter().map(|n| format!("worker-{n}")).collect()
    }

    fn count(n: u64) -> PartitionCount {
        PartitionCount::try_new(n).expect("a count")
    }

    #[test]
    fn shares_are_balanced() {
        let members = members(0..8);
        for member in &members {
            let share = count(1024)
                .iter()
                .filter(|partition| owner("journey", *partition, &members) == Some(member))
                .count();
            assert!((85..=175).contains(&share), "{member} has {share} of 1024");
        }
    }

    #[test]
    fn a_weight_never_changes() {
        assert_eq!(
            weight("journey", PartitionId::new(3), "worker-1"),
            0xef27_46a7_652b_ba9b
        );
    }

    #[test]
    fn nobody_owns_what_has_no_members() {
        assert_eq!(owner("journey", PartitionId::new(3), &[]), None);
    }

    proptest! {
        #[test]
        fn only_the_share_of_who_joins_or_leaves_moves(
            names in proptest::collection::btree_set(0_u32..1_000, 1..12),
            joins in 1_000_u32..2_000,
        ) {
            let before = members(names.iter().copied());
            let after = members(names.iter().copied().chain([joins]));
            let joined = format!("worker-{joins}");
            for partition in count(64).iter() {
                let (old, new) = (owner("journey", partition, &before), owner("journey", partition, &after));
                prop_assert!(new == old || new == Some(joined.as_str()));
            }
        }

        #[test]
        fn the_order_of_members_does_not_matter(names in proptest::collection::vec(0_u32..1_000, 1..8)) {
            let forward = members(names.iter().copied());
            let backward = members(names.iter().rev().copied());
            for partition in count(16).iter() {
                prop_assert_eq!(owner("x", partition, &forward), owner("x", partition, &backward));
            }
        }
    }
}
