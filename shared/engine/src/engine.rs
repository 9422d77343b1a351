//! Starting an engine.

use std::marker::PhantomData;

use decision::Core;

use crate::{EngineConfig, EngineError, EngineHandle};

/// The engine of one service in one process.
#[derive(Debug)]
pub struct Engine<C: Core>(PhantomData<C>);

impl<C: Core> Engine<C> {
    /// Starts working on the partitions that are this process's share.
    ///
    /// # Errors
    /// [`EngineError`] where a store does not answer.
    pub async fn start(config: EngineConfig<C>) -> Result<EngineHandle, EngineError> {
        crate::handle::start(config).await
    }
}
