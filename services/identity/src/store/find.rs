//! Batched look-ups, as the resolution of events needs them.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashSet};

use identity_core::{CustomerView, FanOut, Identifier};
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::sea_query::{Cond, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use uuid::Uuid;

use super::entity::{customer, fragment, identifier};
use super::holding::state_of;
use super::{Found, FoundIdentifier, IdentityStore, SentAs, parse_counts, unsigned};
use crate::limits::LOOKUP_IDENTIFIERS;

impl IdentityStore {
    /// Finds who holds identifiers, with those customers.
    ///
    /// # Errors
    /// As the database says.
    pub async fn find(&self, identifiers: &HashSet<&Identifier>) -> Result<Found, DbErr> {
        let mut found = Found::default();
        let all: Vec<&Identifier> = identifiers.iter().copied().collect();
        for chunk in all.chunks(LOOKUP_IDENTIFIERS) {
            let mut select = customers();
            select
                .column((identifier::Entity, identifier::Column::Namespace))
                .column((identifier::Entity, identifier::Column::Value))
                .column((identifier::Entity, identifier::Column::SentAs))
                .column((identifier::Entity, identifier::Column::State))
                .column((identifier::Entity, identifier::Column::FanOut))
                .inner_join(
                    identifier::Entity,
                    Expr::col((identifier::Entity, identifier::Column::FragmentId))
                        .equals((fragment::Entity, fragment::Column::FragmentId)),
                )
                .cond_where(any_of(chunk, of_identifier));
            for row in self.database.orm().query_all(&select).await? {
                let (fragment, customer) = read_customer(&row, &mut found)?;
                let identifier = Identifier {
                    namespace: row.try_get("", "namespace")?,
                    value: row.try_get("", "value")?,
                };
                let sent: Option<i64> = row.try_get("", "sent_as")?;
                let fan_out: Option<Vec<u8>> = row.try_get("", "fan_out")?;
                found.identifiers.push(FoundIdentifier {
                    identifier,
                    fragment,
                    customer,
                    sent: sent.map(SentAs),
                    state: state_of(row.try_get("", "state")?)?,
                    fan_out: fan_out.map_or_else(FanOut::default, |it| FanOut::from_bytes(&it)),
                });
            }
        }
        Ok(found)
    }

    /// Finds the customers that fragments belong to, in the order of the fragments; absent where
    /// there is none.
    ///
    /// # Errors
    /// As the database says.
    pub async fn find_roots(
        &self,
        fragments: &[FragmentId],
    ) -> Result<(Vec<Option<CustomerId>>, Found), DbErr> {
        let mut found = Found::default();
        let mut select = customers();
        select.and_where(
            Expr::col((fragment::Entity, fragment::Column::FragmentId))
                .is_in(fragments.iter().map(|fragment| fragment.uuid())),
        );
        let mut roots = BTreeMap::new();
        for row in self.database.orm().query_all(&select).await? {
            let (fragment, customer) = read_customer(&row, &mut found)?;
            roots.insert(fragment, customer);
        }
        let roots = fragments
            .iter()
            .map(|fragment| roots.get(fragment).copied())
            .collect();
        Ok((roots, found))
    }
}

/// Customers with their fragments, to be narrowed.
pub(super) fn customers() -> SelectStatement {
    let mut select = Query::select();
    select
        .column((fragment::Entity, fragment::Column::FragmentId))
        .column((customer::Entity, customer::Column::CustomerId))
        .column((customer::Entity, customer::Column::CreateTime))
        .column((customer::Entity, customer::Column::Epoch))
        .column((customer::Entity, customer::Column::FragmentCount))
        .column((customer::Entity, customer::Column::IdentifierCounts))
        .from(fragment::Entity)
        .inner_join(
            customer::Entity,
            Expr::col((customer::Entity, customer::Column::CustomerId))
                .equals((fragment::Entity, fragment::Column::RootId)),
        );
    select
}

/// The columns of an identifier's row that name it.
fn of_identifier() -> (Expr, Expr) {
    (
        Expr::col((identifier::Entity, identifier::Column::Namespace)),
        Expr::col((identifier::Entity, identifier::Column::Value)),
    )
}

/// One condition a namespace, each answered by the primary key.
pub(super) fn any_of(identifiers: &[&Identifier], columns: impl Fn() -> (Expr, Expr)) -> Cond {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for identifier in identifiers {
        values
            .entry(&identifier.namespace)
            .or_default()
            .push(&identifier.value);
    }
    values
        .into_iter()
        .fold(Cond::any(), |any, (namespace, mut values)| {
            // Few different lengths are few different statements, which the driver prepares once
            // each.
            let padded = values.len().next_power_of_two();
            let last = values[values.len() - 1];
            values.resize(padded, last);
            let (own, value) = columns();
            any.add(Cond::all().add(own.eq(namespace)).add(value.is_in(values)))
        })
}

pub(super) fn read_customer(
    row: &QueryResult,
    found: &mut Found,
) -> Result<(FragmentId, CustomerId), DbErr> {
    let fragment = FragmentId::new(row.try_get::<Uuid>("", "fragment_id")?);
    let customer = CustomerId::new(row.try_get::<Uuid>("", "customer_id")?);
    if let Entry::Vacant(vacant) = found.customers.entry(customer) {
        let view = CustomerView {
            id: customer,
            create_time: Timestamp::from_millis(row.try_get("", "create_time")?),
            fragment_count: u32::try_from(row.try_get::<i64>("", "fragment_count")?)
                .map_err(|_| super::damaged("a fragment count"))?,
            identifier_counts: parse_counts(&row.try_get::<String>("", "identifier_counts")?)?,
            detail: None,
        };
        let epoch = unsigned(row.try_get("", "epoch")?)?;
        vacant.insert((view, epoch));
    }
    Ok((fragment, customer))
}
