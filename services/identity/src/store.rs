//! The truth about who is who, in SQL: fragments, identifiers, customers, merges.
//!
//! One code path for SQLite and Postgres. It does not decide anything: plans come from
//! `identity_core` and are written as they are, or not at all where somebody else changed what they
//! were made for.

mod account;
mod account_news;
mod buying_group;
mod clock;
mod commit;
mod entity;
mod evidence;
mod find;
mod graph;
mod growth;
mod holding;
mod import;
mod list;
mod membership;
mod merges;
mod migration;
mod moved;
mod news;
mod operation;
mod sent;
mod source;
mod split;
mod tables;
mod unmerge;
mod values;

use std::collections::HashMap;
use std::sync::Arc;

use identity_core::{CustomerView, FanOut, HolderState, Identifier};
use kernel::{CustomerId, FragmentId, Timestamp};
use sea_orm::DbErr;
use storage::Database;

use crate::chance::{Chance, MachineChance};

use self::growth::Growth;

pub use account_news::{AccountNews, OwedNews};
pub use buying_group::{BuyingGroupRecord, Slot};
pub use commit::{Cause, CommitError, Committed, Origin, Origins};
pub use evidence::EvidenceRecord;
pub(crate) use evidence::demotion_id;
pub use graph::CustomerGraph;
pub use import::{NewBatch, PendingBatch, Settled, TakenBatch};
pub use membership::{
    AccountError, EndedMembership, MembershipPut, MembershipRecord, MembershipSource, Moment,
    NewMembership, TakenMemberships, WrittenMembership,
};
pub use merges::MergeRecord;
pub use migration::{IMPORT_MIGRATIONS, MIGRATIONS};
pub use moved::Moved;
pub use news::News;
pub use operation::{OperationKind, OperationRecord};
pub use sent::{SentAs, SentBy};
pub use source::SourceMark;
pub use split::SplitRecord;
pub use tables::Tables;
pub use unmerge::Parting;
pub(crate) use values::ValueCounts;

/// The tables of identity.
#[derive(Debug, Clone)]
pub struct IdentityStore {
    database: Database,
    /// Draws the ids of merges.
    chance: Arc<dyn Chance>,
    growth: Arc<Growth>,
}

/// An identifier that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundIdentifier {
    /// The identifier.
    pub identifier: Identifier,
    /// The fragment that it was seen under.
    pub fragment: FragmentId,
    /// The customer who holds it.
    pub customer: CustomerId,
    /// The event that attached it; absent where that has no name.
    pub sent: Option<SentAs>,
    /// The state: whether it is that customer's, or nobody's any more.
    pub state: HolderState,
    /// The customers between whom it stood.
    pub fan_out: FanOut,
}

/// All that was found of identifiers or fragments.
#[derive(Debug, Default)]
pub struct Found {
    /// The identifiers that are known.
    pub identifiers: Vec<FoundIdentifier>,
    /// The customers, each with its epoch.
    pub customers: HashMap<CustomerId, (CustomerView, u64)>,
    /// The values that may have several holders, each with one who is among these customers.
    pub shared: Vec<(Identifier, CustomerId)>,
    /// Customers who must never be joined by events.
    pub cannot_links: Vec<(CustomerId, CustomerId)>,
}

/// A customer with all that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerRecord {
    /// The canonical id.
    pub id: CustomerId,
    /// When it was first seen.
    pub create_time: Timestamp,
    /// All fragments, oldest first.
    pub fragments: Vec<FragmentId>,
    /// All identifiers, by namespace and value.
    pub identifiers: Vec<Identifier>,
}

impl IdentityStore {
    /// The tables in a migrated database.
    pub fn new(database: Database) -> Self {
        Self::with_chance(database, Arc::new(MachineChance::default()))
    }

    /// As [`Self::new`], with ids of merges drawn so.
    pub fn with_chance(database: Database, chance: Arc<dyn Chance>) -> Self {
        Self {
            database,
            chance,
            growth: Arc::default(),
        }
    }

    /// The database.
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// Returns whether writers exclude each other in this database.
    pub fn has_single_writer(&self) -> bool {
        self.database.orm().get_database_backend() == sea_orm::DbBackend::Sqlite
    }
}

/// Writes counts as a customer's row keeps them: `email=2,user_id=1`.
fn counts_text(view: &CustomerView) -> String {
    let counts: Vec<String> = view
        .identifier_counts
        .iter()
        .map(|(namespace, count)| format!("{namespace}={count}"))
        .collect();
    counts.join(",")
}

fn parse_counts(text: &str) -> Result<Vec<(Box<str>, u32)>, DbErr> {
    text.split(',')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (namespace, count) = pair.split_once('=')?;
            Some((namespace.into(), count.parse().ok()?))
        })
        .collect::<Option<_>>()
        .ok_or_else(|| damaged("the identifier counts of a customer"))
}

fn damaged(what: &str) -> DbErr {
    DbErr::Type(format!("{what} cannot be read"))
}

fn unsigned(number: i64) -> Result<u64, DbErr> {
    u64::try_from(number).map_err(|_| damaged("an epoch"))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
