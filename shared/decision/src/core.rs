//! The trait that a service plugs into the engine, pure:
//! `step(definitions, state, input) -> (state, effects)`.

use bytes::Bytes;
use kernel::{CounterKey, Owner, StreamName, Timestamp};
use messages::stream::v1::Home;

use crate::{
    BoundedCounters, Input, Moved, Outcome, PartKey, PartLoad, PartWrites, Poison, Split, Step,
    WaitKey,
};

/// A service's decisions.
///
/// # Contract
/// Pure: the same arguments give the same answer, on any machine, at any time. No clock,
/// randomness, IO or logging. A step that fails or panics has changed nothing.
///
/// A state may keep parts apart, each under a key of its own. Its head, which is what
/// [`encode`](Self::encode) writes, lists them. A core that does so sets
/// [`HAS_PARTS`](Self::HAS_PARTS) and provides the functions about parts; its states are cheap to
/// clone. A step that meets a part that is not loaded calls [`crate::Effects::need`]: everything
/// else that it did is void, and it is taken again with the part. So does leaving, and folding in.
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
    /// The live streams that records pass through on their way to its inputs. A timer waits for
    /// what was accepted there before it is due.
    const UPSTREAM: &'static [StreamName] = &[];
    /// True where it acts upon the world. On a clock, [`Step::now`] is the time at which a step is
    /// taken then, and not that of its cause.
    const IS_IN_REAL_TIME: bool = false;
    /// True where its states have parts that are kept apart.
    const HAS_PARTS: bool = false;
    /// The group of counters whose names come from outside, where there is one.
    const BOUNDED_COUNTERS: Option<BoundedCounters> = None;

    /// Reads a stored state: the head, with no part loaded.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are not a state of this service.
    fn decode(bytes: &[u8]) -> Result<Self::State, Poison>;

    /// Writes a state: the head, which lists the parts that are kept apart with their sizes.
    fn encode(state: &Self::State) -> Bytes;

    /// Takes one record, or one due timer, of one customer.
    ///
    /// The engine keeps merges and what follows them to itself: a step sees no redirected customer,
    /// and neither `Merged`, `Moved`, `Carried` nor `Tick`.
    ///
    /// # Errors
    /// [`Poison`] where the input can never be processed; it is quarantined and nothing of it takes
    /// effect. Where the step had begun with a wait (see [`waits`](Self::waits)), that wait alone
    /// is set aside, and the step is taken again. Any other timer is tried again later, after waits
    /// that grow: whatever else is due by then is due in that step.
    fn step(
        definitions: &Self::Definitions,
        state: &mut Self::State,
        input: Input<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison>;

    /// Lists what a customer waits for, with when each is due: everything of which
    /// [`Outcome::Keep`] tells the least. Nothing for a core whose waits are not told apart.
    ///
    /// A core whose waits are passes over those of [`Step::set_aside`], and says
    /// [`Effects::begin_wait`](crate::Effects::begin_wait) before it processes one. So where that
    /// fails or panics, no other wait of the customer suffers.
    fn waits(state: &Self::State, waits: &mut Vec<(WaitKey, Timestamp)>) {
        let _ = (state, waits);
    }

    /// Takes the customer off the counters, and returns the head of the state that moves to the
    /// survivor. `None` where nothing is known of the customer.
    ///
    /// The parts that are left in `state` move as they are stored, and those that changed as
    /// [`drain_parts`](Self::drain_parts) hands them out. The head lists them as after that.
    ///
    /// It cannot fail, and so no merge is ever set aside at the customer who leaves. The engine
    /// forgets what is left in `state`.
    fn take_leave(
        definitions: &Self::Definitions,
        state: &mut Self::State,
        step: &mut Step<'_>,
    ) -> Option<Bytes>;

    /// Takes in the state of a customer who was joined into this one, once for each. From now on
    /// this state lists the parts of that one, under their new keys.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are not a state of this service.
    fn fold_in(
        definitions: &Self::Definitions,
        state: &mut Self::State,
        moved: Moved<'_>,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison>;

    /// Takes out of the state what fragments that leave taught, off the counters, and returns the
    /// head of the state of whoever comes out of it. `None` where nothing was learned under them.
    ///
    /// The parts that are stored under those ordinals move as they are stored; the head lists them
    /// under the ordinals that they have there, and this state lists them no longer. What both
    /// taught, and cannot be told apart, stays here.
    fn split_off(
        definitions: &Self::Definitions,
        state: &mut Self::State,
        split: Split<'_>,
        step: &mut Step<'_>,
    ) -> Option<Bytes> {
        let _ = (definitions, state, split, step);
        None
    }

    /// Takes the state that [`split_off`](Self::split_off) returned, at the customer who comes out
    /// of it, of whom nothing else is known yet.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are not a state of this service.
    fn take_back(
        definitions: &Self::Definitions,
        state: &mut Self::State,
        head: &Bytes,
        step: &mut Step<'_>,
    ) -> Result<Outcome, Poison> {
        let _ = (definitions, state, head, step);
        Err(Poison::new("a state of this service cannot be taken apart"))
    }

    /// Says what would stay joined if these fragments left, each in a sentence for people; nothing
    /// where all of it comes apart. It changes nothing, and decides nothing.
    ///
    /// # Errors
    /// The parts that are not loaded and that it needs: whoever asks loads them, and asks again.
    fn inseparable(state: &Self::State, split: &Split<'_>) -> Result<Vec<String>, Vec<PartKey>> {
        let _ = (state, split);
        Ok(Vec::new())
    }

    /// Takes a customer who is erased off the counters, and tells that they are gone. The engine
    /// removes the state, and all of its parts.
    fn erase(definitions: &Self::Definitions, state: &mut Self::State, step: &mut Step<'_>) {
        let _ = Self::take_leave(definitions, state, step);
    }

    /// Returns whether a group of counters is of something that is not defined.
    ///
    /// The engine asks only where nobody ever counted in the partition by newer definitions than
    /// these: what is not defined is gone. A group that the core cannot read is not gone.
    fn is_gone(definitions: &Self::Definitions, group: &str) -> bool {
        let _ = (definitions, group);
        false
    }

    /// Returns whether a counter says how much is there now, and not how much ever was. The
    /// counters of what is gone stay until all of these are 0. One that the core cannot read is
    /// such.
    fn counts_presence(counter: &CounterKey) -> bool {
        let _ = counter;
        true
    }

    /// Names the parts that are not loaded and that an input is going to need, as far as that can
    /// be told before the step. All that a batch wants are loaded in one read; what was not named
    /// here costs another one.
    fn wants(
        definitions: &Self::Definitions,
        state: &Self::State,
        input: Input<'_>,
        now: Timestamp,
        wanted: &mut Vec<PartKey>,
    ) {
        let _ = (definitions, state, input, now, wanted);
    }

    /// Takes a part as it is stored.
    ///
    /// # Errors
    /// [`Poison`] where the bytes are not what the head says they are.
    fn load_part(state: &mut Self::State, key: PartKey, bytes: Bytes) -> Result<(), Poison> {
        let _ = (state, key, bytes);
        Err(Poison::new("a state of this service has no parts"))
    }

    /// Hands out the parts that changed, to be written or removed, and marks them clean. The head
    /// is encoded afterwards.
    fn drain_parts(state: &mut Self::State, writes: &mut PartWrites) {
        let _ = (state, writes);
    }

    /// Returns whether the store keeps any part of the state apart. It is asked at every step, so
    /// that the many customers who have none pay nothing for those who do.
    fn has_parts_apart(state: &Self::State) -> bool {
        !Self::part_keys(state).is_empty()
    }

    /// All parts that the store keeps apart, loaded or not: they are removed with the state.
    fn part_keys(state: &Self::State) -> Vec<PartKey> {
        let _ = state;
        Vec::new()
    }

    /// Measures the loaded parts, and those that [`drain_parts`](Self::drain_parts) would hand out.
    fn measure_parts(state: &Self::State) -> PartLoad {
        let _ = state;
        PartLoad::default()
    }
}

/// The state of a core.
pub type StateOf<C> = <C as Core>::State;
