//! Look-ups beside those of holders: values of many, words of unmerges, and all that a customer
//! has. Most batches need none of them.

use std::collections::{HashMap, HashSet};

use identity_core::{Detail, FanOut, Held, HolderState, Identifier, NewFragment};
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::sea_query::{Expr, ExprTrait, JoinType, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use uuid::Uuid;

use super::entity::{cannot_link, fragment, identifier, shared};
use super::find::{any_of, customers, read_customer};
use super::{Found, FoundIdentifier, IdentityStore, damaged};
use crate::limits::{LOOKUP_CUSTOMERS, LOOKUP_IDENTIFIERS};

/// The states of values, in the order of their numbers in rows.
const STATES: [HolderState; 4] = [
    HolderState::Live,
    HolderState::Contested,
    HolderState::Quarantined,
    HolderState::Alone,
];

/// Reads the state of a value.
pub(super) fn state_of(code: i16) -> Result<HolderState, DbErr> {
    let place = usize::try_from(code).ok();
    let state = place.and_then(|place| STATES.get(place).copied());
    state.ok_or_else(|| damaged("the state of an identifier"))
}

/// Returns the number of a state in rows.
pub(super) fn state_code(state: HolderState) -> i16 {
    let place = STATES.iter().position(|it| *it == state);
    place
        .and_then(|place| i16::try_from(place).ok())
        .unwrap_or(0)
}

impl IdentityStore {
    /// Adds to what was found of an event's other identifiers who has values that may have several
    /// holders: whoever has the events that carry nothing else, and whoever of the customers found.
    ///
    /// # Errors
    /// As the database says.
    pub async fn find_shared(
        &self,
        identifiers: &[&Identifier],
        found: &mut Found,
    ) -> Result<(), DbErr> {
        for chunk in identifiers.chunks(LOOKUP_IDENTIFIERS) {
            let mut select = holders_of(chunk);
            select.and_where(Expr::col((shared::Entity, shared::Column::IsAlone)).eq(true));
            for row in self.database.orm().query_all(&select).await? {
                let (fragment, customer) = read_customer(&row, found)?;
                found.identifiers.push(FoundIdentifier {
                    identifier: read_identifier(&row)?,
                    fragment,
                    customer,
                    sent: None,
                    state: HolderState::Alone,
                    fan_out: FanOut::default(),
                });
            }
            let known: Vec<Uuid> = found.customers.keys().map(|id| id.uuid()).collect();
            for some in known.chunks(LOOKUP_CUSTOMERS) {
                let mut select = holders_of(chunk);
                select.and_where(
                    Expr::col((fragment::Entity, fragment::Column::RootId))
                        .is_in(some.iter().copied()),
                );
                for row in self.database.orm().query_all(&select).await? {
                    let (_, customer) = read_customer(&row, found)?;
                    found.shared.push((read_identifier(&row)?, customer));
                }
            }
        }
        Ok(())
    }

    /// Finds which of some customers must never be joined by events.
    ///
    /// # Errors
    /// As the database says.
    pub async fn find_cannot_links(
        &self,
        customers: &[CustomerId],
    ) -> Result<Vec<(CustomerId, CustomerId)>, DbErr> {
        let mut links = HashSet::new();
        let all: HashSet<CustomerId> = customers.iter().copied().collect();
        let side = |of: &'static str, column: fragment::Column| Expr::col((of, column));
        let link = |column| Expr::col((cannot_link::Entity, column));
        for chunk in customers.chunks(LOOKUP_CUSTOMERS) {
            let mut select = Query::select();
            select
                .expr_as(side("one", fragment::Column::RootId), "one_root")
                .expr_as(side("other", fragment::Column::RootId), "other_root")
                .from(cannot_link::Entity)
                .join_as(
                    JoinType::InnerJoin,
                    fragment::Entity,
                    "one",
                    link(cannot_link::Column::FragmentA)
                        .eq(side("one", fragment::Column::FragmentId)),
                )
                .join_as(
                    JoinType::InnerJoin,
                    fragment::Entity,
                    "other",
                    link(cannot_link::Column::FragmentB)
                        .eq(side("other", fragment::Column::FragmentId)),
                )
                .and_where(
                    side("one", fragment::Column::RootId).is_in(chunk.iter().map(|it| it.uuid())),
                );
            for row in self.database.orm().query_all(&select).await? {
                let one = CustomerId::new(row.try_get::<Uuid>("", "one_root")?);
                let other = CustomerId::new(row.try_get::<Uuid>("", "other_root")?);
                if one != other && all.contains(&other) {
                    links.insert((one, other));
                }
            }
        }
        Ok(links.into_iter().collect())
    }

    /// Reads all fragments and identifiers of customers.
    ///
    /// # Errors
    /// As the database says.
    pub async fn details(
        &self,
        customers: &[CustomerId],
    ) -> Result<HashMap<CustomerId, Detail>, DbErr> {
        let mut details: HashMap<CustomerId, Detail> = HashMap::new();
        for chunk in customers.chunks(LOOKUP_CUSTOMERS) {
            let mut select = live_identifiers(chunk.iter().map(|it| it.uuid()));
            select
                .expr_as(
                    Expr::col((fragment::Entity, fragment::Column::CreateTime)),
                    "first_time",
                )
                .column((identifier::Entity, identifier::Column::CreateTime));
            for row in self.database.orm().query_all(&select).await? {
                let customer = CustomerId::new(row.try_get::<Uuid>("", "root_id")?);
                add_detail(details.entry(customer).or_default(), &row)?;
            }
            self.add_listed(chunk, &mut details).await?;
        }
        for detail in details.values_mut() {
            detail.fragments.sort_unstable();
            detail.fragments.dedup();
            detail.held.sort_unstable_by(|a, b| {
                (a.attach_time, &a.identifier).cmp(&(b.attach_time, &b.identifier))
            });
        }
        Ok(details)
    }
}

/// The fragments of customers, each with the identifiers that it holds: none for a fragment under
/// which none was seen, and those that are contested are nobody's.
pub(super) fn live_identifiers(customers: impl IntoIterator<Item = Uuid>) -> SelectStatement {
    let mut select = Query::select();
    select
        .column((fragment::Entity, fragment::Column::RootId))
        .column((fragment::Entity, fragment::Column::FragmentId))
        .column((identifier::Entity, identifier::Column::Namespace))
        .column((identifier::Entity, identifier::Column::Value))
        .from(fragment::Entity)
        .left_join(
            identifier::Entity,
            Expr::col((identifier::Entity, identifier::Column::FragmentId))
                .equals((fragment::Entity, fragment::Column::FragmentId))
                .and(
                    Expr::col((identifier::Entity, identifier::Column::State))
                        .eq(state_code(HolderState::Live)),
                ),
        )
        .and_where(Expr::col((fragment::Entity, fragment::Column::RootId)).is_in(customers));
    select
}

impl IdentityStore {
    /// Adds the values that may have several holders, each with the fragment that lists it.
    async fn add_listed(
        &self,
        customers: &[CustomerId],
        details: &mut HashMap<CustomerId, Detail>,
    ) -> Result<(), DbErr> {
        let mut select = Query::select();
        select
            .column((fragment::Entity, fragment::Column::RootId))
            .column((shared::Entity, shared::Column::FragmentId))
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
                    .is_in(customers.iter().map(|it| it.uuid())),
            );
        for row in self.database.orm().query_all(&select).await? {
            let customer = CustomerId::new(row.try_get::<Uuid>("", "root_id")?);
            let listing = FragmentId::new(row.try_get::<Uuid>("", "fragment_id")?);
            let detail = details.entry(customer).or_default();
            detail.listed.push((read_identifier(&row)?, listing));
        }
        for detail in details.values_mut() {
            detail.listed.sort_unstable();
        }
        Ok(())
    }
}

