//! The time of a store that has no clock of its own, as a server has.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use kernel::Timestamp;

/// Tells a store what time it is.
#[derive(Clone)]
pub struct StoreClock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl StoreClock {
    /// A clock that asks a function each time.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Returns what time it is.
    pub(crate) fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl Default for StoreClock {
    /// The clock of the machine.
    fn default() -> Self {
        Self::new(|| SystemTime::now().into())
    }
}

impl fmt::Debug for StoreClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoreClock").field(&self.now()).finish()
    }
}
