//! Writes memberships that events and domains say of, all of a batch at once.

use std::collections::{BTreeSet, HashMap, HashSet};

use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};

use super::put::save;
use super::rows::{Row, of_customers};
use super::{MembershipSource, Moment, NewMembership, TakenMemberships};
use crate::limits::{
    LOOKUP_IDENTIFIERS, MEMBERSHIPS_OF_ACCOUNT, MEMBERSHIPS_OF_CUSTOMER, RESOLVE_ATTEMPTS,
};
use crate::store::account::{lock_roots, tallies};
use crate::store::entity::membership;
use crate::store::{IdentityStore, signed};

/// A membership with its place in the batch.
type Placed<'a> = (usize, &'a NewMembership);

pub(super) async fn take(
    store: &IdentityStore,
    memberships: &[NewMembership],
    now: Moment,
) -> Result<TakenMemberships, DbErr> {
    let all: Vec<Placed<'_>> = memberships.iter().enumerate().collect();
    let new = unknown_ones(store.database.orm(), all).await?;
    if new.is_empty() {
        return Ok(TakenMemberships::default());
    }
    let mut fragments: Vec<FragmentId> = new
        .iter()
        .flat_map(|(_, it)| [it.customer, it.account])
        .collect();
    fragments.sort_unstable();
    fragments.dedup();
    for _ in 0..RESOLVE_ATTEMPTS {
        let transaction = store.database.begin_write().await?;
        let Some(roots) = lock_roots(&transaction, &fragments).await? else {
            transaction.rollback().await?;
            continue;
        };
        let customers: BTreeSet<CustomerId> = new
            .iter()
            .filter_map(|(_, it)| roots.get(&it.customer).copied())
            .collect();
        let customers: Vec<CustomerId> = customers.into_iter().collect();
        let before = of_customers(&transaction, &customers).await?;
        let accounts = new.iter().filter_map(|(_, it)| roots.get(&it.account));
        let accounts: HashSet<CustomerId> = accounts.copied().collect();
        let tallies = tallies(&transaction, accounts).await?.into_iter();
        let mut taking = Taking {
            sizes: tallies.map(|(id, tally)| (id, tally.memberships)).collect(),
            numbers: numbers_of(&before),
            by_root: by_root(&before),
            after: before.clone(),
            taken: TakenMemberships::default(),
        };
        for (place, it) in &new {
            let ends = (roots.get(&it.customer), roots.get(&it.account));
            let (Some(customer), Some(account)) = ends else {
                taking.taken.unknown.push(*place);
                continue;
            };
            taking.take(store, (*place, it), (*customer, *account));
        }
        let Taking { after, taken, .. } = taking;
        let news = save(&transaction, store, (&before, &after), now).await?;
        transaction.commit().await?;
        return Ok(TakenMemberships { news, ..taken });
    }
    Err(DbErr::Custom(
        "the customers were changed at the same time".to_owned(),
    ))
}

/// Leaves out those that are known already and hold.
async fn unknown_ones<'a>(
    connection: &impl ConnectionTrait,
    all: Vec<Placed<'a>>,
) -> Result<Vec<Placed<'a>>, DbErr> {
    let customers: BTreeSet<FragmentId> = all.iter().map(|(_, it)| it.customer).collect();
    let accounts: BTreeSet<FragmentId> = all.iter().map(|(_, it)| it.account).collect();
    let customers: Vec<FragmentId> = customers.into_iter().collect();
    let mut known: HashMap<(FragmentId, FragmentId, i16), Timestamp> = HashMap::new();
    for chunk in customers.chunks(LOOKUP_IDENTIFIERS) {
        let rows = membership::Entity::find()
            .filter(membership::Column::CustomerFragmentId.is_in(chunk.iter().map(|it| it.uuid())))
            .filter(
                membership::Column::AccountFragmentId.is_in(accounts.iter().map(|it| it.uuid())),
            )
            .filter(membership::Column::Role.eq(""))
            .filter(membership::Column::ValidTo.is_null())
            .all(connection)
            .await?;
        known.extend(rows.into_iter().map(|row| {
            let pair = (row.customer_fragment_id, row.account_fragment_id);
            let pair = (FragmentId::new(pair.0), FragmentId::new(pair.1), row.source);
            (pair, Timestamp::from_millis(row.valid_from))
        }));
    }
    let is_new = |(_, it): &Placed<'a>| {
        let from = known.get(&(it.customer, it.account, it.source.code()));
        from.is_none_or(|from| it.lowers && it.time < *from)
    };
    Ok(all.into_iter().filter(is_new).collect())
}