fn add_detail(detail: &mut Detail, row: &QueryResult) -> Result<(), DbErr> {
    let fragment = FragmentId::new(row.try_get::<Uuid>("", "fragment_id")?);
    detail.fragments.push(NewFragment {
        create_time: Timestamp::from_millis(row.try_get("", "first_time")?),
        id: fragment,
    });
    // Absent for a fragment that has none.
    let namespace: Option<String> = row.try_get("", "namespace")?;
    let value: Option<String> = row.try_get("", "value")?;
    let time: Option<i64> = row.try_get("", "create_time")?;
    if let (Some(namespace), Some(value), Some(time)) = (namespace, value, time) {
        detail.held.push(Held {
            identifier: Identifier { namespace, value },
            fragment,
            attach_time: Timestamp::from_millis(time),
        });
    }
    Ok(())
}

/// The holders of values that may have several, with their customers, to be narrowed.
fn holders_of(identifiers: &[&Identifier]) -> SelectStatement {
    let mut select = customers();
    select
        .column((shared::Entity, shared::Column::Namespace))
        .column((shared::Entity, shared::Column::Value))
        .inner_join(
            shared::Entity,
            Expr::col((shared::Entity, shared::Column::FragmentId))
                .equals((fragment::Entity, fragment::Column::FragmentId)),
        )
        .cond_where(any_of(identifiers, || {
            (
                Expr::col((shared::Entity, shared::Column::Namespace)),
                Expr::col((shared::Entity, shared::Column::Value)),
            )
        }));
    select
}

fn read_identifier(row: &QueryResult) -> Result<Identifier, DbErr> {
    Ok(Identifier {
        namespace: row.try_get("", "namespace")?,
        value: row.try_get("", "value")?,
    })
}
