//! Customers who go on without the state of somebody who was joined into them.

use hot::Commit;
use kernel::CustomerId;
use segmentation_core::SegmentationCore;

/// The customers of whom a commit says that they go on without a state.
///
/// Records that waited for it may still be to take. The next commit may take them and fold the state
/// in behind them, and says nothing of it.
pub(super) fn alone(commit: &Commit) -> impl Iterator<Item = CustomerId> + '_ {
    commit.states.iter().filter_map(|state| {
        let customer = CustomerId::try_from_bytes(&state.key).ok()?;
        let (head, _) = engine::head::read::<SegmentationCore>(state.value.as_ref()?).ok()?;
        head.goes_on_alone().then_some(customer)
    })
}
