//! The trait that a service plugs into the engine, pure:
//! `step(definitions, state, input) -> (state, effects)`.

use bytes::Bytes;
use kernel::{Owner, StreamName};
use messages::stream::v1::Home;

use crate::{Input, Moved, Outcome, Poison, Step};

/// A service's decisions.
///
/// # Contract
/// Pure: the same arguments give the same answer, on any machine, at any time. No clock,
/// randomness, IO or logging. A step that fails or panics has changed nothing.
pub trait Core: Send + Sync + 'static {
    /// Published definitions: compiled, immutable, replaced as a whole.
    type Definitions: Send + Sync + 'static;
    /// The state of one customer. `Default` is a customer of whom nothing is known.
    type State: Clone + Default + Send + Sync + 'static;

    /// The service that this is.
    const OWNER: Owner;
    /// The live streams that it reads, most urgent first, each with its low-priority lane if it has
    /// one.
    const INPUTS: &'static [(StreamName, Option<StreamName>)];
    /// Where [`crate::Effects::emit`] goes, for live and for low-priority causes. `None` for the
    /// last service of the way.
    const OUTPUT: Option<(StreamName, StreamName)>;
    /// The stream, one of its live inputs, by which it reads what follows a merged customer to the
    /// survivor.
    const HOME: Home;

    /// Reads a stored state.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are not a state of this service.
    fn decode(bytes: &[u8]) -> Result<Self::State, Poison>;

    /// Writes a state.
    fn encode(state: &Self::State) -> Bytes;

    /// Takes one record, or one due timer, of one customer.
    ///
    /// The engine keeps merges and what follows them to itself: a step sees no redirected customer,
    /// and neither `Merged`, `Moved`, `Carried` nor `Tick`.
    ///
    /// # Errors
    /// [`Poison`] where the input can never be processed; it is quarantined and nothing of it takes effect. A timer is tried
    /// again later, by a wait that grows: whatever else is due by then is due in that step.
    fn step(
        definitions: &Self::Definitions,
        state: &mut Self::State,
        input: Input<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison>;

    /// Takes the customer off the counters, and returns the state that moves to the survivor.
    /// `None` where nothing is known of the customer.
    ///
    /// It cannot fail, and so no merge is ever set aside at the customer who leaves. The engine
    /// forgets what is left in `state`.
    fn take_leave(
        definitions: &Self::Definitions,
        state: &mut Self::State,
        step: &mut Step<'_>,
    ) -> Option<Bytes>;

    /// Takes in the state of a customer who was joined into this one, once for each.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are not a state of this service.
    fn fold_in(
        definitions: &Self::Definitions,
        state: &mut Self::State,
        moved: Moved<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison>;
}

/// The state of a core.
pub type StateOf<C> = <C as Core>::State;
