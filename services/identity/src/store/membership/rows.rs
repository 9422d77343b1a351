//! Rows of memberships with the roots of both sides, and what several of them say as one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::sea_query::{
    Alias, Condition, Expr, ExprTrait, JoinType, Order, Query, SelectStatement,
};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use uuid::Uuid;

use super::{MembershipRecord, MembershipSource};
use crate::limits::ROWS_PER_STATEMENT;
use crate::store::damaged;
use crate::store::entity::{fragment, membership};

/// The name of the fragments of customers in statements.
pub(in crate::store) const CUSTOMER: &str = "of_customer";
/// The name of the fragments of accounts in statements.
pub(in crate::store) const ACCOUNT: &str = "of_account";

/// A row of a membership, and whose its fragments are.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) struct Row {
    pub(in crate::store) id: Uuid,
    pub(in crate::store) fragments: (FragmentId, FragmentId),
    pub(in crate::store) customer: CustomerId,
    pub(in crate::store) account: CustomerId,
    pub(in crate::store) role: String,
    pub(in crate::store) source: MembershipSource,
    pub(in crate::store) confidence: f64,
    pub(in crate::store) valid_from: Timestamp,
    pub(in crate::store) valid_to: Option<Timestamp>,
    pub(in crate::store) primary_time: Option<Timestamp>,
}

/// The columns that make several rows one membership.
pub(in crate::store) type Key<'a> = (CustomerId, CustomerId, &'a str, MembershipSource);

/// A customer in an account in a role, whoever says so.
pub(in crate::store) type Pair = (CustomerId, CustomerId, String);

impl Row {
    pub(in crate::store) fn key(&self) -> Key<'_> {
        (self.customer, self.account, &self.role, self.source)
    }

    pub(in crate::store) fn pair(&self) -> Pair {
        (self.customer, self.account, self.role.clone())
    }

    pub(in crate::store) fn holds(&self, at: Timestamp) -> bool {
        self.valid_from <= at && !self.has_ended(at)
    }

    pub(in crate::store) fn has_ended(&self, at: Timestamp) -> bool {
        self.valid_to.is_some_and(|to| to <= at)
    }

    /// Returns whether there is a time at which both hold.
    fn meets(&self, other: &Self) -> bool {
        !self.has_ended(other.valid_from) && !other.has_ended(self.valid_from)
    }

    /// The order among the primary ones of a customer.
    fn primary(&self) -> Option<(Timestamp, Uuid)> {
        Some((self.primary_time?, self.id))
    }
}

impl MembershipSource {
    const ALL: [Self; 3] = [Self::Call, Self::Event, Self::Domain];

    pub(in crate::store) const fn code(self) -> i16 {
        self as i16
    }

    fn of_code(code: i16) -> Result<Self, DbErr> {
        let mut all = Self::ALL.into_iter();
        all.find(|it| it.code() == code)
            .ok_or_else(|| damaged("the source of a membership"))
    }
}

/// Memberships with the fragments of both sides, to be narrowed. Without columns.
pub(in crate::store) fn joined() -> SelectStatement {
    let mut select = Query::select();
    select.from(membership::Entity);
    let sides = [
        (CUSTOMER, membership::Column::CustomerFragmentId),
        (ACCOUNT, membership::Column::AccountFragmentId),
    ];
    for (name, column) in sides {
        select.join_as(
            JoinType::InnerJoin,
            fragment::Entity,
            Alias::new(name),
            Expr::col((Alias::new(name), fragment::Column::FragmentId))
                .equals((membership::Entity, column)),
        );
    }
    select
}

/// Adds the columns of a [`Row`].
pub(in crate::store) fn columns(select: &mut SelectStatement) {
    for column in [
        membership::Column::MembershipId,
        membership::Column::CustomerFragmentId,
        membership::Column::AccountFragmentId,
        membership::Column::Role,
        membership::Column::Source,
        membership::Column::Confidence,
        membership::Column::ValidFrom,
        membership::Column::ValidTo,
        membership::Column::PrimaryTime,
    ] {
        select.column((membership::Entity, column));
    }
    for name in [CUSTOMER, ACCOUNT] {
        let root = Expr::col((Alias::new(name), fragment::Column::RootId));
        select.expr_as(root, Alias::new(name));
    }
}

/// The rows that hold at a time.
pub(in crate::store) fn holds(at: Timestamp) -> Condition {
    let column = |it| Expr::col((membership::Entity, it));
    let to = || column(membership::Column::ValidTo);
    Condition::all()
        .add(column(membership::Column::ValidFrom).lte(at.as_millis()))
        .add(
            Condition::any()
                .add(to().is_null())
                .add(to().gt(at.as_millis())),
        )
}

pub(in crate::store) fn read(row: &QueryResult) -> Result<Row, DbErr> {
    let id = |name: &str| row.try_get::<Uuid>("", name);
    let time = |time: Option<i64>| time.map(Timestamp::from_millis);
    Ok(Row {
        id: id("membership_id")?,
        fragments: (
            FragmentId::new(id("customer_fragment_id")?),
            FragmentId::new(id("account_fragment_id")?),
        ),
        customer: CustomerId::new(id(CUSTOMER)?),
        account: CustomerId::new(id(ACCOUNT)?),
        role: row.try_get("", "role")?,
        source: MembershipSource::of_code(row.try_get("", "source")?)?,
        confidence: row.try_get("", "confidence")?,
        valid_from: Timestamp::from_millis(row.try_get("", "valid_from")?),
        valid_to: time(row.try_get("", "valid_to")?),
        primary_time: time(row.try_get("", "primary_time")?),
    })
}

