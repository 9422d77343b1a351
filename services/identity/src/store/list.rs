//! Customers with all that names them, as people ask for them.

use std::collections::HashMap;

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
        let (roots, _) = self.find_roots(&[fragment]).await?;
        let Some(root) = roots.into_iter().flatten().next() else {
            return Ok(None);
        };
        let rows = customer::Entity::find_by_id(root.uuid())
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
        let ids: Vec<Uuid> = rows.iter().map(|row| row.customer_id).collect();
        let mut fragments: HashMap<Uuid, Vec<(i64, Uuid)>> = HashMap::new();
        for row in fragment::Entity::find()
            .filter(fragment::Column::RootId.is_in(ids.iter().copied()))
            .all(self.database.orm())
            .await?
        {
            let own = fragments.entry(row.root_id).or_default();
            own.push((row.create_time, row.fragment_id));
        }
        let mut names = self.names(ids).await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let mut own = fragments.remove(&row.customer_id).unwrap_or_default();
                own.sort_unstable();
                let mut identifiers = names.remove(&row.customer_id).unwrap_or_default();
                identifiers.sort();
                CustomerRecord {
                    id: CustomerId::new(row.customer_id),
                    create_time: Timestamp::from_millis(row.create_time),
                    fragments: own.into_iter().map(|(_, id)| FragmentId::new(id)).collect(),
                    identifiers,
                }
            })
            .collect())
    }

    async fn names(&self, customers: Vec<Uuid>) -> Result<HashMap<Uuid, Vec<Identifier>>, DbErr> {
        let mut select = Query::select();
        select
            .column((fragment::Entity, fragment::Column::RootId))
            .column((identifier::Entity, identifier::Column::Namespace))
            .column((identifier::Entity, identifier::Column::Value))
            .from(identifier::Entity)
            .inner_join(
                fragment::Entity,
                Expr::col((fragment::Entity, fragment::Column::FragmentId))
                    .equals((identifier::Entity, identifier::Column::FragmentId)),
            )
            .and_where(Expr::col((fragment::Entity, fragment::Column::RootId)).is_in(customers));
        let mut names: HashMap<Uuid, Vec<Identifier>> = HashMap::new();
        for row in self.database.orm().query_all(&select).await? {
            let root: Uuid = row.try_get("", "root_id")?;
            names.entry(root).or_default().push(Identifier {
                namespace: row.try_get("", "namespace")?,
                value: row.try_get("", "value")?,
            });
        }
        Ok(names)
    }
}
