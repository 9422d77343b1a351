//! Tests of the journey core: scenarios with golden transcripts, mistakes in definitions, and invariants under random
//! journeys and facts.

mod bounds;
mod changes;
mod definitions;
mod invariants;
mod random;
mod scenarios;
mod waits;
mod world;
