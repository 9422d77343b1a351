//! The names of customers in entries: keyed hashes, with a key for each customer.
//!
//! The log alone tells nobody's id, nor that two installations have a customer in common. Once the
//! key of a customer is forgotten, nobody can tell any more which entries are about them, and the
//! entries stay as they are.

use std::collections::{BTreeSet, HashMap};

use hmac::{Hmac, KeyInit as _, Mac as _};
use kernel::CustomerId;
use ring::rand::{SecureRandom as _, SystemRandom};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _,
};
use sha2::Sha256;

use crate::AuditError;
use crate::entity::subject;

/// Bytes of a key: as many as the hash has.
const KEY_BYTES: usize = 32;
/// Customers that one statement names.
const AT_ONCE: usize = 1_000;

/// The hashes of customers.
pub(crate) type Names = HashMap<CustomerId, Vec<u8>>;

/// Returns the names of the customers that have a key.
pub(crate) async fn find_names(
    connection: &impl ConnectionTrait,
    customers: &BTreeSet<CustomerId>,
) -> Result<Names, AuditError> {
    let ids: Vec<_> = customers.iter().map(|it| it.uuid()).collect();
    let mut names = Names::new();
    for some in ids.chunks(AT_ONCE) {
        let rows = subject::Entity::find()
            .filter(subject::Column::CustomerId.is_in(some.iter().copied()))
            .all(connection)
            .await?;
        names.extend(rows.into_iter().map(|row| {
            let customer = CustomerId::new(row.customer_id);
            (customer, name_of(&row.key, customer))
        }));
    }
    Ok(names)
}

/// As [`find_names`], and draws a key for each customer of `known` that has none.
///
/// Keys are made in the order of ids, so that no two processes wait for each other.
pub(crate) async fn make_names(
    connection: &impl ConnectionTrait,
    customers: &BTreeSet<CustomerId>,
    known: &BTreeSet<CustomerId>,
) -> Result<Names, AuditError> {
    let names = find_names(connection, customers).await?;
    let missing: Vec<_> = known.iter().filter(|it| !names.contains_key(it)).collect();
    if missing.is_empty() {
        return Ok(names);
    }
    for some in missing.chunks(AT_ONCE) {
        let rows = some.iter().map(|customer| {
            Ok(subject::ActiveModel {
                customer_id: Set(customer.uuid()),
                key: Set(draw_key()?),
            })
        });
        let rows: Vec<_> = rows.collect::<Result<_, AuditError>>()?;
        let drawn_by_another = OnConflict::column(subject::Column::CustomerId)
            .do_nothing()
            .to_owned();
        subject::Entity::insert_many(rows)
            .on_conflict(drawn_by_another)
            .exec_without_returning(connection)
            .await?;
    }
    // Read again: another process may have drawn the key that counts.
    find_names(connection, customers).await
}

/// Destroys the keys of customers, and returns how many there were.
pub(crate) async fn forget(
    connection: &impl ConnectionTrait,
    customers: &[CustomerId],
) -> Result<u64, AuditError> {
    let mut forgotten = 0;
    for some in customers.chunks(AT_ONCE) {
        let done = subject::Entity::delete_many()
            .filter(subject::Column::CustomerId.is_in(some.iter().map(|it| it.uuid())))
            .exec(connection)
            .await?;
        forgotten += done.rows_affected;
    }
    Ok(forgotten)
}

fn draw_key() -> Result<Vec<u8>, AuditError> {
    let mut key = vec![0; KEY_BYTES];
    let drawn = SystemRandom::new().fill(&mut key);
    drawn.map_err(|_| AuditError::NoRandomness)?;
    Ok(key)
}

fn name_of(key: &[u8], customer: CustomerId) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(customer.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
