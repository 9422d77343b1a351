//! Tests of the engine as a whole: a core that counts, over the embedded store, with faults where a test asks for them.

mod counting;
mod crash;
mod driver;
mod engine;
mod faulty;
mod flow;
mod poison;
mod time;