/// Reads all rows of customers, given by their canonical ids, by id.
pub(in crate::store) async fn of_customers(
    connection: &impl ConnectionTrait,
    customers: &[CustomerId],
) -> Result<Vec<Row>, DbErr> {
    let mut rows = Vec::new();
    for chunk in customers.chunks(ROWS_PER_STATEMENT) {
        let root = Expr::col((Alias::new(CUSTOMER), fragment::Column::RootId));
        let mut select = joined();
        columns(&mut select);
        select
            .and_where(root.is_in(chunk.iter().map(|it| it.uuid())))
            .order_by(
                (membership::Entity, membership::Column::MembershipId),
                Order::Asc,
            );
        for row in connection.query_all(&select).await? {
            rows.push(read(&row)?);
        }
    }
    Ok(rows)
}

/// Returns the row of a customer's primary membership; of a time, among those that hold then.
pub(in crate::store) fn primary<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    at: Option<Timestamp>,
) -> Option<&'a Row> {
    let rows = rows.into_iter();
    let rows = rows.filter(|row| row.primary_time.is_some() && at.is_none_or(|at| row.holds(at)));
    rows.max_by_key(|row| row.primary())
}

/// The primary one of each of some customers.
pub(in crate::store) fn primaries(
    rows: &[Row],
    at: Option<Timestamp>,
) -> BTreeMap<CustomerId, &Row> {
    let mut found: BTreeMap<CustomerId, &Row> = BTreeMap::new();
    for row in rows {
        let other = found.get(&row.customer).copied();
        if let Some(first) = primary(other.into_iter().chain([row]), at) {
            found.insert(row.customer, first);
        }
    }
    found
}

/// Joins the rows that are one membership: the earliest beginning, and the latest end if all have
/// one. Absent for none.
pub(in crate::store) fn union(rows: &[&Row], is_primary: bool) -> Option<MembershipRecord> {
    let first = rows.iter().min_by_key(|row| row.id)?;
    let mut record = MembershipRecord {
        id: first.id,
        customer: first.customer,
        account: first.account,
        role: first.role.clone(),
        source: first.source,
        confidence: first.confidence,
        valid_from: first.valid_from,
        valid_to: first.valid_to,
        is_primary,
    };
    for row in rows {
        record.confidence = record.confidence.max(row.confidence);
        record.valid_from = record.valid_from.min(row.valid_from);
        record.valid_to = record
            .valid_to
            .zip(row.valid_to)
            .map(|(one, other)| one.max(other));
    }
    Some(record)
}

/// Returns the rows that are one membership with a row: those of the same customer, account, role
/// and source that hold at the same time, one after the other. One that ended before another began
/// is a membership of its own.
pub(in crate::store) fn span(rows: &[Row], row: &Row) -> BTreeSet<Uuid> {
    let mut own = vec![row];
    let mut others: Vec<&Row> = rows.iter().filter(|it| it.key() == row.key()).collect();
    loop {
        let meets = |it: &mut &Row| own.iter().any(|own| own.id == it.id || own.meets(it));
        let met: Vec<&Row> = others.extract_if(.., meets).collect();
        if met.is_empty() {
            return own.into_iter().map(|row| row.id).collect();
        }
        own.extend(met);
    }
}

/// Returns the memberships that rows are at a time, by id.
pub(in crate::store) fn memberships_at(rows: &[Row], at: Timestamp) -> Vec<MembershipRecord> {
    let first = primaries(rows, Some(at));
    let mut groups: BTreeMap<Key<'_>, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.holds(at)) {
        groups.entry(row.key()).or_default().push(row);
    }
    let memberships = groups.into_iter().filter_map(|(key, rows)| {
        let primary = first.get(&key.0).is_some_and(|row| row.key() == key);
        union(&rows, primary)
    });
    let mut memberships: Vec<MembershipRecord> = memberships.collect();
    memberships.sort_unstable_by_key(|it| it.id);
    memberships
}

/// Pairs of a customer and an account in a role of which one is a member, each with whether it is
/// the primary one.
pub(in crate::store) type Members = BTreeMap<Pair, bool>;

/// Returns who is a member of what at a time, each with whether that is the primary one.
pub(in crate::store) fn pairs_at(rows: &[Row], at: Timestamp) -> Members {
    let mut pairs = BTreeMap::new();
    for it in memberships_at(rows, at) {
        let is_primary = pairs
            .entry((it.customer, it.account, it.role))
            .or_insert(false);
        *is_primary |= it.is_primary;
    }
    pairs
}

/// Rows by their customers.
#[derive(Debug)]
pub(in crate::store) struct ByCustomer<'a>(HashMap<CustomerId, Vec<&'a Row>>);

impl<'a> ByCustomer<'a> {
    pub(in crate::store) fn of(rows: &'a [Row]) -> Self {
        let mut own: HashMap<CustomerId, Vec<&Row>> = HashMap::new();
        for row in rows {
            own.entry(row.customer).or_default().push(row);
        }
        Self(own)
    }

    /// Returns when what there is to tell of a pair changes next by itself, after a time.
    pub(in crate::store) fn next_change(&self, pair: &Pair, at: Timestamp) -> Option<Timestamp> {
        let own = self.0.get(&pair.0).into_iter().flatten();
        let own = own.filter(|row| {
            let is_of_pair = row.account == pair.1 && row.role == pair.2;
            is_of_pair || row.primary_time.is_some()
        });
        let times = own.flat_map(|row| [Some(row.valid_from), row.valid_to]);
        times.flatten().filter(|time| *time > at).min()
    }
}
