//! Everything in the tables of identity that names people and accounts, of some fragments: found,
//! and removed. Memberships are removed elsewhere: those who stay are told.
//!
//! Ids stay, and so does that there were operations: they name nobody.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use identity_core::Identifier;
use sea_orm::sea_query::{Alias, Expr, ExprTrait as _, Query};
use sea_orm::{ConnectionTrait, DbErr};
use uuid::Uuid;

use super::limits::IDS_AT_ONCE;

/// Tables with identifiers or evidence, each with the columns that hold a fragment.
const TABLES: [(&str, &[&str]); 4] = [
    ("identity_identifier", &["fragment_id"]),
    ("identity_shared", &["fragment_id"]),
    ("identity_evidence", &["fragment_id", "joined_fragment_id"]),
    ("identity_cannot_link", &["fragment_a", "fragment_b"]),
];
/// The table of memberships.
const MEMBERSHIPS: &str = "identity_membership";
/// Tables of which identifiers are read.
const IDENTIFIERS: [&str; 3] = [
    "identity_identifier",
    "identity_shared",
    "identity_evidence",
];

/// Returns the customers that fragments belong to, each fragment with its own; one that was never
/// given, or whose customer is gone, is left out.
pub(super) async fn roots(
    connection: &impl ConnectionTrait,
    fragments: &[Uuid],
) -> Result<Vec<(Uuid, Uuid)>, DbErr> {
    let mut found = Vec::new();
    for some in fragments.chunks(IDS_AT_ONCE) {
        let condition = fragment("fragment_id").is_in(some.iter().copied());
        found.extend(living(connection, condition).await?);
    }
    Ok(found)
}

/// Returns the fragments of customers, each with its customer.
pub(super) async fn fragments(
    connection: &impl ConnectionTrait,
    customers: &[Uuid],
) -> Result<Vec<(Uuid, Uuid)>, DbErr> {
    let mut found = Vec::new();
    for some in customers.chunks(IDS_AT_ONCE) {
        let condition = fragment("root_id").is_in(some.iter().copied());
        found.extend(living(connection, condition).await?);
    }
    Ok(found)
}

fn fragment(column: &'static str) -> Expr {
    Expr::col((Alias::new("identity_fragment"), Alias::new(column)))
}

async fn living(
    connection: &impl ConnectionTrait,
    condition: Expr,
) -> Result<Vec<(Uuid, Uuid)>, DbErr> {
    let (fragments, customers) = ("identity_fragment", "identity_customer");
    let mut select = Query::select();
    select
        .column((Alias::new(fragments), Alias::new("fragment_id")))
        .column((Alias::new(fragments), Alias::new("root_id")))
        .from(Alias::new(fragments))
        .inner_join(
            Alias::new(customers),
            Expr::col((Alias::new(customers), Alias::new("customer_id")))
                .equals((Alias::new(fragments), Alias::new("root_id"))),
        )
        .and_where(condition);
    let rows = connection.query_all(&select).await?;
    let rows = rows.into_iter();
    rows.map(|row| Ok((row.try_get("", "fragment_id")?, row.try_get("", "root_id")?)))
        .collect()
}

/// Returns the fragment that holds an identifier; absent where nobody does.
pub(super) async fn holder(
    connection: &impl ConnectionTrait,
    identifier: &Identifier,
) -> Result<Option<Uuid>, DbErr> {
    let mut select = Query::select();
    select
        .column(Alias::new("fragment_id"))
        .from(Alias::new("identity_identifier"))
        .and_where(Expr::col(Alias::new("namespace")).eq(identifier.namespace.as_str()))
        .and_where(Expr::col(Alias::new("value")).eq(identifier.value.as_str()));
    let row = connection.query_one(&select).await?;
    let fragment = row.map(|row| row.try_get("", "fragment_id")).transpose()?;
    Ok(fragment.filter(|it: &Uuid| !it.is_nil()))
}

