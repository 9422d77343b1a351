//! A running engine.

use async_trait::async_trait;
use hot::Owner;
use proto::engine::v1::Partition;

use crate::{Core, EngineConfig, EngineError, QuarantineEntry, QuarantinePlace, Status};

/// A running engine. Cheap to clone; the engine runs until [`EngineHandle::shutdown`].
#[derive(Debug, Clone)]
pub struct EngineHandle {
    service: Owner,
}

pub(crate) async fn start<C: Core>(_config: EngineConfig<C>) -> Result<EngineHandle, EngineError> {
    Ok(EngineHandle { service: C::OWNER })
}

impl EngineHandle {
    /// Stops: finishes the commits in flight, gives the leases back, and returns when everything has ended.
    pub async fn shutdown(&self) {}
}

#[async_trait]
impl Status for EngineHandle {
    fn service(&self) -> Owner {
        self.service
    }

    async fn list_partitions(&self) -> Result<Vec<Partition>, EngineError> {
        Ok(Vec::new())
    }

    async fn list_quarantined(
        &self,
        _after: Option<QuarantinePlace>,
        _max: usize,
    ) -> Result<Vec<QuarantineEntry>, EngineError> {
        Ok(Vec::new())
    }

    async fn await_idle(&self) -> Result<u64, EngineError> {
        Err(EngineError::ShutDown)
    }
}
