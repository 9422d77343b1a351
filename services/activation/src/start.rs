//! Starts the service: definitions, deliverer, engine, RPCs.

use std::sync::Arc;

use activation_core::ActivationCore;
use definitions::DefinitionStore;
use engine::{Engine, EngineHandle};
use proto::activation::v1::activation_service_server::ActivationServiceServer;
use runtime::{Context, Service, StartError};

use crate::catalog::ActivationCatalog;
use crate::deliverer::{Deliverer, DelivererConfig};
use crate::handlers::Handlers;

/// The name of the service.
pub const NAME: &str = "activation";

/// The parts of the service at work.
struct Parts {
    store: Arc<DefinitionStore<ActivationCatalog>>,
    deliverer: Deliverer,
    engine: EngineHandle,
    handlers: Handlers,
}

/// Starts activation in a process.
///
/// # Errors
/// [`StartError`] where a store does not answer, or holds what this program does not understand.
pub async fn start(context: &Context) -> Result<Service, StartError> {
    let Parts {
        store,
        deliverer,
        engine,
        handlers,
    } = start_parts(context).await?;
    let polling = tokio::spawn(Arc::clone(&store).poll());
    let status = Arc::new(engine.clone());
    Ok(Service::new(NAME)
        .with_grpc(
            ActivationServiceServer::new(handlers)
                .max_decoding_message_size(kernel::limits::MESSAGE_BYTES),
        )
        .with_definitions(store)
        .with_engine(status)
        .on_shutdown(move || async move {
            polling.abort();
            engine.shutdown().await;
            deliverer.shutdown().await;
        }))
}

async fn start_parts(context: &Context) -> Result<Parts, StartError> {
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
    let config = context
        .engine_config::<ActivationCore>(&store)
        .with_dispatcher(Arc::new(deliverer.clone()));
    let engine = Engine::start(config)
        .await
        .map_err(|error| failed(error.into()))?;
    let handlers = Handlers::new(
        Arc::clone(&context.hot),
        context.time.clone(),
        context.idempotency.clone(),
    );
    Ok(Parts {
        store,
        deliverer,
        engine,
        handlers,
    })
}

#[cfg(test)]
mod tests;
