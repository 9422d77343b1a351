//! Customers with all that names them, as people ask for them.

use std::collections::{BTreeSet, HashMap};

use identity_core::Identifier;
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use uuid::Uuid;

use super::entity::{customer, fragment, identifier};
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

    /// Up to `limit` customers after one, oldest first.
    ///
    /// # Errors
    /// As the database says.
    pub async fn list(
        &self,
        after: Option<(Timestamp, CustomerId)>,
        limit: u64,
    ) -> Result<Vec<CustomerRecord>, DbErr> {
        let mut select = customer::Entity::find();
        if let Some((time, id)) = after {
            select = select.filter(
                Condition::any()
                    .add(customer::Column::CreateTime.gt(time.as_millis()))
                    .add(
                        Condition::all()
                            .add(customer::Column::CreateTime.eq(time.as_millis()))
                            .add(customer::Column::CustomerId.gt(id.uuid())),
                    ),
            );
        }
        let rows = select
            .order_by_asc(customer::Column::CreateTime)
            .order_by_asc(customer::Column::CustomerId)
            .limit(limit)
            .all(self.database.orm())
            .await?;
        self.complete(rows).await
    }

    /// Adds fragments and identifiers to customers.
    async fn complete(&self, rows: Vec<customer::Model>) -> Result<Vec<CustomerRecord>, DbErr> {
        let mut names = self.names(rows.iter().map(|row| row.customer_id)).await?;
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
    async fn names(
        &self,
        customers: impl Iterator<Item = Uuid>,
    ) -> Result<HashMap<Uuid, Names>, DbErr> {
        let mut select = Query::select();
        select
            .column((fragment::Entity, fragment::Column::RootId))
            .column((fragment::Entity, fragment::Column::FragmentId))
            .column((fragment::Entity, fragment::Column::CreateTime))
            .column((identifier::Entity, identifier::Column::Namespace))
            .column((identifier::Entity, identifier::Column::Value))
            .from(fragment::Entity)
            .left_join(
                identifier::Entity,
                Expr::col((identifier::Entity, identifier::Column::FragmentId))
                    .equals((fragment::Entity, fragment::Column::FragmentId)),
            )
            .and_where(Expr::col((fragment::Entity, fragment::Column::RootId)).is_in(customers));
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
        Ok(names)
    }
}

/// All that names a customer.
#[derive(Debug, Default)]
struct Names {
    /// The fragments, each behind the time at which it was first seen.
    fragments: BTreeSet<(i64, Uuid)>,
    identifiers: Vec<Identifier>,
}
