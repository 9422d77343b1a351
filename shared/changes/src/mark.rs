//! Marks: the last commit of each partition of a service that the log has.
//!
//! They are read and written by who has locked the head.

use std::collections::BTreeMap;

use kernel::{Owner, PartitionId};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr};

use crate::sql::{execute, query};
use crate::wire::{read_varint, write_varint};
use crate::{Damaged, Place, WriteError};

/// The marks of the partitions of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Marks(BTreeMap<PartitionId, Place>);

impl Marks {
    /// Returns the last commit of a partition that the log has; the default, which is below all
    /// others, for none.
    pub(crate) fn of(&self, partition: PartitionId) -> Place {
        self.0.get(&partition).copied().unwrap_or_default()
    }

    /// The log has the commits of a partition up to a place.
    pub(crate) fn raise(&mut self, partition: PartitionId, place: Place) {
        let mark = self.0.entry(partition).or_default();
        *mark = place.max(*mark);
    }

    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (partition, place) in &self.0 {
            write_varint(&mut bytes, partition.number().into());
            write_varint(&mut bytes, place.epoch);
            write_varint(&mut bytes, place.seq);
        }
        bytes
    }

    pub(crate) fn unpack(mut bytes: &[u8]) -> Result<Self, String> {
        let mut marks = BTreeMap::new();
        while !bytes.is_empty() {
            let (partition, rest) = read_varint(bytes)?;
            let (epoch, rest) = read_varint(rest)?;
            let (seq, rest) = read_varint(rest)?;
            let partition = u16::try_from(partition)
                .map_err(|_| format!("there is no partition {partition}"))?;
            marks.insert(PartitionId::new(partition), Place { epoch, seq });
            bytes = rest;
        }
        Ok(Self(marks))
    }
}

/// Reads the marks of all services.
pub(crate) async fn read(
    connection: &impl ConnectionTrait,
) -> Result<BTreeMap<Owner, Marks>, WriteError> {
    let mut marks = BTreeMap::new();
    for row in query(connection, "SELECT service, marks FROM change_mark", []).await? {
        let (service, packed): (i16, Vec<u8>) =
            (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        let damaged = |why: String| {
            Damaged::new(
                format!("how far the log of changes is with service {service}"),
                why,
            )
        };
        let mut owners = Owner::ALL.into_iter();
        let owner = owners
            .find(|owner| service_of(*owner) == service)
            .ok_or_else(|| damaged("there is no such service".to_owned()))?;
        marks.insert(owner, Marks::unpack(&packed).map_err(damaged)?);
    }
    Ok(marks)
}

/// Writes the marks of a service.
pub(crate) async fn write(
    transaction: &DatabaseTransaction,
    owner: Owner,
    marks: &Marks,
) -> Result<(), DbErr> {
    let sql = "INSERT INTO change_mark (service, marks) VALUES ($1, $2) \
               ON CONFLICT (service) DO UPDATE SET marks = excluded.marks";
    let values = [service_of(owner).into(), marks.pack().into()];
    execute(transaction, sql, values).await?;
    Ok(())
}

/// Forgets all marks.
pub(crate) async fn clear(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    execute(transaction, "DELETE FROM change_mark", []).await?;
    Ok(())
}

const fn service_of(owner: Owner) -> i16 {
    owner as i16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn a_mark_only_grows_and_an_epoch_counts_before_a_number() {
        let mut marks = Marks::default();
        let partition = PartitionId::new(3);
        assert_eq!(marks.of(partition), Place { epoch: 0, seq: 0 });
        for (epoch, seq, expected) in [(1, 9, (1, 9)), (2, 3, (2, 3)), (1, 10, (2, 3))] {
            marks.raise(partition, Place { epoch, seq });
            let (epoch, seq) = expected;
            assert_eq!(marks.of(partition), Place { epoch, seq });
        }
    }

    #[test]
    fn damage_is_told() {
        for (bytes, why) in [
            (&[1, 1][..], "no end"),
            (&[1, 1, 1, 2], "no end"),
            (&[0xff, 0xff, 0x7f, 1, 1], "no partition"),
        ] {
            let error = Marks::unpack(bytes).expect_err(why);
            assert!(error.contains(why), "{error}: {why}");
        }
    }

    proptest! {
        #[test]
        fn marks_are_read_back(all in proptest::collection::btree_map(any::<u16>(), any::<(u64, u64)>(), 1..20)) {
            let mut marks = Marks::default();
            for (partition, (epoch, seq)) in all {
                marks.raise(PartitionId::new(partition), Place { epoch, seq });
            }
            prop_assert_eq!(Marks::unpack(&marks.pack()), Ok(marks));
        }
    }
}
