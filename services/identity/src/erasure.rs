//! Erasure of customers and accounts for good, and suppression: tombstones, the transaction that
//! takes a customer or an account out of identity, and the work that goes on until every store is
//! clean.
//!
//! Nothing of a person is kept but keyed hashes of the identifiers. Other services remove their own
//! states: they are told by a record in the customer's stream.

mod announce;
mod backup;
mod erase;
mod key;
pub(crate) mod limits;
mod memberships;
mod metrics;
mod people;
mod requests;
mod saga;
mod scan;
mod steps;
mod suppress;
mod tables;
mod tombstones;
mod view;
mod words;

use crate::ingest::Intake;

pub use backup::{BackupError, Imported, export_tombstones, import_tombstones};
pub(crate) use erase::{Asked, EraseError, Mode, erase};
pub use key::KeyError;
pub use limits::DEADLINE;
pub(crate) use requests::operation_of;
pub use saga::{ErasureParts, work_on_erasures};
pub(crate) use suppress::{suppress, unsuppress};
pub use tombstones::{Held, Tombstones};
pub(crate) use tombstones::{check, ids};
pub(crate) use view::{list, load, message};

impl Intake {
    /// Reads tombstones that are newer, and forgets who was erased.
    ///
    /// # Errors
    /// [`KeyError`]: events are held against those of before.
    pub(crate) async fn refresh_tombstones(&self) -> Result<(), KeyError> {
        let gone = self.tombstones.refresh().await?;
        if !gone.is_empty() {
            self.part(&gone);
        }
        Ok(())
    }
}
