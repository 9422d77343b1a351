//! Starts the service in a process.

use engine::Engine;
use kernel::limits::MESSAGE_BYTES;
use proto::segmentation::v1::segmentation_service_server::SegmentationServiceServer;
use runtime::{Awaited, Context, Hearing, Service, StartError};
use segmentation_core::SegmentationCore;

use crate::{SegmentCatalog, SegmentationRpc};

/// The name of the service.
const NAME: &str = "segmentation";

/// Starts the segmentation service: loads its definitions, runs its engine, and hands in its RPCs.
///
/// # Errors
/// [`StartError`] where a store does not answer, or holds definitions that this version does not
/// understand.
pub fn start(context: &Context) -> Awaited<'_, Service> {
    Box::pin(start_parts(context))
}

async fn start_parts(context: &Context) -> Result<Service, StartError> {
    let store = context.load_definitions(NAME, SegmentCatalog).await?;
    let engine = Engine::start(context.engine_config::<SegmentationCore>(&store)?)
        .await
        .map_err(|error| StartError::service(NAME, error))?;
    let definitions = store.watch();
    context.neighbours.add(engine.clone(), move || Hearing {
        hears_receipts: definitions.borrow().hears_receipts(),
        sends: false,
    });
    let (hot, time) = (context.hot_store()?, context.time.clone());
    let rpc = SegmentationRpc::new(hot, store.watch(), time);
    let server = SegmentationServiceServer::new(rpc).max_decoding_message_size(MESSAGE_BYTES);
    Ok(Service::new(NAME)
        .with_grpc(server)
        .with_definitions(store)
        .with_engine(engine))
}
