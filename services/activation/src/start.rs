//! Starts the service: definitions, deliverer, engine, RPCs.

use std::sync::Arc;

use activation_core::ActivationCore;
use definitions::DefinitionStore;
use engine::{Engine, EngineHandle};
use kernel::limits::MESSAGE_BYTES;
use proto::activation::v1::activation_service_server::ActivationServiceServer;
use runtime::{Awaited, Context, Hearing, Service, StartError};

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
pub fn start(context: &Context) -> Awaited<'_, Service> {
    Box::pin(start_all(context))
}

async fn start_all(context: &Context) -> Result<Service, StartError> {
    let Parts {
        store,
        deliverer,
        engine,
        handlers,
    } = start_parts(context).await?;
    let server = ActivationServiceServer::new(handlers).max_decoding_message_size(MESSAGE_BYTES);
    Ok(Service::new(NAME)
        .with_grpc(server)
        .with_definitions(store)
        .with_engine(engine)
        .on_shutdown(async move || deliverer.shutdown().await))
}

async fn start_parts(context: &Context) -> Result<Parts, StartError> {
    if context.vault.is_none() {
        tracing::warn!(
            "secrets of channels are stored as they are: give this process keys with --secret-keys"
        );
    }
    let catalog = ActivationCatalog;
    let store = context.load_definitions(NAME, catalog).await?;
    let deliverer = Deliverer::start(DelivererConfig {
        allowed: context.config.outbound_allow.clone(),
        ..DelivererConfig::new(context.hot_store()?, store.watch())
    });
    let config = context
        .engine_config::<ActivationCore>(&store)?
        .with_dispatcher(Arc::new(deliverer.clone()));
    let engine = Engine::start(config)
        .await
        .map_err(|error| StartError::service(NAME, error))?;
    context.neighbours.add(engine.clone(), Hearing::default);
    let handlers = Handlers::new(
        context.hot_store()?,
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
