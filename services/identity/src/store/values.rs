//! The values of a namespace, as a change of its definition is held against them.

use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::entity::{fragment, identifier, shared};
use super::{IdentityStore, unsigned};

/// The numbers of values that a namespace has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ValueCounts {
    /// The values of one holder each.
    pub(crate) owned: u64,
    /// The values that may have several holders.
    pub(crate) listed: u64,
    /// Of these, those that have several customers.
    pub(crate) of_several: u64,
}

impl IdentityStore {
    /// Lists values of a namespace behind one, in their order: of one holder, or of several.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) async fn values(
        &self,
        (namespace, is_shared): (&str, bool),
        after: &str,
        limit: u64,
    ) -> Result<Vec<String>, DbErr> {
        let database = self.database.orm();
        if is_shared {
            let listed = shared::Entity::find()
                .select_only()
                .column(shared::Column::Value)
                .distinct()
                .filter(shared::Column::Namespace.eq(namespace))
                .filter(shared::Column::Value.gt(after))
                .order_by_asc(shared::Column::Value)
                .limit(limit);
            return listed.into_tuple().all(database).await;
        }
        let own = identifier::Entity::find()
            .select_only()
            .column(identifier::Column::Value)
            .filter(identifier::Column::Namespace.eq(namespace))
            .filter(identifier::Column::Value.gt(after))
            .order_by_asc(identifier::Column::Value)
            .limit(limit);
        own.into_tuple().all(database).await
    }

    /// Counts the values of a namespace.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) async fn value_counts(&self, namespace: &str) -> Result<ValueCounts, DbErr> {
        let owned = identifier::Entity::find()
            .filter(identifier::Column::Namespace.eq(namespace))
            .count(self.database.orm())
            .await?;
        let mut listed = Query::select();
        listed
            .column((shared::Entity, shared::Column::Value))
            .from(shared::Entity)
            .inner_join(
                fragment::Entity,
                Expr::col((fragment::Entity, fragment::Column::FragmentId))
                    .equals((shared::Entity, shared::Column::FragmentId)),
            )
            .and_where(Expr::col((shared::Entity, shared::Column::Namespace)).eq(namespace))
            .group_by_col((shared::Entity, shared::Column::Value));
        let mut of_several = listed.clone();
        let roots = Expr::col((fragment::Entity, fragment::Column::RootId)).count_distinct();
        of_several.and_having(roots.gt(1));
        Ok(ValueCounts {
            owned,
            listed: self.count_of(listed).await?,
            of_several: self.count_of(of_several).await?,
        })
    }

    async fn count_of(&self, rows: sea_orm::sea_query::SelectStatement) -> Result<u64, DbErr> {
        let mut count = Query::select();
        count
            .expr_as(Expr::col(Asterisk).count(), Alias::new("number"))
            .from_subquery(rows, Alias::new("counted"));
        let row = self.database.orm().query_one(&count).await?;
        let number: Option<i64> = row.map(|row| row.try_get("", "number")).transpose()?;
        unsigned(number.unwrap_or_default())
    }
}
