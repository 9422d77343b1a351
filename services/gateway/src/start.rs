//! Starts the gateway in a process.

use runtime::{Awaited, Calls, Context, Service, StartError};

use crate::SourceCatalog;
use crate::dead_letters::DeadLetters;
use crate::front::Front;
use crate::tracking::{Tracking, TrackingParts};

/// The name of the service.
const NAME: &str = "gateway";

/// Starts the gateway: loads the definitions of sources, and opens the ways in.
///
/// # Errors
/// [`StartError`] where the database does not answer, or holds definitions that this version does
/// not understand.
pub fn start(context: &Context) -> Awaited<'_, Service> {
    Box::pin(start_parts(context))
}

async fn start_parts(context: &Context) -> Result<Service, StartError> {
    let store = context.load_definitions(NAME, SourceCatalog).await?;
    let dead_letters = DeadLetters::new(context.database.clone());
    let (guard, sources) = (context.credentials.guard.clone(), store.watch());
    Ok(Service::new(NAME)
        .with_definitions(store)
        .with_front(move |entrance| {
            let tracking = Tracking::new(TrackingParts {
                entrance,
                guard,
                sources,
                dead_letters,
            });
            Calls::new(Front::new(tracking))
        }))
}
