//! Back-pressure: a worker waits while the reader of its output is far behind.
//!
//! Only the output streams count. What a core sends to other streams (receipts, say) closes a
//! circle, and a circle of workers that wait for each other would never move again.

use hot::{Cursor, HotError, HotStore, StreamId, StreamName};

use super::Worker;
use crate::limits;
use decision::Core;

/// How full an output stream is at the most.
#[derive(Debug)]
pub(crate) struct OutputGauge {
    stream: StreamId,
    /// Entries when last asked, and those written since; more than there are, since readers remove
    /// them.
    entries: u64,
}

/// Which causes have to wait.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held {
    pub(crate) live: bool,
    pub(crate) bulk: bool,
}

impl Held {
    pub(crate) const fn any(self) -> bool {
        self.live || self.bulk
    }
}

impl OutputGauge {
    pub(crate) fn new(stream: StreamId) -> Self {
        Self {
            stream,
            // Unknown, so that the first look asks.
            entries: limits::OUTPUT_ENTRIES,
        }
    }

    /// Takes note of an entry written.
    pub(crate) fn count(&mut self, stream: StreamName) {
        if self.stream.name == stream {
            self.entries += 1;
        }
    }

    async fn is_full(&mut self, hot: &dyn HotStore) -> Result<bool, HotError> {
        if self.entries >= limits::OUTPUT_ENTRIES {
            self.entries = hot.lag(self.stream, Cursor::START).await?;
        }
        Ok(self.entries >= limits::OUTPUT_ENTRIES)
    }
}

impl<C: Core> Worker<C> {
    pub(super) async fn held(&mut self) -> Result<Held, HotError> {
        let hot = std::sync::Arc::clone(self.hot());
        let mut full = [false; 2];
        for (gauge, full) in self.outputs.iter_mut().zip(&mut full) {
            *full = gauge.is_full(hot.as_ref()).await?;
        }
        let [mut live, mut bulk] = full;
        if self.is_on_stream_time() {
            // Time is one for both lanes: neither may run ahead of timers that wait.
            (live, bulk) = (live || bulk, live || bulk);
        }
        Ok(Held { live, bulk })
    }
}
