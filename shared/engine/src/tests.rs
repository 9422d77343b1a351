//! Tests of the engine as a whole: a core that counts, over the stores that need no server, with
//! faults where a test asks for them.

mod alarms;
mod busy;
mod changes;
mod chronicle;
mod clocks;
mod counted;
pub(crate) mod counting;
mod crash;
mod doubt;
mod driver;
mod engine;
mod faulty;
mod flow;
mod frontier;
mod hand_over;
mod lanes;
mod leases;
mod ledger;
mod marks;
mod merges;
mod names;
mod orders;
mod pair;
mod parts;
mod poison;
mod poison_timers;
mod reads;
mod reference;
mod refresh;
mod release;
mod replicas;
mod site;
mod time;
mod timers;
mod turns;
