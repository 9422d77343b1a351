//! Says what an unmerge would not take apart, before anybody asks for it. It changes nothing.

use std::future::Future;
use std::pin::Pin;

use decision::{Core, PartKey, Split};
use hot::{HotError, HotStore};
use kernel::CustomerId;

use crate::find::{FindError, Way, look_with};
use crate::head::Head;
use crate::limits;

/// Fragments that would leave a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedSplit {
    /// The customer who stays, by any id.
    pub customer: CustomerId,
    /// The customer who would come out, by the id of the first of the fragments that leave.
    pub to: CustomerId,
    /// The other fragments that would leave.
    pub fragments: Vec<CustomerId>,
}

/// Reads for a plan, for the core of an engine.
pub(crate) type Preview =
    for<'a> fn(
        &'a dyn HotStore,
        &'a PlannedSplit,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<String>, FindError>> + Send + 'a>>;

/// Says what would stay joined, each in a sentence; nothing where the service knows nothing of those
/// who would leave, or has not taken in yet what it does.
///
/// # Errors
/// [`FindError`] where the store does not answer, or what is there is damaged.
pub(crate) async fn what_stays<C: Core>(
    hot: &dyn HotStore,
    plan: &PlannedSplit,
) -> Result<Vec<String>, FindError> {
    let (mut current, mut way) = (plan.customer, Way::from(plan.customer));
    let want = |head: &Head, state: &C::State| said::<C>(head, state, plan).err();
    for _ in 0..=limits::REDIRECTS_PER_READ {
        let want = |head: &Head, state: &C::State| want(head, state).unwrap_or_default();
        let Some((head, state)) = look_with::<C>(hot, current, want).await? else {
            return Ok(Vec::new());
        };
        match way.next(current, &head)? {
            None if !head.has_state => return Ok(Vec::new()),
            None => {
                let said = said::<C>(&head, &state, plan);
                return said.map_err(|_| FindError::Store {
                    customer: current,
                    source: HotError::unavailable("parts are wanted that were not loaded"),
                });
            }
            Some(survivor) => current = survivor,
        }
    }
    Err(FindError::TooManyRedirects {
        customer: plan.customer,
        limit: limits::REDIRECTS_PER_READ,
    })
}

fn said<C: Core>(
    head: &Head,
    state: &C::State,
    plan: &PlannedSplit,
) -> Result<Vec<String>, Vec<PartKey>> {
    let ordinals = leaving(head, plan);
    if ordinals.is_empty() {
        return Ok(Vec::new());
    }
    let split = Split {
        to: plan.to,
        ordinals: &ordinals,
        merge_time: None,
    };
    C::inseparable(state, &split)
}

/// Returns the ordinals that would leave, ascending, each with the one that it would have there.
fn leaving(head: &Head, plan: &PlannedSplit) -> Vec<(u16, u16)> {
    let fragments = head.fragments.iter();
    let leaves = |it: &CustomerId| *it == plan.to || plan.fragments.contains(it);
    let mut own: Vec<_> = fragments.filter(|it| leaves(&it.customer)).collect();
    own.sort_unstable_by_key(|it| it.ordinal);
    own.dedup_by_key(|it| it.ordinal);
    let mut there = 0..;
    own.into_iter()
        .map(|it| match it.customer == plan.to {
            true => (it.ordinal, 0),
            false => (it.ordinal, there.next().map_or(u16::MAX, |at: u16| at + 1)),
        })
        .collect()
}