/// Tables that tell who has an identifier.
const HELD_IN: [&str; 2] = ["identity_identifier", "identity_shared"];

/// Returns those of some identifiers that others have as well: shared ones, and ones that went to
/// somebody else since.
pub(super) async fn held_by_others(
    connection: &impl ConnectionTrait,
    identifiers: &BTreeSet<Identifier>,
    fragments: &[Uuid],
) -> Result<BTreeSet<Identifier>, DbErr> {
    let mut by_namespace: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for identifier in identifiers {
        let values = by_namespace.entry(&identifier.namespace).or_default();
        values.push(&identifier.value);
    }
    let own: HashSet<Uuid> = fragments.iter().copied().collect();
    let mut found = BTreeSet::new();
    for table in HELD_IN {
        for (namespace, values) in &by_namespace {
            for some in values.chunks(IDS_AT_ONCE) {
                let mut select = Query::select();
                select
                    .columns([Alias::new("value"), Alias::new("fragment_id")])
                    .from(Alias::new(table))
                    .and_where(Expr::col(Alias::new("namespace")).eq(*namespace))
                    .and_where(Expr::col(Alias::new("value")).is_in(some.iter().copied()));
                for row in connection.query_all(&select).await? {
                    let holder: Uuid = row.try_get("", "fragment_id")?;
                    if !own.contains(&holder) && !holder.is_nil() {
                        found.insert(Identifier {
                            namespace: (*namespace).to_owned(),
                            value: row.try_get("", "value")?,
                        });
                    }
                }
            }
        }
    }
    Ok(found)
}

/// Returns all identifiers of fragments: those that they hold, and those that are in evidence.
pub(super) async fn identifiers(
    connection: &impl ConnectionTrait,
    fragments: &[Uuid],
) -> Result<BTreeSet<Identifier>, DbErr> {
    let mut found = BTreeSet::new();
    for table in IDENTIFIERS {
        for some in fragments.chunks(IDS_AT_ONCE) {
            let mut select = Query::select();
            select
                .distinct()
                .column(Alias::new("namespace"))
                .column(Alias::new("value"))
                .from(Alias::new(table))
                .and_where(Expr::col(Alias::new("fragment_id")).is_in(some.iter().copied()));
            for row in connection.query_all(&select).await? {
                let namespace: Option<String> = row.try_get("", "namespace")?;
                let value: Option<String> = row.try_get("", "value")?;
                let own = namespace.zip(value);
                found.extend(own.map(|(namespace, value)| Identifier { namespace, value }));
            }
        }
    }
    Ok(found)
}

/// Returns the number of memberships of customers and accounts, by their fragments.
pub(super) async fn memberships(
    connection: &impl ConnectionTrait,
    fragments: &[Uuid],
) -> Result<u64, DbErr> {
    let (customer, account) = ("customer_fragment_id", "account_fragment_id");
    let members = count(connection, MEMBERSHIPS, (account, fragments), None).await?;
    // Of a member and an account that are erased at once the membership counts once, but where
    // they are too many for one statement.
    let counted = (fragments.len() <= IDS_AT_ONCE).then_some(account);
    Ok(members + count(connection, MEMBERSHIPS, (customer, fragments), counted).await?)
}

/// Returns the number of buying groups of accounts, by their fragments.
pub(super) async fn buying_groups(
    connection: &impl ConnectionTrait,
    fragments: &[Uuid],
) -> Result<u64, DbErr> {
    let own = ("account_fragment_id", fragments);
    count(connection, "identity_buying_group", own, None).await
}

