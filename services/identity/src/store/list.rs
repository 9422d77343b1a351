//! Customers with all that names them, as people ask for them.

use std::collections::{BTreeSet, HashMap};

use identity_core::Identifier;
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::account::page;
use super::entity::{customer, fragment, shared};
use super::holding::live_identifiers;
use super::{CustomerRecord, IdentityStore};

impl IdentityStore {
    /// The customer that a fragment belongs to now.
    ///
    /// # Errors
    /// As the database says.
    pub async fn customer(&self, fragment: FragmentId) -> Result<Option<CustomerRecord>, DbErr> {
        let mut root = Query::select();
        root.column(fragment::Column::RootId)
            .from(fragment::Entity)
            .and_where(Expr::col(fragment::Column::FragmentId).eq(fragment.uuid()));
        let rows = customer::Entity::find()
            .filter(customer::Column::CustomerId.in_subquery(root))
            .all(self.database.orm())
            .await?;
        Ok(self.complete(rows).await?.pop())
    }

    /// Up to `limit` customers after one, oldest first; accounts are none.
    ///
    /// # Errors
    /// As the database says.
    pub async fn list(
        &self,
        after: Option<(Timestamp, CustomerId)>,
        limit: u64,
    ) -> Result<Vec<CustomerRecord>, DbErr> {
        let select = customer::Entity::find().filter(customer::Column::Kind.eq(0_i16));
        let rows = page(select, after, limit).all(self.database.orm()).await?;
        self.complete(rows).await
    }

    /// Adds fragments and identifiers to customers.
    pub(super) async fn complete(
        &self,
        rows: Vec<customer::Model>,
    ) -> Result<Vec<CustomerRecord>, DbErr> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<Uuid> = rows.iter().map(|row| row.customer_id).collect();
        let mut names = self.names(&ids).await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let Names {
                    fragments,
                    mut identifiers,
                } = names.remove(&row.customer_id).unwrap_or_default();
                identifiers.sort();
                CustomerRecord {
                    id: CustomerId::new(row.customer_id),
                    create_time: Timestamp::from_millis(row.create_time),
                    fragments: fragments
                        .into_iter()
                        .map(|(_, id)| FragmentId::new(id))
                        .collect(),
                    identifiers,
                }
            })
            .collect())
    }

    /// Finds the fragments of customers, and the identifiers that were seen under them.
    async fn names(&self, customers: &[Uuid]) -> Result<HashMap<Uuid, Names>, DbErr> {
        let mut select = live_identifiers(customers.iter().copied());
        select.column((fragment::Entity, fragment::Column::CreateTime));
        let mut names: HashMap<Uuid, Names> = HashMap::new();
        for row in self.database.orm().query_all(&select).await? {
            let own = names.entry(row.try_get("", "root_id")?).or_default();
            let fragment = row.try_get("", "fragment_id")?;
            own.fragments
                .insert((row.try_get("", "create_time")?, fragment));
            // Absent for a fragment under which none was seen.
            let namespace: Option<String> = row.try_get("", "namespace")?;
            let value: Option<String> = row.try_get("", "value")?;
            let identifier = namespace.zip(value);
            own.identifiers
                .extend(identifier.map(|(namespace, value)| Identifier { namespace, value }));
        }
        self.add_shared(customers, &mut names).await?;
        Ok(names)
    }

    /// Adds the values that may have several holders.
    async fn add_shared(
        &self,
        customers: &[Uuid],
        names: &mut HashMap<Uuid, Names>,
    ) -> Result<(), DbErr> {
        let mut select = Query::select();
        select
            .distinct()
            .column((fragment::Entity, fragment::Column::RootId))
            .column((shared::Entity, shared::Column::Namespace))
            .column((shared::Entity, shared::Column::Value))
            .from(fragment::Entity)
            .inner_join(
                shared::Entity,
                Expr::col((shared::Entity, shared::Column::FragmentId))
                    .equals((fragment::Entity, fragment::Column::FragmentId)),
            )
            .and_where(
                Expr::col((fragment::Entity, fragment::Column::RootId))
                    .is_in(customers.iter().copied()),
            );
        for row in self.database.orm().query_all(&select).await? {
            let own = names.entry(row.try_get("", "root_id")?).or_default();
            own.identifiers.push(Identifier {
                namespace: row.try_get("", "namespace")?,
                value: row.try_get("", "value")?,
            });
        }
        Ok(())
    }
}

/// The fragments of a customer, by the customer's canonical id.
pub(super) async fn fragments(
    store: &IdentityStore,
    root: CustomerId,
) -> Result<Vec<FragmentId>, DbErr> {
    let rows = fragment::Entity::find()
        .filter(fragment::Column::RootId.eq(root.uuid()))
        .all(store.database.orm())
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| FragmentId::new(row.fragment_id))
        .collect())
}

/// All that names a customer.
#[derive(Debug, Default)]
struct Names {
    /// The fragments, each behind the time at which it was first seen.
    fragments: BTreeSet<(i64, Uuid)>,
    identifiers: Vec<Identifier>,
}
