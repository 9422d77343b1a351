//! Reads entries: those of a filter, by page.

use std::collections::BTreeSet;

use kernel::{CustomerId, Timestamp};
use proto::audit::v1 as api;
use proto::convert::{NO_INSTANT, instant, is_instant};
use rpc::{Failure, Violation};
use sea_orm::sea_query::{Cond, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select,
};
use uuid::Uuid;

use crate::append::{entry_of_row, signed};
use crate::entity::entry;
use crate::{AuditError, ChainId, Entry, subject};

/// Chooses entries: those for which everything holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// From this time on; absent for the beginning.
    pub from: Option<Timestamp>,
    /// Before this time; absent for no end.
    pub to: Option<Timestamp>,
    /// About one of these customers; empty for any entry.
    pub customers: BTreeSet<CustomerId>,
    /// By this caller; empty for any.
    pub caller: String,
    /// Of this action; empty for any.
    pub action: String,
}

/// The place of an entry in a list: entries are listed by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    time: i64,
    chain: Uuid,
    sequence: i64,
}

impl Filter {
    /// Reads the filter of a request, whose field rules hold.
    ///
    /// # Errors
    /// [`rpc::ErrorReason::InvalidRequest`] for what is no time or no customer.
    pub fn read(filter: &api::EntryFilter) -> Result<Self, Failure> {
        let time = |field: &str, time: Option<&prost_types::Timestamp>| match time {
            None => Ok(None),
            Some(time) if is_instant(time) => Ok(Some(instant(time))),
            Some(_) => Err(Failure::invalid([Violation::new(field, NO_INSTANT)])),
        };
        Ok(Self {
            from: time("filter.start_time", filter.start_time.as_ref())?,
            to: time("filter.end_time", filter.end_time.as_ref())?,
            customers: read_customers("filter.customer_ids", &filter.customer_ids)?,
            caller: filter.caller_id.clone(),
            action: filter.action.clone(),
        })
    }

    /// Returns a query of the entries; `None` where there surely are none, since none of the
    /// customers has a name.
    pub(crate) async fn query(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<Option<Select<entry::Entity>>, AuditError> {
        let mut query = entry::Entity::find();
        if let Some(from) = self.from {
            query = query.filter(entry::Column::Time.gte(from.as_millis()));
        }
        if let Some(to) = self.to {
            query = query.filter(entry::Column::Time.lt(to.as_millis()));
        }
        if !self.caller.is_empty() {
            query = query.filter(entry::Column::CallerId.eq(self.caller.as_str()));
        }
        if !self.action.is_empty() {
            query = query.filter(entry::Column::Action.eq(self.action.as_str()));
        }
        if !self.customers.is_empty() {
            let names = subject::find_names(connection, &self.customers).await?;
            if names.is_empty() {
                return Ok(None);
            }
            query = query.filter(entry::Column::Subject.is_in(names.into_values()));
        }
        Ok(Some(query))
    }

    /// Reads entries after a place, oldest first, at most so many.
    pub(crate) async fn list(
        &self,
        connection: &impl ConnectionTrait,
        after: Option<Place>,
        limit: u64,
    ) -> Result<Vec<Entry>, AuditError> {
        let Some(mut query) = self.query(connection).await? else {
            return Ok(Vec::new());
        };
        if let Some(after) = after {
            query = query.filter(after.is_before());
        }
        let rows = query
            .order_by_asc(entry::Column::Time)
            .order_by_asc(entry::Column::ChainId)
            .order_by_asc(entry::Column::Sequence)
            .limit(limit)
            .all(connection)
            .await?;
        Ok(rows.into_iter().map(entry_of_row).collect())
    }
}

impl Place {
    pub(crate) fn of(entry: &Entry) -> Self {
        Self {
            time: entry.time.as_millis(),
            chain: entry.chain.0,
            sequence: signed(entry.sequence).unwrap_or(i64::MAX),
        }
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let Self {
            time,
            chain,
            sequence,
        } = self;
        [
            &time.to_be_bytes()[..],
            chain.as_bytes(),
            &sequence.to_be_bytes(),
        ]
        .concat()
    }

    pub(crate) fn try_from_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, rest) = bytes.split_first_chunk::<8>()?;
        let (chain, sequence) = rest.split_first_chunk::<16>()?;
        Some(Self {
            time: i64::from_be_bytes(*time),
            chain: Uuid::from_bytes(*chain),
            sequence: i64::from_be_bytes(sequence.try_into().ok()?),
        })
    }

    /// Holds for the entries behind it.
    fn is_before(self) -> Cond {
        let behind_in_chain = entry::Column::ChainId
            .eq(self.chain)
            .and(entry::Column::Sequence.gt(self.sequence));
        let behind_in_time = entry::Column::ChainId.gt(self.chain).or(behind_in_chain);
        Cond::any()
            .add(entry::Column::Time.gt(self.time))
            .add(entry::Column::Time.eq(self.time).and(behind_in_time))
    }
}

/// Reads the ids of customers.
pub(crate) fn read_customers(
    field: &str,
    texts: &[String],
) -> Result<BTreeSet<CustomerId>, Failure> {
    let read = texts.iter().enumerate().map(|(index, text)| {
        text.parse().map_err(|error: kernel::ParseIdError| {
            Failure::invalid([Violation::new(
                format!("{field}[{index}]"),
                error.to_string(),
            )])
        })
    });
    read.collect()
}

/// Narrows a query to entries of a chain behind a number, by number.
pub(crate) fn of_chain(
    query: Select<entry::Entity>,
    chain: ChainId,
    after: i64,
    limit: u64,
) -> Select<entry::Entity> {
    query
        .filter(entry::Column::ChainId.eq(chain.0))
        .filter(entry::Column::Sequence.gt(after))
        .order_by_asc(entry::Column::Sequence)
        .limit(limit)
}