fn numbers_of(rows: &[Row]) -> HashMap<CustomerId, usize> {
    let mut numbers = HashMap::new();
    for row in rows {
        *numbers.entry(row.customer).or_default() += 1;
    }
    numbers
}

/// The places of rows, by what makes several one membership; the role is none.
type ByRoot = HashMap<(CustomerId, CustomerId, MembershipSource), Vec<usize>>;

fn by_root(rows: &[Row]) -> ByRoot {
    let mut found = ByRoot::new();
    for (place, row) in rows.iter().enumerate() {
        if row.role.is_empty() {
            let key = (row.customer, row.account, row.source);
            found.entry(key).or_default().push(place);
        }
    }
    found
}

/// The rows of the customers of a batch, as far as it is taken.
struct Taking {
    /// The numbers of memberships of accounts.
    sizes: HashMap<CustomerId, i64>,
    /// The numbers of memberships of customers.
    numbers: HashMap<CustomerId, usize>,
    by_root: ByRoot,
    after: Vec<Row>,
    taken: TakenMemberships,
}

impl Taking {
    fn take(
        &mut self,
        store: &IdentityStore,
        (place, it): Placed<'_>,
        (customer, account): (CustomerId, CustomerId),
    ) {
        let key = (customer, account, it.source);
        let own = self.by_root.entry(key).or_default();
        let rows: Vec<&Row> = own.iter().map(|row| &self.after[*row]).collect();
        let end = next_end(&rows, it.time);
        if end.is_some() {
            self.taken.ended.push(place);
        }
        let fragments = (it.customer, it.account);
        // The one that holds at the time, or else the one that began next, with no end between.
        let exact = own.iter().copied().filter(|row| {
            let row = &self.after[*row];
            let is_of_time = !row.has_ended(it.time) && end.is_none_or(|end| row.valid_from < end);
            row.fragments == fragments && is_of_time
        });
        if let Some(row) = exact.min_by_key(|row| self.after[*row].valid_from) {
            let row = &mut self.after[row];
            if it.lowers {
                row.valid_from = row.valid_from.min(it.time);
            }
            return;
        }
        let number = self.numbers.entry(customer).or_default();
        let size = self.sizes.entry(account).or_default();
        if *number as u64 >= MEMBERSHIPS_OF_CUSTOMER || *size >= signed(MEMBERSHIPS_OF_ACCOUNT) {
            self.taken.over_limit.push(place);
            return;
        }
        *number += 1;
        *size += 1;
        own.push(self.after.len());
        self.after.push(Row {
            id: store.chance.merge(),
            fragments,
            customer,
            account,
            role: String::new(),
            source: it.source,
            confidence: it.confidence,
            valid_from: it.time,
            valid_to: end,
            primary_time: None,
        });
    }
}

/// Returns when a membership of rows that held at a time, or began later, was over; absent where it
/// is not. One that ended before that time says nothing.
fn next_end(own: &[&Row], time: Timestamp) -> Option<Timestamp> {
    let goes_on = |end: Timestamp| {
        let mut own = own.iter();
        own.any(|row| row.valid_from < end && !row.has_ended(end))
    };
    let ends = own.iter().filter_map(|row| row.valid_to);
    ends.filter(|end| *end > time && !goes_on(*end)).min()
}
