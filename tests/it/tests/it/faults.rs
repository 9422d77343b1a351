//! Real processes and real faults: whatever dies, hangs, fills up or forgets, nothing acknowledged
//! is lost at level `journal`, and at level `hot` no more than the documentation says.
//!
//! Each test runs a load before, during and after its fault, and then has the whole history
//! checked. How stores behave under each fault in detail is tested in their crates, and single
//! steps in the simulator.

mod disaster;
mod disk;
pub(crate) mod hooks;
pub(crate) mod installation;
mod kills;
pub(crate) mod load;
mod names;
mod postgres;
mod redis;
mod repartition;
pub(crate) mod review;
mod zombies;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::load::{Load, Record};

/// Faults may be tried side by side; what measures time has the machine for itself.
static MACHINE: RwLock<()> = RwLock::const_new(());

/// The machine, beside others.
pub(crate) async fn shared_machine() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().await
}

/// The machine, for oneself.
pub(crate) async fn whole_machine() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().await
}

/// The time that a load runs before a fault and after it: some hundred events, in all partitions.
pub(crate) const CALM: Duration = Duration::from_secs(3);

/// Runs a load for a while, from its start to its last acknowledgement.
pub(crate) async fn run_load(url: String, record: &Arc<Mutex<Record>>, duration: Duration) {
    let load = Load::start(url, record);
    tokio::time::sleep(duration).await;
    load.stop().await;
}
