//! The names of another owner in the same database, which a catalog follows.

use rpc::Failure;

use super::query::Rows;
use crate::{Catalog, References};

/// Reads the revision of the definitions whose names a catalog follows.
pub(super) async fn followed_revision(rows: &Rows, catalog: &impl Catalog) -> Result<i64, Failure> {
    match catalog.follows() {
        Some((owner, _)) => rows.revision_of(owner).await,
        None => Ok(0),
    }
}

/// The names that a catalog follows, where their owner ever stored anything here. The revision was
/// read before: if it has moved since, they are read again.
pub(super) async fn followed_names(
    rows: &Rows,
    catalog: &impl Catalog,
    revision: i64,
) -> Result<References, Failure> {
    let mut references = References::unknown();
    if let Some((_, kind)) = catalog.follows().filter(|_| revision > 0) {
        references.add(kind, rows.names(kind).await?);
    }
    Ok(references)
}