/// Counts the rows of a table that have one of some ids in a column, and none of them in another.
async fn count(
    connection: &impl ConnectionTrait,
    table: &'static str,
    (column, ids): (&'static str, &[Uuid]),
    without: Option<&'static str>,
) -> Result<u64, DbErr> {
    let mut total = 0;
    for some in ids.chunks(IDS_AT_ONCE) {
        let mut select = Query::select();
        select
            .expr_as(Expr::cust("COUNT(*)"), "number")
            .from(Alias::new(table))
            .and_where(Expr::col(Alias::new(column)).is_in(some.iter().copied()));
        if let Some(without) = without {
            let other = Expr::col(Alias::new(without));
            select.and_where(other.is_not_in(some.iter().copied()));
        }
        if let Some(row) = connection.query_one(&select).await? {
            let number: i64 = row.try_get("", "number")?;
            total += u64::try_from(number).unwrap_or(0);
        }
    }
    Ok(total)
}

/// Returns the customers that fragments were ever part of and are not among them: they have events
/// of that time.
pub(super) async fn others(
    connection: &impl ConnectionTrait,
    fragments: &[Uuid],
) -> Result<BTreeSet<Uuid>, DbErr> {
    let ways = [
        ("identity_merge", "from_customer_id", "into_customer_id"),
        ("identity_split", "customer_id", "from_customer_id"),
    ];
    let mut found = BTreeSet::new();
    for (table, own, other) in ways {
        for some in fragments.chunks(IDS_AT_ONCE) {
            let mut select = Query::select();
            select
                .distinct()
                .column(Alias::new(other))
                .from(Alias::new(table))
                .and_where(Expr::col(Alias::new(own)).is_in(some.iter().copied()));
            for row in connection.query_all(&select).await? {
                found.insert(row.try_get::<Uuid>("", other)?);
            }
        }
    }
    found.retain(|id| !fragments.contains(id));
    Ok(found)
}

/// Removes what names people of fragments, and their customers.
pub(super) async fn remove(
    transaction: &impl ConnectionTrait,
    fragments: &[Uuid],
    customers: &[Uuid],
) -> Result<(), DbErr> {
    for (table, columns) in TABLES {
        for column in columns {
            delete(transaction, table, column, fragments).await?;
        }
    }
    delete(transaction, "identity_customer", "customer_id", customers).await?;
    // People write reasons, and may write of people; senders make ids of events and of requests of
    // anything.
    for column in ["from_customer_id", "into_customer_id"] {
        blank(transaction, "identity_merge", column, fragments).await?;
    }
    for some in fragments.chunks(IDS_AT_ONCE) {
        let mut own = Query::select();
        own.column(Alias::new("operation_id"))
            .from(Alias::new("identity_operation_fragment"))
            .and_where(Expr::col(Alias::new("fragment_id")).is_in(some.iter().copied()));
        let mut update = Query::update();
        update
            .table(Alias::new("identity_operation"))
            .value(Alias::new("reason"), "")
            .value(Alias::new("request_id"), "")
            .value(Alias::new("event_id"), "")
            .value(Alias::new("outcome"), Option::<Vec<u8>>::None)
            .and_where(Expr::col(Alias::new("operation_id")).in_subquery(own));
        transaction.execute(&update).await?;
    }
    Ok(())
}

async fn delete(
    transaction: &impl ConnectionTrait,
    table: &'static str,
    column: &'static str,
    ids: &[Uuid],
) -> Result<(), DbErr> {
    for some in ids.chunks(IDS_AT_ONCE) {
        let mut delete = Query::delete();
        delete
            .from_table(Alias::new(table))
            .and_where(Expr::col(Alias::new(column)).is_in(some.iter().copied()));
        transaction.execute(&delete).await?;
    }
    Ok(())
}

async fn blank(
    transaction: &impl ConnectionTrait,
    table: &'static str,
    column: &'static str,
    ids: &[Uuid],
) -> Result<(), DbErr> {
    for some in ids.chunks(IDS_AT_ONCE) {
        let mut update = Query::update();
        update
            .table(Alias::new(table))
            .value(Alias::new("reason"), "")
            .value(Alias::new("request_id"), "")
            .value(Alias::new("event_id"), Option::<String>::None)
            .and_where(Expr::col(Alias::new(column)).is_in(some.iter().copied()));
        transaction.execute(&update).await?;
    }
    Ok(())
}
