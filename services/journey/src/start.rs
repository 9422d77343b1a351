//! Starts the service in a process.

use engine::Engine;
use journey_core::JourneyCore;
use kernel::limits::MESSAGE_BYTES;
use proto::journey::v1::journey_service_server::JourneyServiceServer;
use runtime::{Awaited, Context, Hearing, Service, StartError};

use crate::{JourneyCatalog, JourneyRpc};

/// The name of the service.
const NAME: &str = "journey";

/// Starts the journey service: loads its definitions, runs its engine, and hands in its RPCs.
///
/// # Errors
/// [`StartError`] where a store does not answer, or holds definitions that this version does not
/// understand.
pub fn start(context: &Context) -> Awaited<'_, Service> {
    Box::pin(start_parts(context))
}

async fn start_parts(context: &Context) -> Result<Service, StartError> {
    let store = context.load_definitions(NAME, JourneyCatalog).await?;
    let engine = Engine::start(context.engine_config::<JourneyCore>(&store)?)
        .await
        .map_err(|error| StartError::service(NAME, error))?;
    let definitions = store.watch();
    context.neighbours.add(engine.clone(), move || Hearing {
        hears_receipts: definitions.borrow().hears_receipts(),
        sends: definitions.borrow().sends(),
    });
    let rpc = JourneyRpc::new(context.hot_store()?, store.watch());
    let server = JourneyServiceServer::new(rpc).max_decoding_message_size(MESSAGE_BYTES);
    Ok(Service::new(NAME)
        .with_grpc(server)
        .with_definitions(store)
        .with_engine(engine))
}
