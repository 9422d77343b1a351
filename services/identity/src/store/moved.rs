//! Fragments of which a cache may know what no longer holds: taken apart, of a value that left, or
//! of a membership that was ended, of which both sides are told.
//!
//! Every process reads the newer ones twice a second. The number of a change is drawn from one row,
//! late in its transaction, and others wait for that row until the commit: whoever sees a number
//! sees all below it, however long the transaction was under way.

use std::collections::{BTreeSet, HashSet};

use identity_core::{Changes, HolderState};
use kernel::FragmentId;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr, Statement};
use uuid::Uuid;

use super::{IdentityStore, damaged};
use crate::limits::{MOVED_KEPT, MOVED_READ, ROWS_PER_STATEMENT};

const TABLE: &str = "identity_moved_fragment";
const FRAGMENT: &str = "fragment_id";
const VERSION: &str = "version";

/// The fragments that changed since a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The number to go on from.
    pub version: i64,
    /// The fragments; absent where they are too many to be told, or were told too long ago.
    pub fragments: Option<HashSet<FragmentId>>,
}

impl IdentityStore {
    /// Reads the fragments that changed since a number; without one, only the number to begin with.
    ///
    /// # Errors
    /// As the database says.
    pub async fn moved(&self, since: Option<i64>) -> Result<Moved, DbErr> {
        let orm = self.database.orm();
        let version = read_version(orm).await?;
        let Some(since) = since.filter(|since| *since <= version) else {
            return Ok(Moved {
                version,
                fragments: None,
            });
        };
        if since == version {
            return Ok(Moved {
                version,
                fragments: Some(HashSet::new()),
            });
        }
        if version - since > MOVED_KEPT {
            return Ok(Moved {
                version,
                fragments: None,
            });
        }
        // Rows of numbers above `version` may come along. They are read once more next time.
        let mut select = Query::select();
        select
            .distinct()
            .column(Alias::new(FRAGMENT))
            .from(Alias::new(TABLE))
            .and_where(Expr::col(Alias::new(VERSION)).gt(since))
            .limit(MOVED_READ + 1);
        let rows = orm.query_all(&select).await?;
        if rows.len() as u64 > MOVED_READ {
            return Ok(Moved {
                version,
                fragments: None,
            });
        }
        let fragments = rows.into_iter();
        let fragments =
            fragments.map(|row| Ok(FragmentId::new(row.try_get::<Uuid>("", FRAGMENT)?)));
        Ok(Moved {
            version,
            fragments: Some(fragments.collect::<Result<_, DbErr>>()?),
        })
    }

    /// Removes what was told so long ago that nobody goes on from there.
    ///
    /// # Errors
    /// As the database says.
    pub async fn prune_moved(&self, version: i64) -> Result<(), DbErr> {
        let mut delete = Query::delete();
        delete
            .from_table(Alias::new(TABLE))
            .and_where(Expr::col(Alias::new(VERSION)).lte(version - MOVED_KEPT));
        self.database.orm().execute(&delete).await?;
        Ok(())
    }
}

/// Returns the fragments that a batch changed, as caches know them: those that went from one
/// customer to another, and those that a value left.
pub(super) fn of_changes(changes: &Changes) -> BTreeSet<FragmentId> {
    let left = changes.holdings.iter().filter_map(|change| {
        let before = change.before.as_ref();
        let before = before.filter(|it| it.state == HolderState::Live)?;
        let after = change.after.as_ref();
        let stays =
            after.is_some_and(|it| it.state == HolderState::Live && it.fragment == before.fragment);
        (!stays).then_some(before.fragment)
    });
    let fitted = changes.refits.iter().map(|it| it.fragment);
    let split = changes.splits.iter().flat_map(|it| it.fragments.iter());
    left.chain(fitted).chain(split.copied()).collect()
}

/// Writes that fragments changed. It comes last in the transaction but for the record of the call,
/// since other changes of this kind wait for it until the commit.
pub(super) async fn note(
    transaction: &impl ConnectionTrait,
    fragments: &BTreeSet<FragmentId>,
) -> Result<(), DbErr> {
    if fragments.is_empty() {
        return Ok(());
    }
    let next = "INSERT INTO identity_moved_version (id, version) VALUES (1, 1) \
        ON CONFLICT (id) DO UPDATE SET version = identity_moved_version.version + 1 \
        RETURNING version";
    let backend = transaction.get_database_backend();
    let row = transaction
        .query_one_raw(Statement::from_string(backend, next))
        .await?;
    let version: i64 = row
        .ok_or_else(|| damaged("the number of moved fragments"))?
        .try_get_by_index(0)?;
    let all: Vec<FragmentId> = fragments.iter().copied().collect();
    for some in all.chunks(ROWS_PER_STATEMENT) {
        let mut insert = Query::insert();
        insert
            .into_table(Alias::new(TABLE))
            .columns([VERSION, FRAGMENT].map(Alias::new));
        for fragment in some {
            insert.values_panic([version.into(), fragment.uuid().into()]);
        }
        transaction.execute(&insert).await?;
    }
    Ok(())
}

async fn read_version(connection: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let read = "SELECT version FROM identity_moved_version WHERE id = 1";
    let statement = Statement::from_string(connection.get_database_backend(), read);
    match connection.query_one_raw(statement).await? {
        Some(row) => row.try_get_by_index(0),
        None => Ok(0),
    }
}
