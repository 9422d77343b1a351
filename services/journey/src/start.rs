//! Starts the service in a process.

use std::sync::Arc;

use definitions::DefinitionStore;
use engine::Engine;
use journey_core::JourneyCore;
use proto::journey::v1::journey_service_server::JourneyServiceServer;
use runtime::{Context, Service, StartError};

use crate::{JourneyCatalog, JourneyRpc};

/// The name of the service.
const NAME: &str = "journey";

/// Starts the journey service: loads its definitions, runs its engine, and hands in its RPCs.
///
/// # Errors
/// [`StartError`] where a store does not answer, or holds definitions that this version does not understand.
pub async fn start(context: &Context) -> Result<Service, StartError> {
    let catalog = JourneyCatalog;
    context
        .database
        .migrate("definitions", definitions::migrations())
        .await
        .map_err(|error| StartError::service(NAME, error))?;
    let store = DefinitionStore::load(context.database.clone(), NAME, catalog)
        .await
        .map_err(|error| StartError::service(NAME, error))?;
    let poll = tokio::spawn(Arc::clone(&store).poll());
    let config = context.engine_config::<JourneyCore>(&store);
    let engine = Engine::start(config)
        .await
        .map_err(|error| StartError::service(NAME, error))?;
    let rpc = JourneyRpc::new(Arc::clone(&context.hot), store.watch());
    let status = Arc::new(engine.clone());
    Ok(Service::new(NAME)
        .with_grpc(
            JourneyServiceServer::new(rpc).max_decoding_message_size(kernel::limits::MESSAGE_BYTES),
        )
        .with_definitions(store)
        .with_engine(status)
        .on_shutdown(async move || {
            poll.abort();
            engine.shutdown().await;
        }))
}
