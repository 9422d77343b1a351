//! The fate of each identifier that an event carries, decided before anything is changed.
//!
//! Greedy from the top: identifiers are looked at by priority, and each is judged against what was
//! accepted before it. That is the same as dropping from the lowest priority up until the rest is
//! consistent, without dropping what was never in conflict.

mod conflict;
mod forced;
mod trial;

use kernel::{CustomerId, FragmentId, Timestamp};

pub use forced::{MergeFault, OtherKind, TooLarge, plan_merge};
pub(crate) use trial::Trial;

use crate::changes::Need;
use crate::overlay::Overlay;
use crate::screen::DropReason;

/// One identifier of an event, and what is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The rank of its namespace.
    pub(crate) rank: usize,
    /// The standing of its value.
    pub(crate) standing: Standing,
}

/// The standing of a value before an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody has it.
    New,
    /// A customer has it.
    Held(CustomerId, FragmentId),
    /// It is nobody's.
    Contested,
    /// It is nobody's, and names nobody.
    Quarantined,
    /// It may be anybody's.
    Shared,
    /// A subject of another kind has it, or had it.
    OtherSubject,
}

/// The fate of one identifier of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It becomes one of the customer's.
    Attach,
    /// It is one of the customer's, or of one who is joined with it.
    Keep,
    /// It comes to the customer from the one who has it; `true`: with its fragment.
    Move(bool),
    /// It is nobody's from now on.
    Contest,
    /// It is nobody's from now on, and names nobody.
    Quarantine,
    /// It names nobody where anything else does.
    Aside,
    /// It is left out.
    Drop(DropReason),
}

/// The fate of the identifiers of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// For each claim.
    pub(crate) verdicts: Vec<Verdict>,
    /// The customers that become one, in the order in which they were named.
    pub(crate) members: Vec<CustomerId>,
    /// The claims that stood in conflict, by place: their values are between one more customer.
    pub(crate) conflicts: Vec<usize>,
    /// True where the customer may have too much afterwards, so that the oldest goes.
    pub(crate) trims: bool,
}

impl Plan {
    /// Returns whether any identifier names the customer.
    pub(crate) fn has_customer(&self) -> bool {
        let named = |it: &Verdict| matches!(it, Verdict::Attach | Verdict::Keep);
        self.verdicts.iter().any(named)
    }
}

/// An event that is planned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planner<'p, 'r> {
    pub(crate) overlay: &'p Overlay<'r>,
    pub(crate) claims: &'p [Claim],
    /// For each claim, the number of other customers between whom its value stood, and whether one
    /// is among them.
    pub(crate) fan_out: &'p dyn FanOuts,
    /// True where the sender knows that all are one person's.
    pub(crate) is_alias: bool,
    /// The time of acceptance.
    pub(crate) now: Timestamp,
}

/// Between whom the values of an event stood.
pub(crate) trait FanOuts: std::fmt::Debug {
    /// Returns whether a value is between too many customers once it stands before this one, too;
    /// absent for a customer that is new.
    fn is_beyond(&self, place: usize, customer: Option<CustomerId>) -> bool;
}

impl Planner<'_, '_> {
    /// Decides.
    ///
    /// # Errors
    /// [`Need`].
    pub(crate) fn plan(&self) -> Result<Plan, Need> {
        if let Some(plan) = self.refused_whole() {
            return Ok(plan);
        }
        let mut contested: Vec<usize> = Vec::new();
        loop {
            let mut trial = Trial::new(self, &contested);
            let bridge = self.take_all(&mut trial)?;
            if bridge.is_empty() {
                return trial.finish();
            }
            // At least one claim more is contested each time, so that this ends.
            contested.extend(bridge);
        }
    }

    /// Takes the claims in their order. Returns those that bridge two people and are to be
    /// contested together; then it is to be begun again.
    fn take_all(&self, trial: &mut Trial<'_, '_, '_>) -> Result<Vec<usize>, Need> {
        for place in self.order() {
            let claim = self.claims[place];
            let verdict = match claim.standing {
                _ if trial.is_contested(place) => Verdict::Contest,
                Standing::Contested | Standing::Shared => Verdict::Aside,
                Standing::Quarantined => Verdict::Drop(DropReason::Quarantined),
                Standing::OtherSubject => Verdict::Drop(DropReason::OtherSubject),
                Standing::New => trial.take_new(claim.rank)?,
                Standing::Held(customer, _) if trial.has(customer) => {
                    trial.name(claim.rank);
                    Verdict::Keep
                }
                Standing::Held(customer, _) => match trial.unfit(claim.rank, customer)? {
                    None => trial.join(place, customer)?,
                    Some(reason) => {
                        let bridge = trial.bridge(customer, reason)?;
                        if !bridge.is_empty() {
                            return Ok(bridge.into_iter().chain([place]).collect());
                        }
                        trial.conflict(place, customer, reason)?
                    }
                },
            };
            trial.decide(place, verdict);
        }
        Ok(Vec::new())
    }

    /// The order in which claims are looked at: by rank, as they are, and weak ones last.
    fn order(&self) -> impl Iterator<Item = usize> {
        let weak = |place: &usize| self.overlay.is_weak(self.claims[*place].rank);
        let places = 0..self.claims.len();
        let strong = places.clone().filter(move |place| !weak(place));
        strong.chain(places.filter(move |place| weak(place)))
    }
}
