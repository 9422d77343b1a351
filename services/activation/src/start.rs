//! Starts the service: definitions, deliverer, engine, RPCs.

use std::sync::Arc;

use activation_core::ActivationCore;
use definitions::DefinitionStore;
use engine::{Engine, EngineConfig};
use proto::activation::v1::activation_service_server::ActivationServiceServer;
use runtime::{Context, Service, StartError};

use crate::catalog::ActivationCatalog;
use crate::deliverer::{Deliverer, DelivererConfig};
use crate::handlers::Handlers;

/// The name of the service.
pub const NAME: &str = "activation";

/// Starts activation in a process.
///
/// # Errors
/// [`StartError`] where a store does not answer, or holds what this program does not understand.
pub async fn start(context: &Context) -> Result<Service, StartError> {
    let failed = |error: runtime::Cause| StartError::service(NAME, error);
    context
        .database
        .migrate("definitions", definitions::migrations())
        .await
        .map_err(|error| failed(error.into()))?;
    let store = DefinitionStore::load(
        context.database.clone(),
        NAME,
        ActivationCatalog::new(context.partitions),
    )
    .await
    .map_err(|error| failed(error.into()))?;
    let deliverer = Deliverer::start(DelivererConfig::new(
        Arc::clone(&context.hot),
        store.watch(),
    ));
    let config = EngineConfig::<ActivationCore>::new(
        Arc::clone(&context.hot),
        context.leases.clone(),
        context.time.clone(),
        context.worker.as_ref(),
        store.watch(),
    )
    .with_dispatcher(Arc::new(deliverer.clone()));
    let engine = Engine::start(config)
        .await
        .map_err(|error| failed(error.into()))?;
    let handlers = Handlers::new(
        Arc::clone(&context.hot),
        context.time.clone(),
        context.idempotency.clone(),
    );
    let polling = tokio::spawn(Arc::clone(&store).poll());
    let status = Arc::new(engine.clone());
    Ok(Service::new(NAME)
        .with_grpc(
            ActivationServiceServer::new(handlers)
                .max_decoding_message_size(kernel::limits::MESSAGE_BYTES),
        )
        //DEFS .with_definitions(store)
        .with_engine(status)
        .on_shutdown(move || async move {
            polling.abort();
            engine.shutdown().await;
            deliverer.shutdown().await;
        }))
}
