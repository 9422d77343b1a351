//! Tests of the journey core: scenarios with golden transcripts, mistakes in definitions, and
//! invariants under random journeys and facts, on states that are whole and on states as they are
//! stored.

mod bounds;
mod changes;
mod definitions;
mod early;
mod invariants;
mod merges;
mod parts;
mod random;
mod replay;
mod scenarios;
mod splits;
mod stored;
mod waits;
mod world;
