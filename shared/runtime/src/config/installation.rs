//! The name of an installation, and the stores that it can share with others.

use kernel::InstallationName;
use storage::DatabaseUrl;

use super::HotStoreAddress;
use super::fault::Fault;
use super::layers::Layers;

/// Checks that the stores can be shared where the installation has a name.
///
/// A folder and a SQLite file are of one installation by their place. A folder within them by the
/// name would be a second way to say the same, and data would be where nobody said.
pub(super) fn check(
    layers: &Layers,
    installation: Option<&InstallationName>,
    hot_store: Option<&HotStoreAddress>,
    database: &DatabaseUrl,
    faults: &mut Vec<Fault>,
) {
    if installation.is_none() {
        return;
    }
    if matches!(hot_store, Some(HotStoreAddress::Embedded(_))) {
        faults.push(layers.misfit(
            "installation",
            "an embedded store belongs to one installation: leave installation out and choose a folder for each with \
             --hot-store, or keep the hot store in Redis",
        ));
    }
    if database.is_sqlite() {
        faults.push(layers.misfit(
            "installation",
            "a SQLite file belongs to one installation: leave installation out and choose a file for each with --database, \
             or keep the database in Postgres",
        ));
    }
}
