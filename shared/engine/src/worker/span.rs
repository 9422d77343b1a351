//! The span of a batch.

use hot::Owner;
use tracing::field::Empty;

/// The span of one batch. Names of spans are constants, so each service has its own.
pub(super) fn tick_span(owner: Owner) -> tracing::Span {
    macro_rules! span {
        ($name:literal) => {
            tracing::info_span!(
                $name,
                partition = Empty,
                inputs = Empty,
                otel.status_code = Empty
            )
        };
    }
    match owner {
        Owner::Identity => span!("identity.tick"),
        Owner::Segmentation => span!("segmentation.tick"),
        Owner::Journey => span!("journey.tick"),
        Owner::Activation => span!("activation.tick"),
    }
}
