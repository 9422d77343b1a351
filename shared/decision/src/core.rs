//! The trait that a service plugs into the engine: `step(definitions, state, input) -> (state, effects)`, pure.

use bytes::Bytes;
use kernel::{CustomerId, Owner, StreamName, Timestamp};

use crate::{Effects, Input, Outcome, Poison, Step};

/// A service's decisions.
///
/// # Contract
/// Pure: the same arguments give the same answer, on any machine, at any time. No clock, randomness, IO or logging.
/// A step that fails or panics has changed nothing.
pub trait Core: Send + Sync + 'static {
    /// What was published: compiled, immutable, replaced as a whole.
    type Definitions: Send + Sync + 'static;
    /// The state of one customer. `Default` is a customer of whom nothing is known.
    type State: Clone + Default + Send + Sync + 'static;

    /// Which service this is.
    const OWNER: Owner;
    /// The live streams that it reads, most urgent first, each with its low-priority lane if it has one.
    const INPUTS: &'static [(StreamName, Option<StreamName>)];
    /// Where [`Effects::emit`] goes, for live and for low-priority causes; absent where it emits nothing downstream.
    const OUTPUT: Option<(StreamName, StreamName)>;

    /// Reads a stored state.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are not a state of this service.
    fn decode(bytes: &[u8]) -> Result<Self::State, Poison>;

    /// Writes a state.
    fn encode(state: &Self::State) -> Bytes;

    /// Takes one record, or one due timer, of one customer.
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
}

/// Takes one step of one customer, outside an engine: for simulations and tests.
///
/// # Errors
/// As [`Core::step`].
pub fn step_once<C: Core>(
    definitions: &C::Definitions,
    state: &mut C::State,
    customer: CustomerId,
    input: Input<'_>,
    now: Timestamp,
    effects: &mut Effects,
) -> Result<Outcome, Poison> {
    let key = Bytes::copy_from_slice(customer.as_bytes());
    let trace_parent = match input {
        Input::Record(record) => record.trace_parent.as_str(),
        Input::Timer { .. } => "",
    };
    let mut step = Step {
        customer,
        key: &key,
        now,
        trace_parent,
        effects,
    };
    C::step(definitions, state, input, &mut step)
}

/// The state of a core.
pub type StateOf<C> = <C as Core>::State;
