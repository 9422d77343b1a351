//! Memberships of those who are erased, their places in buying groups, and the buying groups of
//! accounts. Whoever stays hears of it by the news that the tables owe.

use kernel::CustomerId;
use sea_orm::DbErr;

use crate::ingest::Intake;

impl Intake {
    /// Deletes memberships and all that hangs on them, of ids whose rows are gone, by up to so many
    /// rounds of statements. Returns whether nothing is left.
    ///
    /// # Errors
    /// As the database says.
    pub(crate) async fn forget_memberships(
        &self,
        ids: &[CustomerId],
        rounds: usize,
    ) -> Result<bool, DbErr> {
        let fragments: Vec<_> = ids.iter().map(|it| it.fragment()).collect();
        for _ in 0..rounds {
            let forgotten = self.store.forget_memberships(&fragments, self.moment());
            if forgotten.await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
